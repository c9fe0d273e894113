"""What the reconstructor knows of one scan: its curve, its hold, what can be phased of it and what was. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from contract.messages import (
    Angles,
    Completion,
    ForecastScored,
    FrameBlock,
    HoldStarted,
    Quality,
    ScanEnded,
    ScanStarted,
)
from reconstructor.curve import Curve, Reading
from reconstructor.foreseen import enough
from reconstructor.free import FreePixels, free_pixels
from reconstructor.jobs import Job, Offer, Outlook, finished
from reconstructor.obstacle import obstacle
from reconstructor.offers import Recipes, likely_offers, offers
from reconstructor.past import Past
from reconstructor.peak import Peak, find_peak
from reconstructor.phasing.population import Member
from reconstructor.phasing.problem import Mask
from reconstructor.prospect import Prospect, first_look
from reconstructor.upright import Signature
from reconstructor.window import Place, Triple
from reconstructor.windows import oversampling
from reconstructor.work import Made, Task

LOOK_FAULTS = (ValueError, ArithmeticError, IndexError)
"""What data can do to a look (CurveError, GeometryError and LinAlgError are ValueErrors); the rest is our fault."""


@dataclass(frozen=True)
class HeldCell:
    """A voltage hold, on the service's own clock."""

    said: HoldStarted
    ends_at: float | None
    """When it ends or ended; None if nobody said."""


