"""Whether the peak wanders over the detector while the scan goes on, and whether that is the crystal's own. Pure.

Two things move the centre of mass from frame to frame. A crystal does it by its shape: a facet that stands askew
sends a streak through the peak, which successive frames cut at successive places, and an inclined body has an inclined
peak. A drift of beam, sample or lattice moves all that is in a frame alike. Within one monotonic scan the second
cannot be told from the inclined body. But the first kind is the same in the next scan of the crystal, and a streak
moves the weak frames far from the peak while the strong ones about it stand still.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reconstructor.curve import Floats
from reconstructor.profile import Profile

CORE = 0.5
"""Frames with more than this share of the strongest one's counts are the peak …"""
WINGS = 0.1
"""… and those with less than this its wings."""
LEAST_FRAMES = 3
LEAST_COUNTS = 25.0
"""A frame with fewer counts has no centre worth the name."""
SIGNIFICANT = 5.0
"""In standard errors."""
NEGLIGIBLE_PX = 0.5
"""A slope that moves the centre by less than this over the frames it was found on is none."""

Cause = Literal["none", "streak", "shape", "drift", "unknown"]


@dataclass(frozen=True)
class Slope:
    """Movement of the centre of mass, (row, column), in pixels a frame, with its standard error."""

    px_per_frame: tuple[float, float]
    error: tuple[float, float]
    frames: int
    """From the first to the last frame it was found on."""

    @property
    def moves(self) -> bool:
        """Whether it is beyond its error, and moves the centre visibly."""
        return any(
            abs(slope) > SIGNIFICANT * error and abs(slope) * self.frames > NEGLIGIBLE_PX
            for slope, error in zip(self.px_per_frame, self.error, strict=True)
        )

    def differs(self, other: Slope) -> bool:
        """Whether two slopes are further from each other than their errors allow, and visibly so."""
        difference = tuple(a - b for a, b in zip(self.px_per_frame, other.px_per_frame, strict=True))
        error = tuple(float(np.hypot(a, b)) for a, b in zip(self.error, other.error, strict=True))
        return Slope((difference[0], difference[1]), (error[0], error[1]), min(self.frames, other.frames)).moves


@dataclass(frozen=True)
class Drift:
    """How the peak moved over the detector during the scan, and why."""

    core: Slope
    """Of the strong frames."""
    wings: Slope | None
    """Of the weak ones; None where they are too few."""
    cause: Cause

    def text(self) -> str:
        """In one or two sentences."""
        row, column = self.core.px_per_frame
        moved = f"The peak moves by {row:+.3f} rows and {column:+.3f} columns a frame"
        return {
            "none": "The peak stands still on the detector.",
            "streak": "The peak stands still on the detector; its weak frames follow a streak of the crystal's facets.",
            "shape": f"{moved}, as in the last scan of this crystal: it is the crystal's shape.",
            "drift": f"{moved}, other than in the last scan of this crystal: it drifts, or the crystal has changed.",
            "unknown": f"{moved}. One scan cannot tell a drift from an inclined crystal: repeat it, or scan backwards.",
        }[self.cause]


def drift(profile: Profile, before: Slope | None = None) -> Drift | None:
    """The drift of a scan; `before` is `Drift.core` of an earlier scan of the same crystal with the same steps.

    None where the peak has too few frames to tell.
    """
    share = profile.counts / max(1.0, float(np.max(profile.counts, initial=0.0)))
    core, wings = _slope(profile, share > CORE), _slope(profile, share < WINGS)
    if core is None:
        return None
    if not core.moves and (before is None or not core.differs(before)):
        return Drift(core, wings, "streak" if wings is not None and wings.moves else "none")
    if before is None:
        return Drift(core, wings, "unknown")
    return Drift(core, wings, "drift" if core.differs(before) else "shape")


def _slope(profile: Profile, chosen: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Slope | None:
    """Weighted straight lines through the centres of some frames."""
    good = chosen & (profile.counts > LEAST_COUNTS) & np.isfinite(profile.row_px) & np.isfinite(profile.column_px)
    if np.count_nonzero(good) < LEAST_FRAMES:
        return None
    frame = profile.frame[good].astype(float)
    lines = [
        _line(frame, centre[good], spread[good])
        for centre, spread in zip((profile.row_px, profile.column_px), profile.spread_px, strict=True)
    ]
    span = int(frame[-1] - frame[0])
    return Slope((lines[0][0], lines[1][0]), (lines[0][1], lines[1][1]), span)


def _line(x: Floats, y: Floats, error: Floats) -> tuple[float, float]:
    """Slope and its standard error, which grows with what the points stray from the line beyond their own errors."""
    weight = 1 / np.maximum(error, 1e-6) ** 2
    middle = np.sum(weight * x) / np.sum(weight)
    lever = float(np.sum(weight * (x - middle) ** 2))
    slope = float(np.sum(weight * (x - middle) * y)) / lever
    offset = np.sum(weight * (y - slope * (x - middle))) / np.sum(weight)
    stray = float(np.sum(weight * (y - offset - slope * (x - middle)) ** 2)) / max(1, len(x) - 2)
    return slope, float(np.sqrt(max(1.0, stray) / lever))
