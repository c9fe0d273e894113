"""The demo's rows and targets."""

from __future__ import annotations

from compose.demo_table import Limits, targets


def test_targets_name_what_was_not_met() -> None:
    """One hold that was late fails the target that asks for all."""
    rows = [{"refined_before_hold_ended": True}, {"refined_before_hold_ended": False}]
    found = {target.name: target for target in targets(rows, Limits(wall_s=150, scans=2), wall_s=100)}
    assert not found["refined before the hold ended"].met
    assert found["whole demo"].met


def test_what_was_not_determined_meets_no_target() -> None:
    """A missing overlap in one hold fails the target, however good the others are."""
    rows = [
        {"refined_before_hold_ended": True, "complex_overlap": 0.99},
        {"refined_before_hold_ended": True, "complex_overlap": None},
    ]
    found = {t.name: t for t in targets(rows, Limits(wall_s=150, scans=2, overlap=0.95), wall_s=100)}
    assert not found["complex overlap with the truth"].met
    assert found["complex overlap with the truth"].value is None


def test_the_worst_hold_counts() -> None:
    """Overlap is judged by its least value, R by its greatest."""
    rows = [{"complex_overlap": 0.99, "r_factor": 0.001}, {"complex_overlap": 0.94, "r_factor": 0.02}]
    limits = Limits(wall_s=150, scans=0, overlap=0.95, r_factor=0.012)
    found = {t.name: t for t in targets(rows, limits, wall_s=1)}
    assert found["complex overlap with the truth"].value == 0.94
    assert found["R on the phased window"].value == 0.02
