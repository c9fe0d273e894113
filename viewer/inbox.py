"""The one extra thread: both streams drained to the newest, heavy work done, the outcome posted for the screen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType

from contract.stream_types import Link, Received, Subscriber
from viewer.intake import Intake
from viewer.mailbox import Mailbox
from viewer.state import LinkKnown, State

POLL_S = 0.03
MOST_BATCHES = 64
"""So that an endless stream does not keep the screen from being drawn."""
HEARD_STEP_S = 0.2
"""Ages of links are told in steps, so that a heartbeat alone does not count as news many times."""


@dataclass(frozen=True)
class Source:
    """A stream to listen to: the service's name, where it is, how to open it (called on the inbox's thread)."""

    name: str
    address: str
    open: Callable[[], Subscriber]


class Inbox:
    """Runs `Intake` on a thread of its own between `open` and `close`."""

    def __init__(
        self,
        sources: tuple[Source, ...],
        intake: Intake,
        mailbox: Mailbox[State],
        on_received: Callable[[str, Received], None] = lambda name, received: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sources = sources
        self._intake = intake
        self._mailbox = mailbox
        self._on_received = on_received
        self._clock = clock
        self._stop = threading.Event()
        self._fault = _Fault()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Start listening."""
        # A daemon: a program that ends without closing us (napari with our dock) does not wait for us.
        self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise what ended the thread, if anything did."""
        if self._fault.kept is not None:
            raise self._fault.kept

    def close(self) -> None:
        """Stop listening and let go of the connections."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        with self._fault, self._subscribed() as subscribers:
            posted: State | None = None
            while not self._stop.is_set():
                self._drain(subscribers)
                self._intake.work()
                if self._intake.state is not posted:
                    posted = self._intake.state
                    self._mailbox.post(posted)

    def _drain(self, subscribers: dict[str, Subscriber]) -> None:
        """Take everything that is there before any of the heavy work; wait a little only if none is left."""
        wait_s = 0.0 if len(self._intake.backlog) else POLL_S
        for name, subscriber in subscribers.items():
            received = subscriber.receive(wait_s)
            for _ in range(MOST_BATCHES):
                for one in received:
                    self._intake.take(one.message, self._clock() - one.age_s)
                    self._on_received(name, one)
                if not received or self._stop.is_set():
                    break
                received = subscriber.receive(0.0)
            self._hear(name, subscriber.link())

    def _hear(self, name: str, link: Link) -> None:
        heard_s = None
        if link.last_heard_s is not None:
            heard_s = round((self._clock() - link.last_heard_s) / HEARD_STEP_S) * HEARD_STEP_S
        address = next(source.address for source in self._sources if source.name == name)
        self._intake.hear(name, LinkKnown(address, heard_s, link.lost, link.problem))

    @contextmanager
    def _subscribed(self) -> Iterator[dict[str, Subscriber]]:
        opened: dict[str, Subscriber] = {}
        try:
            for source in self._sources:
                opened[source.name] = source.open()
            yield opened
        finally:
            for subscriber in opened.values():
                subscriber.close()


class _Fault:
    """Keeps what ends the block, for another thread to raise."""

    def __init__(self) -> None:
        self.kept: BaseException | None = None

    def __enter__(self) -> None:
        self.kept = None

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.kept = fault
        return True
