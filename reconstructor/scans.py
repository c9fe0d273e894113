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
from reconstructor.curve import Curve, Reading
from reconstructor.followed import FollowedScan, HeldCell
from reconstructor.offers import Recipes
from reconstructor.past import Past, past
from reconstructor.peak import Peak

HOLDS_KEPT = 50
CRYSTALS_KEPT = 32


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
    last: dict[Crystal, Past] = field(default_factory=dict)
    """Each crystal as its newest refined volume has it; `CRYSTALS_KEPT`, the one unused longest first."""

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

    def past_of(self, scan: FollowedScan) -> Past | None:
        """The scan's crystal as an earlier scan left it; the one that is laid over it already stays."""
        if scan.prospect.foreseen is not None:
            return scan.prospect.foreseen.past
        crystal = scan.started.crystal
        before = None if crystal is None else self.last.get(crystal)
        return None if before is None or before.scan == scan.started.scan else before

    def others_of(self, scan: FollowedScan) -> tuple[Reading, ...]:
        """Scans of the same crystal in the same hold that were over before this one began, oldest first."""
        hold = self.hold_of(scan)
        before = list(self.scans.values())
        return tuple(
            other.measured
            for other in before[: before.index(scan)]
            if hold is not None
            and self.hold_of(other) is hold
            and other.started.crystal == scan.started.crystal
            and other.over
            and other.measured is not None
            and not other.obstacle
        )

    def remember(self, record: Archived, scan: FollowedScan, made_of: Reading | None, peak: Peak | None) -> None:
        """A volume was made: later ones keep its hand, and may begin from it if it is refined.

        The hand that was brought along from the last hold stays the one to keep: a poor volume of a growing curve
        says less of it.
        """
        if not scan.matched:
            scan.signature = record.signature
        if record.volume.crystal is None or record.volume.stage != "refined" or made_of is None or peak is None:
            return
        if (found := past(record, made_of, peak)) is not None:
            self.last.pop(record.volume.crystal, None)
            self.last[record.volume.crystal] = found
            while len(self.last) > CRYSTALS_KEPT:
                del self.last[next(iter(self.last))]

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
        before = None if started.crystal is None else self.last.pop(started.crystal, None)
        if started.crystal is not None and before is not None:
            self.last[started.crystal] = before  # used: let go last
        if known is not None:
            scan.revision, scan.signature, scan.matched = known.revision, known.signature, known.matched
        elif before is not None:
            scan.signature, scan.matched = before.record.signature, True
        self.scans[started.scan] = scan
        return scan


def _settled(scan: FollowedScan) -> bool:
    """Whether a scan is over and refined, or cannot be phased."""
    outlook = scan.outlook
    return scan.over and outlook is not None and (outlook.refined_frames >= outlook.frames or bool(scan.obstacle))


def concerns(message: AnyMessage) -> Scan | None:
    """The scan a message of the streamer is about."""
    return getattr(message, "scan", None)
