"""How bright a scan is against the crystal's last one, frame by frame at equal distance from the peak. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from reconstructor.profile import Profile

LEAST_FRAMES = 3
LEAST_COUNTS = 25.0


@dataclass(frozen=True)
class Brightness:
    """Counts of this scan over those of the last, where both were measured."""

    ratio: float
    error: float
    """Standard error of counting alone."""
    frames: int
    """Frames of this scan that were compared."""

    def text(self) -> str:
        """In one sentence."""
        return (
            f"At equal distance from the peak this scan has {self.ratio:.2f} ± {self.error:.2f} times the counts of "
            f"the last hold's ({self.frames} frames compared)."
        )


def brightness(now: Profile, last: Profile, moved_deg: float) -> Brightness | None:
    """The ratio of two profiles of one crystal whose peak moved by `moved_deg` in rocking angle.

    `moved_deg` is the difference of their peaks' angles once both have passed, before that the forecast's. Counts are
    for the nominal incident intensity; between its frames the last profile is a cubic spline of its root counts. None
    where fewer than three frames were measured in both, or the last scan has next to no counts there.
    """
    known = np.isfinite(now.angle_deg)
    there = np.isfinite(last.angle_deg)
    if np.count_nonzero(there) < LEAST_FRAMES or np.count_nonzero(known) < 2:
        return None
    angles, order = np.unique(last.angle_deg[there], return_index=True)
    roots = CubicSpline(angles, np.sqrt(np.maximum(last.intensity[there][order], 0)))
    at = now.angle_deg - moved_deg
    both = known & (at >= angles[0]) & (at <= angles[-1])
    expected = roots(at[both]) ** 2
    if np.count_nonzero(both) < LEAST_FRAMES or expected.sum() < LEAST_COUNTS:
        return None
    ratio = float(now.intensity[both].sum() / expected.sum())
    noise = float((np.maximum(now.counts, 0) + now.background)[both].sum())
    noise_before = float(expected.sum() + np.mean(last.background) * np.count_nonzero(both))
    relative = noise / max(1.0, float(now.counts[both].sum())) ** 2 + noise_before / float(expected.sum()) ** 2
    return Brightness(ratio, abs(ratio) * float(np.sqrt(relative)), int(np.count_nonzero(both)))
