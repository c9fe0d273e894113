"""One scan with its journal: each message is durable, then counted, then published."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from contract.codec import decode, encode
from contract.messages import Angles, AnyMessage, Notice
from contract.telemetry import (
    CurveOpened,
    FrameDuplicate,
    FrameLate,
    FrameOutOfOrder,
    FrameRejected,
    Happened,
)
from streamer.detectors.decode_error import DecodeError
from streamer.detectors.dialects import DIALECTS
from streamer.detectors.records import Frame, SeriesStarted
from streamer.finished import Finished
from streamer.frame_queue import Message
from streamer.gap_pattern import GapPattern, warning
from streamer.journal import At, Entry, JournalError, Record
from streamer.open_scan import Counts, Identity, OpenScan, Rules
from streamer.remarks import remarks
from streamer.rocking_curve import Closing
from streamer.scan_journal import ScanJournal
from streamer.scan_region import Move, ScanRegion
from streamer.scan_state import State, curve_closed, damage_told, finished, shortfall
from streamer.taken_again import moved, taken_again

MOVED_AT_ONCE = 64
"""Frames published anew before new ones have their turn again"""


class MeasuredScan:
    """A scan that is open, or closed and not yet forgotten. What it journals, it journals before it changes."""

    def __init__(
        self,
        series: SeriesStarted,
        identity: Identity,
        rules: Rules,
        journal: ScanJournal,
        publish: Callable[[AnyMessage], object],
        happened: Callable[[Happened], None],
        now_s: float,
    ) -> None:
        self.journal = journal
        self.state = journal.get("state", State) or State()
        self.edition = 0
        """How often it has been closed."""
        self.archive_again_s: float | None = None
        """When to try again to archive it, after that failed."""
        self._announced = False
        self._gaps = GapPattern()
        self._moving: Iterator[None] | None = None
        """Frames that came before the window moved, still to be published anew"""
        self._rules = rules
        self._aloud = publish
        self._publish = publish if self.state.confirmed is None else _silently
        self._happened = happened
        self._begin(series, identity, now_s)

    @property
    def closed(self) -> bool:
        """No more frames are waited for."""
        return self.state.closing is not None

    @property
    def start_known(self) -> bool:
        """Its start was received, not made up from its first frame."""
        return self.open.series.frames_expected > 0

    def frame(self, frame: Frame, message: Message, now_s: float) -> None:
        """A frame came. DecodeError: refused, before it was journaled or, if it is damaged inside, after."""
        verdict = self.open.look(frame)
        if verdict == "duplicate":
            self._happened(FrameDuplicate(source=self.open.identity.source))
            return
        if verdict == "late":
            self._reopen(now_s)
            self._happened(FrameLate(source=self.open.identity.source))
        self.frames([(frame, message)], now_s)

    def expects(self, frame: Frame) -> bool:
        """Whether this frame is new to the open scan, and there is nothing more to say about it."""
        try:
            return self.open.known and not self.closed and self.open.look(frame) == "new"
        except DecodeError:
            return False

    def frames(self, frames: Sequence[tuple[Frame, Message]], now_s: float) -> None:
        """New frames came, which are made durable in one commit. While the disk is at it they are unpacked, and when
        it is done they are published. JournalError: nothing has changed.
        """
        wait = self.journal.begin(
            [Record("frame", frame.index, message.parts, message.at) for frame, message in frames]
        )
        unpacked = [self.open.unpack(frame) for frame, _ in frames]
        self.region.look(frame for frame, _ in frames)
        wait()
        for (frame, message), counts in zip(frames, unpacked, strict=True):
            self._take(frame, counts, message.at.monotonic_s, now_s)
            self.announce()
            if self.open.full:
                self.publish_block(now_s, now=True)
        self.publish_block(now_s)
        if self._moving is None and (move := self.region.running()) is not None:
            self.move(move, now_s)

    def end(self, message: Message, now_s: float) -> None:
        """The detector says that the series is over."""
        if not self.open.assembly.ended:
            self.journal.write([Record("end", None, message.parts, message.at)])
            self.open.assembly.end(now_s)

    def angles(self, angles: Angles, at: At) -> None:
        """Rocking angles became known after their frames."""
        self._reopen(at.monotonic_s)
        self.journal.write([Record("angles", None, encode(angles), at)])
        self.publish_block(at.monotonic_s, now=True)
        self.open.tell_angles(angles)
        self._publish(angles)

    def move(self, move: Move, now_s: float) -> bool:
        """Lay the window elsewhere: a new revision, for which all frames are taken from the journal again, a few with
        each `go_on`; a closed scan is closed again after that. False: not while frames wait to be written.
        """
        if not self.journal.settled:
            return False
        self._reopen(now_s)
        identity = moved(self.open.identity, move)
        self.journal.write([], {"identity": identity})
        self.open.move(identity)
        self._announced = False
        self.announce()
        self._moving = taken_again(self.open, self.journal.path, now_s)
        next(self._moving, None)
        return True

    def go_on(self, now_s: float) -> None:
        """Publish some more frames in the window that has moved."""
        for _ in range(MOVED_AT_ONCE):
            if self._moving is None:
                return
            if next(self._moving, "done") == "done":
                self._moving = None
            self.publish_block(now_s, now=self.open.full or self._moving is None)

    def adopt(self, series: SeriesStarted, message: Message, now_s: float) -> None:
        """Its start came after some of its frames: a new window revision, published anew from the journal."""
        identity = self.open.identity
        identity = msgspec.structs.replace(identity, window_revision=identity.window_revision + 1)
        self._settled()
        self._reopen(now_s)
        self.journal.write([Record("start", None, message.parts, message.at)], {"identity": identity})
        self._settled()
        self._anew(series, identity, now_s)

    def announce(self) -> None:
        """Publish its start, once as much is known as that needs, and what a person should know about it."""
        started = None if self._announced else self.open.started()
        if started is None:
            return
        self._announced = True
        self._publish(started)
        if (told := self.region.told()) is not None:
            self._publish(told)
        for text in remarks(self.open):
            self._publish(Notice(level="warning", text=f"scan {self.open.scan}: {text}", scan=self.open.scan))

    def publish_block(self, now_s: float, *, now: bool = False) -> None:
        """Publish the frames that wait to be, when it is time, or `now`."""
        block = self.open.block(now_s, now=now) if self._announced else None
        if block is not None:
            self._publish(block)

    def close(self, now_s: float, target: Callable[[], Path]) -> bool:
        """Close the curve if there is a reason to; True if it was closed now."""
        if self.closed:
            return False
        assembly = self.open.assembly
        closing = assembly.closed or assembly.close(now_s)
        if closing is None or self._moving is not None:
            return False
        if (move := self.region.closing()) is not None and self.move(move, now_s):
            return False  # it is closed when all of it is published anew
        self._record(closing=closing, archive=self.state.archive or str(target()))
        self.edition += 1
        self._publish_end(closing, now_s)
        self._happened(curve_closed(self.open, closing.status, self.edition))
        return True

    def rebuild(self, now_s: float) -> Iterator[None]:
        """Take everything from the journal again and publish it; comes back after each frame, to be gone on with."""
        self.announce()
        for entry in self.journal.entries("angles"):
            told = decode(entry.parts)
            if isinstance(told, Angles):
                self.open.tell_angles(told)
        for entry in self.journal.entries("frame"):
            self._again(entry, now_s)
            self.announce()
            self.publish_block(now_s)
            yield
        if any(True for _ in self.journal.entries("end")):
            self.open.assembly.end(now_s)
        self._tell_damage()

    def recover(self, now_s: float) -> Iterator[None]:
        """Go on where an earlier process stopped."""
        yield from self.rebuild(now_s)
        if self.state.closing is None:
            self._happened(CurveOpened(source=self.open.identity.source, scan=self.open.scan))
            return
        self.open.assembly.recover(self.state.closing)
        self.edition = 1
        self._publish_end(self.state.closing, now_s)

    def finished(self) -> Finished:
        """Everything its archive is written from, once it is closed."""
        return finished(self.open, self.region.told(), self.state)

    def take_back(self, now_s: float) -> None:
        """More of it came after the reconstructor was done with it: it is open again, and to be confirmed anew."""
        self._reopen(now_s)
        self._record(confirmed=None)
        if self._publish is not self._aloud:  # as it was confirmed before this process began, nobody was told of it
            self._publish = self._aloud
            self._anew(self.open.series, self.open.identity, now_s)

    def set_archived(self) -> None:
        """Its archive is there, verified and durable."""
        self._record(archived=True)

    def set_confirmed(self, revision: int) -> None:
        """The reconstructor is done with it."""
        self._record(confirmed=revision)

    def _begin(self, series: SeriesStarted, identity: Identity, now_s: float) -> None:
        self.open = OpenScan(series, identity, self._rules, DIALECTS[identity.dialect], now_s)
        self.region = ScanRegion(self._rules.follow, self.open)
        self._moving = None
        self._announced = False

    def _anew(self, series: SeriesStarted, identity: Identity, now_s: float) -> None:
        self._begin(series, identity, now_s)
        for _ in self.rebuild(now_s):
            continue

    def _settled(self) -> None:
        """JournalError: some of it waits for the disk, so that it cannot be taken from the journal again yet."""
        if not self.journal.settled:
            raise JournalError(f"scan {self.open.scan}: its late start waits until its frames are in the journal")

    def _reopen(self, now_s: float) -> None:
        if self.state.closing is not None:
            self._record(closing=None, archived=False)
            self.open.assembly.reopen(now_s)
            self._happened(CurveOpened(source=self.open.identity.source, scan=self.open.scan))

    def _record(self, **changes: Any) -> None:
        state = msgspec.structs.replace(self.state, **changes)
        self.journal.write([], {"state": state})
        self.state = state

    def _publish_end(self, closing: Closing, now_s: float) -> None:
        self.open.settle()
        self.announce()
        self.publish_block(now_s, now=True)
        ended = self.open.ended(closing, self.state.archive)
        self._publish(ended)
        if ended.status != "complete":
            # Without its scan, so that it is for those present only: late frames may make it untrue.
            self._publish(Notice(level="warning", text=shortfall(ended)))

    def _again(self, entry: Entry, now_s: float) -> None:
        """A frame from the journal; one that was refused when it came is refused again."""
        try:
            frame = DIALECTS[self.open.identity.dialect].read(entry.parts)
            if isinstance(frame, Frame) and self.open.look(frame) == "new":
                self.region.look([frame])
                self._take(frame, self.open.unpack(frame), now_s, now_s)
        except DecodeError as error:
            self._refuse(error)

    def _take(self, frame: Frame, counts: Counts | DecodeError, received_s: float, now_s: float) -> None:
        """A frame that is durable, and what was found in it."""
        if isinstance(counts, DecodeError):
            self._refuse(counts)
            return
        if not self.open.take(frame, counts, received_s, now_s):
            self._happened(FrameOutOfOrder(source=self.open.identity.source))
        readers = self._gaps.take(frame.index)
        if readers is not None:
            self._publish(Notice(level="warning", text=warning(self.open.scan, readers), scan=self.open.scan))

    def _refuse(self, error: DecodeError) -> None:
        self._happened(FrameRejected(source=self.open.identity.source, reason=error.reason, detail=str(error)))

    def _tell_damage(self) -> None:
        records, notice = damage_told(self.open.scan, self.open.identity.source, self.journal.damage)
        for record in records:
            self._happened(record)
        if notice is not None:
            self._publish(notice)


def _silently(message: AnyMessage) -> None:
    """A scan that was confirmed is published no more."""
