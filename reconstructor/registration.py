"""Where one scan's diffraction pattern lies on another's: in three dimensions, finer than a voxel. Pure.

A whole-voxel shift from the cross-correlation of the root counts (whose noise is alike everywhere), taken over the
voxels known in both (Padfield 2012, doi:10.1109/TIP.2011.2181402, for one wide peak); then Gauss–Newton steps on the
difference of the root counts (Lucas and Kanade 1981), which leave out what is not known in both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

from reconstructor.curve import CurveError, Flags, Reading
from reconstructor.peak import Peak
from reconstructor.window import Place, Triple

Box = tuple[slice, slice, slice]
HALF = 32
"""Half side of the box about the peak that is compared, in voxels."""
STEPS = 12
PRECISE = 0.002
"""Voxels at which the refinement ends."""
LEAST_KNOWN = 1000
"""Voxels known in both scans, below which nothing can be said."""
Real = NDArray[np.float64]


@dataclass(frozen=True)
class Registration:
    """How to lay the second scan over the first."""

    shift: Place
    """Voxel v of the first scan is place v + shift of the second; (frame, row, column) of the whole detector."""
    pearson: float
    """Correlation of the counts of both, laid over each other with this shift, in the voxels known in both."""
    pearson_whole: float
    """The same with the shift rounded to whole voxels: how alike they are where counts can be summed."""

    @property
    def whole(self) -> Triple:
        """The shift in whole voxels."""
        a, b, c = (round(value) for value in self.shift)
        return a, b, c

    @property
    def rest(self) -> Place:
        """What rounding leaves, at most half a voxel an axis."""
        a, b, c = (value - round(value) for value in self.shift)
        return a, b, c


def registered(one: Reading, one_peak: Peak, other: Reading, other_peak: Peak) -> Registration:
    """Lay `other` over `one`; their rocking steps have to be the same. CurveError where too little is known."""
    inside = _box(one, one_peak)
    first, known = _counts(one, inside)
    second, there = _whole(other)
    guess = np.asarray(other_peak.at, float) - np.asarray(one_peak.at, float)
    guess = guess + _coarse(first, known, *_moved(second, there, inside, guess))
    shift = _refined(first, known, second, there, inside, guess)
    fine, whole = (_pearson(first, known, *_moved(second, there, inside, at)) for at in (shift, np.round(shift)))
    offset = _window_offset(one, other)
    a, b, c = (float(value + start) for value, start in zip(shift, offset, strict=True))
    return Registration((a, b, c), fine, whole)


def known_voxels(reading: Reading) -> Flags:
    """Measured, trusted and not saturated; (frame, row, column)."""
    known: Flags = reading.measured[:, None, None] & reading.trusted
    if reading.started.saturation_counts is not None:
        known = known & (reading.counts < reading.started.saturation_counts)
    return known


def _window_offset(one: Reading, other: Reading) -> Triple:
    """From places in the two scans' own windows to places on the detector."""
    a, b = one.started.window, other.started.window
    return 0, b.row0 - a.row0, b.column0 - a.column0


def _box(reading: Reading, peak: Peak) -> Box:
    a, b, c = (slice(max(0, p - HALF), min(n, p + HALF)) for p, n in zip(peak.at, reading.sizes, strict=True))
    return a, b, c


def _counts(reading: Reading, box: Box) -> tuple[Real, Flags]:
    """Counts for the nominal intensity, and what is known of them."""
    counts, known = _whole(reading)
    return counts[box], known[box]


def _whole(reading: Reading) -> tuple[Real, Flags]:
    known = known_voxels(reading)
    return np.where(known, reading.counts, 0) / reading.monitor[:, None, None], known