First = Literal["first", "full", "refined"]
"""Volumes that are waited for: the first one phased from a scan, the first of its whole curve, the first refined."""


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
    mask: Mask | None = None
    """The voxels of `free`, once they were asked for."""
    outlook: Outlook | None = None
    measured: Reading | None = None
    """The scan's own frames at the last look; `reading` may be on a finer grid."""
    prospect: Prospect = field(default_factory=Prospect)
    refined_by: Task | None = None
    """What the newest refined volume was made of; more runs join it on the same curve."""
    firsts: set[First] = field(default_factory=set)
    """Which volumes there were already."""
    members: tuple[Member, ...] = ()
    """Runs of the newest refined job, to be joined by more."""
    quality: Quality | None = None
    """Of the newest refined volume."""
    refined: Made | None = None
    """The newest refined volume's."""
    shown: Made | None = None
    """The newest provisional volume's that was phased."""
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

    def look_due(self, now: float) -> bool:
        """Whether to look at what came since the last look: soon, but at once when the scan is over, or has come to the
        tenth that its past is laid over."""
        begins = enough(self.curve.frames, self.started.frames_expected)
        reached = begins and (self.measured is None or not enough(self.measured.frames, self.started.frames_expected))
        return self.stale and (self.over or reached or now >= self.next_look_at)

    @property
    def peak_passed(self) -> bool:
        """Whether the Bragg peak is behind the newest frames."""
        return self.peak is not None and self.peak.passed

    def free_mask(self) -> Mask:
        """Free voxels of `reading`; none before the place of the peak is known, about which they are drawn."""
        if self.reading is None or self.free is None:
            return np.zeros((1, 1, 1) if self.reading is None else self.reading.sizes, np.bool_)
        if self.mask is None:
            self.mask = self.free.mask()
        return self.mask

    def refined_alike(self, job: Job) -> bool:
        """Whether there is a refined volume of the same frames on the same window: free LLKs can be compared."""
        had = None if self.refined_by is None else self.refined_by.job
        return had is not None and (had.frames, had.offer.window) == (job.frames, job.offer.window)

    def first_of(self, job: Job) -> frozenset[First]:
        """Which volumes that are waited for a job's is; they are not waited for any more."""
        whole = self.over and job.frames == self.curve.frames
        there: dict[First, bool] = {"first": job.runs > 0, "full": whole, "refined": job.stage == "refined"}
        found = {name for name, is_it in there.items() if is_it} - self.firsts
        self.firsts |= found
        return frozenset(found)

    def judged(self) -> list[ForecastScored]:
        """Score the volumes whose time has come."""
        if self.reading is None or not self.prospect.trials:
            return []
        return self.prospect.judge(self.reading, self.free_mask(), self.started.frames_expected, self.over)

    def made(self, made: Made) -> Made:
        """Take a provisional volume that is about to be told, and look how frames have borne it out already."""
        if self.reading is not None:
            if made.task.reading.sizes != self.reading.sizes:
                return made  # angles told since have put the curve on another grid
            made = first_look(made, self.reading, self.free_mask())
        self.prospect.expect(self.revision + 1, made)
        if made.task.job.begins != "last hold":
            self.shown = made
        return made

    def look(self, hold: HeldCell | None, past: Past | None = None, fresh: bool = True) -> Outlook | None:
        """What the agenda has to know, from the curve as it stands (if `fresh`) or stood; None while it is empty.

        `past`: the crystal as its last refinement left it.
        """
        if self.last_frame_at is None:
            return None
        if fresh or self.reading is None:
            self.stale = False
            try:
                self._read(past)
            except LOOK_FAULTS as reason:
                self._give_up(" ".join(str(reason).split()) or type(reason).__name__)
        before = self.outlook or self._blank()
        reading, foreseen = self.reading, self.prospect.foreseen
        if reading is None:
            return None
        self.outlook = replace(
            before,
            frames=reading.frames,
            located=not self.obstacle and (self.peak is not None or foreseen is not None),
            peak_passed=self.peak_passed,
            peak_reached=foreseen is not None and foreseen.fit.determined,
            forecast=self.prospect.forecast(self.peak_passed or self.over),
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
            likely=likely_offers(self.started, self.recipes)[1],
        )

    def _read(self, past: Past | None) -> None:
        """Find the peak, where it was or where the crystal's past puts it, and what can be phased about it."""
        self.measured = self.curve.reading()
        reading = self.prospect.see(past, self.measured)
        if self.reading is not None and self.reading.sizes != reading.sizes:
            # angles told again put the curve on another grid
            self.free, self.mask, self.shown = None, None, None
        self.reading = reading
        self.peak, foreseen = find_peak(reading), self.prospect.foreseen
        self.obstacle = obstacle(reading, self.peak, self.over)
        before, sizes = self.outlook or self._blank(), reading.sizes
        provisional: tuple[Offer, ...] = ()
        refined: tuple[Offer, ...] = ()
        if self.obstacle:
            pass
        elif self.peak is not None and (self.peak.passed or self.over):
            self._keep_free(sizes, self.peak.place)
            provisional, refined = offers(sizes, self.peak.place, oversampling(reading, self.peak), self.recipes)
        elif foreseen is not None:
            if foreseen.fit.determined:
                self._keep_free(sizes, foreseen.peak.place)
            provisional, _ = offers(sizes, foreseen.peak.place, foreseen.sampled, self.recipes)
        self.outlook = replace(before, provisional=provisional, refined=refined)

    def _give_up(self, reason: str) -> None:
        """A look failed by the scan's data: nothing of it is phased until more comes."""
        self.reading = self.reading or self.measured
        self.obstacle = f"The frames so far cannot be made sense of: {reason}."
        self.outlook = replace(self.outlook or self._blank(), provisional=(), refined=())

    def _keep_free(self, sizes: Triple, peak: Place) -> None:
        """Draw the scan's free voxels, or keep them away from where the peak turned out to be."""
        now = free_pixels(self.started.scan, sizes, peak) if self.free is None else self.free.about(peak)
        if now != self.free:
            self.free, self.mask = now, None

    def _frame_time(self) -> float | None:
        """Seconds from one frame to the next: as it went so far, else as the sender said."""
        if self.first_frame_at is not None and self.last_frame_at is not None and self.curve.frames > 5:
            span = self.last_frame_at - self.first_frame_at
            return span / (self.curve.frames - 1) if span > 0 else self.started.frame_time_s
        return self.started.frame_time_s
