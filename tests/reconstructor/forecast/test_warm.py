"""The last hold's object as another window shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.fft

from reconstructor.forecast.pattern import Pattern
from reconstructor.forecast.residual import Residual
from reconstructor.forecast.warm import WARM, Standing, abandoned, seen_from, support_from, warm_start
from reconstructor.phasing import notation
from reconstructor.phasing.alignment import overlap
from reconstructor.window import Window3


def far_field(obj: Any) -> Any:
    """Forward FFT, n // 2 its origin."""
    return scipy.fft.fftshift(scipy.fft.fftn(scipy.fft.ifftshift(obj)))


@pytest.fixture
def pattern(held: Callable[..., Any]) -> Pattern:
    """The last hold's."""
    found: Pattern = held(0).last()[0]
    return found


def test_from_its_own_window_an_object_is_itself(pattern: Pattern) -> None:
    """Also where window and crystal have moved together."""
    np.testing.assert_allclose(seen_from(pattern, pattern.window), pattern.obj, atol=2e-4 * np.abs(pattern.obj).max())
    moved = Window3(tuple(s + 4 for s in pattern.window.start), pattern.window.binning, pattern.window.shape)
    again = seen_from(pattern, moved, (4.0, 4.0, 4.0))
    np.testing.assert_allclose(again, pattern.obj, atol=2e-4 * np.abs(pattern.obj).max())


def test_a_moved_peak_is_a_ramp_and_no_translation(pattern: Pattern) -> None:
    """The density stays where it is; the far field lies as many voxels away as the peak has moved."""
    seen = seen_from(pattern, pattern.window, (6.0, 0.0, -2.0))
    middle = (slice(8, -8),) * 3
    there, here = (
        np.abs(far_field(pattern.obj))[middle],
        np.abs(np.roll(far_field(seen), (-3, 0, 2), (0, 1, 2)))[middle],
    )
    np.testing.assert_allclose(here, there, atol=2e-3 * there.max())
    density = np.abs(np.vdot(np.abs(seen), np.abs(pattern.obj)))
    assert density > 0.995 * np.linalg.norm(seen) * np.linalg.norm(pattern.obj)


@pytest.mark.parametrize(
    "window", [Window3((12, 0, 0), (3, 1, 1), (32, 48, 48)), Window3((28, 8, 8), (2, 1, 1), (32, 32, 32))]
)
def test_counts_a_voxel_follow_the_binning(window: Window3, pattern: Pattern) -> None:
    """The far field is read where the other window has its voxels, in counts of its own bins."""
    seen = seen_from(pattern, window)
    at = [
        s + b * np.arange(n) + (b - 1) / 2 for s, b, n in zip(window.start, window.binning, window.shape, strict=True)
    ]
    wanted = pattern.intensity((at[0], at[1], at[2])) * np.prod(window.binning) / 2
    np.testing.assert_allclose(np.abs(far_field(seen)) ** 2, wanted, rtol=1e-2, atol=1e-4 * wanted.max())


def test_a_window_that_reaches_further_shows_the_same_crystal(pattern: Pattern) -> None:
    """More voxels of the same field are smaller; back on the old ones the object is what it was."""
    window = Window3((0, 0, 0), (2, 1, 1), (60, 48, 48))
    there = Pattern(seen_from(pattern, window), window)
    back = seen_from(there, pattern.window)
    assert overlap(back, pattern.obj) > 0.999


def test_a_support_keeps_its_place_in_the_crystal(held: Callable[..., Any]) -> None:
    """On finer voxels, and on bins half as large (a field twice as wide), it covers the object that is seen there."""
    pattern, support = held(1).last()
    for window in (Window3((12, 0, 0), (1, 1, 1), (96, 48, 48)), Window3((12, 8, 8), (2, 1, 1), (48, 32, 32))):
        seen, inside = seen_from(pattern, window), support_from(support, pattern.window, window)
        power = np.abs(seen) ** 2
        assert power[inside].sum() > 0.9 * power.sum()
        assert 0.5 < inside.sum() / (support.sum() * np.prod(window.shape) / (48**3) / (2 / window.binning[0])) < 1.5
    np.testing.assert_array_equal(support_from(support, pattern.window, pattern.window), support)


def test_a_warm_start_has_object_and_support(held: Callable[..., Any]) -> None:
    """Both on the window that is to be phased."""
    pattern, support = held(0).last()
    start = warm_start(pattern, support, pattern.window, (2.0, 0.0, 0.0))
    assert start.obj is not None
    assert start.support is not None
    np.testing.assert_array_equal(start.support, support)
    assert start.obj.shape == pattern.window.shape
    assert notation.parse(notation.written(WARM), "warm") == WARM


def test_warmth_is_abandoned_when_a_cold_volume_knows_better() -> None:
    """By the forecast residual, or by a free LLK that is better by half; what is not known decides nothing."""
    good, bad = Residual(0.01, 9), Residual(0.05, 9)
    assert abandoned(Standing(1.0, bad), Standing(1.0, good))
    assert not abandoned(Standing(1.0, good), Standing(1.0, bad))
    assert abandoned(Standing(4.0, good), Standing(2.0, bad))
    assert not abandoned(Standing(2.5, None), Standing(2.0, None))
    assert not abandoned(Standing(None, None), Standing(1.0, good))
