"""Random histories of a beamtime, and the service and its machine played through them without a clock.

What can happen: scans of several crystals and holds, one after another or interleaved; frames early, late, twice,
never; holds that end when they said, or sooner; jobs slower or faster than estimated, and failing ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from hypothesis import strategies as st

from contract.messages import Scan
from reconstructor.agenda import Agenda
from reconstructor.jobs import Begun, Drop, Forecast, Job, Offer, Outlook, Start, finished
from reconstructor.phasing.notation import parse
from reconstructor.situation import may_refine
from reconstructor.speed import Speed
from reconstructor.window import Window3

TICK_S = 0.1
LEAVES_S = 0.2
"""A dropped job's runs look up about so often."""
PATIENCE_S = 2000.0
"""After the last event, for all that is left to do."""
FILED_S = 0.4
"""Archive and publication of a volume."""
SMALL, LARGE = (64, 64, 64), (128, 128, 128)
REFINED = parse("Runs(cold=20, least=3) * HIO**300 * RAAR**500 * ER**200", "refined")
SWIFT = parse("Runs(cold=20, least=3) * HIO**100 * ER**50", "swift")
PROVISIONAL = parse("Runs(cold=3, warm=1) * HIO**250 * ER**50", "provisional")


def window(shape: tuple[int, int, int]) -> Window3:
    """A window of a shape."""
    return Window3((0, 0, 0), (1, 1, 1), shape)


OFFERS = (Offer(window(LARGE), REFINED), Offer(window(LARGE), SWIFT), Offer(window(SMALL), REFINED))
SHOWN = (Offer(window(SMALL), PROVISIONAL),)


@dataclass(frozen=True)
class Played:
    """One scan of a history; times in seconds."""

    scan: Scan
    begins_at: float
    frames: int
    frame_time_s: float
    hold_ends_at: float | None
    told_at: float
    """When the end of the hold becomes known, if it does."""
    peak_at: float = 0.5
    """Share of the frames after which the peak has passed."""
    lost: frozenset[int] = frozenset()
    """Frames that never come."""
    late: frozenset[int] = frozenset()
    """Frames that come `late_s` after the scan was over."""
    late_s: float = 5.0
    warm: bool = False
    """Whether the crystal's last object can be laid over the frames."""

    @property
    def over_at(self) -> float:
        """When the scan is said to be over."""
        return self.begins_at + (self.frames + 1) * self.frame_time_s

    def here(self, now: float) -> int:
        """Frames that have come; those that come twice count once."""
        due = min(self.frames, int((now - self.begins_at) / self.frame_time_s))
        missing = self.lost | (self.late if now < self.over_at + self.late_s else frozenset())
        return due - sum(index < due for index in missing)

    def outlook(self, now: float, known: Outlook | None) -> Outlook:
        """What the service would see of it."""
        frames, share = self.here(now), (now - self.begins_at) / (self.frames * self.frame_time_s)
        laid: Forecast = "fitted" if self.warm and share > 0.1 else "none"
        blank = Outlook(self.scan, 1, self.begins_at, 0, self.frames, False, False, False, 0.0, None, None)
        passed, over = share > self.peak_at, now >= self.over_at
        return replace(
            known or blank,
            frames=frames,
            located=passed or over or laid == "fitted",
            peak_passed=passed,
            peak_reached=share > 0.9 * self.peak_at,
            over=over,
            last_frame_at=min(now, self.begins_at + self.frames * self.frame_time_s),
            frame_time_s=self.frame_time_s,
            hold_ends_at=self.hold_ends_at if now >= self.told_at else None,
            forecast=laid,
            likely=OFFERS,
            provisional=SHOWN if passed or laid == "fitted" else (),
            refined=OFFERS if passed or over else (),
        )


@dataclass(frozen=True)
class History:
    """Scans, the machine and what goes wrong with it."""

    scans: tuple[Played, ...]
    speed: float
    """Of the machine, relative to two cores of 2022."""
    slower: float
    """What jobs really take, over their estimate."""
    devices: int = 1
    failing: frozenset[int] = frozenset()
    """The so-manieth jobs that fail."""

    @property
    def agenda(self) -> Agenda:
        """The agenda of that machine."""
        iteration, around = {SMALL: 0.002, LARGE: 0.02}, {SMALL: 0.2, LARGE: 0.8}
        iteration = {shape: value / self.speed for shape, value in iteration.items()}
        return Agenda(
            2, Speed(iteration, {shape: value / self.speed for shape, value in around.items()}), 2.0, self.devices
        )

    @property
    def ends_at(self) -> float:
        """When all is over that can happen, but for the jobs."""
        return max(max(scan.over_at + scan.late_s, scan.hold_ends_at or 0.0) for scan in self.scans) + 2 * TICK_S


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
        for name in agenda.too_late(now, seen, flying):
            self.late.setdefault(name, now)
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


@st.composite
def histories(draw: st.DrawFn, most_scans: int = 5, devices: int = 1, crowded: bool = False) -> History:
    """Scans that overlap or not, of 20 to 120 frames, holds of 3 to 120 s, speeds over two orders of magnitude.

    `crowded`: all in holds that end nearly together, as soon after the last scan as the machine needs for some of
    them, and no job fails.
    """
    scans, begins = [], 0.0
    speed = float(np.exp(draw(st.floats(np.log(0.1), np.log(10.0)))))
    for number in range(draw(st.integers(2 if crowded else 1, most_scans))):
        frames, period = draw(st.integers(20, 120)), draw(st.floats(0.02, 0.3))
        long = frames * period
        holds = draw(st.one_of(st.none(), st.floats(3.0, 120.0)))
        odd = draw(st.sets(st.integers(0, frames - 1), max_size=6))
        lost = frozenset(index for index in odd if index % 2)
        scans.append(
            Played(
                Scan(f"s{number}"),
                begins,
                frames,
                period,
                None if holds is None else begins + draw(st.sampled_from([0.0, long])) + holds,
                begins + draw(st.sampled_from([0.0, 0.0, 0.5])) * long,
                peak_at=draw(st.floats(0.2, 0.9)),
                lost=lost,
                late=frozenset(odd) - lost,
                late_s=draw(st.floats(0.5, 30.0)),
                warm=draw(st.booleans()),
            )
        )
        begins = max(0.0, begins + long + draw(st.floats(-0.8 * long, 5.0 if crowded else 30.0)))
    if crowded:
        last = max(scan.over_at for scan in scans) + draw(st.floats(1.0, 8.0)) * len(scans) / speed
        ends = [last + draw(st.floats(0.0, 3.0)) / speed for _ in scans]
        scans = [replace(scan, hold_ends_at=end, told_at=0.0) for scan, end in zip(scans, ends, strict=True)]
    failing = frozenset() if crowded else draw(st.frozensets(st.integers(0, 12), max_size=3))
    return History(tuple(scans), speed, draw(st.floats(0.5, 2.0)), devices, failing)
