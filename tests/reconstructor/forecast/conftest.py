"""Crystals that change from hold to hold, made without the inverse crime.

They are drawn on voxels three times finer, their far fields summed at the very places of the curve, so that a peak
may lie between frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import scipy.fft
from numpy.typing import NDArray

from contract.messages import ScanStarted
from reconstructor.curve import Reading
from reconstructor.forecast.pattern import Pattern
from reconstructor.phasing.problem import Complex, Mask
from reconstructor.score import sampled
from reconstructor.window import Place, Window3, around

FINER = 3
SIDE = 48
"""Voxels of a window, pixels of the detector."""
BINNING = 2
FRAMES = 120
MIDDLE = (60.0, 24.0, 24.0)
PHOTONS = 3e6
REACH = 11
"""Half of the box that is drawn, in voxels of the window."""


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan of a crystal and the truth behind it."""

    reading: Reading
    amplitude: Complex
    """True far field at the middle of each raw voxel, √counts."""

    def truth(self, window: Window3) -> Complex:
        """The object behind it on a window's grid, in √counts a voxel of the window."""
        wave = sampled(self.amplitude, window) * np.float32(np.sqrt(np.prod(window.binning)))
        return np.asarray(scipy.fft.fftshift(scipy.fft.ifftn(scipy.fft.ifftshift(wave))), np.complex64)

    def until(self, frames: int) -> Reading:
        """The curve when so many frames were measured; in the others stands what must not be read."""
        measured = np.arange(FRAMES) < frames
        counts = self.reading.counts.copy()
        counts[~measured] = 12345
        image = counts[measured].sum(axis=0, dtype=float)
        return replace(self.reading, counts=counts, measured=measured, image=image)


@dataclass(frozen=True, eq=False)
class Held:
    """A crystal on the fine grid, as it was in the last hold and as it is now."""

    before: Complex
    after: Complex
    started: ScanStarted

    def last(self, place: Place = MIDDLE) -> tuple[Pattern, Mask]:
        """The last hold's object as a refinement would have it, and its support."""
        scan = self.scan("before", place)
        window = around(place, (BINNING, 1, 1), (SIDE, SIDE, SIDE))
        obj = scan.truth(window)
        support: Mask = np.abs(obj) > 0.15 * np.abs(obj).max()
        return Pattern(np.where(support, obj, np.complex64(0)), window), support

    def scan(self, state: str, place: Place = MIDDLE, brightness: float = 1.0, seed: int = 0) -> Scan:
        """A scan of the crystal "before" or "after" with its peak at a place, some background and Poisson noise."""
        q = [(np.arange(FRAMES) - place[0]) / BINNING, np.arange(SIDE) - place[1], np.arange(SIDE) - place[2]]
        # Parseval: the fine voxels are a FINER-th of the window's, and so their far field repeats that much later
        norm = PHOTONS / (BINNING * (FINER * SIDE) ** 3 * np.sum(np.abs(self.before) ** 2))
        field = far_field(self.before if state == "before" else self.after, q) * np.sqrt(norm * brightness)
        counts = np.random.default_rng([seed, 1]).poisson(np.abs(field) ** 2 + 2e-4).astype(np.uint32)
        reading = Reading(
            started=self.started,
            counts=counts,
            measured=np.ones(FRAMES, np.bool_),
            angle_deg=0.01 * np.arange(FRAMES),
            monitor=np.ones(FRAMES),
            image=counts.sum(axis=0, dtype=float),
            trusted=np.ones((SIDE, SIDE), np.bool_),
        )
        return Scan(reading, field.astype(np.complex64))


def far_field(obj: Complex, q: list[NDArray[np.float64]]) -> NDArray[np.complex128]:
    """Σ obj exp(−2πi q·r / side) on the grid of q, in voxels from the peak."""
    axis = (np.arange(obj.shape[0]) - (obj.shape[0] - 1) / 2) / FINER
    for along in range(3):
        obj = np.moveaxis(
            np.tensordot(np.exp(-2j * np.pi / SIDE * np.outer(q[along], axis)), obj, (1, along)), 0, along
        )
    return obj


def crystal(seed: int, change: str, started: ScanStarted) -> Held:
    """A convex, strained crystal and what became of it: "nothing", "strained" (overlap about 0.86), "a domain lost",
    "a dislocation born"."""
    rng = np.random.default_rng([seed, 7])
    axis = (np.arange(2 * REACH * FINER) - REACH * FINER + 0.5) / FINER
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)
    extent = rng.uniform(7.0, 9.0, 3)
    inside = (abs(z) < extent[0]) & (abs(y) < extent[1]) & (abs(x) < extent[2])
    for _ in range(7):
        normal = rng.standard_normal(3)
        normal /= np.linalg.norm(normal)
        inside &= normal[0] * z + normal[1] * y + normal[2] * x < rng.uniform(6.0, 8.5)
    a, b, c = (v / e for v, e in zip((z, y, x), extent, strict=True))
    w = rng.uniform(0.6, 1.4, 6)
    before = inside * np.exp(1j * (w[0] * a * b + w[1] * np.sin(2 * c + w[2]) - w[3] * b * b))
    now: dict[str, Any] = {
        "nothing": 1.0,
        "strained": np.exp(1j * STRAINED * (w[4] * (3 * a * a - 1) - w[5] * b * c)),
        "a domain lost": a + 0.5 * b < 0.35,
        "a dislocation born": np.exp(1j * np.arctan2(b + 0.3, c + 0.0 * a)),
    }
    return Held(before.astype(np.complex64), (before * now[change]).astype(np.complex64), started)


STRAINED = 0.62


@pytest.fixture
def held(scan_started: Callable[..., ScanStarted]) -> Callable[..., Held]:
    """`held(seed, change)`: a crystal in the last hold and now."""
    return lambda seed=0, change="strained": crystal(seed, change, scan_started(FRAMES, SIDE, SIDE))
