"""Lengths that are fast to transform."""

from __future__ import annotations

import pytest

from reconstructor.phasing.problem import PhasingError
from reconstructor.phasing.sizes import FAST, check, largest_fast, nearest_fast, smallest_fast


def test_fast_lengths_are_even_and_smooth() -> None:
    """In rising order, multiples of 16, no prime factor above 5, and the usual detector windows are among them."""
    assert list(FAST) == sorted(set(FAST))
    for length in FAST:
        assert length % 16 == 0
        for factor in (2, 3, 5):
            while length % factor == 0:
                length //= factor
        assert length == 1
    assert {32, 48, 64, 96, 128, 192, 256, 512} <= set(FAST)


@pytest.mark.parametrize("length", [16, 47, 48, 49, 200, 1023])
def test_the_largest_fast_length_is_the_largest(length: int) -> None:
    """Not longer than asked, and no fast length lies between."""
    found = largest_fast(length)
    assert found in FAST
    assert found <= length
    assert not [n for n in FAST if found < n <= length]


def test_an_axis_too_short_is_told() -> None:
    """Below the shortest fast length the length found and the one wanted are named."""
    with pytest.raises(PhasingError, match="an axis of 15 voxels; wanted at least 16"):
        largest_fast(15)


@pytest.mark.parametrize(("length", "wanted"), [(1, 16), (33.0, 32), (41, 48), (64, 64), (5000, FAST[-1])])
def test_the_nearest_fast_length_is_the_nearest(length: float, wanted: int) -> None:
    """Above or below, and at the ends of the list its ends."""
    assert nearest_fast(length) == wanted


def test_a_slow_shape_is_refused_by_axis() -> None:
    """A prime factor above 7 names the axis, its length and a fast one near by; factors up to 7 pass."""
    with pytest.raises(PhasingError, match=r"the row axis has 67 voxels, a multiple of the slow 67; .* e\.g\. 64"):
        check((64, 67, 64))
    with pytest.raises(PhasingError, match="the rocking axis has 201 voxels"):
        check((201, 64, 64))
    with pytest.raises(PhasingError, match="the column axis has 0 voxels"):
        check((64, 64, 0))
    assert check((49, 75, 64)) is None


@pytest.mark.parametrize(("length", "wanted"), [(1, 16), (33.0, 48), (64, 64), (5000, FAST[-1])])
def test_the_smallest_fast_length_is_not_shorter(length: float, wanted: int) -> None:
    """As long as there is one; else the longest."""
    assert smallest_fast(length) == wanted
