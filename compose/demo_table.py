"""What the demo says in the end: one row a hold, and the targets they are held against."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table

from compose.demo_state import DemoState, ScanSeen, VolumeSeen
from contract.record import Target

Row = dict[str, object]


@dataclass(frozen=True)
class Limits:
    """The numbers the demo is meant to reach; None where a number does not apply."""

    wall_s: float
    scans: int
    overlap: float | None = None
    r_factor: float | None = None
    window_side: int | None = None
    q_norm_inv_a: tuple[float, float] | None = None
    outer_volume_um3: tuple[float, float] | None = None
    """Of the crystal out to a tenth of its density, blurred faces counted in full."""
    volumes_before_last_frame: int | None = None


def row(state: DemoState, scan: ScanSeen, overlap: float | None, raw: Row) -> Row:
    """One hold's record, with durations in seconds on the demo's own clock."""
    hold = state.hold(scan.hold)
    refined = scan.refined[0] if scan.refined else None
    best = scan.refined[-1] if scan.refined else None
    end_s = hold.end_s if hold else None
    return {
        "crystal": scan.crystal,
        "hold": scan.hold,
        "voltage_v": hold.voltage_v if hold else None,
        "scan": scan.scan,
        "completion": scan.status,
        "frames_received": len(scan.indices),
        "frames_expected": scan.frames_expected,
        "first_frame_to_first_volume_s": _between(scan.first_frame_s, scan.volumes[0].at_s if scan.volumes else None),
        "volumes_before_last_frame": scan.volumes_before_last_frame,
        "last_frame_to_refined_s": _between(scan.last_frame_s, refined.at_s if refined else None),
        "refined_before_hold_ended": bool(refined and end_s is not None and refined.at_s < end_s),
        "hold_left_at_refined_s": _between(refined.at_s if refined else None, end_s),
        "revisions": len(scan.volumes),
        "refined_revisions": len(scan.refined),
        **_described(best),
        "complex_overlap": overlap,
        **raw,
        "raw_archive": scan.raw_archive,
    }


def _described(volume: VolumeSeen | None) -> Row:
    if volume is None:
        return {"r_factor": None, "free_llk": None, "q_norm_inv_a": None, "crystal_volume_um3": None, "archive": ""}
    return {
        "r_factor": volume.r_factor,
        "free_llk": volume.free_llk,
        "q_norm_inv_a": volume.q_norm_inv_a,
        "crystal_volume_um3": volume.crystal_volume_um3,
        "outer_volume_um3": volume.outer_volume_um3,
        "runs": volume.runs,
        "iterations": volume.iterations,
        "window_shape": volume.window_shape,
        "binning": volume.binning,
        "recipe": volume.recipe,
        "archive": volume.archive,
    }


def _between(start_s: float | None, end_s: float | None) -> float | None:
    return None if start_s is None or end_s is None else round(end_s - start_s, 3)


def targets(rows: list[Row], limits: Limits, wall_s: float) -> list[Target]:
    """The numbers the demo is held against; a value that was not determined does not meet its target."""
    found = [
        Target.of(
            "refined before the hold ended", _count(rows, "refined_before_hold_ended"), limits.scans, ">=", "holds"
        ),
        Target.of("whole demo", round(wall_s, 1), limits.wall_s, "<=", "s"),
    ]
    if limits.overlap is not None:
        found.append(
            Target.of("complex overlap with the truth", _worst(rows, "complex_overlap"), limits.overlap, ">=", "1")
        )
    if limits.volumes_before_last_frame is not None:
        least = _worst(rows, "volumes_before_last_frame")
        found.append(
            Target.of("volumes before the last frame", least, limits.volumes_before_last_frame, ">=", "volumes")
        )
    for name, bounds, unit in (
        ("q_norm_inv_a", limits.q_norm_inv_a, "1/Å"),
        ("outer_volume_um3", limits.outer_volume_um3, "µm³"),
    ):
        if bounds is not None:
            found.append(Target.of(f"{name}, least", _worst(rows, name), bounds[0], ">=", unit))
            found.append(Target.of(f"{name}, most", _most(rows, name), bounds[1], "<=", unit))
    if limits.r_factor is not None:
        found.append(Target.of("R on the phased window", _most(rows, "r_factor"), limits.r_factor, "<=", "1"))
    if limits.window_side is not None:
        found.append(Target.of("phased window, least side", _least_side(rows), limits.window_side, ">=", "voxels"))
    return found


def _numbers(rows: list[Row], name: str) -> list[float] | None:
    values = [line.get(name) for line in rows]
    if not values or not all(isinstance(value, int | float) for value in values):
        return None
    return [float(value) for value in values if isinstance(value, int | float)]


def _worst(rows: list[Row], name: str) -> float | None:
    values = _numbers(rows, name)
    return min(values) if values else None


def _most(rows: list[Row], name: str) -> float | None:
    values = _numbers(rows, name)
    return max(values) if values else None


def _least_side(rows: list[Row]) -> float | None:
    sides = [line.get("window_shape") for line in rows]
    return min((min(side) for side in sides if isinstance(side, tuple)), default=None)


def _count(rows: list[Row], name: str) -> int:
    return sum(line.get(name) is True for line in rows)


SHOWN = (
    ("voltage_v", "voltage", "{:.2f} V"),
    ("frames_received", "frames received", "{}"),
    ("completion", "scan", "{}"),
    ("first_frame_to_first_volume_s", "first frame → first volume", "{:.1f} s"),
    ("volumes_before_last_frame", "volumes before the last frame", "{}"),
    ("last_frame_to_refined_s", "last frame → refined", "{:.1f} s"),
    ("refined_before_hold_ended", "refined before the hold ended", "{}"),
    ("refined_revisions", "refined revisions", "{}"),
    ("r_factor", "R", "{:.4f}"),
    ("free_llk", "free LLK", "{:.3f}"),
    ("complex_overlap", "complex overlap with the truth", "{:.3f}"),
    ("crystal_volume_um3", "crystal volume inside the isosurface", "{:.4f} µm³"),
    ("outer_volume_um3", "out to a tenth of its density", "{:.4f} µm³"),
    ("q_norm_inv_a", "|Q|", "{:.4f} 1/Å"),
)


def table(rows: list[Row]) -> Table:
    """The rows as people read them, a column a hold; a dash is "not determined"."""
    shown = Table(title="Voltage holds", header_style="bold")
    shown.add_column("")
    for line in rows:
        shown.add_column(str(line["crystal"] or line["scan"]), justify="right")
    for name, heading, form in SHOWN:
        shown.add_row(heading, *[_cell(line.get(name), form) for line in rows])
    return shown


def _cell(value: object, form: str) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return form.format(value)
