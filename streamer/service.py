"""The streamer's life: receiving thread → queue → ingest → stream, with the archive thread beside it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping

from contract.messages import Notice
from contract.stream import Publisher, Said, open_publisher
from contract.telemetry import JournalFault, MessageDropped, QueueDepth, Telemetry
from streamer.archivist import Archivist
from streamer.detectors.bslz4 import use_one_thread
from streamer.detectors.dialects import checked
from streamer.detectors.records import SeriesStarted
from streamer.frame_queue import Arrival, FrameQueue, Message
from streamer.ingest import Ingest
from streamer.journal import At, JournalError
from streamer.journals import Journals
from streamer.receiver import Receiver
from streamer.recovery import recover
from streamer.retention import Retention
from streamer.said import hear
from streamer.scan_journal import Writer
from streamer.settings import StreamerSettings
from streamer.unwritten import Unwritten

WAIT_S = 0.05
"""How long a step waits for frames at most: what peers say is looked for as often."""
COMMIT_BYTES = 16 << 20
"""What is made durable in one commit, unless a single message is larger."""
AGAIN_S = 0.5
"""How often a journal that cannot be written is tried."""
DRAIN_S = 1.0
"""How long closing goes on writing what was received."""
REPORT_S = 1.0
SIZE_EVERY = 10
"""The journals' size is looked up, and room made, at every tenth report."""


