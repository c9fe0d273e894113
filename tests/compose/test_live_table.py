"""The live benchmark as people read it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from compose.live_rows import Row
from compose.live_table import SHOWN, overlap_table, run_table, sum_table

ROWS: list[Row] = [
    {**dict.fromkeys(name for name, _, _ in SHOWN), "role": role, "voltage_v": 4.1, "ways": [], **fields}
    for role, fields in (
        ("before", {"last_frame_to_provisional_s": 1.5, "refined_before_hold_ended": True}),
        ("after", {"last_frame_to_provisional_s": 2.5, "refined_before_hold_ended": False}),
        ("impossible", {"last_frame_to_provisional_s": 9.0}),
    )
]


def text(table: Table) -> list[str]:
    """Its lines, with single spaces."""
    console = Console(width=160)
    with console.capture() as shown:
        console.print(table)
    return [" ".join(line.replace("│", " ").replace("┃", " ").split()) for line in shown.get().splitlines()]


def test_a_run_has_a_column_a_hold() -> None:
    """What was missed stands out, what is not determined is a dash."""
    lines = text(run_table(ROWS, "Run 1"))
    assert "before, 4.1 V after, 4.1 V impossible, 4.1 V" in lines
    assert "last frame → full-curve provisional 1.50 s 2.50 s 9.00 s" in lines
    assert "refined before the hold ended yes no –" in lines


def test_the_sum_leaves_impossible_holds_out() -> None:
    """Median, least, most and of how many; what no hold has is not shown."""
    lines = text(sum_table(ROWS))
    assert "last frame → full-curve provisional 2.00 s 1.50 s 2.50 s 2" in lines
    assert not any("first frame" in line for line in lines)


def test_overlaps_tell_of_how_many_runs_they_are() -> None:
    """A way that no run has at some share is a dash."""
    ways = [{"way": "last", "share": 0.1, "overlap": 0.5}, {"way": "warm", "share": 0.6, "overlap": 0.9}]
    more = [{"way": "warm", "share": 0.6, "overlap": 0.96}]
    lines = text(overlap_table([{"ways": ways}, {"ways": more}]))
    assert "10% 0.500 (0.500; 1) – –" in lines
    assert "60% – 0.930 (0.900; 2) –" in lines
