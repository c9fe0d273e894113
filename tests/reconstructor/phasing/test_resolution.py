"""From a window to its central part and back."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft

from reconstructor.phasing.problem import Problem
from reconstructor.phasing.resolution import cropped, cropped_shape, resampled, resampled_support
from reconstructor.phasing.sizes import FAST


def far_field(obj: np.ndarray) -> np.ndarray:
    """Diffraction in natural order."""
    return scipy.fft.fftshift(scipy.fft.fftn(scipy.fft.ifftshift(obj)))


def noise(shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    """A random object."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


def test_the_central_part_keeps_the_peak_in_the_middle() -> None:
    """Counts, known, free and response are cut alike, with n // 2 of the old axes at n // 2 of the new ones."""
    shape = (48, 64, 33)
    counts = np.zeros(shape, np.float32)
    counts[24, 32, 16] = 9
    free = np.zeros(shape, np.bool_)
    free[25, 32, 16] = True
    response = np.ones(shape, np.float32)
    response[24, 33, 16] = 2
    part = cropped(Problem(counts, ~free, free, response, 0.5), (32, 32, 16))
    assert part.shape == (32, 32, 16)
    a, b, c = (n // 2 for n in part.shape)
    assert part.counts[a, b, c] == 9
    assert part.free[a + 1, b, c]
    assert part.free.sum() == 1
    assert part.response is not None
    assert part.response[a, b + 1, c] == 2
    assert part.background == 0.5


def test_the_whole_window_is_left_alone(small) -> None:
    """A part of the same shape is the very problem."""
    assert cropped(small.problem, small.problem.shape) is small.problem


def test_a_small_crystal_is_not_cropped_to_a_few_voxels() -> None:
    """Each axis keeps 32 voxels, and as many as make the crystal 8 voxels wide."""
    assert cropped_shape((128, 128, 128), 0.5, (40.0, 16.0, 10.0)) == (64, 64, 128)
    assert cropped_shape((48, 64, 256), 0.5, (40.0, 40.0, 40.0)) == (32, 32, 128)
    assert cropped_shape((128, 64, 64), 0.25) == (32, 32, 32)


def test_a_part_is_never_larger_than_the_whole() -> None:
    """Axes shorter than the shortest fast length stay; others become a fast length not below their share."""
    assert cropped_shape((10, 128, 256), 0.5) == (10, 64, 128)
    for share in (0.01, 0.3, 0.5, 0.77, 1.0):
        for n in (16, 30, 100, 200, 384):
            found = cropped_shape((n, n, n), share)[0]
            assert min(n, n * share) <= found <= n
            assert found == n or found in FAST


@pytest.mark.parametrize(("small_shape", "large_shape"), [((16, 16, 16), (32, 32, 32)), ((15, 16, 21), (32, 27, 40))])
def test_up_and_down_again_is_nothing(small_shape: tuple[int, ...], large_shape: tuple[int, int, int]) -> None:
    """Zero-padding the diffraction and cutting it again gives the object back, odd axes too."""
    obj = noise(small_shape)
    up = resampled(obj, large_shape)
    assert up.shape == large_shape
    np.testing.assert_allclose(resampled(up, small_shape), obj, atol=1e-5)


def test_resampling_keeps_the_diffraction() -> None:
    """The central part of the diffraction keeps its values, so the scale to the counts stays."""
    obj = noise((32, 32, 32))
    down = far_field(resampled(obj, (16, 16, 16)))
    np.testing.assert_allclose(down, far_field(obj)[8:24, 8:24, 8:24], atol=1e-3)


def test_the_same_shape_is_the_same_object() -> None:
    """Nothing is transformed where nothing changes."""
    obj = noise((16, 16, 16))
    assert resampled(obj, (16, 16, 16)) is obj


def test_a_support_keeps_its_place_and_share() -> None:
    """A centred ball stays a centred ball of the same share of the field, up and down."""
    axis = np.arange(32) - 16
    ball = axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2 <= 10**2
    for shape in ((64, 64, 64), (16, 16, 16), (48, 32, 24)):
        found = resampled_support(ball, shape)
        assert found.shape == shape
        assert found.mean() == pytest.approx(ball.mean(), rel=0.1)
        centre = [np.average(np.arange(n), weights=found.sum(axis=tuple({0, 1, 2} - {k}))) for k, n in enumerate(shape)]
        assert np.abs(np.array(centre) / shape - 0.5).max() < 0.02
