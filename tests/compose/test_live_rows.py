"""What a run of the live benchmark comes to, from what was seen and what is true."""

from __future__ import annotations

from typing import Any

from compose.demo_state import DeadlineSeen, DemoState, HoldSeen, ScanSeen, VolumeSeen
from compose.live_plan import PlannedHold
from compose.live_rows import Row, row
from contract.messages import Advice, Deadline, ForecastScored, Scan

PLANNED = PlannedHold("after", 3.9, 30.0, 10.0, 7.0, 1.2)
HOLD = HoldSeen("h", "IV", 3.9, started_s=100.0, planned_s=30.0)


def volume(revision: int, at_s: float, frames: int, **fields: Any) -> VolumeSeen:
    plain: dict[str, Any] = {
        "stage": "provisional",
        "start": "warm",
        "last_hold": False,
        "whole_curve": frames == 200,
        "first_frame_to_volume_s": at_s - 100.0,
        "last_frame_to_volume_s": at_s - 110.0 if frames == 200 else None,
        "r_factor": 0.01,
        "free_llk": 1.0,
        "warm_cold_overlap": None,
        "q_norm_inv_a": 1.3,
        "crystal_volume_um3": 0.1,
        "outer_volume_um3": None,
        "runs": 2,
        "iterations": 100,
        "window_shape": None,
        "binning": None,
        "recipe": "ER**1",
        "archive": "v.cxi",
    }
    return VolumeSeen(at_s=at_s, revision=revision, frames_used=frames, **{**plain, **fields})


LAST = volume(1, 102.0, 20, runs=0, last_hold=True)
EARLY = volume(2, 106.0, 120)
WHOLE = volume(3, 111.5, 200)
REFINED = volume(4, 118.0, 200, stage="refined")


def scan(*volumes: VolumeSeen, **fields: Any) -> ScanSeen:
    frames = frozenset(range(200))
    plain: dict[str, Any] = {"indices": frames, "first_frame_s": 100.0, "last_frame_s": 110.0, "status": "complete"}
    return ScanSeen("s", "IV", "h", 200, volumes=volumes, **{**plain, **fields})


def played(**overlaps: float) -> Row:
    """What playback writes: the last hold's object at 0.85, and overlaps by revision (r1=…)."""
    return {
        "peak_frame": 110,
        "frames": 200,
        "ways": [{"way": "last", "share": share, "overlap": value} for share, value in ((0.1, 0.5), (1.0, 0.85))],
        "published": [{"revision": int(name[1:]), "complex_overlap": value} for name, value in overlaps.items()],
    }


def made(found: ScanSeen, **overlaps: float) -> Row:
    return row(DemoState(holds=(HOLD,), scans=(found,)), found, PLANNED, played(**overlaps))


def test_latencies_are_those_the_services_published() -> None:
    """First volume, provisional volume of the whole curve and refined volume each tell their own."""
    found = made(scan(LAST, EARLY, WHOLE, REFINED))
    assert found["first_frame_to_first_volume_s"] == 2.0
    assert found["last_frame_to_provisional_s"] == 1.5
    assert found["last_frame_to_refined_s"] == 8.0
    assert found["volumes_before_last_frame"] == 2
    assert (found["first_volume_share"], found["first_own_volume_share"]) == (0.1, 0.6)


def test_a_refined_volume_counts_when_it_came_before_the_end() -> None:
    """On the listener's clock: a moment after the planned end is too late."""
    assert made(scan(REFINED))["refined_before_hold_ended"]
    assert made(scan(REFINED))["hold_left_at_refined_s"] == 12.0
    late = made(scan(volume(1, 130.1, 200, stage="refined")))
    assert not late["refined_before_hold_ended"]
    assert late["volumes_before_hold_ended"] == 0
    assert not made(scan(LAST))["refined_before_hold_ended"]


def deadline(at_s: float, met: bool = False) -> DeadlineSeen:
    return DeadlineSeen(at_s, Deadline(scan=Scan("s"), met=met, ready_s=9.0, hold_left_s=7.5, text=""))


def test_a_hold_is_called_impossible_by_a_message_of_its_own() -> None:
    """The first that says so counts: how long before the hold's end, after its beginning, and how late it expected."""
    found = made(scan(LAST, deadlines=(deadline(101.0, met=True), deadline(122.5), deadline(127.0))))
    assert (found["called_impossible_s"], found["called_impossible_after_s"]) == (7.5, 22.5)
    assert found["called_late_by_s"] == 1.5
    assert made(scan(LAST, deadlines=(deadline(101.0, met=True),)))["called_impossible_s"] is None


def test_how_alike_refined_warm_and_cold_runs_are_is_the_newest_volumes() -> None:
    """Of the last refined volume that tells; nothing where none does."""
    better = volume(5, 119.0, 200, stage="refined", warm_cold_overlap=0.985)
    assert made(scan(REFINED, better))["warm_cold_overlap"] == 0.985
    assert made(scan(REFINED))["warm_cold_overlap"] is None


def test_good_enough_and_given_up_are_told() -> None:
    """The share of the frames that were enough, and whether warm starts were given up."""
    numbers = (("frames", 150.0), ("saved_frames", 50.0))
    said = Advice(scan=Scan("s"), kind="good_enough", level="info", frames_used=160, text="", numbers=numbers)
    left = ForecastScored(scan=Scan("s"), revision=2, frames_used=9, frames_scored=9, residual=0.2, abandoned=True)
    found = made(scan(LAST, good_enough=said, forecasts=(left,)))
    assert (found["good_enough_share"], found["warm_abandoned"]) == (0.75, True)
    assert (made(scan(LAST))["good_enough_share"], made(scan(LAST))["warm_abandoned"]) == (None, False)


def test_last_hold_is_beaten_by_the_first_phased_volume_nearer_the_truth() -> None:
    """The last hold's object itself does not count, nor a volume further from the truth, nor one that was not kept."""
    volumes = (LAST, EARLY, WHOLE, REFINED)
    assert made(scan(*volumes), r1=0.9, r2=0.84, r3=0.97, r4=0.99)["beats_last_hold_share"] == 1.0
    assert made(scan(*volumes), r1=0.9, r2=0.86, r3=0.97)["beats_last_hold_share"] == 0.6
    assert made(scan(*volumes), r1=0.9)["beats_last_hold_share"] is None
    assert made(scan(*volumes), r4=0.99)["refined_overlap"] == 0.99


def test_what_was_said_of_a_volume_later_stands_beside_it() -> None:
    """A forecast that was scored goes to its revision."""
    scored = ForecastScored(scan=Scan("s"), revision=2, frames_used=120, frames_scored=140, residual=0.02, baseline=0.1)
    rows = made(scan(LAST, EARLY, forecasts=(scored,)))["volumes"]
    assert rows[0]["forecast"] is None
    assert (rows[1]["forecast"]["residual"], rows[1]["forecast"]["baseline"]) == (0.02, 0.1)


def test_a_scan_without_volumes_is_all_not_determined() -> None:
    """Nothing is zero that was not measured."""
    found = made(scan(first_frame_s=None, last_frame_s=None))
    unknown = [name for name in found if name.endswith("_s") and name not in ("hold_s", "scan_s")]
    assert len(unknown) == 7
    assert all(found[name] is None for name in unknown)
