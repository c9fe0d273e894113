"""What the reconstructor knows of one scan: its curve, its hold, what can be phased of it and what was. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from contract.messages import Angles, Completion, FrameBlock, HoldStarted, Quality, ScanEnded, ScanStarted
from reconstructor.curve import Curve, Reading, rocking
from reconstructor.free import FreePixels, free_pixels
from reconstructor.geometry import steps_at
from reconstructor.jobs import Job, Offer, Outlook, finished
from reconstructor.peak import Peak, find_peak
from reconstructor.phasing.population import Member
from reconstructor.phasing.recipe import Recipe
from reconstructor.upright import Signature
from reconstructor.window import Place, Triple
from reconstructor.windows import Limits, Oversampling, guessed, oversampling, provisional_window, refined_windows
from reconstructor.work import Made

SMALLER_SIDES = (80, 64)
MOST_UNEVEN_STEPS = 0.5
"""Angles further off an even grid cannot be phased as a grid."""


@dataclass(frozen=True)
class HeldCell:
    """A voltage hold, on the service's own clock."""

    said: HoldStarted
    ends_at: float | None
    """When it ends or ended; None if nobody said."""


@dataclass(frozen=True)
class Recipes:
    """By which recipes, on which windows."""

    provisional: Recipe
    refined: tuple[Recipe, ...]
    """The best first; a cheaper one is taken where the time left asks for it."""
    limits: Limits = field(default_factory=Limits)


@dataclass(eq=False)
class FollowedScan:
    """One scan as it grows. `began_at`, `now` …: the service's clock, in seconds."""

    curve: Curve
    recipes: Recipes
    began_at: float
    first_frame_at: float | None = None
    last_frame_at: float | None = None
    reading: Reading | None = None
    """The curve at the last look."""
    peak: Peak | None = None
    free: FreePixels | None = None
    outlook: Outlook | None = None
    members: tuple[Member, ...] = ()
    """Runs of the newest refined job, to be joined by more."""
    quality: Quality | None = None
    """Of the newest refined volume."""
    shown: Made | None = None
    """The newest provisional volume's."""
    signature: Signature | None = None
    """Of the newest volume (at first: of this crystal's last hold), whose hand the next ones keep."""
    matched: bool = False
    """Whether the first signature came from an earlier hold."""
    next_look_at: float = 0.0
    """The service looks again no earlier."""
    revision: int = 0
    """Of the newest volume; 0 while there is none."""
    obstacle: str = ""
    """Why nothing of this scan can be phased, in one sentence; "" if it can."""
    stale: bool = True
    """Whether something came since the last look."""

    @property
    def started(self) -> ScanStarted:
        """The message the scan began with."""
        return self.curve.started

    @property
    def over(self) -> bool:
        """Whether no more frames are expected."""
        return self.curve.ended is not None or self.curve.frames == self.started.frames_expected

    @property
    def completion(self) -> Completion | None:
        """How the scan ended; None while it runs."""
        if self.curve.ended is not None:
            return self.curve.ended.status
        return "complete" if self.over else None

    def add(self, block: FrameBlock, received_at: float) -> int:
        """Take frames that the streamer had at `received_at`; how many were new. CurveError: they do not fit."""
        new = self.curve.add(block)
        if new:
            self.first_frame_at = received_at if self.first_frame_at is None else min(self.first_frame_at, received_at)
            self.last_frame_at = received_at if self.last_frame_at is None else max(self.last_frame_at, received_at)
            self.stale = True
        return new

    def locate(self, angles: Angles) -> None:
        """Take angles that came after their frames."""
        self.curve.locate(angles)
        self.stale = True

    def end(self, ended: ScanEnded) -> None:
        """No more frames are expected."""
        self.curve.end(ended)
        self.stale = True

    def look(self, hold: HeldCell | None, fresh: bool = True) -> Outlook | None:
        """What the agenda has to know, from the curve as it stands (if `fresh`) or stood; None while it is empty."""
        if self.last_frame_at is None:
            return None
        if fresh or self.reading is None:
            self.stale = False
            self._read()
        before = self.outlook or self._blank()
        reading = self.reading
        if reading is None:
            return None
        self.outlook = replace(
            before,
            frames=reading.frames,
            located=not self.obstacle and self.peak is not None,
            peak_passed=self.peak is not None and self.peak.passed,
            over=self.over,
            last_frame_at=self.last_frame_at,
            frame_time_s=self._frame_time(),
            hold_ends_at=None if hold is None else hold.ends_at,
        )
        return self.outlook

    def done(self, job: Job, succeeded: bool, at: float) -> None:
        """A job of this scan came to its end."""
        if self.outlook is not None:
            self.outlook = finished(self.outlook, job, succeeded, at)

    def _blank(self) -> Outlook:
        return Outlook(
            scan=self.started.scan,
            window_revision=self.started.window_revision,
            began_at=self.began_at,
            frames=0,
            expected=self.started.frames_expected,
            located=False,
            peak_passed=False,
            over=False,
            last_frame_at=0.0,
            frame_time_s=None,
            hold_ends_at=None,
        )

    def _read(self) -> None:
        """Find the peak and what can be phased about it."""
        reading = self.reading = self.curve.reading()
        self.peak = find_peak(reading)
        self.obstacle = _obstacle(reading, self.peak, self.over)
        before = self.outlook or self._blank()
        if self.peak is None or self.obstacle or not (self.peak.passed or self.over):
            self.outlook = replace(before, provisional=(), refined=())
            return
        if self.free is None:
            self.free = free_pixels(self.started.scan, reading.sizes, self.peak.place)
        sampled = oversampling(reading, self.peak)
        provisional, refined = offers(reading.sizes, self.peak.place, sampled, self.recipes)
        self.outlook = replace(before, provisional=provisional, refined=refined)

    def _frame_time(self) -> float | None:
        """Seconds from one frame to the next: as it went so far, else as the sender said."""
        if self.first_frame_at is not None and self.last_frame_at is not None and self.curve.frames > 5:
            span = self.last_frame_at - self.first_frame_at
            return span / (self.curve.frames - 1) if span > 0 else self.started.frame_time_s
        return self.started.frame_time_s


