"""What people see of long work."""

import io

from rich.console import Console

from rlvr.progress import Bars, Display


def test_a_terminal_shows_a_bar_and_a_table_of_the_stage_under_way():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, color_system=None)
    with Bars(console) as live:
        done = Display(console, live).stage("warm-up", 2)
        done.advance(2, {"loss": 3.25})
        stage = Display(console, live).stage("grpo", 200, done=7)
        stage.advance(1, {"loss": 0.512345, "reward": 0.25, "tokens/s": 12345.6, "alarm": "kl"})
        live.refresh()
    shown = out.getvalue().replace("\r", "\n").split("\n")
    assert any("grpo" in line and "8/200" in line for line in shown)
    heads = next(
        n for n, line in enumerate(shown) if line.split() == ["step", "loss", "reward", "tokens/s", "alarm", "ETA"]
    )
    assert shown[heads + 1].split()[:-1] == ["8", "0.512", "0.25", "12,346", "kl"]
    assert "3.25" not in "".join(shown[heads:]), "a finished stage has no row"


def test_on_a_narrow_terminal_numbers_stay_whole_beside_the_names_of_alarms():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, color_system=None)
    shown = {"loss": 0.0123456, "reward": 0.25, "pass rate": 1 / 3, "tokens/s": 12345.6, "verdicts/s": 1234.5}
    with Bars(console) as live:
        stage = Display(console, live).stage("grpo", 200)
        stage.advance(7, {**shown, "held-out": 0.5, "alarm": "truncated_share, zero_contrast_share"})
        live.refresh()
    row = next(line for line in reversed(out.getvalue().split("\n")) if "12,346" in line)
    assert row.split()[:7] == ["7", "0.0123", "0.25", "0.333", "12,346", "1,234", "0.5"]


def test_elsewhere_a_line_now_and_then_says_the_same(capsys):
    out = io.StringIO()
    stage = Display(Console(file=out, width=200), None, every_s=0.0).stage("grpo", 4)
    stage.advance(shown={"loss": 0.5, "pass rate": 1 / 3})
    assert out.getvalue().startswith("grpo                         1/4  loss 0.5  pass rate 0.333  ")
