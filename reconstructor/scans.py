"""All scans and holds that are followed: messages in, state out. No sockets, no threads; time is an argument."""

from __future__ import annotations

from dataclasses import dataclass, field

from contract.messages import (
    Angles,
    AnyMessage,
    Crystal,
    FrameBlock,
    Hold,
    HoldEnded,
    HoldStarted,
    Scan,
    ScanEnded,
    ScanStarted,
)
from contract.stream import Received
from reconstructor.archive import Archived
from reconstructor.curve import Curve
from reconstructor.followed import FollowedScan, HeldCell, Recipes
from reconstructor.jobs import Job
from reconstructor.phasing.problem import Start
from reconstructor.work import Warm

HOLDS_KEPT = 50


@dataclass(eq=False)
class Scans:
    """What is known of every scan, hold and crystal."""

    recipes: Recipes
    kept: int
    """Scans held in memory."""
    scans: dict[Scan, FollowedScan] = field(default_factory=dict)
    """In the order they began."""
    holds: dict[Hold, HeldCell] = field(default_factory=dict)
    """The newest `HOLDS_KEPT`, in the order they were first heard of."""
    last: dict[Crystal, Archived] = field(default_factory=dict)
    """The newest refined volume of each crystal."""

    def take(self, received: Received, now: float) -> FollowedScan | None:
        """Take a message; the scan that began with it, if one did.

        What does not fit its scan raises CurveError and changes nothing.
        """
        then = now - received.age_s
        match received.message:
            case HoldStarted() | HoldEnded() as hold:
                self._hold(hold, then)
            case ScanStarted() as started:
                return self._start(started, then)
            case FrameBlock() as block:
                scan = self.scans.get(block.scan)
                if scan is not None and block.window_revision == scan.started.window_revision:
                    scan.add(block, then - block.since_received_s)
            case Angles() as angles:
                if (scan := self.scans.get(angles.scan)) is not None:
                    scan.locate(angles)
            case ScanEnded() as ended:
                scan = self.scans.get(ended.scan)
                if scan is not None and ended.window_revision == scan.started.window_revision:
                    scan.end(ended)
            case _:
                pass
        return None

    def hold_of(self, scan: FollowedScan) -> HeldCell | None:
        """The hold a scan belongs to, as far as it is known."""
        if scan.started.hold is not None:
            return self.holds.get(scan.started.hold)
        crystal = scan.started.crystal
        return next((hold for hold in reversed(self.holds.values()) if hold.said.crystal == crystal), None)

    def warm_start(self, scan: FollowedScan, job: Job) -> Warm | None:
        """What one run of a first refined job may begin from, on a window of the same shape and binning.

        The provisional volume of the same frames and window; else the crystal's last refined object, in a window
        recentred on its own peak (a ramp, never a translation).
        """
        if job.stage != "refined" or job.more:
            return None
        shown, window = scan.shown, job.offer.window
        if shown is not None and (shown.task.job.frames, shown.task.job.offer.window) == (job.frames, window):
            return Warm(Start(obj=shown.obj, support=shown.support), earlier_hold=False)
        crystal = scan.started.crystal
        before = None if crystal is None else self.last.get(crystal)
        if before is None or before.volume.scan == scan.started.scan:
            return None
        if (before.window.shape, before.window.binning) != (window.shape, window.binning):
            return None
        return Warm(Start(obj=before.obj, support=before.support), earlier_hold=True)

    def remember(self, record: Archived) -> None:
        """A volume was made: later ones keep its hand, and may start from it if it is refined."""
        scan = self.scans.get(record.volume.scan)
        if scan is not None:
            scan.signature = record.signature
        if record.volume.crystal is not None and record.volume.stage == "refined":
            self.last[record.volume.crystal] = record

    def make_room(self, busy: Scan | None) -> list[FollowedScan]:
        """Let go of the oldest scans beyond `kept`, those that need nothing more first; the unfinished ones let go."""
        unfinished = []
        while len(self.scans) > self.kept:
            old = [scan for name, scan in self.scans.items() if name != busy][: -1 if self.kept else None]
            if not old:
                break
            gone = next((scan for scan in old if _settled(scan)), old[0])
            if not _settled(gone):
                unfinished.append(gone)
            del self.scans[gone.started.scan]
        return unfinished

    def _hold(self, message: HoldStarted | HoldEnded, then: float) -> None:
        known = self.holds.get(message.hold)
        if isinstance(message, HoldStarted):
            planned = message.planned_s
            ends = None if planned is None else then + planned - message.elapsed_s
            if known is None or known.said != message:
                self.holds[message.hold] = HeldCell(message, ends)
        elif known is not None:
            ended = then if known.ends_at is None else min(then, known.ends_at)
            self.holds[message.hold] = HeldCell(known.said, ended)
        while len(self.holds) > HOLDS_KEPT:
            del self.holds[next(iter(self.holds))]

    def _start(self, started: ScanStarted, then: float) -> FollowedScan | None:
        known = self.scans.get(started.scan)
        if known is not None and known.started.window_revision >= started.window_revision:
            return None
        scan = FollowedScan(Curve(started), self.recipes, then)
        before = None if started.crystal is None else self.last.get(started.crystal)
        if known is not None:
            scan.revision, scan.signature, scan.matched = known.revision, known.signature, known.matched
        elif before is not None:
            scan.signature, scan.matched = before.signature, True
        self.scans[started.scan] = scan
        return scan


def _settled(scan: FollowedScan) -> bool:
    """Whether a scan is over and refined, or cannot be phased."""
    outlook = scan.outlook
    return scan.over and outlook is not None and (outlook.refined_frames >= outlook.frames or bool(scan.obstacle))


def concerns(message: AnyMessage) -> Scan | None:
    """The scan a message of the streamer is about."""
    return getattr(message, "scan", None)
