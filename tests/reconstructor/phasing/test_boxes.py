"""Cutting the empty surroundings of objects off changes nothing about them."""

from __future__ import annotations

import numpy as np
import pytest

from reconstructor.phasing.alignment import overlap
from reconstructor.phasing.boxes import compact, padded
from reconstructor.phasing.problem import Estimate, Shape


def estimate(corner: Shape, seed: int, shape: Shape = (72, 80, 90)) -> Estimate:
    """A random block of 10 × 12 × 14 voxels somewhere in a volume."""
    rng = np.random.default_rng(seed)
    block = (rng.standard_normal((10, 12, 14)) + 1j * rng.standard_normal((10, 12, 14))).astype(np.complex64)
    return Estimate(shape, corner, block, np.ones(block.shape, np.bool_), 1, 1, "ER", 0, 0.01, 0.01)


def test_what_is_cut_off_can_be_put_back() -> None:
    """Compact objects, padded to the old shape, are the old ones; all compact ones have one shape, a smaller one."""
    whole = [estimate((30, 33, 40), 0), estimate((25, 36, 41), 1)]
    small = compact(whole)
    assert len({one.shape for one in small}) == 1
    assert all(m < n for m, n in zip(small[0].shape, whole[0].shape, strict=True))
    for one, other in zip(small, whole, strict=True):
        np.testing.assert_array_equal(padded(one.obj, other.shape), other.obj)


def test_compact_objects_compare_as_the_whole_ones_do() -> None:
    """The overlap of two stays."""
    whole = [estimate((30, 33, 40), 0), estimate((28, 34, 41), 2)]
    mixed = whole[1].obj + np.roll(whole[0].obj, (2, 0, 1), (0, 1, 2))
    place = tuple(slice(c - 3, c + n + 3) for c, n in zip(whole[0].corner, whole[0].block.shape, strict=True))
    other = Estimate(
        whole[0].shape, (27, 30, 37), mixed[place], np.ones((16, 18, 20), np.bool_), 1, 1, "ER", 0, 0.01, 0.01
    )
    small = compact([whole[0], other])
    wanted = overlap(whole[0].obj, other.obj)
    assert 0.5 < wanted < 0.95
    assert overlap(small[0].obj, small[1].obj) == pytest.approx(wanted, abs=1e-3)


def test_a_crystal_at_the_rim_keeps_the_whole_volume() -> None:
    """Nothing is ever cut off that is not empty."""
    found = compact([estimate((0, 33, 76), 3)])[0]
    assert (found.shape[0], found.shape[2]) == (72, 90)
    assert found.corner[0] == 0
