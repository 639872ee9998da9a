"""Whether a run is well: what a batch looks like, and alarms on what goes wrong before the reward shows it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rlvr.config.alarms import Alarm
from rlvr.records import TELLTALES, Json, Rollout


def statistics(groups: Sequence[Sequence[Rollout]]) -> dict[str, Any]:
    """Rewards, contrast, outcomes, hacks, and drift that no test can see, of judged groups."""
    rollouts = [rollout for group in groups for rollout in group if rollout.verdict is not None]
    verdicts = [rollout.verdict for rollout in rollouts if rollout.verdict is not None]
    rewards = [rollout.reward for rollout in rollouts if rollout.reward is not None]
    outcomes = Counter(verdict.outcome for verdict in verdicts)
    flat = sum(len({r.reward for r in group if r.reward is not None}) < 2 for group in groups)
    texts = [rollout.completion.text for rollout in rollouts]
    return {
        "reward": sum(rewards) / len(rewards) if rewards else None,
        "pass_rate": outcomes["passed"] / max(1, len(verdicts) - outcomes["judge_error"]),
        "zero_contrast_share": flat / max(1, len(groups)),
        "unjudged_share": outcomes["judge_error"] / max(1, len(verdicts)),
        "hack_share": _share(any(name in TELLTALES for name in verdict.parts) for verdict in verdicts),
        "truncated_share": _share(rollout.completion.finish == "length" for rollout in rollouts),
        "blank_line_share": _share(map(_has_blank_line, texts)),
        "length": sum(len(rollout.completion.tokens) for rollout in rollouts) / max(1, len(rollouts)),
        "outcomes": dict(sorted(outcomes.items())),
        "telltales": dict(sorted(Counter(n for v in verdicts for n in v.parts if n in TELLTALES).items())),
    }


class Alarms:
    """Which thresholds a run has been beyond for how many steps in a row."""

    def __init__(self, alarms: Mapping[str, Alarm]) -> None:
        self._alarms = alarms
        self._beyond: dict[str, int] = {}

    def look(self, row: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Names and sentences of the alarms that ring after a step with these metrics: once, when the steps are full.

        A metric that a step does not have leaves its alarm as it is.
        """
        rang: list[tuple[str, str]] = []
        for name, alarm in self._alarms.items():
            value = row.get(name)
            if not isinstance(value, int | float):
                continue
            beyond = (alarm.above is not None and value > alarm.above) or (
                alarm.below is not None and value < alarm.below
            )
            self._beyond[name] = self._beyond.get(name, 0) + 1 if beyond else 0
            if self._beyond[name] == alarm.steps:
                side = (
                    f"above {alarm.above}"
                    if alarm.above is not None and value > alarm.above
                    else f"below {alarm.below}"
                )
                steps = "this step" if alarm.steps == 1 else f"{alarm.steps} steps in a row"
                rang.append((name, f"{name} is {value:.4g}, {side} for {steps}. {alarm.meaning}".rstrip()))
        return rang

    def stops(self, names: Iterable[str]) -> bool:
        """Whether one of these alarms ends a run."""
        return any(self._alarms[name].stop for name in names)

    def state(self) -> Json:
        return dict(self._beyond)

    def restore(self, state: Json) -> None:
        self._beyond = dict(state)


def _share(flags: Iterable[bool]) -> float:
    found = list(flags)
    return sum(found) / max(1, len(found))


def _has_blank_line(text: str) -> bool:
    return any(not line.strip() for line in text.rstrip("\n").split("\n")) and bool(text.strip())
