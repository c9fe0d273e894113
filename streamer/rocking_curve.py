"""A rocking curve that grows frame by frame, in any order, until the first reason to close it. No I/O, no clock.

    open ──(all frames │ end and grace │ stall │ next start │ abort)──▶ closed ──(late frame)──▶ open again

A law: the same frames in any order, some of them more than once, give the same curve. Never padded: an index
that did not come is listed as missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from contract.messages import Completion

Verdict = Literal["new", "duplicate", "late"]


class Point(NamedTuple):
    """One frame's place on the rocking curve."""

    angle_deg: float
    """NaN where it is not known (yet)"""
    monitor: float
    """Incident intensity relative to the scan's nominal one"""
    total_counts: float
    """In the trusted pixels of the window"""


class Closing(NamedTuple):
    """Why and how a curve was closed."""

    status: Completion
    reason: str
    """One sentence for people."""


class Waits(NamedTuple):
    """How long a curve is waited for."""

    stall_s: float
    """Without a frame, and without an end."""
    grace_s: float
    """For frames that the end marker overtook, and for more late ones after a late one."""


@dataclass(frozen=True)
class RockingCurve:
    """What has come of a scan: `points` by index in ascending order, and every index that is `missing`."""

    frames_expected: int
    """0 if nobody told."""
    points: dict[int, Point]
    missing: tuple[int, ...]

    @property
    def length(self) -> int:
        """Frames the curve has room for: those expected or, if nobody told how many, up to the last that came."""
        return self.frames_expected or max(self.points, default=-1) + 1


class Assembly:
    """The state of one curve. Times are seconds of the caller's monotonic clock."""

    def __init__(self, frames_expected: int, waits: Waits, now_s: float) -> None:
        self._expected = frames_expected
        self._waits = waits
        self._points: dict[int, Point] = {}
        self._opened_s = now_s
        self._heard_s = now_s
        self._highest = -1
        self._ended_s: float | None = None
        self._ordered: Closing | None = None
        """Close at once, for this reason."""
        self._closed: Closing | None = None
        self._before: Closing | None = None
        """How it was closed before it was opened again."""
        self.late = 0
        """Frames that came after the curve was closed."""

    @property
    def closed(self) -> Closing | None:
        """How the curve was closed; None while it is open."""
        return self._closed

    @property
    def ended(self) -> bool:
        """The detector has said that it has sent everything."""
        return self._ended_s is not None

    @property
    def frames(self) -> int:
        """How many have come."""
        return len(self._points)

    @property
    def age_s(self) -> float:
        """From its start until its last frame or its end."""
        return self._heard_s - self._opened_s

    def look(self, index: int) -> Verdict:
        """What a frame of this index would be."""
        if index in self._points:
            return "duplicate"
        return "new" if self._closed is None else "late"

    def take(self, index: int, point: Point, now_s: float) -> bool:
        """Add a frame that is not a duplicate. True if it came in order: after all frames that came before it."""
        if self._closed is not None:
            self.late += 1
            self.reopen(now_s)
        self._points[index] = point
        self._heard_s = now_s
        in_order = index > self._highest
        self._highest = max(self._highest, index)
        return in_order

    def reopen(self, now_s: float) -> None:
        """Something came after the closing: wait for the grace, then close anew for the same reason or a better one."""
        if self._closed is not None:
            self._before, self._closed = self._closed, None
            self._ordered = None
            self._ended_s = now_s

    def angles(self, pairs: Iterable[tuple[int, float]]) -> None:
        """Angles that became known after their frames; of frames that have not come they are ignored."""
        for index, angle_deg in pairs:
            if index in self._points and math.isfinite(angle_deg):
                self._points[index] = self._points[index]._replace(angle_deg=angle_deg)

    def recount(self, index: int, total_counts: float) -> Point:
        """The window has moved: what a frame that came has inside it now."""
        self._points[index] = point = self._points[index]._replace(total_counts=total_counts)
        return point

    def lose(self, index: int) -> None:
        """A frame that came cannot be had any more: it is missing, and may come again."""
        if self._points.pop(index, None) is not None:
            self._closed = None

    def point(self, index: int) -> Point | None:
        """A frame's place on the curve; None if it has not come."""
        return self._points.get(index)

    def end(self, now_s: float) -> None:
        """The detector says that it has sent everything. Told again, it changes nothing."""
        if self._ended_s is None:
            self._ended_s = self._heard_s = now_s

    def supersede(self, by: str) -> None:
        """Another series of the same source began: nothing more of this one is waited for."""
        self._ordered = self._ordered or Closing("incomplete", f"the series {by} began before it was complete")

    def abort(self, reason: str) -> None:
        """An operator ended the scan."""
        self._ordered = Closing("aborted", reason)

    def close(self, now_s: float) -> Closing | None:
        """Close the curve for the first reason that holds; that reason once, and None before and after."""
        if self._closed is None:
            self._closed = self._reason(now_s)
            return self._closed
        return None

    def recover(self, closing: Closing) -> None:
        """The curve was closed before this program started."""
        self._closed = closing

    def curve(self) -> RockingCurve:
        """What has come so far."""
        points = {index: self._points[index] for index in sorted(self._points)}
        length = self._expected or self._highest + 1
        missing = () if len(points) == length else tuple(i for i in range(length) if i not in points)
        return RockingCurve(self._expected, points, missing)

    def _reason(self, now_s: float) -> Closing | None:
        if self._expected and len(self._points) == self._expected:
            return Closing("complete", "all frames came")
        if self._ordered is not None:
            return self._ordered
        if self._ended_s is not None and now_s - self._ended_s >= self._waits.grace_s:
            return self._before or Closing("incomplete", self._after("the end marker came"))
        if now_s - self._heard_s >= self._waits.stall_s:
            return Closing("incomplete", f"nothing came for {self._waits.stall_s:g} s")
        return None

    def _after(self, what: str) -> str:
        if not self._expected:
            return f"{what}, and the start that tells how many frames there are did not"
        return f"{what} before all frames did"
