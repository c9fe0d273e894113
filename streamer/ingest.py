"""From received messages to journal, curve and stream: what the streamer does with each, in this order.

check → journal (from here on it is accepted) → curve → publish. Whatever a peer sends is refused, counted and
survived; what the disk refuses is kept in memory and published all the same, but accepted only later; when there is
no room for more, that is a `JournalError`, upon which the same messages can be taken again.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import crc32c

from contract.messages import AnyMessage, Notice, Scan, ScanStarted
from contract.stream import Publisher, scan_prefix
from contract.telemetry import CurveOpened, FrameRejected, Happened, WorkFailed
from streamer.archive_job import Job
from streamer.archivist import Archived, Archivist
from streamer.detectors.decode_error import DecodeError
from streamer.detectors.records import Frame, SeriesEnded, SeriesStarted, without_start
from streamer.frame_queue import Message
from streamer.groups import together
from streamer.journal import JournalError, Record
from streamer.journals import Journals, unused
from streamer.measured_scan import MeasuredScan
from streamer.open_scan import Identity, Rules
from streamer.region_told import scan_over
from streamer.regions import Regions
from streamer.retention import Retention, Spent
from streamer.scan_journal import ScanJournal, Writer
from streamer.taken_back import wanted_again
from streamer.told_holds import ToldHolds

MAX_STARTLESS = 4
"""Scans whose start was missed that may be open at once; more are no detector's doing."""
REMEMBERED = 1000
"""Names of finished scans that are kept, so that their stragglers do not look like a new series."""
ARCHIVE_AGAIN_S = 10.0


class Policy(NamedTuple):
    """What the settings say about ingest."""

    dialect: str
    rules: Rules
    archive_folder: Path
    unconfirmed_scans: int


