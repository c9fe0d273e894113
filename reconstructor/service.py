"""The service: frames in from the streamer, volumes out, jobs between. It decides and computes nothing itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from contract.happened import Happened, MessageDropped, Reconstructed, WorkFailed, ignore
from contract.messages import Confirmed
from contract.stream import Publisher, Received, Subscriber
from reconstructor import archive, reports
from reconstructor.agenda import Agenda
from reconstructor.curve import CurveError
from reconstructor.flight import Finished, Progressed
from reconstructor.followed import LOOK_FAULTS, FollowedScan
from reconstructor.jobs import Drop, Job, Outlook, Start
from reconstructor.offers import likely_offers
from reconstructor.publication import Occasion, improves, published, record, timed, without_archive
from reconstructor.reports import Flying
from reconstructor.runners import Broken, Dropped, Event, Failed, Filed, LocalRunner, Rehearsed
from reconstructor.scans import Scans, concerns
from reconstructor.settings import ReconstructorSettings
from reconstructor.speed import Speed
from reconstructor.tasks import task_of
from reconstructor.telling import Teller
from reconstructor.work import Made

BUSY_S = 0.02
"""How long frames or jobs may wait for each other while a job is in flight."""
LOOK_SHARE = 4.0
"""Between two looks at a growing curve passes this many times what a look took."""
FIRST_SHAPE = (64, 64, 64)


class ReconstructorService:
    """See `contract.service.Service`. Sockets are opened by the two functions given, when `open` is called."""

    def __init__(
        self,
        settings: ReconstructorSettings,
        follow: Callable[[], Subscriber],
        publish: Callable[[], Publisher],
        *,
        runner: LocalRunner | None = None,
        clock: Callable[[], float] = time.monotonic,
        happened: Callable[[Happened], None] = ignore,
    ) -> None:
        self._settings = settings
        self._follow, self._publish = follow, publish
        self._clock, self._happened = clock, happened
        self._runner = runner or LocalRunner(settings.threads, clock=clock, memory=settings.folder / "fftw-wisdom")
        self._agenda = Agenda(self._runner.workers, Speed(), settings.provisional_s)
        self._scans = Scans(settings.recipes(), settings.scans_kept)
        self._given = settings.given_support()
        self._frames: Subscriber | None = None
        self._volumes: Publisher | None = None
        self._flying: Flying | None = None
        self._occasions: dict[Path, Occasion] = {}
        self._tell: Teller | None = None

    def open(self) -> None:
        """Bind, connect, start threads, and begin to compile and plan."""
        self._settings.folder.mkdir(parents=True, exist_ok=True)
        self._volumes, self._frames = self._publish(), self._follow()
        self._tell = Teller(self._volumes)
        self._runner.open()
        self._runner.rehearse(FIRST_SHAPE, self._scans.recipes.refined[0])

    def ready(self) -> bool:
        """Whether volumes can be asked for."""
        return self._volumes is not None

    def addresses(self) -> Mapping[str, str]:
        """Where volumes are published."""
        return self._out.addresses._asdict()

    def step(self, timeout_s: float) -> None:
        """Take what came, from the streamer and from jobs; then decide, and tell."""
        busy = self._runner.flying is not None or bool(self._occasions)
        for received in self._in.receive(min(timeout_s, BUSY_S) if busy else timeout_s):
            self._take(received)
        for event in self._runner.events(min(timeout_s, BUSY_S) if busy else 0.0):
            self._hear(event)
        self._decide()
        scans = self._scans.scans.values()
        self._teller.regularly(self._agenda, scans, self._flying, self._clock())
        for said in self._out.said():
            said.answer(False, f"the reconstructor does not take a {type(said.message).__name__}")

    def close(self) -> None:
        """Stop jobs, finish the archive being written, let go of the sockets."""
        self._runner.close()
        for stream in (self._frames, self._volumes):
            if stream is not None:
                stream.close()

    @property
    def _in(self) -> Subscriber:
        if self._frames is None:
            raise RuntimeError("the service is not open")
        return self._frames

    @property
    def _out(self) -> Publisher:
        if self._volumes is None:
            raise RuntimeError("the service is not open")
        return self._volumes

    @property
    def _teller(self) -> Teller:
        if self._tell is None:
            raise RuntimeError("the service is not open")
        return self._tell

    # What the streamer says

    def _take(self, received: Received) -> None:
        try:
            began = self._scans.take(received, self._clock())
        except CurveError as reason:
            self._happened(MessageDropped(stage="curve", reason="unfit", detail=str(reason)))
            self._teller.notice("warning", f"{reason}.", concerns(received.message))
            return
        if began is not None:
            self._began(began)

    def _began(self, scan: FollowedScan) -> None:
        """A scan began: revisions go on from its archives; what it will need is compiled and planned."""
        name = scan.started.scan
        before = archive.found(self._settings.folder, name)
        scan.revision = max([scan.revision, *(hit.revision for hit in before)])
        for offers in likely_offers(scan.started, self._scans.recipes):
            self._runner.rehearse(offers[0].window.shape, offers[0].recipe)
        for gone in self._scans.make_room(None if self._flying is None else self._flying.plan.job.scan):
            text = f"{gone.started.scan} was let go before it was refined: newer scans needed the memory."
            self._teller.notice("warning", text, gone.started.scan)

    # What jobs say

    def _hear(self, event: Event) -> None:
        match event:
            case Progressed():
                if self._flying is not None and self._flying.plan.job == event.job:
                    self._flying = replace(self._flying, progress=event)
            case Finished():
                self._finish(event)
            case Failed(job, reason):
                self._fail(job, reason)
            case Dropped(job):
                self._settle(job, "dropped", "Dropped: its data were stale, or its time was needed.")
            case Filed():
                self._filed(event)
            case Rehearsed(shape, iteration_s):
                self._learn(self._agenda.speed.prepared(shape, iteration_s))
            case Broken(fault):
                raise fault

    def _finish(self, done: Finished) -> None:
        job = done.job
        scan = self._scans.scans.get(job.scan)
        shape = job.offer.window.shape
        self._learn(self._agenda.speed.learnt(shape, done.iteration_s, done.around_s))
        self._happened(Reconstructed(stage=job.stage, scan=job.scan, took_s=done.took_s))
        self._settle(job, "done", f"Took {done.took_s:.1f} s.", succeeded=True)
        if scan is None or scan.first_frame_at is None or scan.last_frame_at is None:
            return
        if job.window_revision != scan.started.window_revision:
            return  # its places are those of a window that is none any more
        made = done.made
        if job.stage == "refined":
            better = not scan.refined_alike(job) or improves(made.quality, scan.quality)
            scan.members = made.members
            if not better:
                return
            scan.quality, scan.refined_by, scan.refined = made.quality, made.task, made
            self._teller.advise(scan, self._scans.past_of(scan), self._clock())
        else:
            made = scan.made(made)
        scan.revision += 1
        self._archive(scan, made, done)

    def _archive(self, scan: FollowedScan, made: Made, done: Finished) -> None:
        """Keep a volume; `Filed` follows, and then it is published."""
        job = done.job
        path = archive.path_for(self._settings.folder, job.scan, scan.revision, job.stage)
        occasion = Occasion(
            revision=scan.revision,
            completion=scan.completion if job.frames == scan.curve.frames else None,
            hold=self._scans.hold_of(scan),
            first_frame_at=scan.first_frame_at or 0.0,
            last_frame_at=scan.last_frame_at or 0.0,
            archive=str(path.resolve()),
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            last_hold=scan.prospect.is_last_hold(made),
            first_of=scan.first_of(job),
        )
        kept = record(made, occasion, self._clock())
        self._scans.remember(kept, scan, made.task.reading, made.task.peak)
        self._occasions[path] = occasion
        self._runner.file(path, kept)

    def _filed(self, filed: Filed) -> None:
        """An archive is durable (or failed): publish its volume, and tell the streamer of a refined one."""
        occasion = self._occasions.pop(filed.path)
        kept = without_archive(filed.record) if filed.problem else filed.record
        volume = timed(kept.volume, occasion, self._clock())
        self._out.publish(volume)
        happened = published(volume, occasion)
        self._happened(happened)
        if filed.problem:
            self._happened(WorkFailed(reason="archive", detail=filed.problem))
            self._teller.notice("error", f"{filed.problem}. The volume is published but not kept.", volume.scan)
        elif volume.stage == "refined":
            self._in.say(Confirmed(scan=volume.scan, revision=volume.revision))

    def _fail(self, job: Job, reason: str) -> None:
        self._happened(WorkFailed(reason=job.stage, detail=f"{job.scan}: {reason}"))
        self._settle(job, "failed", reason)
        self._teller.notice(
            "warning", f"No {job.stage} volume of {job.scan} from {job.frames} frames: {reason}.", job.scan
        )

    def _settle(self, job: Job, state: reports.State, detail: str, succeeded: bool = False) -> None:
        """The job in flight is none any more."""
        self._flying = None
        scan = self._scans.scans.get(job.scan)
        if scan is None or scan.started.window_revision != job.window_revision:
            return
        if state != "dropped":
            scan.done(job, succeeded, self._clock())
        self._teller.ended(job, scan, state, detail, self._clock())

    def _learn(self, speed: Speed) -> None:
        self._agenda = replace(self._agenda, speed=speed)

    # Deciding

    def _decide(self) -> None:
        outlooks = [seen for scan in list(self._scans.scans.values()) if (seen := self._look(scan)) is not None]
        now = self._clock()
        self._teller.late(self._agenda, outlooks, self._flying, now)
        begun = [] if self._flying is None else [self._flying.begun]
        match self._agenda.decide(now, outlooks, begun):
            case Start() as plan:
                self._begin(plan, now)
            case Drop():
                self._runner.drop()
            case _:
                pass

    def _look(self, scan: FollowedScan) -> Outlook | None:
        """The outlook of a scan, no older than a look at its curve costs."""
        began, past = self._clock(), self._scans.past_of(scan)
        fresh = scan.look_due(began)
        seen = scan.look(self._scans.hold_of(scan), past, fresh)
        if fresh:
            try:
                for scored in scan.judged():
                    self._out.publish(scored)
                self._teller.obstacles(scan)
                self._teller.advise(scan, past, began)
            except LOOK_FAULTS as reason:
                self._teller.fault(scan.started.scan, reason)
            after = self._clock()
            scan.next_look_at = after + LOOK_SHARE * (after - began)
            if scan.over:
                self._take_up(scan)
        return scan.outlook if fresh else seen

    def _begin(self, plan: Start, now: float) -> None:
        job = plan.job
        scan = self._scans.scans[job.scan]
        task = task_of(scan, job, self._scans.others_of(scan), self._given)
        self._flying = Flying(plan, now)
        self._runner.begin(task, self._agenda.speed.iteration(job.offer.window.shape))
        self._teller.begun(self._agenda, scan, self._flying, now)

    def _take_up(self, scan: FollowedScan) -> None:
        """After a restart: a scan whose refined archive holds all its frames needs no job, only to be told again."""
        outlook = scan.outlook
        hits = archive.found(self._settings.folder, scan.started.scan)
        if outlook is None or outlook.refined_frames or not hits or hits[-1].stage != "refined" or scan.members:
            return
        try:
            kept = archive.read(hits[-1].path)
        except ValueError as reason:
            self._teller.notice("warning", f"{reason}. The scan is refined anew.", scan.started.scan)
            return
        if kept.volume.frames_used < outlook.frames:
            return
        scan.outlook = replace(outlook, shown_frames=outlook.frames, refined_frames=outlook.frames)
        self._scans.remember(kept, scan, scan.reading, scan.peak)
        self._out.publish(kept.volume)
        self._in.say(Confirmed(scan=kept.volume.scan, revision=kept.volume.revision))
