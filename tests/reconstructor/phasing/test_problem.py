"""What is to be phased, and what of it is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from reconstructor.phasing.problem import (
    Estimate,
    Misfit,
    PhasingError,
    Problem,
    Start,
    amplitude,
    free_llk,
    free_pixels,
)

SHAPE = (16, 16, 16)
NONE = np.zeros(SHAPE, np.bool_)
ALL = ~NONE


def flat(value: float = 4.0) -> np.ndarray:
    """The same counts everywhere."""
    return np.full(SHAPE, value, np.float32)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_counts_that_are_no_counts_are_refused(value: float) -> None:
    """NaN, infinity and negative counts in one measured voxel are counted and named, known or free."""
    counts = flat()
    counts[1, 2, 3] = value
    one = NONE.copy()
    one[1, 2, 3] = True
    for known, free in ((ALL, NONE), (~one, one)):
        with pytest.raises(PhasingError, match="1 measured voxels hold NaN, infinite or negative counts; wanted"):
            Problem(counts, known, free)


def test_unknown_voxels_may_hold_anything() -> None:
    """NaN where nothing was measured disturbs neither the problem nor its amplitudes."""
    counts = flat()
    counts[0] = np.nan
    known = ALL.copy()
    known[0] = False
    found = amplitude(Problem(counts, known, NONE))
    assert (found[0] == -1).all()
    assert (found[1:] == 2).all()


def test_known_and_free_never_meet() -> None:
    """A voxel both known and free is refused, with the number of such voxels."""
    with pytest.raises(PhasingError, match="4096 voxels are known and free at once; wanted none"):
        Problem(flat(), ALL, ALL)


def test_arrays_of_another_shape_or_type_are_refused() -> None:
    """Mask, response and counts are told what was found and wanted."""
    with pytest.raises(PhasingError, match=r"known has shape \(2, 2, 2\); wanted that of the counts, \(16, 16, 16\)"):
        Problem(flat(), np.ones((2, 2, 2), np.bool_), NONE)
    with pytest.raises(PhasingError, match=r"response has shape \(1, 16, 16\)"):
        Problem(flat(), ALL, NONE, flat()[:1])
    with pytest.raises(PhasingError, match=r"counts are float64 of shape .*; wanted float32"):
        Problem(flat().astype(np.float64), ALL, NONE)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_a_response_that_measures_nothing_is_refused(value: float) -> None:
    """Zero, negative or NaN response in a measured voxel is refused; in an unknown one it is not read."""
    response = flat(1.0)
    response[3, 3, 3] = value
    with pytest.raises(PhasingError, match="response is not positive in every measured voxel; wanted > 0"):
        Problem(flat(), ALL, NONE, response)
    known = ALL.copy()
    known[3, 3, 3] = False
    assert amplitude(Problem(flat(), known, NONE, response))[3, 3, 3] == -1


def test_an_infinite_response_is_refused() -> None:
    """Infinity in the response of a measured voxel is no response."""
    response = flat(1.0)
    response[3, 3, 3] = np.inf
    with pytest.raises(PhasingError, match="response"):
        Problem(flat(), ALL, NONE, response)


@pytest.mark.parametrize("background", [np.nan, np.inf, -1.0])
def test_a_background_that_is_none_is_refused(background: float) -> None:
    """NaN, infinite and negative backgrounds are named, with the value wanted."""
    with pytest.raises(PhasingError, match=r"^(the )?background"):
        amplitude(Problem(flat(), ALL, NONE, None, background))


def test_nothing_measured_is_told() -> None:
    """An empty curve and one whose voxels are all kept free say that nothing is known."""
    for free in (NONE, ALL):
        with pytest.raises(PhasingError, match="0 of the voxels are known; wanted at least one measured frame"):
            amplitude(Problem(flat(), NONE, free))


def test_all_zero_data_are_told() -> None:
    """No photon above background in any known voxel is nothing to phase."""
    with pytest.raises(PhasingError, match=r"all 4096 known voxels hold zero counts .*; wanted at least one photon"):
        amplitude(Problem(flat(0.0), ALL, NONE))
    with pytest.raises(PhasingError, match="wanted at least one photon"):
        amplitude(Problem(flat(), ALL, NONE, None, 4.0))


def test_amplitudes_follow_the_response_model() -> None:
    """A = √(counts / response − background), never below zero; known zeros are measured zeros, the unknown is −1."""
    counts, response = flat(10.0), flat(2.0)
    counts[0, 0, 0] = 0.0
    known = ALL.copy()
    known[0, 0, 1] = False
    found = amplitude(Problem(counts, known, NONE, response, 1.0))
    assert found[5, 5, 5] == 2.0
    assert found[0, 0, 0] == 0.0
    assert found[0, 0, 1] == -1.0
    assert found.dtype == np.float32


def test_free_pixels_are_islands_away_from_the_middle() -> None:
    """5 % of the measured voxels, in balls of radius 3, none within 5 % of an axis from the peak, none unmeasured."""
    shape = (64, 80, 96)
    measured = np.ones(shape, np.bool_)
    measured[:8] = False
    free = free_pixels(shape, measured, 7)
    assert free[measured].mean() == pytest.approx(0.05, abs=0.01)
    assert not free[~measured].any()
    middle = tuple(slice(n // 2 - int(0.028 * n), n // 2 + int(0.028 * n) + 1) for n in shape)
    assert not free[middle].any()
    _, islands = ndimage.label(free)
    assert free.sum() / islands > 60


def test_one_seed_gives_one_free_mask() -> None:
    """The same seed draws the same voxels, another seed others."""
    shape = (32, 32, 32)
    measured = np.ones(shape, np.bool_)
    first, again, other = (free_pixels(shape, measured, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("share", [-0.1, 1.0, np.nan])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    """A share of free pixels below 0, of 1, or NaN is named."""
    with pytest.raises(PhasingError, match=r"the share of free pixels is .*; wanted 0 ≤ share < 1"):
        free_pixels(SHAPE, ALL, 1, share)


def test_an_estimate_unfolds_to_the_whole_volume() -> None:
    """The block stands at its corner, and nothing stands outside."""
    inside = np.ones((2, 3, 4), np.bool_)
    estimate = Estimate(SHAPE, (5, 6, 7), np.full((2, 3, 4), 1j, np.complex64), inside, 10, 20, "ER", 0, 0.1, 0.0)
    assert estimate.obj[5:7, 6:9, 7:11].sum() == 24j
    assert estimate.obj.sum() == 24j
    assert (estimate.support == (estimate.obj != 0)).all()
    assert not estimate.last
    assert replace(estimate, iteration=20).last


def test_runs_are_ranked_by_free_llk_first() -> None:
    """Free LLK where there is one, else LLK of the known voxels, else infinite."""
    inside = np.ones((1, 1, 1), np.bool_)
    estimate = Estimate(SHAPE, (0, 0, 0), inside.astype(np.complex64), inside, 1, 1, "ER", 0, 0.1, 0.0)
    assert free_llk(estimate) == np.inf
    assert free_llk(replace(estimate, misfit=Misfit(0.1, 2.0, None, None, None))) == 2.0
    assert free_llk(replace(estimate, misfit=Misfit(0.1, 2.0, None, 3.0, None))) == 3.0
    assert free_llk(replace(estimate, misfit=Misfit(0.1, 2.0, None, 0.0, None))) == 0.0


def test_a_start_is_warm_when_anything_is_known() -> None:
    """An object or a support makes a start warm; nothing leaves it cold."""
    assert not Start().warm
    assert Start(support=ALL).warm
    assert Start(obj=ALL.astype(np.complex64)).warm


@pytest.mark.parametrize("name", ["known", "free"])
def test_masks_are_flags(name: str) -> None:
    """Integers as a mask would pick voxels by number: they are refused."""
    counts = np.ones((4, 4, 4), np.float32)
    masks = {"known": np.ones(counts.shape, np.bool_), "free": np.zeros(counts.shape, np.bool_)}
    masks[name] = masks[name].astype(np.uint8)
    with pytest.raises(PhasingError, match=f"{name} is uint8; wanted bool"):
        Problem(counts, **masks)
