"""What a known crystal scatters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.fft

from reconstructor.forecast.pattern import Pattern, Places
from reconstructor.phasing.problem import Complex
from reconstructor.window import Window3

WINDOW = Window3((5, -3, 2), (3, 1, 2), (16, 12, 10))


def some_object(seed: int = 0) -> Complex:
    """A small crystal off the middle of its window."""
    rng = np.random.default_rng(seed)
    obj = np.zeros(WINDOW.shape, np.complex64)
    obj[6:12, 5:10, 2:7] = rng.standard_normal((6, 5, 5)) + 1j * rng.standard_normal((6, 5, 5))
    return obj


def own_places() -> Places:
    """The places of the window's voxels."""
    a, b, c = (
        start + size * np.arange(n) + (size - 1) / 2
        for start, size, n in zip(WINDOW.start, WINDOW.binning, WINDOW.shape, strict=True)
    )
    return a, b, c


def test_on_its_own_voxels_a_pattern_is_the_fourier_transform() -> None:
    """The intensity at the window's own voxels is |FFT|² of the object."""
    obj = some_object()
    wave = scipy.fft.fftshift(scipy.fft.fftn(obj))
    np.testing.assert_allclose(Pattern(obj, WINDOW).intensity(own_places()), np.abs(wave) ** 2, rtol=1e-3, atol=1e-3)


def test_between_voxels_it_is_the_transform_of_the_padded_object() -> None:
    """A field of view twice as wide has its voxels half as far apart."""
    obj = some_object()
    wide = np.zeros((32, 12, 10), np.complex64)
    wide[8:24] = obj
    wave = scipy.fft.fftshift(scipy.fft.fftn(wide))
    frames, rows, columns = own_places()
    fine = frames[0] + 1.5 * np.arange(32)
    np.testing.assert_allclose(
        Pattern(obj, WINDOW).intensity((fine, rows, columns)), np.abs(wave) ** 2, rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slopes_are_differences(axis: int) -> None:
    """The derivative along each axis is what a small step makes of the intensity, a raw index the unit."""
    pattern, at = Pattern(some_object(), WINDOW), own_places()
    step = 0.02
    beyond, short = ([p + sign * step * (k == axis) for k, p in enumerate(at)] for sign in (1, -1))
    change = (
        pattern.intensity((beyond[0], beyond[1], beyond[2])) - pattern.intensity((short[0], short[1], short[2]))
    ) / (2 * step)
    slopes = pattern.slopes(at)
    np.testing.assert_allclose(slopes[0], pattern.intensity(at), rtol=1e-5)
    assert np.abs(slopes[1 + axis] - change).max() < 0.01 * np.abs(change).max()


def test_a_ramp_on_the_object_moves_its_pattern() -> None:
    """A phase ramp of a turn across the field is one voxel of the window."""
    obj = some_object()
    ramp = np.exp(2j * np.pi * (np.arange(16) - 8) / 16).astype(np.complex64)[:, None, None]
    frames, rows, columns = own_places()
    moved = Pattern(obj * ramp, WINDOW).intensity((frames + 3, rows, columns))
    np.testing.assert_allclose(moved, Pattern(obj, WINDOW).intensity((frames, rows, columns)), rtol=1e-3, atol=1e-2)


def test_it_covers_its_window_alone() -> None:
    """Every raw index of the window is covered, none beyond it."""
    pattern = Pattern(some_object(), WINDOW)
    assert pattern.covers(0, np.arange(0.0, 60.0)).nonzero()[0].tolist() == list(range(5, 53))
    assert pattern.covers(1, np.arange(-10.0, 20.0)).sum() == 12


def test_what_is_no_crystal_is_refused() -> None:
    """Another shape than the window's, or nothing at all."""
    with pytest.raises(ValueError, match=r"shape \(4, 4, 4\); wanted that of its window, \(16, 12, 10\)"):
        Pattern(np.ones((4, 4, 4), np.complex64), WINDOW)
    with pytest.raises(ValueError, match="zero everywhere"):
        Pattern(np.zeros(WINDOW.shape, np.complex64), WINDOW)


def test_a_recorded_curve_is_told_by_its_object(held: Callable[..., object]) -> None:
    """The last hold's object gives the counts of its own scan back: at every frame, between the window's voxels too."""
    crystal = held(0, "nothing")
    pattern, _ = crystal.last()
    scan = crystal.scan("before")
    frames = np.arange(20.0, 100.0)
    at = (frames, np.arange(48.0), np.arange(48.0))
    told = pattern.intensity(at) / 2
    true = np.abs(scan.amplitude[20:100]) ** 2
    assert np.sum((np.sqrt(told) - np.sqrt(true)) ** 2) < 0.01 * true.sum()
