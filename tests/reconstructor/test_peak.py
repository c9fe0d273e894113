"""The Bragg peak is found in spite of hot pixels, and seen to pass only when it has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from contract.messages import FrameBlock, ScanStarted
from reconstructor.curve import Curve
from reconstructor.peak import find_peak

Make = Callable[..., ScanStarted]
Block = Callable[..., FrameBlock]
AT = (21.3, 14.6, 17.2)


def bragg(frames: int = 40, side: int = 32, scale: float = 2000.0) -> np.ndarray:
    """A peak at `AT` on a weak background, Poisson counts."""
    j, r, c = np.meshgrid(np.arange(frames), np.arange(side), np.arange(side), indexing="ij")
    peak = np.exp(-(((j - AT[0]) / 3) ** 2) - ((r - AT[1]) / 2) ** 2 - ((c - AT[2]) / 2.5) ** 2)
    return np.random.default_rng(1).poisson(scale * peak + 0.02).astype(np.uint32)


def test_the_peak_is_found_to_a_voxel_and_its_centre_better(scan_started: Make, frame_block: Block) -> None:
    """Maximum within a voxel, centre of mass within a quarter."""
    curve = Curve(scan_started(40, 32, 32))
    curve.add(frame_block(list(range(40)), bragg()))
    peak = find_peak(curve.reading())
    assert peak is not None
    assert np.allclose(peak.at, AT, atol=1.0)
    assert np.allclose(peak.centre, AT, atol=0.25)


def test_hot_pixels_do_not_decide(scan_started: Make, frame_block: Block) -> None:
    """A pixel that counts a million in every frame, and one that does once, do not move the peak."""
    counts = bragg()
    counts[:, 5, 6] = 1_000_000
    counts[3, 25, 25] = 4_000_000_000
    curve = Curve(scan_started(40, 32, 32))
    curve.add(frame_block(list(range(40)), counts))
    peak = find_peak(curve.reading())
    assert peak is not None
    assert np.allclose(peak.at, AT, atol=1.0)


def test_the_peak_has_passed_only_when_frames_after_it_say_so(scan_started: Make, frame_block: Block) -> None:
    """While the curve still rises the peak has not passed; a few low frames after the maximum show that it has."""
    curve, counts, passed = Curve(scan_started(40, 32, 32)), bragg(), []
    for j in range(40):
        curve.add(frame_block([j], counts[j : j + 1]))
        peak = find_peak(curve.reading())
        passed.append(peak is not None and peak.passed)
    first = passed.index(True)
    assert 23 <= first <= 30
    assert all(passed[first:])


def test_too_few_counts_are_no_peak(scan_started: Make, frame_block: Block) -> None:
    """Noise has no peak, and neither has a curve without frames."""
    curve = Curve(scan_started(40, 32, 32))
    assert find_peak(curve.reading()) is None
    curve.add(frame_block(list(range(10)), bragg(scale=0.0)[:10]))
    assert find_peak(curve.reading()) is None


@pytest.mark.scan54
def test_scan_54_has_its_peak_where_it_was_measured(scan54: Path, scan_started: Make, frame_block: Block) -> None:
    """The largest pixel of scan 54 is at frame 99, row 126, column 127."""
    with h5py.File(scan54, "r") as file:
        counts = file["entry/frames"][80:120]
    curve = Curve(scan_started(201, 256, 256))
    curve.add(frame_block(list(range(80, 120)), counts))
    peak = find_peak(curve.reading())
    assert peak is not None
    assert peak.at == (99, 126, 127)
    assert peak.passed
