"""The forecast residual: how far a volume is off on what it has not seen. R and LLK on what it has seen say nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy.special
from numpy.typing import NDArray

from reconstructor.phasing import quality
from reconstructor.phasing.problem import Complex, Mask, PhasingError, Problem, Real

Wide = NDArray[np.float64]
HORIZON = 0.1
"""Of the scan's frames: a forecast is scored for good when so many more have come, so that volumes made at different
times are scored at the same distance. Chosen, with the measure, on eight pairs of states (rank correlation with the
true error 0.94 there); on campaigns not used for the choice it is 0.82."""
TABLE_TO = 12.0
"""Counts up to which the mean of √n is taken from its sum; beyond, the series is good to 1e-5."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """What a volume expects of its whole window, and which of it it was made from."""

    expected: Real
    """|Fρ|² (rocking, row, column), photons a voxel, scaled to what was known then."""
    seen: Mask
    """Voxels that the volume was fitted to."""
    measured: Mask
    """Those, and the free ones of that time."""


@dataclass(frozen=True)
class Residual:
    """How a forecast was borne out."""

    value: float
    """Σ w [(√Ic − √Io)² − its mean for counting noise] / Σ w Io over voxels not seen then and measured now: 0 for the
    truth, about 1 for a pattern that has nothing to do with it. Voxels that were free stand for all that were
    measured when the forecast was made: w is as many times 1 as they were fewer."""
    arrived: int
    """Voxels that were not measured when the forecast was made."""


def forecast(obj: Complex, problem: Problem) -> Forecast:
    """What an object, scaled to the known counts of the problem it was found from, expects."""
    power = quality.intensity(obj)
    factor = quality.scale(problem, power)
    if not np.isfinite(factor) or factor <= 0:
        raise PhasingError(f"the object has the scale {factor} to the data; wanted a finite one above 0")
    return Forecast(np.float32(factor) * power, problem.known, problem.measured)


def residual(made: Forecast, now: Problem) -> Residual | None:
    """Score a forecast with what is measured `now` on the same window; None as long as nothing came since.

    Far from the peak hardly a photon tells volumes apart, and the frames that come last are there. So the voxels
    that were free, which are near the peak too, count beside those that arrived, each part by its share of the curve:
    the value estimates R beyond noise over all that is measured by now, without what the volume was fitted to. By
    experiment it ranks provisional volumes by their error where the arrived frames alone do not.
    """
    if made.expected.shape != now.shape:
        raise PhasingError(f"a forecast of shape {made.expected.shape}; wanted that of the data, {now.shape}")
    arrived = now.measured & ~made.measured
    free = now.measured & made.measured & ~made.seen
    new = int(np.count_nonzero(arrived))
    if not new:
        return None
    off_new, counts_new = _off(made, now, arrived)
    off_free, counts_free = _off(made, now, free)
    there = now.measured & made.measured
    sampled = float(np.count_nonzero(there)) / max(1, int(np.count_nonzero(free)))
    before = float(np.sum(now.counts, where=there, dtype=np.float64))
    counts = counts_new + (before if counts_free else 0.0)
    return Residual((off_new + sampled * off_free) / max(counts, 1.0), new)


def beats(volume: Residual | None, baseline: Residual | None) -> bool:
    """Whether a volume foretold better than the last hold's object (offset and scale fitted to the same frames).

    Until one does, what is shown is captioned LAST HOLD.
    """
    return volume is not None and (baseline is None or volume.value < baseline.value)


def _off(made: Forecast, now: Problem, where: Mask) -> tuple[float, float]:
    """Σ[(√Ic − √Io)² − its mean] and Σ Io over some voxels."""
    response = np.float64(1) if now.response is None else now.response[where].astype(np.float64)
    expected = np.maximum(response * (made.expected[where].astype(np.float64) + now.background), LEAST_EXPECTED)
    found = now.counts[where].astype(np.float64)
    off = np.square(np.sqrt(expected) - np.sqrt(found)) - noise(expected)
    return float(off.sum()), float(found.sum())


LEAST_EXPECTED = 1e-6
"""Counts a voxel below which no expectation is taken at its word."""


def noise(expected: Wide) -> Wide:
    """Mean of (√n − √m)² for Poisson n of mean m, within 1e-4: m for m → 0, ¼ for m → ∞."""
    root = np.sqrt(expected)
    at, of_root = _mean_root()
    faint = np.interp(root, at, of_root)
    large = np.maximum(expected, TABLE_TO)
    series = np.sqrt(large) * (1 - 1 / (8 * large) - 7 / (128 * large**2) - 75 / (1024 * large**3))
    out: Wide = 2 * expected - 2 * root * np.where(expected < TABLE_TO, faint, series)
    return out


@cache
def _mean_root() -> tuple[Wide, Wide]:
    """E√n of Poisson n against √m, summed term by term."""
    root = np.linspace(0.0, np.sqrt(TABLE_TO), 2048)
    k = np.arange(80)[:, None]
    log_chance = scipy.special.xlogy(k, np.square(root)) - np.square(root) - scipy.special.gammaln(k + 1)
    return root, (np.exp(log_chance) * np.sqrt(k)).sum(axis=0)
