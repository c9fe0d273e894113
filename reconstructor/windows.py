"""Which window to phase: how far bins may go, which sizes are fast, what is worth the time there is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from reconstructor.curve import Reading
from reconstructor.peak import Peak
from reconstructor.phasing.sizes import FAST, nearest_fast
from reconstructor.window import Place, Triple, Window3, around

LEAST_OVERSAMPLING = 2.5
CORRELATION_LEVEL = 0.05
"""The crystal's autocorrelation is taken to end below this share of its maximum."""
LEAST_SIDE = 64
CHEAPER = 0.7
"""A smaller window is offered where it has at most this share of the voxels of the one before."""
USUAL_FRAMES = 64
LOOK_SIDE = 96
"""Voxels a side of the part about the peak that is looked at."""


@dataclass(frozen=True)
class Limits:
    """Largest windows, in voxels a side after binning."""

    provisional_side: int = 96
    refined_side: int = 128


@dataclass(frozen=True)
class Oversampling:
    """Field of view over the crystal's extent along (rocking, row, column), before any binning."""

    ratio: tuple[float, float, float]
    every: int = 1
    """Measured frames are so many apart. Above 1 none may be summed: a bin with an unknown member is unknown."""

    def binning(self, axis: int) -> int:
        """How many voxels of an axis may be summed while `LEAST_OVERSAMPLING` is kept; at least 1."""
        if axis == 0 and self.every > 1:
            return 1
        return max(1, int(self.ratio[axis] / LEAST_OVERSAMPLING))


def oversampling(reading: Reading, peak: Peak) -> Oversampling:
    """From the autocorrelation of the counts about the peak, whose extent is twice the crystal's.

    Along the rocking axis only as many frames on either side of the peak are taken as are measured on both, so that
    a curve cut off after its peak does not look like a larger crystal than it is by more than its resolution. Of a
    scan with coarse steps on a fine grid only the planes that can be measured are looked at.
    """
    every = _every(reading.measured)
    behind, ahead = _measured_about(reading.measured[peak.at[0] % every :: every], peak.at[0] // every)
    half = max(1, min(behind, ahead, LOOK_SIDE // 2))
    frames = slice(max(0, peak.at[0] - every * half), peak.at[0] + every * half + 1, every)
    rows, columns = (
        slice(max(0, p - LOOK_SIDE // 2), min(n, p + LOOK_SIDE // 2))
        for p, n in zip(peak.at[1:], reading.image.shape, strict=True)
    )
    counts = np.where(reading.trusted[rows, columns], reading.counts[frames, rows, columns], 0).astype(np.float32)
    padded = [scipy.fft.next_fast_len(n) for n in counts.shape]
    correlation = np.abs(scipy.fft.fftn(counts, s=padded))
    inside = np.asarray(correlation > CORRELATION_LEVEL * correlation[0, 0, 0])
    a, b, c = (_ratio(inside, axis) for axis in range(3))
    return Oversampling((every * a, b, c), every)


def _every(measured: NDArray[np.bool_]) -> int:
    """How many planes most measured frames are apart."""
    there = np.flatnonzero(measured)
    return 1 if len(there) < 2 else max(1, round(float(np.median(np.diff(there)))))


def _measured_about(measured: NDArray[np.bool_], frame: int) -> tuple[int, int]:
    """How many frames without a gap are measured before and after `frame`."""
    gaps = np.flatnonzero(~measured)
    before, after = gaps[gaps < frame], gaps[gaps > frame]
    first = int(before[-1]) + 1 if before.size else 0
    last = int(after[0]) - 1 if after.size else measured.size - 1
    return frame - first, last - frame


def _ratio(inside: NDArray[np.bool_], axis: int) -> float:
    """Size of an axis over half the extent of the connected part about 0 shift, in an array with 0 at its origin."""
    along = np.asarray(inside.any(axis=tuple(a for a in range(3) if a != axis)))
    n = along.size
    half = along[: n // 2 + 1]
    reach = n // 2 if half.all() else int(np.argmin(half))
    return n / max(1.0, float(reach))


def provisional_window(sizes: Triple, place: Place, sampled: Oversampling, limits: Limits) -> Window3:
    """Binned as far as oversampling allows, then cropped to a fast size of at most `limits.provisional_side`.

    `sizes` are those of the raw curve, (frames, rows, columns), `place` is where the peak is.
    """
    return _window(sizes, place, _allowed(sizes, sampled), limits.provisional_side)


def refined_windows(sizes: Triple, place: Place, sampled: Oversampling, limits: Limits) -> tuple[Window3, ...]:
    """Windows for a refined volume, the best first and each next one cheaper.

    Voxels as measured, cropped about the peak; the rocking axis is binned (as far as oversampling allows) only where
    that crop would leave more than half of its frames out.
    """
    side = min(limits.refined_side, nearest_fast(max(sizes[1:])))
    wanted = max(1, round(sizes[0] / side)) if sizes[0] > 2 * side else 1
    binning = (min(wanted, _allowed(sizes, sampled)[0]), 1, 1)
    found: list[Window3] = []
    for smaller in (n for n in reversed(FAST) if LEAST_SIDE <= n <= side or n == side):
        window = _window(sizes, place, binning, smaller)
        if not found or window.voxels < CHEAPER * found[-1].voxels:
            found.append(window)
    cheapest = provisional_window(sizes, place, sampled, limits)
    if cheapest.voxels < CHEAPER * found[-1].voxels:
        found.append(cheapest)
    return tuple(found)


def guessed(sizes: Triple) -> Oversampling:
    """What oversampling a scan of this size usually has, before its first frame: many frames, so that they bin."""
    return Oversampling((LEAST_OVERSAMPLING * max(1.0, round(sizes[0] / USUAL_FRAMES)), 1.0, 1.0))


def _allowed(sizes: Triple, sampled: Oversampling) -> Triple:
    """Bins that oversampling allows and that leave at least 64 voxels on the axis."""
    a, b, c = (max(1, min(sampled.binning(axis), size // LEAST_SIDE)) for axis, size in enumerate(sizes))
    return a, b, c


def _window(sizes: Triple, place: Place, binning: Triple, side: int) -> Window3:
    """The fast window of at most `side` voxels a side about the peak."""
    a, b, c = (min(side, nearest_fast(size / n)) for size, n in zip(sizes, binning, strict=True))
    return around(place, binning, (a, b, c))