def offers(
    sizes: Triple, place: Place, sampled: Oversampling, recipes: Recipes
) -> tuple[tuple[Offer, ...], tuple[Offer, ...]]:
    """Provisional and refined ways to phase a curve with its peak at `place`, the best first, each next one cheaper."""
    largest = recipes.limits.provisional_side
    sides = [largest, *(side for side in SMALLER_SIDES if side < largest)]
    windows = [provisional_window(sizes, place, sampled, Limits(provisional_side=side)) for side in sides]
    provisional = tuple(Offer(window, recipes.provisional) for window in dict.fromkeys(windows))
    refined = tuple(
        Offer(window, recipe)
        for window in refined_windows(sizes, place, sampled, recipes.limits)
        for recipe in recipes.refined
    )
    return provisional, refined


def likely_offers(started: ScanStarted, recipes: Recipes) -> tuple[Offer, ...]:
    """What a scan of this size will probably be phased on (provisional, refined), before its first frame."""
    sizes = (started.frames_expected, started.window.rows, started.window.columns)
    middle = (float(sizes[0] // 2), float(sizes[1] // 2), float(sizes[2] // 2))
    provisional, refined = offers(sizes, middle, guessed(sizes), recipes)
    return provisional[0], refined[0]


def _obstacle(reading: Reading, peak: Peak | None, over: bool) -> str:
    """Why nothing can be phased (yet), in one sentence; "" if it can."""
    geometry = reading.geometry
    if geometry is None:
        return "No geometry was sent with the scan, so a volume could not be put into the laboratory frame."
    if not reading.located:
        unknown = int(np.count_nonzero(reading.measured & ~np.isfinite(reading.angle_deg)))
        return f"The rocking angles of {unknown} of {reading.frames} frames are not known yet."
    if peak is None:
        return "No Bragg peak is to be seen: there are too few counts." if over else ""
    try:
        line = rocking(reading)
        window = reading.started.window
        frame, row, column = peak.centre
        steps_at(geometry, line.step_deg, (line.angle(frame), row + window.row0, column + window.column0))
    except ValueError as reason:
        return f"{reason}."
    if line.worst_steps > MOST_UNEVEN_STEPS:
        return (
            f"The rocking angles are off an even grid by up to {line.worst_steps:.2f} steps; at most 0.5 can be phased."
        )
    return ""
