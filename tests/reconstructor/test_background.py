"""A constant background: found where there is one, and not in what a crystal scatters by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from reconstructor.background import background

PEAK = (99, 126, 127)


@pytest.fixture
def pattern(played: Callable[..., Any]) -> np.ndarray:
    """Counts of a faceted, strained crystal on 48³ voxels, 0.2 to 0.7 a voxel at the rim."""
    return np.asarray(played().counts, np.float32)


def test_a_crystal_alone_has_no_background(pattern: np.ndarray) -> None:
    """Its own counts at the rim fall by Porod's law, at any number of photons; nothing at all has no background."""
    everywhere = np.ones(pattern.shape, np.bool_)
    assert background(pattern, everywhere) == 0
    assert background(np.random.default_rng(1).poisson(pattern / 50).astype(np.float32), everywhere) == 0
    assert background(100 * pattern, everywhere) == 0
    assert background(0 * pattern, everywhere) == 0


@pytest.mark.parametrize("photons", [2.0, 8.0])
def test_a_background_is_found(pattern: np.ndarray, photons: float) -> None:
    """What is added everywhere comes out within 15 %, through any response, and also with pixels that are masked."""
    rng = np.random.default_rng(2)
    known = rng.random(pattern.shape) > 0.2
    seen = np.where(known, pattern + rng.poisson(photons, pattern.shape), 1e6).astype(np.float32)
    assert background(seen, known) == pytest.approx(photons, rel=0.15)
    response = (1 + 0.5 * rng.random(pattern.shape)).astype(np.float32)
    assert background(seen * response, known, response) == pytest.approx(photons, rel=0.15)


def test_a_curve_that_has_just_begun_tells_nothing(pattern: np.ndarray) -> None:
    """Where less than half of a shell is measured no background is found."""
    known = np.ones(pattern.shape, np.bool_)
    known[20:] = False
    assert background(pattern + 5, known) == 0


def test_an_empty_curve_has_none(pattern: np.ndarray) -> None:
    """No voxel known is no background, not an error."""
    assert background(pattern, np.zeros(pattern.shape, np.bool_)) == 0


@pytest.mark.scan54
def test_the_recorded_scan_has_none(scan54: Path) -> None:
    """Counted photon by photon in a good vacuum: nothing significant under the central 96³ and 128³."""
    for side in (96, 128):
        box = tuple(slice(p - side // 2, p + side // 2) for p in PEAK)
        with h5py.File(scan54) as file:
            counts = file["entry/frames"][box].astype(np.float32)
        assert background(counts, np.ones(counts.shape, np.bool_)) == 0
