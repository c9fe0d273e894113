"""Free pixels: one mask a scan, fixed in raw coordinates, so that every window, run and stage keeps the same ones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from contract.messages import Scan
from reconstructor.window import Place, Triple

SHARE = 0.05
RADIUS = 3
CENTRAL = 0.05
PEAK_MARGIN = 2.0
SURELY_ABOUT = 0.25
"""Of the part that has none: a peak that is no further off is still well within it."""
USUAL_FRAMES = 64


@dataclass(frozen=True)
class FreePixels:
    """Islands of voxels kept from the modulus projection, to judge runs by.

    An island reaches over 3 voxels of a window binned by `binning`, so that binned voxels are rarely cut by its edge;
    the part within 5 % of the curve's extent about the peak has none.
    """

    seed: int
    shape: Triple
    """(frame, row, column) of the raw curve."""
    centre: Place
    """The Bragg peak as it was known when the mask was drawn."""
    binning: Triple
    share: float = SHARE
    also: Place | None = None
    """The peak where it turned out to be, if that is elsewhere: there is nothing free about either place."""

    def mask(self) -> NDArray[np.bool_]:
        """True where free; (frame, row, column) of the raw curve. The same for the same values, always."""
        radii = [max(RADIUS * b, 1) for b in self.binning]
        ball = _ellipsoid(radii)
        islands = round(-np.log1p(-self.share) * np.prod(self.shape, dtype=float) / np.count_nonzero(ball))
        rng = np.random.default_rng(self.seed)
        free = np.zeros([n + 2 * r for n, r in zip(self.shape, radii, strict=True)], np.bool_)
        spots = rng.integers(0, self.shape, size=(islands, 3))
        for i, j, k in spots:
            a, b, c = ball.shape
            free[i : i + a, j : j + b, k : k + c] |= ball
        inner: NDArray[np.bool_] = free[tuple(slice(r, r + n) for r, n in zip(radii, self.shape, strict=True))]
        for place in (self.centre,) if self.also is None else (self.centre, self.also):
            inner = inner & self._outside(place)
        return inner

    def about(self, peak: Place) -> FreePixels:
        """These, for a peak that is better known by now: none of them is near it, and no voxel becomes free, for a
        volume may have been fitted to it."""
        off = [(a - b) / reach for a, b, reach in zip(peak, self.centre, self._reach, strict=True)]
        return replace(self, also=peak) if np.hypot.reduce(off) > SURELY_ABOUT else self

    @property
    def _reach(self) -> list[float]:
        """How far from the peak nothing is free, along each axis."""
        return [CENTRAL * n + PEAK_MARGIN * b for n, b in zip(self.shape, self.binning, strict=True)]

    def _outside(self, place: Place) -> NDArray[np.bool_]:
        distance = np.zeros(self.shape, np.float32)
        for axis, (n, reach) in enumerate(zip(self.shape, self._reach, strict=True)):
            k = ((np.arange(n) - place[axis]) / reach) ** 2
            distance += np.expand_dims(k.astype(np.float32), tuple(a for a in range(3) if a != axis))
        outside: NDArray[np.bool_] = distance > 1
        return outside


def free_pixels(scan: Scan, shape: Triple, centre: Place) -> FreePixels:
    """The free pixels of a scan: drawn from its name, so that a restart draws the same.

    Islands are longer along the rocking axis where that has many frames: there windows are binned.
    """
    seed = int.from_bytes(hashlib.sha256(scan.encode()).digest()[:8], "little")
    return FreePixels(seed, shape, centre, (max(1, round(shape[0] / USUAL_FRAMES)), 1, 1))


def no_free_pixels(shape: Triple) -> FreePixels:
    """None at all: before the peak has passed nobody knows where to draw them."""
    return FreePixels(0, shape, (0.0, 0.0, 0.0), (1, 1, 1), share=0.0)


def _ellipsoid(radii: list[int]) -> NDArray[np.bool_]:
    distance = np.zeros([2 * r + 1 for r in radii])
    for axis, r in enumerate(radii):
        k = (np.arange(-r, r + 1) / (r + 1e-9)) ** 2
        distance += np.expand_dims(k, tuple(a for a in range(3) if a != axis))
    return distance <= 1
