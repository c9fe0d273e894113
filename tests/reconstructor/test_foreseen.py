"""The last object laid over a scan as its frames come."""

from __future__ import annotations

import numpy as np
import pytest

from contract.messages import Geometry
from reconstructor.curve import Reading
from reconstructor.foreseen import FROM, Foreseen, enough, foreseen
from reconstructor.past import Past
from tests.reconstructor.forecast.conftest import FRAMES, Scan, crystal
from tests.reconstructor.remembered import STEP_DEG, beginning, named, remembered

PLACE = (51.0, 25.3, 23.1)


@pytest.fixture
def before(coarse: Geometry) -> Past:
    """The first hold, with its peak at (60, 24, 24)."""
    return remembered(crystal(0, "strained", beginning(coarse, "x")), coarse)


@pytest.fixture
def scan(coarse: Geometry) -> Scan:
    """The second one."""
    return crystal(0, "strained", beginning(coarse, "after")).scan("after", PLACE, brightness=1.4)


def test_it_begins_at_a_tenth_and_gets_sure(before: Past, scan: Scan) -> None:
    """Nothing is said of the first frames; before the peak the place is open, behind it known to a frame."""
    few, early, late = (scan.until(n) for n in (round(FROM * FRAMES) - 1, 20, 75))
    assert foreseen(None, before, few) is None
    first = foreseen(None, before, early)
    assert first is not None
    assert not first.fit.determined
    assert "not determined" in first.text()
    then = foreseen(first, before, late)
    assert then is not None
    assert then.close
    assert then.laid.peak == pytest.approx(PLACE, abs=1.5)
    assert then.peak.centre == pytest.approx(PLACE, abs=2.0)
    assert not then.peak.passed
    assert then.moved_deg == pytest.approx(-9 * STEP_DEG, abs=0.02)


def test_it_is_fitted_anew_only_when_frames_tell_something_new(before: Past, scan: Scan) -> None:
    """One more frame changes the curve it lies on, not the fit."""
    first = foreseen(None, before, scan.until(75))
    assert first is not None
    then = foreseen(first, before, scan.until(76))
    assert then is not None
    assert then.fit is first.fit
    assert then.grid.reading.frames == 76
    later = foreseen(then, before, scan.until(100))
    assert later is not None
    assert later.frames == 100


def test_coarse_steps_lie_on_the_last_grid(before: Past, scan: Scan, coarse: Geometry) -> None:
    """Every fourth frame of a window binned by two: every second plane is measured, and the place is found."""
    some = scan.reading.counts[::4]
    started = beginning(coarse, "after", frames=len(some))
    reading = named(scan.reading, started)
    reading = Reading(
        started,
        some,
        np.ones(len(some), np.bool_),
        4 * STEP_DEG * np.arange(len(some)),
        np.ones(len(some)),
        some.sum(axis=0, dtype=float),
        reading.trusted,
    )
    found: Foreseen | None = foreseen(None, before, reading)
    assert found is not None
    assert found.grid.every == 2
    assert found.sampled.every == 2
    assert found.laid.peak[0] == pytest.approx(PLACE[0] / 2, abs=0.75)
    assert any("unknown" in sentence for sentence in found.grid.assumptions)


def test_without_a_past_there_is_nothing_to_foresee(scan: Scan) -> None:
    """A crystal seen for the first time."""
    assert foreseen(None, None, scan.reading) is None


def test_a_tenth_is_as_near_as_whole_frames_come() -> None:
    """Of 201 frames that is 20, so that a block of four or five frames does not push it to an eighth."""
    assert [enough(frames, 201) for frames in (19, 20, 21)] == [False, True, True]
