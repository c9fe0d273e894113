"""`bragglive bench live` as people read it: a column a hold after each run, then all runs together."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from compose.live_rows import Row
from compose.live_sum import middle, overlaps

SHOWN = (
    ("hold_s", "hold", "{:.0f} s"),
    ("scan_s", "its scan", "{:.1f} s"),
    ("offset_frames", "peak moved by", "{:+.0f} frames"),
    ("brightness", "brightness", "× {:.2f}"),
    ("last_hold_overlap", "overlap of the last hold with the truth", "{:.3f}"),
    ("first_frame_to_first_volume_s", "first frame → first volume", "{:.1f} s"),
    ("first_volume_share", "frames in the first volume", "{:.0%}"),
    ("peak_share", "frames up to the peak", "{:.0%}"),
    ("beats_last_hold_share", "frames in the first volume nearer the truth than the last hold", "{:.0%}"),
    ("volumes_before_last_frame", "volumes before the last frame", "{}"),
    ("last_frame_to_provisional_s", "last frame → full-curve provisional", "{:.2f} s"),
    ("last_frame_to_refined_s", "last frame → refined", "{:.1f} s"),
    ("refined_before_hold_ended", "refined before the hold ended", "{}"),
    ("called_impossible_after_s", "called impossible, after it began", "{:.2f} s"),
    ("called_late_by_s", "its refined volume then expected after the hold's end", "{:.1f} s"),
    ("volumes_before_hold_ended", "volumes before the hold ended", "{}"),
    ("good_enough_share", "frames in when called good enough", "{:.0%}"),
    ("warm_abandoned", "warm starts given up", "{}"),
    ("warm_cold_overlap", "overlap of the refined warm and cold runs", "{:.3f}"),
    ("refined_overlap", "overlap of the refined volume with the truth", "{:.3f}"),
)
SUMMED = (
    "first_frame_to_first_volume_s",
    "volumes_before_last_frame",
    "last_frame_to_provisional_s",
    "last_frame_to_refined_s",
    "warm_cold_overlap",
    "refined_overlap",
)


def run_table(rows: Sequence[Row], title: str) -> Table:
    """One run, a column a hold; a dash is "not determined"."""
    shown = Table(title=title, header_style="bold")
    shown.add_column("")
    for row in rows:
        shown.add_column(f"{row['role']}, {row['voltage_v']:.1f} V", justify="right")
    for name, heading, form in SHOWN:
        shown.add_row(heading, *[_cell(row[name], form) for row in rows])
    return shown


def sum_table(rows: Sequence[Row]) -> Table:
    """Median and range over the holds that leave time for a refined volume."""
    possible = [row for row in rows if row["role"] != "impossible"]
    shown = Table("", "median", "least", "most", "of", title=f"{len(possible)} holds", header_style="bold")
    for name, heading, form in SHOWN:
        values = [row[name] for row in possible if row[name] is not None]
        if values and name in SUMMED:
            numbers = (middle(values), min(values), max(values))
            shown.add_row(heading, *[_cell(value, form) for value in numbers], f"{len(values)}")
    return shown


def overlap_table(rows: Sequence[Row]) -> Table:
    """Overlap with the truth by share of the frames: median, and in brackets the least, of the runs that have it."""
    shown = Table("frames", title="Overlap with the truth: median (least; runs)", header_style="bold")
    ways = {"last": "LAST HOLD", "warm": "warm", "cold": "cold"}
    for heading in ways.values():
        shown.add_column(heading, justify="right")
    shares = sorted({one["share"] for row in rows for one in row["ways"]})
    for share in shares:
        shown.add_row(f"{share:.0%}", *[_overlaps(overlaps(rows, way, share)) for way in ways])
    return shown


def _overlaps(values: list[float]) -> str:
    return f"{middle(values):.3f} ({min(values):.3f}; {len(values)})" if values else "–"


def _cell(value: object, form: str) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return form.format(value)
