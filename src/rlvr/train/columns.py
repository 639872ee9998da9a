"""What the progress table shows of a step."""

from collections.abc import Mapping
from typing import Any

from rlvr.batches import Account

SHOWN = {"loss": "loss", "reward": "reward", "pass rate": "pass_rate"}


def columns_of(row: Mapping[str, Any], account: Account, before: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers by column. before: those of the last step, whose evaluation stays until there is another one."""
    shown = {name: row[key] for name, key in SHOWN.items() if row.get(key) is not None}
    shown["tokens/s"] = row["tokens"] / max(1e-9, sum(account.seconds.values()))
    if account.judged:
        shown["verdicts/s"] = account.judged / max(1e-9, account.seconds["judge"])
    if "evaluation" in row:
        measured = row["evaluation"]
        shown["held-out"] = measured["pass@1"]["value"] if "pass@1" in measured else measured.get("loss")
    elif "held-out" in before:
        shown["held-out"] = before["held-out"]
    if row["alarms"]:
        shown["alarm"] = ", ".join(row["alarms"])
    return shown
