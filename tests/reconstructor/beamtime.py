"""The service and its machine played through a history without a clock."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from contract.messages import Deadline, Scan
from reconstructor import lateness, sizing
from reconstructor.jobs import Begun, Drop, Job, Outlook, Start, finished
from reconstructor.situation import may_refine
from reconstructor.sizing import PUBLISH_S, Machine
from tests.reconstructor.histories import TICK_S, History

LEAVES_S = 0.2
"""A dropped job's runs look up about so often."""
PATIENCE_S = 2000.0
"""After the last event, for all that is left to do."""
FILED_S = 0.4
"""Archive and publication of a volume."""


@dataclass(frozen=True)
class Volume:
    """A job that came to its end with a volume, and when that was out."""

    job: Job
    at: float


@dataclass(frozen=True)
class Flown:
    """A job on its device until `until`; `gives` a volume then, unless it was dropped or failed."""

    begun: Begun
    until: float
    gives: bool
    dropped: bool = False


@dataclass
class Beamtime:
    """Plays a history to its agenda, tick by tick."""

    history: History
    outlooks: dict[Scan, Outlook] = field(default_factory=dict)
    flying: list[Flown] = field(default_factory=list)
    begun: list[Begun] = field(default_factory=list)
    volumes: list[Volume] = field(default_factory=list)
    dropped: list[tuple[Begun, float, str]] = field(default_factory=list)
    failed: list[Job] = field(default_factory=list)
    late: dict[Scan, float] = field(default_factory=dict)
    """When each scan was first said to be too late."""
    told: dict[Scan, Deadline] = field(default_factory=dict)
    """What was said of each last."""
    looked: dict[Scan, float] = field(default_factory=dict)
    """When the end of each one's hold was first known."""
    hopeless: dict[Scan, float] = field(default_factory=dict)
    """Looks at which a hold's end became known, if its scan alone on the machine could not be in time."""
    passed: dict[tuple[Scan, Scan], int] = field(default_factory=dict)
    """How often a scan that waits for its refined volume was passed by a provisional one of another."""
    most_passed: int = 0

    def play(self) -> Beamtime:
        """Until nothing is left to do."""
        now, busy = 0.0, True
        while now < self.history.ends_at or (busy and now < self.history.ends_at + PATIENCE_S):
            busy = self.tick(now) or bool(self.flying)
            now = self._next(now)
        return self

    def _next(self, now: float) -> float:
        """The next look: soon while frames come, else when a job ends, and every second."""
        if any(scan.begins_at <= now + TICK_S and now <= scan.over_at + 2 * TICK_S for scan in self.history.scans):
            return now + TICK_S
        ends = [scan.hold_ends_at - FILED_S for scan in self.history.scans if scan.hold_ends_at is not None]
        soon = [at for at in (*ends, *(flown.until for flown in self.flying)) if at > now]
        return min(max(now + TICK_S, min(soon, default=now)), now + (1.0 if now < self.history.ends_at else 30.0))

    def tick(self, now: float) -> bool:
        """One look of the service: jobs that ended, frames that came, one decision; whether it was to do something."""
        self._end(now)
        for scan in self.history.scans:
            if now >= scan.begins_at and (scan.scan in self.outlooks or scan.here(now) > 0):
                self.outlooks[scan.scan] = scan.outlook(now, self.outlooks.get(scan.scan))
        seen, agenda = list(self.outlooks.values()), self.history.agenda
        flying = [flown.begun for flown in self.flying]
        self._tell(now, seen, flying)
        self._forget(seen)
        match agenda.decide(now, seen, flying):
            case Start() as plan:
                self._begin(plan, now)
                self._count(plan.job, seen)
                return True
            case Drop(job, reason):
                self._drop(job, reason, now)
                return True
        return False

    def _tell(self, now: float, seen: list[Outlook], flying: list[Begun]) -> None:
        """What is said of deadlines, and of which scans it should be said at this look at the latest."""
        agenda, known = self.history.agenda, {name for name, at in self.looked.items() if at is not None}
        for outlook in seen:
            least = sizing.least_s(Machine(agenda.workers, agenda.speed), outlook)
            if outlook.scan in known or outlook.hold_ends_at is None or outlook.hold_over(now) or least is None:
                continue
            self.looked[outlook.scan] = now
            if max(now, outlook.last_frame_expected_at or now) + least + PUBLISH_S > outlook.hold_ends_at:
                self.hopeless[outlook.scan] = now
        for one in lateness.news(now, seen, agenda.expected_out(now, seen, flying), self.told):
            assert one.met == (one.ready_s <= one.hold_left_s), "the estimate does not bear out what is said"
            self.told[one.scan] = one
            if not one.met:
                self.late.setdefault(one.scan, now)

    def _forget(self, seen: list[Outlook]) -> None:
        """Nobody passes a scan that does not wait for its refined volume."""
        flying = {flown.begun.job.scan for flown in self.flying}
        waiting = {o.scan for o in seen if may_refine(o) and o.scan not in flying}
        self.passed = {(scan, by): n for (scan, by), n in self.passed.items() if scan in waiting}
        self.passed |= {(scan, o.scan): 0 for scan in waiting for o in seen if (scan, o.scan) not in self.passed}

    def _count(self, job: Job, seen: list[Outlook]) -> None:
        """A provisional job that is not its scan's first passes those who wait."""
        again = any(o.scan == job.scan and o.shown_frames and not job.over for o in seen)
        for scan, by in self.passed:
            if again and job.stage == "provisional" and by == job.scan != scan:
                self.passed[scan, by] += 1
                self.most_passed = max(self.most_passed, self.passed[scan, by])

    def _begin(self, plan: Start, now: float) -> None:
        begun, scan = Begun(plan, now), plan.job.scan
        assert len(self.flying) < self.history.devices, "a job was begun without a device"
        assert all(flown.begun.job.scan != scan for flown in self.flying), "two jobs of one scan were in flight"
        assert plan.job.frames == self.outlooks[scan].frames, "a job was begun on old data"
        fails = len(self.begun) in self.history.failing
        self.begun.append(begun)
        self.flying.append(Flown(begun, now + self._takes(begun), not fails))

    def _takes(self, begun: Begun) -> float:
        """What a job really takes: its runs, which end by `finish_by` (but not at once), and the rest."""
        job, slower = begun.job, self.history.slower
        around = slower * self.history.agenda.speed.around(job.offer.window.shape)
        runs = slower * begun.plan.estimate_s - around
        if job.finish_by is not None:
            runs = min(runs, max(LEAVES_S, job.finish_by - begun.at))
        return runs + around

    def _drop(self, job: Job, reason: str, now: float) -> None:
        place = next(place for place, flown in enumerate(self.flying) if flown.begun.job == job)
        flown = self.flying[place]
        if not flown.dropped:
            self.dropped.append((flown.begun, now, reason))
            self.flying[place] = replace(flown, until=now + LEAVES_S, gives=False, dropped=True)

    def _end(self, now: float) -> None:
        for flown in [flown for flown in self.flying if flown.until <= now]:
            self.flying.remove(flown)
            job = flown.begun.job
            if flown.dropped:
                continue
            self.outlooks[job.scan] = finished(self.outlooks[job.scan], job, flown.gives, now)
            if flown.gives:
                self.volumes.append(Volume(job, flown.until + FILED_S))
            else:
                self.failed.append(job)
