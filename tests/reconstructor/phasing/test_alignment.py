"""What intensities cannot tell is taken out before two objects are compared; what they tell is kept."""

from __future__ import annotations

import numpy as np
import pytest

from reconstructor.phasing.alignment import Shift, aligned, moved, overlap, twin
from reconstructor.phasing.quality import intensity

SHIFT: Shift = (2.37, -1.62, 0.5)


def ramp(n: int, turns: float) -> np.ndarray:
    """A phase ramp of so many turns over the field, along the first axis."""
    return np.exp(2j * np.pi * turns * (np.arange(n) - n // 2) / n).astype(np.complex64)[:, None, None]


def test_twin_shift_and_phase_do_not_matter(small) -> None:
    """Inverted and conjugated, moved by parts of a voxel, with another constant phase: the overlap is 1."""
    other = moved(twin(small.truth), SHIFT) * np.complex64(3 * np.exp(2j))
    assert overlap(small.truth, other) == pytest.approx(1.0, abs=1e-3)
    assert overlap(small.truth, small.truth) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("turns", [0.5, 1.0, 3.0])
def test_a_changed_ramp_matters(small, turns: float) -> None:
    """A ramp is a shift of the diffraction, which is measured: the overlap falls, the further the more."""
    assert overlap(small.truth, small.truth * ramp(32, turns)) < 0.99
    assert overlap(small.truth, small.truth * ramp(32, 2 * turns)) < overlap(small.truth, small.truth * ramp(32, turns))


def test_the_overlap_is_symmetric_and_at_most_one(small) -> None:
    """Either may be the reference, at any scale."""
    other = (small.truth * ramp(32, 1.0)).astype(np.complex64)
    assert overlap(small.truth, other) == pytest.approx(overlap(100 * other, small.truth), abs=1e-3)
    assert overlap(small.truth, 1e4 * small.truth) <= 1


def test_aligned_lays_the_object_over_the_reference(small) -> None:
    """The object comes back as the reference, and the hand and shift it took are told."""
    other = moved(twin(small.truth), SHIFT) * np.complex64(np.exp(2j))
    found = aligned(small.truth, other)
    assert found.twin
    assert np.linalg.norm(found.obj - small.truth) < 0.03 * np.linalg.norm(small.truth)
    straight = aligned(small.truth, moved(small.truth, SHIFT))
    assert not straight.twin
    np.testing.assert_allclose(straight.shift_voxels, -np.array(SHIFT), atol=0.011)
    assert found.obj.dtype == np.complex64


@pytest.mark.parametrize("shape", [(8, 8, 8), (7, 9, 11), (6, 7, 8)])
def test_the_twin_has_the_same_intensities(shape: tuple[int, ...]) -> None:
    """For even and odd axes; twice the twin is the object again, and n // 2 stays where it is."""
    rng = np.random.default_rng(1)
    obj = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)
    np.testing.assert_allclose(intensity(twin(obj)), intensity(obj), rtol=1e-3, atol=1e-3)
    assert (twin(twin(obj)) == obj).all()
    middle = tuple(n // 2 for n in shape)
    assert twin(obj)[middle] == np.conj(obj[middle])


@pytest.mark.parametrize("shape", [(16, 16, 16), (15, 16, 17)])
def test_a_twin_is_laid_back_on_even_and_odd_axes(shape: tuple[int, int, int]) -> None:
    """Of a twin that was not moved, neither shift nor overlap says anything but that it is the twin."""
    rng = np.random.default_rng(2)
    obj = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)
    found = aligned(obj, twin(obj))
    assert found.twin
    assert found.overlap == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(found.shift_voxels, 0, atol=1e-6)
    np.testing.assert_allclose(found.obj, obj, atol=1e-4)


def test_moving_by_whole_voxels_is_rolling(small) -> None:
    """And moving there and back is nothing."""
    rolled = np.roll(small.truth, (3, -2, 1), (0, 1, 2))
    scale = float(np.abs(small.truth).max())
    np.testing.assert_allclose(moved(small.truth, (3, -2, 1)), rolled, atol=1e-5 * scale)
    back = moved(moved(small.truth, SHIFT), (-SHIFT[0], -SHIFT[1], -SHIFT[2]))
    np.testing.assert_allclose(back, small.truth, atol=1e-5 * scale)


def test_nothing_overlaps_with_nothing(small) -> None:
    """An object without energy has overlap 0, not NaN."""
    assert overlap(small.truth, small.truth * 0) == 0
    assert overlap(small.truth * 0, small.truth) == 0
