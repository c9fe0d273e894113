"""From received messages to journal, curve and stream: what the streamer does with each, in this order.

check → journal (from here on it is accepted) → decode → curve → publish. Whatever a peer sends is refused, counted
and survived; what the disk refuses is a `JournalError`, upon which the same message can be taken again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import crc32c

from contract.messages import Angles, AnyMessage, Confirmed, HoldEnded, HoldStarted, Notice, Scan
from contract.stream import Publisher, scan_prefix
from contract.telemetry import CurveOpened, FrameRejected, Happened, JournalAppended, WorkFailed
from streamer.archivist import Archived, Job
from streamer.detectors.decode_error import DecodeError
from streamer.detectors.dialects import DIALECTS
from streamer.detectors.records import Frame, SeriesEnded, SeriesStarted
from streamer.frame_queue import Message
from streamer.journal import At, Journal, JournalError
from streamer.journals import Journals, stem
from streamer.measured_scan import MeasuredScan
from streamer.open_scan import Identity, Rules
from streamer.told_holds import ToldHolds

MAX_STARTLESS = 4
"""Scans whose start was missed that may be open at once; more are no detector's doing."""
REMEMBERED = 1000
"""Names of finished scans that are kept, so that their stragglers do not look like a new series."""
ARCHIVE_AGAIN_S = 60.0
MAX_NAME = 200


class Policy(NamedTuple):
    """What the settings say about ingest."""

    dialect: str
    rules: Rules
    archive_folder: Path
    max_message_bytes: int
    unconfirmed_scans: int
    keep_journals: bool


class Archives(Protocol):
    """Who writes the archives; see `streamer.archivist`."""

    def submit(self, job: Job) -> None: ...


