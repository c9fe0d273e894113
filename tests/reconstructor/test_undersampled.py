"""Scans with coarser steps: the planes between are unknown, and that is said."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.messages import FrameBlock, Scan, ScanStarted, Window
from reconstructor.curve import Curve, CurveError, Reading
from reconstructor.peak import find_peak
from reconstructor.prepare import prepare
from reconstructor.undersampled import finer
from reconstructor.window import Window3
from reconstructor.windows import Limits, oversampling, provisional_window
from tests.reconstructor.test_windows import box_counts

Make = Callable[..., Reading]


@pytest.fixture
def every(scan_started: Callable[..., ScanStarted], frame_block: Callable[..., FrameBlock]) -> Make:
    """Every n-th frame of counts as a scan of its own, n hundredths of a degree apart: every(counts, n, sign=1)."""

    def make(counts: np.ndarray, n: int, sign: int = 1) -> Reading:
        some = counts[::n]
        curve = Curve(scan_started(*some.shape))
        index = list(range(len(some)))
        curve.add(frame_block(index, some, angle_deg=sign * 0.01 * n * np.arange(len(some))))
        return curve.reading()

    return make


COUNTS = box_counts((97, 64, 64), (6.0, 3.0, 3.0))


@pytest.mark.parametrize("n", [2, 3, 4])
def test_frames_stay_at_their_angles(every: Make, n: int) -> None:
    """Each frame is the same plane at the same angle; all others are unmeasured, and nothing was made up."""
    coarse = every(COUNTS, n)
    fine = finer(coarse, 0.01)
    assert fine.every == n
    assert fine.reading.sizes == (97, 64, 64)
    assert np.array_equal(np.flatnonzero(fine.reading.measured), np.arange(0, 97, n))
    assert np.array_equal(fine.reading.counts[::n], coarse.counts)
    assert np.allclose(fine.reading.angle_deg[::n], 0.01 * np.arange(0, 97, n))
    assert fine.reading.counts.sum() == coarse.counts.sum()
    assert fine.reading.located
    assert f"{n} steps of the last scan" in fine.assumptions[0]


def test_missing_planes_are_unknown_in_the_problem(every: Make) -> None:
    """The phasing problem knows every third plane and nothing of the others."""
    reading = finer(every(COUNTS, 3), 0.01).reading
    ready = prepare(reading, Window3((0, 0, 0), (1, 1, 1), (96, 64, 64)), np.zeros(reading.sizes, np.bool_))
    known = ready.problem.known.any(axis=(1, 2))
    assert np.array_equal(np.flatnonzero(known), np.arange(0, 96, 3))


@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_peak_is_where_it_is_in_the_whole_curve(every: Make, n: int) -> None:
    """Within a plane for the maximum's frame of the coarse grid, within a quarter of it for the centre."""
    whole, some = find_peak(every(COUNTS, 1)), find_peak(finer(every(COUNTS, n), 0.01).reading)
    assert whole is not None
    assert some is not None
    assert abs(some.at[0] - whole.at[0]) <= n
    assert abs(some.centre[0] - whole.centre[0]) <= max(0.5, n / 4)
    assert np.allclose(some.centre[1:], whole.centre[1:], atol=0.25)
    assert some.passed


@pytest.mark.parametrize("n", [2, 3])
def test_planes_that_are_not_there_are_not_binned(every: Make, n: int) -> None:
    """A bin with an unknown plane is unknown: the rocking axis stays as it is, and its oversampling is still found."""
    reading = finer(every(COUNTS, n), 0.01).reading
    peak = find_peak(reading)
    assert peak is not None
    sampled = oversampling(reading, peak)
    assert provisional_window(reading.sizes, peak.place, sampled, Limits()).binning[0] == 1
    if n == 2:  # a coarser curve of this crystal is aliased
        assert sampled.ratio[0] == pytest.approx(6.0, rel=0.35)


def test_the_same_or_finer_steps_change_nothing(every: Make) -> None:
    """A scan as fine as the last, or finer, is left alone; the sign of the steps does not matter."""
    reading = every(COUNTS, 2, sign=-1)
    assert finer(reading, 0.02).reading is reading
    assert finer(reading, 0.03).every == 1
    assert finer(reading, 0.01).every == 2


@given(st.floats(0.004, 0.025))
def test_steps_that_do_not_divide_are_stated(step: float) -> None:
    """The own step is divided by a whole number; if that is not the last scan's step, the difference is said."""
    own = 0.02
    n = max(1, round(own / step))
    off = abs(own / (n * step) - 1)
    found = finer(empty(own), step)
    assert found.every == n
    assert (len(found.assumptions) == 2) == (n > 1 and off > 0.02)


def test_too_coarse_steps_are_refused(every: Make) -> None:
    """Where more than fifteen planes in sixteen are missing, and where the last step is none."""
    with pytest.raises(CurveError, match="one frame in 20"):
        finer(every(COUNTS, 4), 0.002)
    with pytest.raises(CurveError, match="not 0"):
        finer(every(COUNTS, 4), 0.0)


def empty(step_deg: float) -> Reading:
    """Nine empty frames, so many degrees apart."""
    shape = (9, 4, 4)
    started = ScanStarted(
        scan=Scan("a"),
        source="test",
        frames_expected=9,
        window_revision=1,
        window=Window(row0=0, column0=0, rows=4, columns=4),
        detector_shape=(4, 4),
        mask=np.zeros((4, 4), np.uint32),
    )
    none = np.zeros(shape[1:])
    flags = np.ones(9, np.bool_)
    return Reading(started, np.zeros(shape, np.uint32), flags, step_deg * np.arange(9), np.ones(9), none, none == 0)
