"""What the agenda deals in: ways to make a volume, jobs, what is known of a scan, decisions. Values only."""

from __future__ import annotations

from dataclasses import dataclass, replace

from contract.messages import Scan, Stage
from reconstructor.phasing.recipe import Recipe
from reconstructor.window import Window3


@dataclass(frozen=True)
class Offer:
    """A way to make a volume: which window, which recipe."""

    window: Window3
    recipe: Recipe


@dataclass(frozen=True)
class Job:
    """One volume to be made. Two jobs that are equal give the same volume."""

    scan: Scan
    window_revision: int
    stage: Stage
    frames: int
    """Frames of the curve that the job uses."""
    offer: Offer
    runs: int
    first_seed: int
    more: bool = False
    """Whether its runs join those of an earlier refined job of the same curve."""
    finish_by: float | None = None
    """What is there by then is used; the agenda's clock, in seconds."""


@dataclass(frozen=True)
class Outlook:
    """All the agenda needs to know of one scan; times on its own clock, in seconds."""

    scan: Scan
    window_revision: int
    began_at: float
    frames: int
    expected: int
    located: bool
    """Geometry and angles are known: there is something to phase."""
    peak_passed: bool
    over: bool
    """No more frames are expected."""
    last_frame_at: float
    frame_time_s: float | None
    hold_ends_at: float | None
    provisional: tuple[Offer, ...] = ()
    """The best first, each next one cheaper."""
    refined: tuple[Offer, ...] = ()
    shown_frames: int = 0
    """Frames of the newest provisional or refined job that came to an end."""
    refined_frames: int = 0
    """Frames of the refined volume there is; 0 while there is none."""
    refined_offer: Offer | None = None
    refined_runs: int = 0
    """Runs that volume was chosen from: seeds 0 to this are used."""
    failures: int = 0
    """Refined jobs on the present frames that failed."""

    @property
    def last_frame_expected_at(self) -> float | None:
        """When the last frame should come."""
        if self.over or self.frame_time_s is None:
            return None
        return self.last_frame_at + self.frame_time_s * (self.expected - self.frames)


@dataclass(frozen=True)
class Start:
    """Begin this job."""

    job: Job
    estimate_s: float
    fits: bool
    """Whether it should be ready before the hold ends."""


@dataclass(frozen=True)
class Drop:
    """Stop the job in flight; its result is not wanted."""

    reason: str


@dataclass(frozen=True)
class Rest:
    """Nothing to begin, nothing to stop."""


Decision = Start | Drop | Rest


def finished(outlook: Outlook, job: Job, succeeded: bool) -> Outlook:
    """The outlook after a job of its scan came to an end (dropped jobs leave it as it was)."""
    if job.window_revision != outlook.window_revision:
        return outlook
    if job.stage == "provisional" or not succeeded:
        failures = outlook.failures + (job.stage == "refined")
        return replace(outlook, shown_frames=max(outlook.shown_frames, job.frames), failures=failures)
    return replace(
        outlook,
        shown_frames=max(outlook.shown_frames, job.frames),
        refined_frames=job.frames,
        refined_offer=job.offer,
        refined_runs=job.first_seed + job.runs,
        failures=0,
    )
