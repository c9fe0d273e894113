"""What a curve tells while it grows: is the peak behind us, when does it end, is anything lost. Pure.

Each finding is a small value with its sentence; `reconstructor.advice` makes messages of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reconstructor.curve import Floats, Reading, contiguous
from reconstructor.peak import Peak
from reconstructor.profile import Background, background_per_pixel

Side = Literal["first frames", "last frames", "first rows", "last rows", "first columns", "last columns"]
SIDES: tuple[tuple[Side, Side], ...] = (
    ("first frames", "last frames"),
    ("first rows", "last rows"),
    ("first columns", "last columns"),
)

PEAK_CUT = 0.1
"""The peak itself is cut where the profile at the edge is above this share of its maximum."""
FRINGES_CUT = 0.01
"""Fringes are cut where more than this share of the counts is beyond an edge."""
EDGE_SHARE = 0.04
"""Share of an axis at its end that is taken for its edge, to average over fringes; at least two lines."""
SIGNIFICANT = 5.0
"""In standard errors."""


@dataclass(frozen=True)
class PeakPassed:
    """The Bragg peak is behind the newest frames."""

    frame: int
    angle_deg: float
    counts: float
    """In the peak's frame, about the peak."""

    def text(self) -> str:
        """In one sentence."""
        return f"The Bragg peak has passed: it is at frame {self.frame} ({self.angle_deg:.4f}°)."


@dataclass(frozen=True)
class ExpectedEnd:
    """When the scan should be over."""

    frames: int
    """Still to come."""
    left_s: float

    def text(self) -> str:
        """In one sentence."""
        return f"{self.frames} frames are to come, the last one in {self.left_s:.0f} s."


@dataclass(frozen=True)
class WindowCut:
    """Counts that are lost beyond a side of what is measured."""

    side: Side
    what: Literal["peak", "fringes"]
    beyond_counts: float
    """Estimate, by the asymptotic fall of the profile with the distance squared."""
    share: float
    """Of the counts that are measured."""

    def text(self) -> str:
        """In one sentence."""
        return (
            f"The window cuts the {self.what} at its {self.side}: about {self.beyond_counts:.3g} counts are beyond "
            f"({100 * self.share:.1f} % of those measured)."
        )


@dataclass(frozen=True)
class Saturation:
    """Voxels whose counts are not trusted because they reach the detector's limit."""

    limit_counts: int
    pixels: int
    frames: tuple[int, ...]
    voxels: int

    def text(self) -> str:
        """In one sentence."""
        return (
            f"{self.pixels} pixels reach the limit of {self.limit_counts} counts in frames {contiguous(self.frames)}: "
            f"{self.voxels} voxels are treated as unknown."
        )


def peak_passed(reading: Reading, peak: Peak | None) -> PeakPassed | None:
    """Whether the peak has passed; None as long as it has not, or its angle is not known."""
    if peak is None or not peak.passed or not np.isfinite(reading.angle_deg[peak.at[0]]):
        return None
    return PeakPassed(peak.at[0], float(reading.angle_deg[peak.at[0]]), peak.counts)


def expected_end(reading: Reading, frame_time_s: float | None, since_last_frame_s: float) -> ExpectedEnd | None:
    """When the last frame should come, by the time a frame takes; None if that is not known, or all have come."""
    left = reading.sizes[0] - reading.frames
    if left == 0 or frame_time_s is None or reading.ended is not None:
        return None
    return ExpectedEnd(left, max(0.0, left * frame_time_s - since_last_frame_s))


def window_cuts(reading: Reading, peak: Peak) -> tuple[WindowCut, ...]:
    """Sides at which the window, or the scan, cuts the peak or its fringes; those of unmeasured frames are not told.

    The counts of one line of voxels across an axis, summed over the other two axes, fall off as the square of the
    distance from the peak for any body (its autocorrelation has a kink at the origin, seen along any direction). So
    beyond an edge at distance L lies about L times what the edge holds in one line.
    """
    found, each = [], background_per_pixel(reading)
    for axis, sides in enumerate(SIDES):
        counts, voxels = _along(reading, axis)
        for side, turn in zip(sides, (slice(None), slice(None, None, -1)), strict=True):
            distance = peak.at[axis] if side == sides[0] else len(counts) - 1 - peak.at[axis]
            cut = _cut(side, counts[turn], voxels[turn], each, distance)
            found += [] if cut is None else [cut]
    return tuple(found)


def saturation(reading: Reading) -> Saturation | None:
    """Trusted pixels that reach the detector's limit in measured frames; None where there is no limit, or none do."""
    limit = reading.started.saturation_counts
    if limit is None:
        return None
    reached = reading.trusted & (reading.counts >= limit) & reading.measured[:, None, None]
    if not reached.any():
        return None
    frames = tuple(int(j) for j in np.flatnonzero(reached.any(axis=(1, 2))))
    return Saturation(limit, int(reached.any(axis=0).sum()), frames, int(reached.sum()))


def _along(reading: Reading, axis: int) -> tuple[Floats, Floats]:
    """Counts of each line of voxels across an axis, NaN where nothing was measured; and how many voxels that is."""
    if axis == 0:
        counts = np.sum(reading.counts, axis=(1, 2), where=reading.trusted, dtype=float)
        voxels = np.full(len(counts), float(np.count_nonzero(reading.trusted)))
        return np.where(reading.measured, counts, np.nan), voxels
    voxels = reading.frames * reading.trusted.sum(axis=2 - axis, dtype=float)
    return np.where(voxels > 0, reading.image.sum(axis=2 - axis), np.nan), voxels


def _cut(side: Side, counts: Floats, voxels: Floats, each: Background, distance: int) -> WindowCut | None:
    """What is cut where a line of counts begins whose peak is `distance` away."""
    edge = slice(0, max(2, round(EDGE_SHARE * len(counts))))
    if not np.isfinite(counts[edge]).all():
        return None
    profile = counts - each.counts * voxels
    noise = np.sqrt(max(1.0, float(counts[edge].sum())) + (each.error * float(voxels[edge].sum())) ** 2)
    if float(profile[edge].sum()) < SIGNIFICANT * noise:
        return None
    above = float(profile[edge].mean())
    beyond = above * max(1.0, distance)
    share = beyond / float(np.nansum(profile))
    if above > PEAK_CUT * float(np.nanmax(profile)):
        return WindowCut(side, "peak", beyond, share)
    return WindowCut(side, "fringes", beyond, share) if share > FRINGES_CUT else None
