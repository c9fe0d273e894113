"""Free pixels: fixed on the raw curve, so that every window keeps the same ones from the fit."""

from __future__ import annotations

import numpy as np

from contract.messages import Scan
from reconstructor.free import free_pixels

SIZES = (201, 64, 64)
CENTRE = (100.0, 31.0, 33.0)


def test_the_same_scan_draws_the_same_mask() -> None:
    """A restart draws the same free pixels; another scan draws others."""
    first, again = (free_pixels(Scan("s1"), SIZES, CENTRE).mask() for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, free_pixels(Scan("s2"), SIZES, CENTRE).mask())


def test_about_five_per_cent_are_free() -> None:
    """The share of free voxels is 5 % within a fifth of itself."""
    assert abs(free_pixels(Scan("s1"), SIZES, CENTRE).mask().mean() - 0.05) < 0.01


def test_the_centre_is_never_free() -> None:
    """None of the voxels within 5 % of the extent about the peak is free, even if the peak is two voxels off."""
    free = np.argwhere(free_pixels(Scan("s1"), SIZES, CENTRE).mask())
    for off in (0.0, 1.4):
        away = (free - np.array(CENTRE) - off) / (0.05 * np.array(SIZES))
        assert (np.square(away).sum(axis=1) > 1).all()


def test_free_voxels_come_in_islands() -> None:
    """Almost every free voxel has free neighbours: a lone voxel would be told by its neighbours' correlation."""
    free = free_pixels(Scan("s1"), SIZES, CENTRE).mask()
    neighbours = sum(np.roll(free, s, axis).astype(int) for axis in range(3) for s in (-1, 1))
    assert np.mean(neighbours[free] >= 2) > 0.98


def test_a_peak_that_is_elsewhere_frees_no_voxel() -> None:
    """A peak known better is kept clear of as well; where it was thought to be stays clear, so nothing leaks."""
    first = free_pixels(Scan("s1"), SIZES, CENTRE)
    assert first.about((102.0, 31.5, 33.0)) == first
    moved = (125.0, 36.0, 33.0)
    then = first.about(moved)
    assert then.about(moved) == then
    assert (then.mask() <= first.mask()).all()
    away = (np.argwhere(then.mask()) - np.array(moved)) / (0.05 * np.array(SIZES))
    assert (np.square(away).sum(axis=1) > 1).all()
    assert then.mask().sum() > 0.9 * first.mask().sum()
