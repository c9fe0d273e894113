"""Which windows are offered."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from contract.messages import FrameBlock, ScanStarted
from reconstructor.curve import Curve
from reconstructor.peak import find_peak
from reconstructor.windows import Limits, Oversampling, guessed, oversampling, provisional_window, refined_windows

Make = Callable[..., ScanStarted]
Block = Callable[..., FrameBlock]


def box_counts(sizes: tuple[int, int, int], ratio: tuple[float, float, float]) -> np.ndarray:
    """Counts of a box-shaped crystal whose extent is the field of view over `ratio`, peak at n // 2."""
    amplitude = np.ones(sizes)
    for axis, (n, over) in enumerate(zip(sizes, ratio, strict=True)):
        q = (np.arange(n) - n // 2) / over
        amplitude = amplitude * np.expand_dims(np.sinc(q), tuple(a for a in range(3) if a != axis))
    return np.random.default_rng(0).poisson(1e5 * amplitude**2)


@pytest.mark.parametrize("ratio", [(8.0, 3.4, 4.0), (5.0, 2.2, 2.6)])
def test_oversampling_is_told_from_the_counts(
    ratio: tuple[float, float, float], scan_started: Make, frame_block: Block
) -> None:
    """Field of view over extent is found within 20 % from the whole curve's autocorrelation."""
    sizes = (120, 64, 64)
    curve = Curve(scan_started(*sizes))
    curve.add(frame_block(list(range(120)), box_counts(sizes, ratio)))
    peak = find_peak(curve.reading())
    assert peak is not None
    assert np.allclose(oversampling(curve.reading(), peak).ratio, ratio, rtol=0.2)


def test_half_a_curve_does_not_bin_too_far(scan_started: Make, frame_block: Block) -> None:
    """Soon after its peak a curve shows no more oversampling than the whole one by more than 20 %."""
    sizes = (120, 64, 64)
    curve = Curve(scan_started(*sizes))
    curve.add(frame_block(list(range(75)), box_counts(sizes, (8.0, 3.4, 4.0))[:75]))
    peak = find_peak(curve.reading())
    assert peak is not None
    assert peak.passed
    assert oversampling(curve.reading(), peak).ratio[0] <= 9.6


def test_the_demo_is_phased_on_64_cubed() -> None:
    """201 frames of 64 × 64 pixels with oversampling 8 along the rocking axis give 64³, provisional and refined."""
    sampled, sizes, place = Oversampling((8.0, 3.0, 3.0)), (201, 64, 64), (100.0, 32.0, 32.0)
    provisional = provisional_window(sizes, place, sampled, Limits())
    refined = refined_windows(sizes, place, sampled, Limits())[0]
    assert provisional.shape == refined.shape == (64, 64, 64)
    assert provisional.binning == refined.binning == (3, 1, 1)


def test_scan_54_is_refined_on_its_central_128_cubed() -> None:
    """201 frames of 256 × 256 pixels: provisional binned along the rocking axis, refined as measured."""
    sampled, sizes, place = Oversampling((9.8, 4.2, 3.3)), (201, 256, 256), (99.0, 126.0, 127.0)
    provisional = provisional_window(sizes, place, sampled, Limits())
    refined = refined_windows(sizes, place, sampled, Limits())
    assert provisional.shape == (64, 96, 96)
    assert provisional.binning == (3, 1, 1)
    assert refined[0].shape == (128, 128, 128)
    assert refined[0].binning == (1, 1, 1)
    assert all(a.voxels > b.voxels for a, b in pairwise(refined))


def test_oversampling_is_never_binned_away() -> None:
    """Bins leave at least 2.5, and at least 64 voxels on the axis."""
    for ratio in (1.5, 2.6, 5.1, 20.0):
        window = provisional_window((201, 64, 64), (100.0, 32.0, 32.0), Oversampling((ratio, ratio, ratio)), Limits())
        assert window.binning[0] == max(1, min(int(ratio / 2.5), 3))
        assert window.binning[1] == 1


def test_a_scan_is_guessed_before_its_first_frame() -> None:
    """What is compiled for when a scan is announced is what it is phased on if it is like the others."""
    assert provisional_window((201, 64, 64), (100.0, 32.0, 32.0), guessed((201, 64, 64)), Limits()).shape == (
        64,
        64,
        64,
    )
