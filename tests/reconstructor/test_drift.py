"""What moves the peak over the detector is told apart as far as one scan, or two, can tell."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from contract.messages import FrameBlock, ScanStarted
from reconstructor.curve import Curve, Reading
from reconstructor.drift import drift
from reconstructor.peak import find_peak
from reconstructor.profile import Profile, background_per_pixel, profile

SIZES = (61, 64, 64)


def pattern(lean: float = 0.0, slope: float = 0.0, streak: float = 0.0) -> NDArray[np.float64]:
    """Expected counts: a round peak that leans over the columns, drifts over the rows, with a streak over the columns.

    `lean` and `slope` in pixels a frame; `streak` in pixels a frame, of a line of a fiftieth of the peak's height.
    """
    j, r, c = np.meshgrid(*[np.arange(n) - n // 2 for n in SIZES], indexing="ij")
    row = r - slope * j
    peak = np.exp(-((j / 6.0) ** 2) - (row / 3.0) ** 2 - ((c - lean * j) / 3.0) ** 2)
    line = 0.02 / (1 + (j / 8.0) ** 2) * np.exp(-((row / 2.0) ** 2) - ((c - streak * j) / 2.0) ** 2)
    found: NDArray[np.float64] = 4000 * (peak + (line if streak else 0.0)) + 0.05
    return found


@pytest.fixture
def profiled(
    scan_started: Callable[..., ScanStarted], frame_block: Callable[..., FrameBlock]
) -> Callable[..., tuple[Profile, Reading]]:
    """The profile of Poisson counts of a pattern."""

    def make(expected: NDArray[np.float64], seed: int = 0) -> tuple[Profile, Reading]:
        curve = Curve(scan_started(*SIZES))
        curve.add(frame_block(list(range(SIZES[0])), np.random.default_rng(seed).poisson(expected)))
        reading = curve.reading()
        peak = find_peak(reading)
        assert peak is not None
        return profile(reading, peak), reading

    return make


Make = Callable[..., tuple[Profile, Reading]]


def test_the_profile_is_the_counts_about_the_peak(profiled: Make) -> None:
    """Counts without the background, and the centre of mass within its standard error."""
    found, reading = profiled(pattern())
    truth = (pattern() - 0.05).sum(axis=(1, 2))
    assert background_per_pixel(reading).counts == pytest.approx(0.05, rel=0.1)
    assert np.all(np.abs(found.counts - truth) < 5 * np.sqrt(truth + found.background) + 0.1 * found.background)
    strong = truth > 1000
    assert np.all(np.abs(found.row_px[strong] - 32) < 5 * found.spread_px[0][strong])


def test_a_peak_that_stands_still_does_not_drift(profiled: Make) -> None:
    """A round peak has no slope, whatever the noise."""
    for seed in range(5):
        found = drift(profiled(pattern(), seed)[0])
        assert found is not None
        assert found.cause == "none"


def test_a_streak_moves_the_weak_frames_only(profiled: Make) -> None:
    """A facet's streak is told from a drift without another scan: the strong frames stand still."""
    found = drift(profiled(pattern(streak=0.6))[0])
    assert found is not None
    assert found.cause == "streak"
    assert found.wings is not None
    assert found.wings.moves
    assert found.wings.px_per_frame[1] > 0.03
    assert "facets" in found.text()


def test_one_scan_cannot_tell_a_drift_from_an_inclined_crystal(profiled: Make) -> None:
    """The slope is found to a few per cent, and it is said that its cause is not known."""
    for expected, slope in ((pattern(lean=0.1), (0.0, 0.1)), (pattern(slope=0.1), (0.1, 0.0))):
        found = drift(profiled(expected)[0])
        assert found is not None
        assert found.cause == "unknown"
        assert np.allclose(found.core.px_per_frame, slope, atol=0.01)
        assert "cannot tell" in found.text()


def test_the_last_scan_tells_the_crystals_shape_from_a_drift(profiled: Make) -> None:
    """A slope that was there before is the crystal's; one that was not is a drift, also if it now stands still."""
    before = drift(profiled(pattern(lean=0.1), 1)[0])
    still = drift(profiled(pattern(), 1)[0])
    assert before is not None
    assert still is not None
    causes = [
        drift(profiled(pattern(lean=0.1), 2)[0], before.core),
        drift(profiled(pattern(lean=0.1, slope=0.1), 2)[0], before.core),
        drift(profiled(pattern(slope=0.1), 2)[0], still.core),
        drift(profiled(pattern(), 2)[0], before.core),
    ]
    assert [found.cause for found in causes if found is not None] == ["shape", "drift", "drift", "drift"]


def test_a_few_frames_tell_nothing(profiled: Make) -> None:
    """With fewer than three strong frames there is no slope."""
    found, _ = profiled(pattern())
    few = Profile(
        *(getattr(found, name)[:2] for name in ("frame", "angle_deg", "counts", "monitor", "background")),
        found.row_px[:2],
        found.column_px[:2],
        (found.spread_px[0][:2], found.spread_px[1][:2]),
    )
    assert drift(few) is None
