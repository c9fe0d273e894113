"""A photon-counting detector: expected counts become counts, with what real ones do wrong."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

DEAD = 2
"""Bit of the DECTRIS pixel mask for a dead pixel."""
OVERLOAD = 2**32 - 1
"""What a dead pixel reads in a series of uint32: the largest value of the dtype."""


class Detector(msgspec.Struct, frozen=True, kw_only=True):
    """What the simulated detector adds to the photons."""

    background: float = 2e-4
    """Counts a pixel and frame that do not come from the crystal."""
    dead_pixels: int = 4
    saturation: int = 2**24 - 1
    """Largest count; what is brighter reads this (24-bit counters of Medipix3)."""
    drift: float = 0.01
    """Relative standard deviation of the incident intensity from frame to frame, half of it slow."""


def pixel_mask(detector: Detector, rows: int, columns: int, rng: np.random.Generator) -> NDArray[np.uint32]:
    """(row, column), `DEAD` where a pixel is dead. None lies in the middle quarter, where one would align the peak."""
    row, column = np.indices((rows, columns))
    middle = (abs(row - rows / 2) < rows / 8) & (abs(column - columns / 2) < columns / 8)
    mask = np.zeros((rows, columns), np.uint32)
    dead = rng.choice(np.flatnonzero(~middle), detector.dead_pixels, replace=False)
    mask.ravel()[dead] = DEAD
    return mask


def monitor(detector: Detector, frames: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Incident intensity of each frame relative to the nominal one."""
    slow = np.sin(2 * np.pi * (np.arange(frames) / frames * rng.uniform(1, 3) + rng.uniform()))
    relative: NDArray[np.float64] = 1 + detector.drift / np.sqrt(2) * (np.sqrt(2) * slow + rng.normal(size=frames))
    return relative


def expose(
    expected: NDArray[np.floating],
    detector: Detector,
    mask: NDArray[np.uint32],
    incident: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.uint32]:
    """Counts (frame, row, column) of `expected` photons at nominal incident intensity, Poisson distributed."""
    mean = expected * incident[:, None, None] + detector.background
    counts = np.minimum(rng.poisson(mean), detector.saturation).astype(np.uint32)
    counts[:, mask != 0] = OVERLOAD
    return counts