class Ingest:
    """All scans that are open, or closed and not yet confirmed, and what happens to them. Used from one thread."""

    def __init__(
        self,
        policy: Policy,
        journals: Journals,
        publisher: Publisher,
        archives: Archives,
        happened: Callable[[Happened], None],
    ) -> None:
        self.scans: dict[Scan, MeasuredScan] = {}
        """In the order in which they began."""
        self.finished: deque[Scan] = deque(maxlen=REMEMBERED)
        """Scans that are over and done with."""
        self._shown: list[Scan] = []
        """Confirmed scans whose frames late viewers still get: until the next scan begins."""
        self.holds = ToldHolds(journals, publisher, happened)
        self.policy = policy
        self.journals = journals
        self._publisher = publisher
        self._archives = archives
        self._happened = happened

    def take(self, message: Message, now_s: float) -> None:
        """One received message. JournalError: it could not be made durable, and can be taken again."""
        try:
            if message.size > self.policy.max_message_bytes:
                limit = self.policy.max_message_bytes
                raise DecodeError("size", f"a message has {message.size} bytes, wanted at most {limit}")
            record = DIALECTS[self.policy.dialect].read(message.parts)
            if isinstance(record, SeriesStarted):
                self._start(record, message, now_s)
            elif isinstance(record, Frame):
                self._frame(record, message, now_s)
            else:
                self._end(record, message, now_s)
        except DecodeError as error:
            self._happened(FrameRejected(source=message.source, reason=error.reason, detail=str(error)))

    def tick(self, now_s: float) -> None:
        """What time brings: blocks that have waited long enough, curves to be closed, archives to be tried again."""
        for scan in list(self.scans.values()):
            scan.publish_block(now_s)
            self._close(scan, now_s)
            if scan.closed and scan.archive_again_s is not None and now_s >= scan.archive_again_s:
                self.archive(scan)

    def tell(self, message: AnyMessage, at: At) -> tuple[bool, str]:
        """What a peer said, and the answer to it. JournalError: it could not be made durable."""
        if isinstance(message, HoldStarted):
            if not (0 < len(message.hold) <= MAX_NAME and 0 < len(message.crystal) <= MAX_NAME):
                return False, f"a hold needs a name and a crystal, of at most {MAX_NAME} characters each"
            return True, self.holds.start(message, at)
        if isinstance(message, HoldEnded):
            return self.holds.end(message, at)
        if isinstance(message, Confirmed):
            return self._confirm(message)
        if isinstance(message, Angles):
            return self._angles(message, at)
        return False, f"the streamer takes no {type(message).__name__}"

    def archive(self, scan: MeasuredScan) -> None:
        """Have the archive of a closed scan written."""
        scan.archive_again_s = None
        target = Path(scan.state.archive)
        dialect = scan.open.identity.dialect
        self._archives.submit(Job(scan.finished(), scan.journal.path, dialect, target, scan.edition))

    def archived(self, result: Archived, now_s: float) -> None:
        """An archive is there, or could not be written."""
        scan = self.scans.get(result.scan)
        if scan is None or not scan.closed or scan.edition != result.edition:
            return
        if result.fault:
            self._happened(WorkFailed(reason="archive", detail=result.fault))
            text = f"scan {result.scan} could not be archived, its journal is kept: {result.fault}"
            self._publish(Notice(level="error", text=text, scan=result.scan))
            scan.archive_again_s = now_s + ARCHIVE_AGAIN_S
            return
        scan.set_archived()
        self.release(scan)
        self._retire()

    def release(self, scan: MeasuredScan) -> None:
        """Let go of a scan that is archived and confirmed, and, unless the settings keep it, of its journal."""
        if not scan.state.archived or scan.state.confirmed is None:
            return
        if self.policy.keep_journals:
            scan.journal.close()
        else:
            scan.journal.delete()
        self._forget(scan)

    def opened(self, series: SeriesStarted, identity: Identity, journal: Journal, now_s: float) -> MeasuredScan:
        """A scan with its journal, known from now on."""
        scan = MeasuredScan(series, identity, self.policy.rules, journal, self._publish, self._happened, now_s)
        self.scans[series.series] = scan
        for shown in self._shown:
            self._publisher.forget(scan_prefix(shown))
        self._shown.clear()
        return scan

    def close(self, now_s: float) -> None:
        """Publish what waits and let go of all journals; open scans stay open in theirs."""
        for scan in self.scans.values():
            scan.publish_block(now_s, now=True)
            scan.journal.close()
        self.holds.close()

    def _start(self, series: SeriesStarted, message: Message, now_s: float) -> None:
        scan = self.scans.get(series.series)
        if scan is not None and scan.start_known:
            if scan.closed:
                raise DecodeError("series", f"the series {series.series} began again after it was closed")
            return  # told twice
        for other in list(self.scans.values()):
            if other is not scan and not other.closed and other.open.identity.source == message.source:
                other.open.assembly.supersede(series.series)
                self._close(other, now_s)
        if scan is not None:
            scan.adopt(series, message, now_s)
            return
        journal, identity = self._journaled(series, message)
        try:
            took_s = journal.append("start", None, message.parts, message.at)
        except JournalError:
            journal.delete()
            raise
        self._happened(JournalAppended(fsync_s=took_s))
        self._announce(self.opened(series, identity, journal, now_s), series)

    def _frame(self, frame: Frame, message: Message, now_s: float) -> None:
        scan = self.scans.get(frame.series)
        if scan is None:
            startless = sum(not one.start_known and not one.closed for one in self.scans.values())
            if startless >= MAX_STARTLESS:
                raise DecodeError("series", f"frame {frame.index} is of the series {frame.series}, which never began")
            series = without_start(frame)
            journal, identity = self._journaled(series, message)
            scan = self.opened(series, identity, journal, now_s)
            self._announce(scan, series)
            text = f"scan {frame.series}: its start was missed, so the number of its frames is not known"
            self._publish(Notice(level="warning", text=text, scan=frame.series))
        elif scan.state.confirmed is not None:
            raise DecodeError("series", f"frame {frame.index} came after its scan {frame.series} was confirmed")
        scan.frame(frame, message, now_s)
        self._close(scan, now_s)

    def _end(self, record: SeriesEnded, message: Message, now_s: float) -> None:
        scan = self.scans.get(record.series)
        if scan is None:
            raise DecodeError("series", f"the end of the series {record.series} came, which never began")
        scan.end(message, now_s)

    def _journaled(self, series: SeriesStarted, message: Message) -> tuple[Journal, Identity]:
        """A new journal that knows whose it is."""
        path = self.journals.path(series.series)
        if series.series in self.finished or path.exists():
            raise DecodeError("series", f"the series {series.series} was measured and closed before")
        belongs, held = self.holds.scan_begins(series.notes, series.started_at, message.at)
        identity = Identity(
            scan=series.series,
            source=message.source,
            dialect=self.policy.dialect,
            crystal=belongs.crystal,
            hold=belongs.hold,
            held=held,
            window=self.policy.rules.window,
            opened_ns=message.at.wall_ns,
        )
        if belongs.remark:
            text = f"scan {series.series}: {belongs.remark}"
            self._publish(Notice(level="warning", text=text, scan=series.series))
        journal = Journal.create(path)
        try:
            journal.set("identity", identity)
        except JournalError:
            journal.delete()
            raise
        return journal, identity

    def _announce(self, scan: MeasuredScan, series: SeriesStarted) -> None:
        self._happened(CurveOpened(source=scan.open.identity.source, scan=series.series))
        scan.announce()

    def _close(self, scan: MeasuredScan, now_s: float) -> None:
        if scan.close(now_s, lambda: self._target(scan.open.scan)):
            self.archive(scan)

    def _target(self, scan: Scan) -> Path:
        """A name for an archive that no other archive has."""
        folder, name = self.policy.archive_folder.absolute(), stem(scan)
        path, number = folder / f"{name}.h5", 1
        while path.exists():
            number += 1
            path = folder / f"{name}-{number}.h5"
        return path

    def _confirm(self, message: Confirmed) -> tuple[bool, str]:
        scan = self.scans.get(message.scan)
        if scan is None:
            return True, f"scan {message.scan} is not known, or was let go already"
        if not scan.closed:
            return False, f"scan {message.scan} is still being measured"
        scan.set_confirmed(message.revision)
        self._shown.append(message.scan)
        self.release(scan)
        return True, f"scan {message.scan} is let go"

    def _angles(self, message: Angles, at: At) -> tuple[bool, str]:
        scan = self.scans.get(message.scan)
        if scan is None or scan.state.confirmed is not None:
            return False, f"scan {message.scan} is not known, or was let go already"
        scan.angles(message, at)
        return True, f"{len(message.index)} angles of scan {message.scan} taken"

    def _retire(self) -> None:
        """Hold no more closed scans in memory than the settings say: the oldest stay in archive and journal alone."""
        closed = [scan for scan in self.scans.values() if scan.closed and scan.state.archived]
        for scan in closed[: max(0, len(closed) - self.policy.unconfirmed_scans)]:
            name = scan.open.scan
            text = f"scan {name} was archived but never confirmed; it is no longer kept for the reconstructor"
            self._publish(Notice(level="warning", text=text, scan=name))
            self._publisher.forget(scan_prefix(name))
            scan.journal.close()
            self._forget(scan)

    def _publish(self, message: AnyMessage) -> None:
        """What is to be known about a scan has a slot beside its frames, so that late joiners learn it too."""
        slot = None
        if isinstance(message, Notice) and message.scan is not None:
            slot = f"{scan_prefix(message.scan)}notice/{crc32c.crc32c(message.text.encode()):08x}"
        self._publisher.publish(message, slot=slot)

    def _forget(self, scan: MeasuredScan) -> None:
        del self.scans[scan.open.scan]
        self.finished.append(scan.open.scan)


def without_start(frame: Frame) -> SeriesStarted:
    """What can be known of a series from one of its frames."""
    packed = next(iter(frame.channels.values()))
    return SeriesStarted(
        series=frame.series,
        frames_expected=0,
        shape=packed.shape,
        dtype=packed.dtype,
        channels={},
    )
