"""The streamer's life: receiving thread → queue → ingest → stream, with the archive thread beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from contract.messages import Notice
from contract.stream import Publisher, Said, open_publisher
from contract.telemetry import JournalFault, MessageDropped, QueueDepth, Telemetry
from streamer.archivist import Archivist
from streamer.detectors.bslz4 import use_one_thread
from streamer.frame_queue import FrameQueue, Message
from streamer.ingest import Ingest
from streamer.journal import At, JournalError
from streamer.journals import Journals
from streamer.receiver import Receiver
from streamer.recovery import recover
from streamer.settings import StreamerSettings

WAIT_S = 0.05
"""How long a step waits for frames at most: what peers say is looked for as often."""
AT_ONCE = 32
"""Messages taken in one step."""
DRAIN_S = 1.0
"""How long closing goes on writing what was received."""
REPORT_S = 1.0
SIZE_EVERY = 10
"""The journals' size is looked up at every tenth report."""


class StreamerService:
    """See `contract.service.Service`.

    When the journal cannot be written, the message at hand is kept and tried again: the queue fills up behind it, then
    the detector waits. Nothing that was accepted is lost, memory stays bounded, and the fault is told on the stream,
    in the log and by /readyz.
    """

    def __init__(self, settings: StreamerSettings, telemetry: Telemetry) -> None:
        self.settings = settings
        self._telemetry = telemetry
        self._queue = FrameQueue(settings.queue_frames, settings.queue_bytes)
        self._journals = Journals(settings.journal_folder)
        self._archivist = Archivist()
        self._recovery: Iterator[None] | None = None
        self._held: Message | None = None
        """A message that could not be journaled, to be tried again."""
        self._faulty = False
        """The journal could not be written when it was last tried."""
        self._reports = 0
        self._report_s = 0.0

    def open(self) -> None:
        """Bind the stream, take the journals, connect to the detectors; frames are received once all is recovered."""
        settings, happened = self.settings, self._telemetry.happened
        use_one_thread()
        self._journals.lock()
        keys = settings.keys()
        self._publisher: Publisher = open_publisher(settings.addresses, name="scans", keys=keys, happened=happened)
        self._ingest = Ingest(settings.policy(), self._journals, self._publisher, self._archivist, happened)
        self._receiver = Receiver(
            settings.detectors,
            self._queue,
            high_water_frames=settings.high_water_frames,
            fence_bytes=4 * settings.max_message_bytes,
            happened=happened,
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
        """Some of the messages that wait, or the one that could not be journaled before."""
        if self._held is not None and self._faulty:
            time.sleep(timeout_s)
        message = self._held or self._queue.get(timeout_s)
        for _ in range(AT_ONCE):
            if message is None:
                return
            self._held = message
            try:
                self._ingest.take(message, time.monotonic())
            except JournalError as error:
                self._fault(error)
                return
            self._held = None
            self._well()
            message = self._queue.get(0.0)
        self._held = message

    def _look_after(self) -> None:
        """What time and the archive thread bring."""
        now_s = time.monotonic()
        try:
            self._ingest.tick(now_s)
            for result in self._archivist.results():
                self._ingest.archived(result, now_s)
                if not result.fault:
                    self._telemetry.log.info("archive written", scan=result.scan, path=str(result.target))
            if self._held is None:
                self._well()
        except JournalError as error:
            self._fault(error)

    def _answer(self, said: Said) -> None:
        try:
            said.answer(*self._ingest.tell(said.message, At.now()))
        except JournalError as error:
            self._fault(error)
            said.answer(False, f"it could not be made durable: {error}")

    def _fault(self, error: JournalError) -> None:
        """The journal cannot be written: say so once, until it can again."""
        if not self._faulty:
            self._faulty = True
            text = f"the journal cannot be written, frames wait: {error}"
            self._publisher.publish(Notice(level="error", text=text))
        self._telemetry.happened(JournalFault(kind="write", detail=str(error)))

    def _well(self) -> None:
        if self._faulty:
            self._faulty = False
            self._publisher.publish(Notice(level="info", text="the journal can be written again"))

    def _drain(self) -> None:
        """Journal and publish what was received before closing, as far as there is time."""
        until_s = time.monotonic() + DRAIN_S
        message = self._held or self._queue.get(0.0)
        while message is not None and time.monotonic() < until_s:
            try:
                self._ingest.take(message, time.monotonic())
            except JournalError as error:
                self._fault(error)
                break
            message = self._queue.get(0.0)
        lost = len(self._queue) + (message is not None)
        if lost:
            self._telemetry.happened(MessageDropped(stage="frames", reason="closing", count=lost))

    def _report(self) -> None:
        """Gauges, now and then."""
        now_s = time.monotonic()
        if now_s < self._report_s:
            return
        self._report_s = now_s + REPORT_S
        queue = self._queue
        self._telemetry.happened(QueueDepth(queue="frames", depth=len(queue), capacity=queue.capacity))
        if self._reports % SIZE_EVERY == 0:
            self._telemetry.happened(self._journals.size())
        self._reports += 1
