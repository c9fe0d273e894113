"""What the agenda deals in: ways to make a volume, jobs, what is known of a scan, decisions. Values only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from contract.messages import Scan, Stage
from reconstructor.phasing.recipe import Recipe
from reconstructor.window import Window3

Begins = Literal["last hold", "warm", "cold", "cold and warm"]
"""From what the runs of a job begin. "last hold": there is no run, the crystal's last object is shown as it was, moved
to where the frames so far put its peak. "warm": one run, from that object; "cold and warm": one run from it (or from
the provisional volume of the same frames), the others cold."""

Forecast = Literal["none", "fitted", "beaten", "abandoned"]
"""How the crystal's last object stands to this scan. "none": there is none, or too few frames have come to lay it over
them; "fitted": offset and scale are known; "beaten": a volume of this scan predicted the next frames better;
"abandoned": the crystal has changed too much to begin from it."""


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
    """0 where the last hold's object is shown as it was."""
    first_seed: int
    begins: Begins = "cold"
    over: bool = False
    """Whether the last frame had come when it was planned."""
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
    """Cold runs are worth showing."""
    over: bool
    """No more frames are expected."""
    last_frame_at: float
    frame_time_s: float | None
    hold_ends_at: float | None
    peak_reached: bool = False
    """Frames have come up to where the forecast puts the peak: warm runs can learn something."""
    forecast: Forecast = "none"
    likely: tuple[Offer, ...] = ()
    """What `refined` will probably hold once the peak is seen: to tell early what cannot be in time."""
    provisional: tuple[Offer, ...] = ()
    """The best first, each next one cheaper."""
    refined: tuple[Offer, ...] = ()
    shown_frames: int = 0
    """Frames of the newest provisional or refined job that came to an end."""
    shown_over: bool = False
    """Whether that job was planned after the last frame."""
    refined_frames: int = 0
    """Frames of the refined volume there is; 0 while there is none."""
    refined_offer: Offer | None = None
    refined_runs: int = 0
    """Runs that volume was chosen from."""
    next_seed: int = 0
    """Of refined runs; the seeds before it are used."""
    failures: int = 0
    """Refined jobs on `failed_frames` frames that failed."""
    failed_frames: int = 0
    served_at: float = float("-inf")
    """When a job of this scan came to its end last."""

    @property
    def warm(self) -> bool:
        """Whether runs may begin from the crystal's last object."""
        return self.forecast in ("fitted", "beaten")

    @property
    def wants_refined(self) -> bool:
        """Whether frames have come that no refined volume uses, though no more are expected."""
        return self.over and self.frames > self.refined_frames

    @property
    def last_frame_expected_at(self) -> float | None:
        """When the last frame should come."""
        if self.over or self.frame_time_s is None:
            return None
        return self.last_frame_at + self.frame_time_s * (self.expected - self.frames)

    def hold_over(self, now: float) -> bool:
        """Whether the hold is known to have ended."""
        return self.hold_ends_at is not None and now >= self.hold_ends_at


@dataclass(frozen=True)
class Start:
    """Begin this job."""

    job: Job
    estimate_s: float
    fits: bool
    """Whether it should be ready before the hold ends."""


@dataclass(frozen=True)
class Begun:
    """A job in flight, and when it began."""

    plan: Start
    at: float

    @property
    def job(self) -> Job:
        """The job itself."""
        return self.plan.job


@dataclass(frozen=True)
class Drop:
    """Stop a job in flight; its result is not wanted."""

    job: Job
    reason: str


@dataclass(frozen=True)
class Rest:
    """Nothing to begin, nothing to stop."""


Decision = Start | Drop | Rest


def finished(outlook: Outlook, job: Job, succeeded: bool, at: float) -> Outlook:
    """The outlook after a job of its scan came to an end (dropped jobs leave it as it was)."""
    if job.window_revision != outlook.window_revision:
        return outlook
    shown = replace(
        outlook,
        shown_frames=max(outlook.shown_frames, job.frames),
        shown_over=outlook.shown_over or job.over,
        served_at=at,
    )
    if job.stage == "provisional":
        return shown
    if not succeeded:
        before = outlook.failures if outlook.failed_frames == job.frames else 0
        return replace(shown, failures=before + 1, failed_frames=job.frames)
    return replace(
        shown,
        refined_frames=job.frames,
        refined_offer=job.offer,
        refined_runs=job.runs + (outlook.refined_runs if job.more else 0),
        next_seed=job.first_seed + job.runs,
        failures=0,
    )