class Ingest:
    """All scans that are open, or closed and not yet confirmed, and what happens to them. Used from one thread."""

    def __init__(
        self,
        policy: Policy,
        journals: Journals,
        writer: Writer,
        retention: Retention,
        publisher: Publisher,
        archivist: Archivist,
        happened: Callable[[Happened], None],
    ) -> None:
        self.scans: dict[Scan, MeasuredScan] = {}
        """In the order in which they began."""
        self.finished: deque[Scan] = deque(maxlen=REMEMBERED)
        """Scans that are over and done with."""
        self._shown: list[Scan] = []
        """Confirmed scans whose frames late viewers still get: until the next scan begins."""
        self.holds = ToldHolds(journals, publisher, happened)
        self.regions = Regions(journals.folder, policy.rules.follow, policy.rules.window)
        self.policy = policy
        self.journals = journals
        self.writer = writer
        self.retention = retention
        self.publisher = publisher
        self._archivist = archivist
        self.happened = happened

    def take(self, waiting: list[Message], now_s: float) -> None:
        """Received messages, oldest first; what has been taken is removed from the list.

        Frames that wait for the same scan are made durable in one commit: the group is what came during the last
        commit, so no frame waits for another, and frames that come slower than commits have one each.
        JournalError: the messages still in the list could neither be made durable nor kept, and can be taken again.
        """
        while waiting:
            group = together(waiting, self.scans)
            if group:
                self._frames(group, now_s)
            else:
                self._one(waiting[0], now_s)
            taken = {id(message) for _, message in group} or {id(waiting[0])}
            waiting[:] = [message for message in waiting if id(message) not in taken]

    def tick(self, now_s: float) -> None:
        """What time brings: blocks that have waited long enough, curves to be closed, archives to be tried again."""
        for scan in list(self.scans.values()):
            scan.go_on(now_s)
            scan.publish_block(now_s)
            self._close(scan, now_s)
            if scan.closed and scan.archive_again_s is not None and now_s >= scan.archive_again_s:
                self.archive(scan)
            self.release(scan)
        self._retire()

    def confirm(self, scan: MeasuredScan, revision: int) -> None:
        """The reconstructor is done with a closed scan; viewers may go on to see it until the next one begins."""
        scan.set_confirmed(revision)
        self._shown.append(scan.open.scan)
        self.release(scan)

    def abort(self, scan: MeasuredScan, reason: str, now_s: float) -> None:
        """An open scan was given up; what of it is still on its way is taken all the same."""
        scan.open.assembly.abort(reason)
        self._close(scan, now_s)

    def archive(self, scan: MeasuredScan) -> None:
        """Have the archive of a closed scan written, when all of it is in its journal."""
        if not scan.journal.settled:
            scan.archive_again_s = -math.inf
            return
        scan.archive_again_s = None
        target = Path(scan.state.archive)
        dialect = scan.open.identity.dialect
        self._archivist.submit(Job(scan.finished(), scan.journal.path, dialect, target, scan.edition))

    def archived(self, result: Archived, now_s: float) -> None:
        """An archive is there, or could not be written."""
        scan = self.scans.get(result.scan)
        if scan is None or not scan.closed or scan.edition != result.edition:
            return
        if result.fault:
            self.happened(WorkFailed(reason="archive", detail=result.fault))
            text = f"scan {result.scan} could not be archived, its journal is kept: {result.fault}"
            self.publish(Notice(level="error", text=text, scan=result.scan))
            scan.archive_again_s = now_s + ARCHIVE_AGAIN_S
            self._retire()
            return
        scan.set_archived()
        self.release(scan)
        self._retire()

    def release(self, scan: MeasuredScan) -> None:
        """Let go of a scan that is archived and confirmed; its journal may go when the room is needed."""
        if not scan.state.archived or scan.state.confirmed is None or not scan.journal.settled:
            return
        scan.journal.close()
        self.retention.add(Spent(scan.journal.path, Path(scan.state.archive)))
        self._forget(scan)

    def opened(self, series: SeriesStarted, identity: Identity, journal: ScanJournal, now_s: float) -> MeasuredScan:
        """A scan with its journal, known from now on."""
        scan = MeasuredScan(series, identity, self.policy.rules, journal, self.publish, self.happened, now_s)
        self.scans[series.series] = scan
        while self._shown:
            self.publisher.forget(scan_prefix(self._shown.pop()))
        return scan

    def close(self, now_s: float) -> None:
        """Publish what waits and let go of all journals; open scans stay open in theirs."""
        for scan in self.scans.values():
            scan.publish_block(now_s, now=True)
            scan.journal.close()
        self.holds.close()

    def _frames(self, group: list[tuple[Frame, Message]], now_s: float) -> None:
        scan = self.scans[group[0][0].series]
        scan.frames(group, now_s)
        self._close(scan, now_s)

    def _one(self, message: Message, now_s: float) -> None:
        record = message.content
        try:
            if isinstance(record, DecodeError):
                raise record
            if isinstance(record, SeriesStarted):
                self._start(record, message, now_s)
            elif isinstance(record, Frame):
                self._frame(record, message, now_s)
            else:
                self._end(record, message, now_s)
        except DecodeError as error:
            self.happened(FrameRejected(source=message.source, reason=error.reason, detail=str(error)))

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
        start = Record("start", None, message.parts, message.at)
        self._begin(series, message, [start], now_s)

    def _frame(self, frame: Frame, message: Message, now_s: float) -> None:
        scan = self.scans.get(frame.series)
        if scan is None and self.journals.path(frame.series).exists():
            scan = wanted_again(self, frame, message)
            if scan is None:
                return
        elif scan is None:
            scan = self._startless(frame, message, now_s)
        if scan.state.confirmed is not None and scan.open.look(frame) != "duplicate":
            if frame.series in self._shown:
                self._shown.remove(frame.series)
            scan.take_back(now_s)
        scan.frame(frame, message, now_s)
        self._close(scan, now_s)

    def _startless(self, frame: Frame, message: Message, now_s: float) -> MeasuredScan:
        """A scan whose first frame came and whose start did not."""
        startless = sum(not one.start_known and not one.closed for one in self.scans.values())
        if startless >= MAX_STARTLESS:
            raise DecodeError("series", f"frame {frame.index} is of the series {frame.series}, which never began")
        scan = self._begin(without_start(frame), message, [], now_s)
        text = f"scan {frame.series}: its start was missed, so the number of its frames is not known"
        self.publish(Notice(level="warning", text=text, scan=frame.series))
        return scan

    def _end(self, record: SeriesEnded, message: Message, now_s: float) -> None:
        scan = self.scans.get(record.series)
        if scan is None:
            raise DecodeError("series", f"the end of the series {record.series} came, which never began")
        scan.end(message, now_s)

    def _begin(self, series: SeriesStarted, message: Message, start: list[Record], now_s: float) -> MeasuredScan:
        """A scan begins: what was decided about it is durable, or kept, together with its start."""
        path = self.journals.path(series.series)
        if series.series in self.finished or path.exists():
            raise DecodeError("series", f"the series {series.series} was measured and closed before")
        belongs, held = self.holds.scan_begins(series.notes, series.started_at, message.at)
        geometry = series.notes.geometry or self.policy.rules.geometry
        window, region = self.regions.begin(message.source, belongs.crystal, geometry)
        identity = Identity(
            scan=series.series,
            source=message.source,
            dialect=self.policy.dialect,
            crystal=belongs.crystal,
            hold=belongs.hold,
            held=held,
            window=window,
            region=region,
            opened_ns=message.at.wall_ns,
        )
        journal = ScanJournal(path, message.source, self.writer)
        try:
            journal.write(start, {"identity": identity})
        except JournalError:
            journal.delete()  # or the same start, tried again, would find a scan that was measured before
            raise
        if belongs.remark:
            text = f"scan {series.series}: {belongs.remark}"
            self.publish(Notice(level="warning", text=text, scan=series.series))
        scan = self.opened(series, identity, journal, now_s)
        self.happened(CurveOpened(source=message.source, scan=series.series))
        scan.announce()
        return scan

    def _close(self, scan: MeasuredScan, now_s: float) -> None:
        if scan.close(now_s, lambda: unused(self.policy.archive_folder, scan.open.scan)):
            scan_over(self.regions, scan, self.publish, self.happened)
            self.archive(scan)

    def _retire(self) -> None:
        """Hold no more closed scans in memory than the settings say: the oldest stay in archive and journal alone, or
        in the journal where archives fail, which the next start takes up.
        """
        over = [one for one in self.scans.values() if one.state.archived or one.archive_again_s is not None]
        over = [one for one in over if one.closed and one.journal.settled]
        for scan in over[: max(0, len(over) - self.policy.unconfirmed_scans)]:
            name = scan.open.scan
            text = f"scan {name} was archived but never confirmed; it is no longer kept for the reconstructor"
            if not scan.state.archived:
                text = (
                    f"scan {name} cannot be archived; it is kept in its journal, start the streamer anew to archive it"
                )
            self.publish(Notice(level="warning", text=text, scan=name))
            self.publisher.forget(scan_prefix(name))
            scan.journal.close()
            self._forget(scan)

    def publish(self, message: AnyMessage) -> None:
        """What is to be known about a scan has a slot beside its frames, so that late joiners learn it too."""
        slot = None
        if isinstance(message, Notice) and message.scan is not None:
            slot = f"{scan_prefix(message.scan)}notice/{crc32c.crc32c(message.text.encode()):08x}"
        if isinstance(message, ScanStarted):  # late joiners need no frames of an earlier window
            self.publisher.forget(f"{scan_prefix(message.scan)}block/")
        self.publisher.publish(message, slot=slot)

    def _forget(self, scan: MeasuredScan) -> None:
        del self.scans[scan.open.scan]
        self.finished.append(scan.open.scan)