def _moved(counts: Real, known: Flags, box: Box, shift: Real) -> tuple[Real, Flags]:
    """The second scan's counts at the first one's voxels, between voxels by cubic splines of the root counts."""
    places = [np.arange(side.start, side.stop) + by for side, by in zip(box, shift, strict=True)]
    lows = [max(0, int(np.floor(place[0])) - 4) for place in places]
    cut = tuple(slice(low, int(np.ceil(place[-1])) + 5) for low, place in zip(lows, places, strict=True))
    near = [slice(max(0, side.start), max(0, side.stop)) for side in cut]
    part, flags = counts[tuple(near)], known[tuple(near)].astype(float)
    shape = tuple(len(place) for place in places)
    if not part.size:
        return np.zeros(shape), np.zeros(shape, np.bool_)
    offset = [place[0] - low for place, low in zip(places, lows, strict=True)]
    options = {"offset": offset, "output_shape": shape, "cval": 0.0}
    root = ndimage.affine_transform(np.sqrt(part), np.ones(3), order=3, **options)
    inside = ndimage.affine_transform(flags, np.ones(3), order=1, **options)
    return np.maximum(root, 0) ** 2, np.asarray(inside > 0.999)


def _coarse(first: Real, known: Flags, second: Real, there: Flags) -> Real:
    """The whole-voxel shift of the greatest correlation coefficient over what is known in both."""
    shape = [scipy.fft.next_fast_len(2 * n) for n in first.shape]

    def wave(values: NDArray[np.generic]) -> NDArray[np.complex128]:
        found: NDArray[np.complex128] = scipy.fft.rfftn(np.asarray(values, float), s=shape)
        return found

    def over(a: NDArray[np.complex128], b: NDArray[np.complex128]) -> Real:
        found: Real = scipy.fft.irfftn(np.conj(a) * b, s=shape)
        return found

    a, b = np.where(known, np.sqrt(first), 0.0), np.where(there, np.sqrt(second), 0.0)
    wave_a, wave_b, wave_m, wave_n = wave(a), wave(b), wave(known), wave(there)
    number = np.maximum(over(wave_m, wave_n), 1.0)
    sum_a, sum_b = over(wave_a, wave_n), over(wave_m, wave_b)
    top = over(wave_a, wave_b) - sum_a * sum_b / number
    spread_a = over(wave(a**2), wave_n) - sum_a**2 / number
    spread_b = over(wave_m, wave(b**2)) - sum_b**2 / number
    enough = number > 0.3 * float(number.max())
    score = np.where(enough, top / np.sqrt(np.maximum(spread_a * spread_b, 1e-9)), -1.0)
    best = np.unravel_index(int(np.argmax(score)), score.shape)
    return np.array([p if p <= n // 2 else p - n for p, n in zip(best, score.shape, strict=True)], float)


def _refined(first: Real, known: Flags, second: Real, there: Flags, box: Box, shift: Real) -> Real:
    """Gauss–Newton steps from a shift that is right to a voxel or two; their lengths are bounded by one voxel."""
    root = np.sqrt(first)
    for _ in range(STEPS):
        moved, inside = _moved(second, there, box, shift)
        both = known & inside
        if np.count_nonzero(both) < LEAST_KNOWN:
            raise CurveError(f"{np.count_nonzero(both)} voxels are known in both scans; wanted {LEAST_KNOWN}")
        other = np.sqrt(moved)
        slopes = [gradient[both] for gradient in np.gradient(other)]
        model = np.stack([*slopes, other[both]], axis=1)
        found = np.linalg.lstsq(model.T @ model, model.T @ root[both], rcond=None)[0]
        # √counts of one = scale · (√counts of the other + step · gradient): the first three are scale · step
        step = np.clip(found[:3] / max(abs(found[3]), 1e-9), -1.0, 1.0)
        shift = shift + step
        if float(np.abs(step).max()) < PRECISE:
            break
    return shift


def _pearson(first: Real, known: Flags, second: Real, there: Flags) -> float:
    both = known & there
    a, b = first[both], second[both]
    if a.size < LEAST_KNOWN or a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
