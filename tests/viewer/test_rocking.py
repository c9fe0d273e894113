"""The curve is the same in whatever order its frames come, and its peak is fitted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viewer.rocking import EMPTY, Curve, GaussianFit, fit_gaussian

ANGLES = 26.0 + 0.005 * np.arange(201)
TRUE = GaussianFit(26.47, 0.06, 5000.0, 40.0)


def curve(counts: np.ndarray, angles: np.ndarray = ANGLES) -> Curve:
    return EMPTY.merge(np.arange(len(counts), dtype=np.int32), angles[: len(counts)], counts)


@given(st.permutations(range(12)), st.lists(st.integers(1, 11), max_size=4))
def test_any_order_of_the_same_frames_gives_the_same_curve(order: list[int], cuts: list[int]) -> None:
    """However the frames are ordered and grouped into blocks, also twice, the curve is the same."""
    grown = EMPTY
    for part in [*np.split(np.array(order, np.int32), sorted(set(cuts))), np.array(order[:3], np.int32)]:
        grown = grown.merge(part, ANGLES[part], part * 2.0)
    assert grown.index.tolist() == list(range(12))
    assert grown.angle_deg.tolist() == ANGLES[:12].tolist()
    assert grown.counts.tolist() == [2.0 * index for index in range(12)]


def test_angles_may_come_later() -> None:
    """Angles are set where the frame is there; others are ignored."""
    grown = EMPTY.merge(np.array([1, 3], np.int32), np.full(2, np.nan), np.ones(2))
    known = grown.with_angles(np.array([3, 7], np.int32), np.array([0.3, 0.7]))
    assert np.isnan(known.angle_deg[0])
    assert known.angle_deg[1] == 0.3
    assert np.isnan(grown.angle_deg).all()


def test_fit_finds_the_gaussian() -> None:
    """Centre and width are found within the noise of the counts."""
    counts = np.random.default_rng(1).poisson(TRUE.at(ANGLES)).astype(float)
    fit = fit_gaussian(curve(counts))
    assert fit is not None
    assert fit.centre_deg == pytest.approx(TRUE.centre_deg, abs=0.001)
    assert fit.fwhm_deg == pytest.approx(TRUE.fwhm_deg, rel=0.03)
    assert fit.background == pytest.approx(TRUE.background, abs=5)


def test_side_lobes_and_unknown_angles_do_not_mislead_the_fit() -> None:
    """A peak with side lobes, as a crystal gives, is found; frames without angle are left out."""
    offset = (ANGLES - 26.5) / 0.02
    counts = 1e5 * np.sinc(offset) ** 2 + 10
    angles = ANGLES.copy()
    angles[::17] = np.nan
    fit = fit_gaussian(curve(counts, angles))
    assert fit is not None
    assert fit.centre_deg == pytest.approx(26.5, abs=0.001)
    assert fit.fwhm_deg == pytest.approx(0.0177, rel=0.1)


@pytest.mark.parametrize(
    "counts",
    [np.zeros(201), np.ones(201), np.arange(201.0), TRUE.at(ANGLES)[:5], np.full(201, np.nan)],
    ids=["dark", "flat", "slope", "too few", "unknown"],
)
def test_no_fit_where_there_is_no_peak(counts: np.ndarray) -> None:
    """Nothing is fitted where there is no peak inside what was measured."""
    assert fit_gaussian(curve(counts)) is None


def test_no_fit_without_angles() -> None:
    """Without angles there is no centre in degrees."""
    assert fit_gaussian(curve(TRUE.at(ANGLES), np.full(201, np.nan))) is None
