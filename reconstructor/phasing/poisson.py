"""Poisson maximum likelihood: conjugate gradients down the likelihood of the raw counts, on a fixed support.

A known voxel with n counts is modelled as I = r · (|Fρ|² ⊛ psf + b), r the response, b the background. Minimised is

    LLK = Σ I − n ln I        over known voxels (Thibault & Guizar-Sicairos 2012, New J. Phys. 14, 063004)

along Polak–Ribière's directions, ρ zero outside the support. F is linear, so along ρ + t·δ each I is a quadratic in t
whose coefficients one transform of δ gives: the search for t costs no further transform, and an iteration one pair.

Arrays are origin first (as inside the kernels), all of one library: NumPy, or any that NumPy's functions dispatch to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.fft

from reconstructor.phasing.problem import Problem

Array = Any
"""Of NumPy, or of a library that NumPy's functions dispatch to (CuPy)."""

FLOOR = 1e-4
"""Photons a voxel added to every model: a count where the model has no intensity at all would cost infinitely much."""
_EVALUATIONS = 8
"""At most so many of the likelihood along one direction."""
_FLAT = 0.01
"""A direction is left where the slope has fallen to this share; at a tenth, rounding decides where that is."""


class Model(NamedTuple):
    """Counts and what they are modelled with, origin first. Voxels that are not known have neither."""

    counts: Array
    """n ≥ 0; 0 where not known."""
    response: Array
    """r > 0; 0 where not known."""
    background: float
    """b, photons a voxel, at least FLOOR."""


class Optics(NamedTuple):
    """From the object to intensities and back."""

    forward: Callable[[Array], Array]
    """Unnormalised FFT; leaves its argument as it is."""
    backward: Callable[[Array], Array]
    """Normalised inverse FFT; may use up its argument."""
    blur: Callable[[Array], Array] = lambda intensity: intensity
    """Convolution with the psf of partial coherence, real to real; the same array where fully coherent."""
    unblur: Callable[[Array], Array] = lambda weight: weight
    """Its adjoint: correlation with the psf."""


def model(problem: Problem) -> Model:
    """A problem's known voxels."""
    counts = np.where(problem.known, problem.counts, np.float32(0))
    response = np.float32(1) if problem.response is None else problem.response
    known = np.where(problem.known, response, np.float32(0)).astype(np.float32)
    return Model(scipy.fft.ifftshift(counts), scipy.fft.ifftshift(known), max(problem.background, FLOOR))


def llk(wave: Array, told: Model, optics: Optics) -> float:
    """Σ I − n + n ln(n / I) of the diffraction Fρ: LLK less what it would be at I = n, half the Poisson deviance."""
    there = optics.blur(_square(wave)) + told.background
    expected = told.response * there
    ratio = np.where(told.counts > 0, expected / np.maximum(told.counts, 1e-30), 1.0)
    return float(np.sum(expected - told.counts - told.counts * np.log(ratio), dtype=np.float64))


def gradient(wave: Array, support: Array, told: Model, optics: Optics) -> Array:
    """∂LLK/∂Re ρ + i ∂LLK/∂Im ρ inside the support, over 2N (N voxels); 0 outside. `wave` is Fρ, and stays."""
    there = optics.blur(_square(wave)) + told.background
    weight = optics.unblur(told.response - told.counts / there)
    return optics.backward(wave * weight) * support


def descend(obj: Array, support: Array, told: Model, optics: Optics, iterations: int) -> Array:
    """An object with an LLK that is no higher, after so many iterations; fewer where none is lower in this precision.

    `obj` is zero outside `support` and stays as it is; its scale is that of the counts, Σ|Fρ|² = photons.
    """
    wave, lit = optics.forward(obj), np.flatnonzero(told.counts)
    downhill: Array = None
    along: Array = None
    power = 0.0
    for _ in range(iterations):
        old, old_power, downhill = downhill, power, -gradient(wave, support, told, optics)
        power = _dot(downhill, downhill)
        if not 0 < power < np.inf:
            break
        if along is not None:
            turn = max(0.0, (power - _dot(old, downhill)) / old_power)
            along = downhill + np.float32(turn) * along
        if along is None or _dot(along, downhill) <= 0:
            along = downhill
        change = optics.forward(along)
        step = np.float32(_lowest(_slope(wave, change, told, lit, optics)))
        if step > 0:
            obj, wave = obj + step * along, wave + step * change
        elif along is downhill:
            break
        else:
            along = None
    return obj


class _Slope(NamedTuple):
    """LLK along a direction, as it differs from where it begins.

    Σ r |F|² is a quadratic in t, so only voxels with counts are looked at again for each t: there I(t) / I(0) = 1 + ε,
    and the difference of LLK is that of Σ I − n ln(1 + ε), exact where LLK itself would be rounded.
    """

    tilt: float
    """Of Σ r |F|²: the part linear in t."""
    bow: float
    """The part quadratic in t."""
    photons: Array
    """n of the voxels that have counts."""
    linear: Array
    """Of ε, there."""
    square: Array

    def at(self, t: float) -> tuple[float, float, float]:
        """Difference of LLK, slope and curvature (of its convex part, where it is not convex)."""
        # rounding must not take an intensity to zero
        rise = np.maximum(np.float32(t) * (self.linear + np.float32(t) * self.square), np.float32(-1 + 1e-6))
        share = self.photons / (1 + rise)
        rate = self.linear + np.float32(2 * t) * self.square
        convex = 2 * self.bow + _total(share * rate * rate / (1 + rise))
        bend = convex - 2 * _total(share * self.square)
        difference = t * (self.tilt + t * self.bow) - _total(self.photons * np.log1p(rise))
        return difference, self.tilt + 2 * t * self.bow - _total(share * rate), bend if bend > 0 else convex


def _slope(wave: Array, change: Array, told: Model, lit: Array, optics: Optics) -> _Slope:
    """LLK at wave + t · change; `lit` are the flat indices of the voxels with counts."""
    there, linear, square = (
        optics.blur(part).reshape(-1)
        for part in (_square(wave), 2 * (wave.real * change.real + wave.imag * change.imag), _square(change))
    )
    response, start = told.response.reshape(-1), there[lit] + told.background
    tilt, bow = _total(response * linear), _total(response * square)
    return _Slope(tilt, bow, told.counts.reshape(-1)[lit], linear[lit] / start, square[lit] / start)


def _lowest(slope: _Slope) -> float:
    """The t > 0 of the lowest LLK, by Newton's method kept in its bracket; 0 where none lowers it."""
    _, first, bend = slope.at(0.0)
    if not (first < 0 < bend):
        return 0.0
    t, low, high, best, lowest = -first / bend, 0.0, np.inf, 0.0, 0.0
    for _ in range(_EVALUATIONS):
        difference, now, bend = slope.at(t)
        if difference < lowest:
            best, lowest = t, difference
            if abs(now) < _FLAT * abs(first):
                break
        if now < 0 and difference <= lowest:
            low = t
        else:
            high = t
        t = t - now / bend if bend > 0 else np.inf
        if not low < t < high:
            t = (low + high) / 2 if high < np.inf else 2 * low
    return best


def _square(wave: Array) -> Array:
    return wave.real * wave.real + wave.imag * wave.imag


def _dot(a: Array, b: Array) -> float:
    return _total(a.real * b.real + a.imag * b.imag)


def _total(values: Array) -> float:
    return float(np.sum(values, dtype=np.float64))
