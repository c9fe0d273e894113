"""What people are told about jobs: JobProgress messages and sentences. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from contract.messages import Deadline, JobProgress, Scan
from reconstructor import lateness
from reconstructor.agenda import Agenda
from reconstructor.flight import Progressed
from reconstructor.followed import FollowedScan
from reconstructor.jobs import Begun, Job, Outlook, Start
from reconstructor.phasing import notation

State = Literal["planned", "running", "done", "dropped", "failed", "waiting"]

Level = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Flying:
    """The job in flight."""

    plan: Start
    began_at: float
    progress: Progressed | None = None

    @property
    def begun(self) -> Begun:
        """The same as the agenda sees it."""
        return Begun(self.plan, self.began_at)


def expected_refined_s(agenda: Agenda, scan: FollowedScan, flying: Flying | None, now: float) -> float | None:
    """Seconds until the scan's first refined volume, as far as can be said."""
    if scan.outlook is None:
        return None
    mine = flying is not None and flying.plan.job.scan == scan.started.scan
    return agenda.expected_refined_s(now, scan.outlook, flying.begun if mine and flying is not None else None)


def running(agenda: Agenda, scan: FollowedScan, flying: Flying, now: float) -> JobProgress:
    """How far the job in flight is."""
    job, done = flying.plan.job, flying.progress
    return JobProgress(
        scan=job.scan,
        stage=job.stage,
        state="running",
        detail=_sentence(job, flying.plan.fits),
        recipe=notation.written(job.offer.recipe),
        run=0 if done is None else done.run,
        runs=job.runs if done is None else done.runs,
        iteration=0 if done is None else done.iteration,
        iterations=job.offer.recipe.iterations,
        r_factor=None if done is None else done.r_factor,
        expected_refined_s=expected_refined_s(agenda, scan, flying, now),
        hold_left_s=_hold_left_s(scan.outlook, now),
    )


def ended(job: Job, scan: FollowedScan, state: State, detail: str, now: float) -> JobProgress:
    """That a job came to an end, and how."""
    return JobProgress(
        scan=job.scan,
        stage=job.stage,
        state=state,
        detail=detail,
        recipe=notation.written(job.offer.recipe),
        runs=job.runs,
        iterations=job.offer.recipe.iterations,
        hold_left_s=_hold_left_s(scan.outlook, now),
    )


def waiting(agenda: Agenda, scan: FollowedScan, now: float) -> JobProgress | None:
    """What a scan without a job waits for; None if for nothing."""
    outlook = scan.outlook
    if outlook is None or (outlook.refined_frames >= outlook.frames and outlook.over):
        return None
    expected = expected_refined_s(agenda, scan, None, now)
    left = _hold_left_s(outlook, now)
    if scan.obstacle:
        detail = scan.obstacle
    elif not outlook.peak_passed:
        detail = "Waiting until the Bragg peak has passed."
    elif not outlook.over:
        detail = "Waiting for more frames."
    else:
        detail = "Waiting for its turn."
    return JobProgress(
        scan=outlook.scan,
        stage="refined" if outlook.over else "provisional",
        state="waiting",
        detail=detail,
        expected_refined_s=expected,
        hold_left_s=left,
    )


def deadlines(
    agenda: Agenda, outlooks: Sequence[Outlook], flying: Flying | None, now: float, told: Mapping[Scan, Deadline]
) -> list[Deadline]:
    """What is news of whether first refined volumes will be out before their holds end."""
    ready = agenda.expected_out(now, outlooks, [] if flying is None else [flying.begun])
    return lateness.news(now, outlooks, ready, told)


def _sentence(job: Job, fits: bool) -> str:
    if job.begins == "last hold":
        return f"The last hold's crystal, laid over {job.frames} frames."
    shape = " × ".join(str(n) for n in job.offer.window.shape)
    late = "" if fits else " It will not be ready before the hold ends."
    what = "A better refined" if job.more else f"A {job.stage}"
    return f"{what} volume from {job.frames} frames, {job.runs} runs on {shape} voxels.{late}"


def _hold_left_s(outlook: Outlook | None, now: float) -> float | None:
    if outlook is None or outlook.hold_ends_at is None:
        return None
    return outlook.hold_ends_at - now
