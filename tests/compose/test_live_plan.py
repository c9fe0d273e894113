"""What a run of the live benchmark does."""

from __future__ import annotations

from pathlib import Path

from compose.live_plan import FRAMES, planned, sender_arguments

SEEDS = range(200)


def test_holds_are_drawn_within_their_limits() -> None:
    """Over many seeds holds of 20 to 120 s occur, offsets up to 25 frames either way, intensities × 0.5 to 2."""
    drawn = [planned(seed)[1] for seed in SEEDS]
    lengths = [hold.hold_s for hold in drawn]
    assert 20.0 <= min(lengths) < 22.0
    assert 110.0 < max(lengths) <= 120.0
    assert -25.0 <= min(hold.offset_frames for hold in drawn) < -22.0
    assert 22.0 < max(hold.offset_frames for hold in drawn) <= 25.0
    assert 0.5 <= min(hold.brightness for hold in drawn) < 0.55
    assert 1.8 < max(hold.brightness for hold in drawn) <= 2.0


def test_a_scan_leaves_time_or_none() -> None:
    """Scans take no more than half of their hold and are never faster than they need be, but for the impossible one."""
    for seed in SEEDS:
        before, after, impossible = planned(seed)
        assert before.scan_s <= before.hold_s / 2
        assert after.scan_s == min(FRAMES / 10, after.hold_s / 2)
        assert impossible.hold_s == 3.0
        assert 0 < impossible.hold_s - impossible.scan_s < 0.5


def test_a_seed_repeats_its_run() -> None:
    """The same seed draws the same holds, another one others."""
    assert planned(3) == planned(3)
    assert planned(3) != planned(4)


def test_the_sender_is_told_everything() -> None:
    """Each list has a number a hold, also where the first one is negative (so it cannot be taken for an option)."""
    holds = planned(5)
    arguments = sender_arguments(holds, 5, Path("truth.h5"))
    lists = dict(argument.split("=") for argument in arguments if "=" in argument)
    assert [len(values.split(",")) for values in lists.values()] == [3] * 5
    assert lists["--for"].startswith("24,")
    assert [float(v) for v in lists["--offsets"].split(",")] == [hold.offset_frames for hold in holds]
    assert arguments[-2:] == ("--truth", "truth.h5")
