"""The rocking curve as it grows: counts a frame against rocking angle, and the Gaussian that describes its peak."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

FEWEST_POINTS = 7
MOST_EVALUATIONS = 400


@dataclass(frozen=True, eq=False)
class Curve:
    """Counts of all trusted pixels a frame, in order of index; the three arrays are (frame,)."""

    index: NDArray[np.int32]
    angle_deg: NDArray[np.float64]
    """NaN where not yet known."""
    counts: NDArray[np.float64]
    """Relative to the incident intensity where that was measured."""

    def merge(self, index: NDArray[np.int32], angle_deg: NDArray[np.float64], counts: NDArray[np.float64]) -> Curve:
        """Add frames; one that is there already is replaced."""
        kept = ~np.isin(self.index, index)
        together = np.concatenate((self.index[kept], index))
        order = np.argsort(together, kind="stable")
        return Curve(
            together[order].astype(np.int32),
            np.concatenate((self.angle_deg[kept], angle_deg))[order],
            np.concatenate((self.counts[kept], counts))[order],
        )

    def with_angles(self, index: NDArray[np.int32], angle_deg: NDArray[np.float64]) -> Curve:
        """Set the angles of frames that are there; others are ignored."""
        angles = self.angle_deg.copy()
        position = {int(known): place for place, known in enumerate(self.index)}
        for one, angle in zip(index, angle_deg, strict=True):
            if int(one) in position:
                angles[position[int(one)]] = angle
        return Curve(self.index, angles, self.counts)


EMPTY = Curve(np.zeros(0, np.int32), np.zeros(0), np.zeros(0))


@dataclass(frozen=True)
class GaussianFit:
    """counts(θ) = background + height · exp(−4 ln 2 (θ − centre)²/fwhm²)."""

    centre_deg: float
    fwhm_deg: float
    height: float
    background: float

    def at(self, angle_deg: NDArray[np.float64]) -> NDArray[np.float64]:
        """Counts at the angles."""
        reduced = (angle_deg - self.centre_deg) / self.fwhm_deg
        return np.asarray(self.background + self.height * np.exp(-4 * np.log(2) * reduced**2))


def fit_gaussian(curve: Curve) -> GaussianFit | None:
    """Fit the peak by least squares; None while there are too few points or no peak inside what was measured."""
    known = np.isfinite(curve.angle_deg) & np.isfinite(curve.counts)
    angle, counts = curve.angle_deg[known], curve.counts[known]
    if len(angle) < FEWEST_POINTS or np.ptp(angle) <= 0 or np.ptp(counts) <= 0:
        return None
    first = _guess(angle, counts)
    span = float(np.ptp(angle))

    def misfit(asked: NDArray[np.float64]) -> NDArray[np.float64]:
        centre, fwhm, height, floor = asked
        return GaussianFit(centre, abs(fwhm) + 1e-9 * span, height, floor).at(angle) - counts

    start = (first.centre_deg, first.fwhm_deg, first.height, first.background)
    scale = (span, first.fwhm_deg, max(first.height, 1.0), max(first.height, 1.0))
    found = least_squares(misfit, start, x_scale=scale, method="lm", max_nfev=MOST_EVALUATIONS)
    if not found.success:
        return None
    centre, fwhm, height, background = (float(one) for one in found.x)
    fit = GaussianFit(centre, abs(fwhm), height, background)
    inside = angle.min() <= fit.centre_deg <= angle.max()
    return fit if inside and fit.height > 0 and 0 < fit.fwhm_deg < 2 * span else None


def _guess(angle: NDArray[np.float64], counts: NDArray[np.float64]) -> GaussianFit:
    floor = float(np.percentile(counts, 10))
    peak = int(np.argmax(counts))
    height = float(counts[peak]) - floor
    # The width at half height: how much angle lies above it, robust against side lobes.
    order = np.argsort(angle)
    step = np.gradient(angle[order])
    wide = float(np.sum(step[(counts[order] - floor) > height / 2]))
    return GaussianFit(float(angle[peak]), max(wide, float(np.median(np.abs(step)))), height, floor)