class StreamerService:
    """See `contract.service.Service`.

    When the journal cannot be written, scans go on in memory up to the settings' `unwritten_bytes`; then messages
    wait: the queue fills up behind them, then the detector waits. Nothing that was accepted is lost, memory stays
    bounded, and the fault is told on the stream, in the log and by /readyz.
    """

    def __init__(self, settings: StreamerSettings, telemetry: Telemetry) -> None:
        self.settings = settings
        self._telemetry = telemetry
        self._queue = FrameQueue(settings.queue_frames, settings.queue_bytes)
        self._journals = Journals(settings.journal_folder)
        self._unwritten = Unwritten(settings.unwritten_bytes)
        self._writer = Writer(self._unwritten, telemetry.happened)
        watermark_bytes = 0 if settings.keep_journals else settings.keep_free_bytes
        self._retention = Retention(settings.journal_folder, watermark_bytes)
        self._archivist = Archivist()
        self._recovery: Iterator[None] | None = None
        self._arrived: deque[Arrival] = deque()
        """Messages taken from the queue that have not been read."""
        self._waiting: list[Message] = []
        """Messages that have been read and could not be journaled, to be tried again."""
        self._faulty = False
        """The journal could not be written when it was last tried."""
        self._again_s = 0.0
        """When to try again."""
        self._reports = 0
        self._report_s = 0.0

    def open(self) -> None:
        """Bind the stream, take the journals, connect to the detectors; frames are received once all is recovered."""
        settings, happened = self.settings, self._telemetry.happened
        use_one_thread()
        self._journals.lock()
        keys = settings.keys()
        self._publisher: Publisher = open_publisher(settings.addresses, name="scans", keys=keys, happened=happened)
        self._ingest = Ingest(
            settings.policy(),
            self._journals,
            self._writer,
            self._retention,
            self._publisher,
            self._archivist,
            happened,
        )
        self._receiver = Receiver(
            settings.detectors,
            self._queue,
            high_water_frames=settings.high_water_frames,
            fence_bytes=4 * settings.max_message_bytes,
            happened=happened,
            keys=keys if settings.detector_curve else None,
        )
        self._receiver.open()
        self._archivist.open()
        self._recovery = recover(self._ingest, self._publisher, happened, At.now)

    def step(self, timeout_s: float) -> None:
        """Go on recovering or, when that is done, take what came."""
        if self._recovery is not None:
            self._recover(self._recovery, timeout_s)
            return
        self._receiver.check()
        self._try_again()
        self._take(min(timeout_s, WAIT_S))
        self._look_after()
        for said in self._publisher.said():
            self._answer(said)
        self._report()

    def close(self) -> None:
        """Stop receiving, bring what was received to the journal, let go of everything."""
        self._receiver.close()
        self._drain()
        self._archivist.close()
        try:
            self._ingest.close(time.monotonic())
        except JournalError as error:
            self._fault(error)
        self._writer.close()
        self._publisher.close()
        self._journals.unlock()

    def ready(self) -> bool:
        """Frames are received and the journal can be written."""
        return self._recovery is None and self._receiver.running and not self._faulty

    def addresses(self) -> Mapping[str, str]:
        """Where the stream can be reached."""
        return self._publisher.addresses._asdict()

    def _recover(self, recovery: Iterator[None], timeout_s: float) -> None:
        until_s = time.monotonic() + timeout_s
        while time.monotonic() < until_s:
            if next(recovery, "done") == "done":
                self._recovery = None
                self._receiver.start()
                return

    def _take(self, timeout_s: float) -> None:
        """What waits, as much as goes into one commit; or what could not be journaled before, when it is time."""
        if self._waiting and self._faulty and time.monotonic() < self._again_s:
            time.sleep(timeout_s)
            return
        self._waiting = self._waiting or self._received(timeout_s)
        try:
            self._ingest.take(self._waiting, time.monotonic())
        except JournalError as error:
            self._fault(error)

    def _received(self, timeout_s: float) -> list[Message]:
        """The oldest messages that wait, read: as many as go into one commit, and none after a start, whose masks may
        be large when they are unpacked.
        """
        settings, read = self.settings, []
        if not self._arrived:
            self._arrived.extend(self._queue.get(timeout_s, settings.commit_frames, COMMIT_BYTES))
        while self._arrived:
            source, parts, at = self._arrived.popleft()
            read.append(Message(source, parts, at, checked(settings.dialect, parts, settings.max_message_bytes)))
            if isinstance(read[-1].content, SeriesStarted):
                break
        return read

    def _try_again(self) -> None:
        """Write what the journal did not take before, when it is time."""
        unwritten = self._unwritten
        if unwritten.empty:
            if self._faulty and not self._waiting:
                self._well()
            return
        if unwritten.fault is not None and not self._faulty:
            self._fault(unwritten.fault)
        elif time.monotonic() >= self._again_s:
            unwritten.flush(COMMIT_BYTES)
            if unwritten.fault is not None:
                self._fault(unwritten.fault)

    def _look_after(self) -> None:
        """What time and the archive thread bring."""
        now_s = time.monotonic()
        try:
            self._ingest.tick(now_s)
            for result in self._archivist.results():
                self._ingest.archived(result, now_s)
                if not result.fault:
                    self._telemetry.log.info("archive written", scan=result.scan, path=str(result.target))
        except JournalError as error:
            self._fault(error)

    def _answer(self, said: Said) -> None:
        try:
            said.answer(*hear(self._ingest, said.message, At.now()))
        except JournalError as error:
            self._telemetry.happened(JournalFault(kind="write", detail=str(error)))
            said.answer(False, f"it could not be made durable: {error}")

    def _fault(self, error: JournalError) -> None:
        """The journal cannot be written: say so once, until it can again."""
        if not self._faulty:
            self._faulty = True
            limit = self._unwritten.limit_bytes / (1 << 20)
            text = f"the journal cannot be written, up to {limit:g} MiB are kept in memory: {error}"
            self._publisher.publish(Notice(level="error", text=text))
        self._again_s = time.monotonic() + AGAIN_S
        self._telemetry.happened(JournalFault(kind="write", detail=str(error)))

    def _well(self) -> None:
        self._faulty = False
        self._publisher.publish(Notice(level="info", text="the journal can be written again, nothing was lost"))

    def _drain(self) -> None:
        """Journal and publish what was received before closing, as far as there is time."""
        until_s = time.monotonic() + DRAIN_S
        while time.monotonic() < until_s and not self._unwritten.empty:
            self._unwritten.flush(COMMIT_BYTES)
            if self._unwritten.fault is not None:
                break
        while time.monotonic() < until_s:
            waiting = self._waiting = self._waiting or self._received(0.0)
            if not waiting:
                break
            try:
                self._ingest.take(waiting, time.monotonic())
            except JournalError as error:
                self._fault(error)
                break
        self._count_lost(len(self._queue) + len(self._arrived) + len(self._waiting), "closing")
        self._count_lost(self._unwritten.messages, "journal")

    def _count_lost(self, messages: int, reason: str) -> None:
        if messages:
            self._telemetry.happened(MessageDropped(stage="frames", reason=reason, count=messages))
            self._telemetry.log.error("messages were never accepted", reason=reason, messages=messages)

    def _prune(self) -> None:
        """Make room on the disk by what is needed no more; say so once when that is not enough."""
        short = self._retention.short
        try:
            for path in self._retention.prune():
                self._telemetry.log.info("journal deleted", path=str(path))
        except JournalError as error:
            self._telemetry.happened(JournalFault(kind="delete", detail=str(error)))
        if self._retention.short and not short:
            wanted = self.settings.keep_free_bytes / (1 << 30)
            text = f"less than {wanted:g} GiB are free in {self.settings.journal_folder}, and no journal there may go"
            self._publisher.publish(Notice(level="warning", text=text))

    def _report(self) -> None:
        """Gauges, now and then."""
        now_s = time.monotonic()
        if now_s < self._report_s:
            return
        self._report_s = now_s + REPORT_S
        queue = self._queue
        self._telemetry.happened(QueueDepth(queue="frames", depth=len(queue), capacity=queue.capacity))
        kept = self._unwritten
        self._telemetry.happened(QueueDepth(queue="unwritten_bytes", depth=kept.size_bytes, capacity=kept.limit_bytes))
        if self._reports % SIZE_EVERY == 0:
            self._telemetry.happened(self._journals.size())
            self._prune()
        self._reports += 1
