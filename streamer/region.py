"""The region of interest: where a window is laid about a Bragg peak, and when it must move. No I/O, no clock.

A window that follows a crystal stays as long as the peak keeps a margin to each of its edges (so that it does not
tremble with the peak), and is laid anew with the peak in its middle when it does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

from contract.messages import Geometry, Scan, Window

BRIGHTNESS_FACTOR = 4.0
"""A peak this many times as bright, or as weak, as the crystal's was …"""
DISTANCE_PX = 100.0
"""… is as unlikely to be the crystal's as one this far from where it was."""
TOO_UNLIKELY = 3.0
"""Of these together: a peak that is further off is another crystal's."""
SAME_ANGLE_DEG = 0.01
"""A detector arm that has not been moved."""
SAME_LENGTH = 1e-3
"""The same of a distance, relative."""

Chosen = Literal["set", "searched", "found", "followed", "moved"]
"""How a window came about: set by hand or in the settings; not yet found, so the whole image; found in this scan's
frames; taken over from the crystal's last scan; moved within this scan, because the peak lay elsewhere."""


class Follow(msgspec.Struct, frozen=True):
    """What windows that follow a crystal are like."""

    rows: int
    columns: int
    margin_px: int | None = None
    """Kept between the peak's centre and each edge; None for 3/8 of the window."""

    @property
    def margins_px(self) -> tuple[int, int]:
        """(along rows, along columns); never more than the peak has in the middle of the window, where it may be half
        a pixel off, and windows of an even size have no middle pixel.
        """
        wanted = [3 * n // 8 if self.margin_px is None else self.margin_px for n in (self.rows, self.columns)]
        return min(wanted[0], max(0, (self.rows - 3) // 2)), min(wanted[1], max(0, (self.columns - 3) // 2))


class Peak(msgspec.Struct, frozen=True, kw_only=True):
    """A Bragg peak on the full detector image."""

    row: float
    column: float
    """Centre of its strong part, in pixels of the full image"""
    counts: float
    """That rocking brings, in the brightest frame looked at, in a box of 16 × 16 pixels"""
    frame: int
    """The brightest frame"""
    passed: bool = False
    """Later frames have less than half of it."""

    def distance_px(self, other: Peak) -> float:
        """How far apart two peaks are."""
        return math.hypot(self.row - other.row, self.column - other.column)


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """Where a crystal was in its last scan: what its next scan begins with."""

    source: str
    """The detector, by its address"""
    crystal: str
    """"" where nobody named one"""
    scan: Scan
    window: Window
    peak: Peak | None = None
    """None where the window was set by hand and no peak was looked for."""
    share: float = 1.0
    """Of the scan's frames that had come at the peak"""
    by_hand: bool = False
    """Set at the control desk: the window stays where it is."""
    geometry: Geometry | None = None


class Region(msgspec.Struct, frozen=True, kw_only=True):
    """How a scan's window was chosen; kept in its journal."""

    chosen: Chosen = "set"
    before: Followed | None = None
    """The crystal as its last scan left it"""
    peak: Peak | None = None
    """By which it was chosen in this scan"""
    reason: str = ""
    """One sentence for people"""


def around(peak: Peak, follow: Follow, shape: tuple[int, int]) -> Window:
    """The window with the peak in its middle, or as near to that as an image of `shape` allows."""
    rows, columns = min(follow.rows, shape[0]), min(follow.columns, shape[1])
    row0 = min(max(round(peak.row) - rows // 2, 0), shape[0] - rows)
    column0 = min(max(round(peak.column) - columns // 2, 0), shape[1] - columns)
    return Window(row0=row0, column0=column0, rows=rows, columns=columns)


def keeps(window: Window, peak: Peak, follow: Follow, shape: tuple[int, int]) -> bool:
    """Whether the peak keeps its margin to every edge of the window that is not the image's own edge."""
    axes = (
        (peak.row, window.row0, window.rows, follow.margins_px[0], shape[0]),
        (peak.column, window.column0, window.columns, follow.margins_px[1], shape[1]),
    )
    return all(
        (first == 0 or at - first >= margin)
        and (first + size >= end or first + size - 1 - at >= margin)
        and first <= at + 0.5 <= first + size
        for at, first, size, margin, end in axes
    )


def holds(window: Window, peak: Peak) -> bool:
    """Whether the peak's centre is inside the window."""
    return (
        window.row0 <= peak.row + 0.5 <= window.row0 + window.rows
        and window.column0 <= peak.column + 0.5 <= window.column0 + window.columns
    )


def of_crystal(peaks: Sequence[Peak], last: Peak | None) -> Peak | None:
    """The peak that is the crystal's: the brightest where nothing is known of it, else the one that is nearest to its
    last peak in place and brightness together; None where all are too far off.
    """
    if last is None:
        return max(peaks, key=lambda peak: peak.counts, default=None)
    likeliest = min(peaks, key=lambda peak: unlikeness(peak, last), default=None)
    return None if likeliest is None or unlikeness(likeliest, last) > TOO_UNLIKELY else likeliest


def unlikeness(peak: Peak, last: Peak) -> float:
    """How far a peak is from being the same crystal's as `last`: 0 for the same place and brightness."""
    fainter = abs(math.log(max(peak.counts, 1.0) / max(last.counts, 1.0)))
    return fainter / math.log(BRIGHTNESS_FACTOR) + peak.distance_px(last) / DISTANCE_PX


def shift_px(window: Window, before: Followed | None) -> tuple[int, int]:
    """(rows, columns) by which a window is further on than that of the crystal's last scan, middle to middle."""
    if before is None:
        return 0, 0
    last = before.window
    return (
        window.row0 + window.rows // 2 - last.row0 - last.rows // 2,
        window.column0 + window.columns // 2 - last.column0 - last.columns // 2,
    )


def detector_stayed(one: Geometry | None, other: Geometry | None) -> bool:
    """Whether the same pixel sees the same direction in both; taken for granted where either is not known."""
    if one is None or other is None:
        return True
    if (one.detector_axes, one.pixel_directions) != (other.detector_axes, other.pixel_directions):
        return False
    angles = zip(one.detector_angles_deg, other.detector_angles_deg, strict=True)
    centres = zip(one.beam_centre_px, other.beam_centre_px, strict=True)
    return (
        all(abs(a - b) <= SAME_ANGLE_DEG for a, b in angles)
        and all(abs(a - b) <= 1.0 for a, b in centres)
        and math.isclose(one.distance_mm, other.distance_mm, rel_tol=SAME_LENGTH)
    )
