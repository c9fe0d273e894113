"""A scan's journal as ingest uses it: written by a thread of its own, and patient while the disk takes nothing.

When a commit fails, what it held, and all that is written after it, is kept in memory and tried again (see
`streamer.unwritten`): the scan goes on, but what it gains meanwhile is accepted only when it is durable after all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from contract.telemetry import FrameReceived, Happened, JournalAppended
from streamer.journal import NO_FACTS, At, Damage, Entry, Journal, JournalError, Record
from streamer.unwritten import Unwritten, Write

T = TypeVar("T")


class Writer:
    """The thread that writes all journals, and what it could not write."""

    def __init__(self, unwritten: Unwritten, happened: Callable[[Happened], None]) -> None:
        self.unwritten = unwritten
        self.happened = happened
        self._executor = ThreadPoolExecutor(1, "journal writer")

    def commit(self, write: Write) -> Future[None]:
        """Have it made durable."""
        return self._executor.submit(write.journal.commit, write)

    def close(self) -> None:
        """End the thread, when it has written what it is at."""
        self._executor.shutdown(wait=True)


class ScanJournal:
    """One scan's journal; made when the first thing is written to it, unless it is `journal`.

    `write` and `begin` return when what they were given is durable or, when the disk refuses it, kept in memory.
    JournalError: neither, for there is no room left; it can be tried again.
    """

    def __init__(self, path: Path, source: str, writer: Writer, journal: Journal | None = None) -> None:
        self.path = path
        self._source = source
        self._unwritten = writer.unwritten
        self._writer = writer
        self._journal = journal

    @property
    def settled(self) -> bool:
        """Nothing of it waits in memory to be written: what is read from it is all there is."""
        return not self._unwritten.waits(self)

    @property
    def damage(self) -> list[Damage]:
        """What was found damaged since it was opened."""
        return [] if self._journal is None else self._journal.damage

    def write(self, records: Sequence[Record], facts: Mapping[str, object] = NO_FACTS) -> None:
        """Make messages and facts durable, together."""
        self.begin(records, facts)()

    def begin(self, records: Sequence[Record], facts: Mapping[str, object] = NO_FACTS) -> Callable[[], None]:
        """Have the writing thread make messages and facts durable; what is returned waits until it has."""
        write = Write(self, records, facts)
        if self._unwritten.waits(self):
            self._unwritten.keep(write)
            return lambda: None
        doing = self._writer.commit(write)

        def wait() -> None:
            try:
                doing.result()
            except JournalError as error:
                self._unwritten.keep(write, error)

        return wait

    def commit(self, write: Write) -> None:
        """Make it durable now, and tell of it. JournalError: the disk refuses it."""
        if self._journal is None:
            self._journal = Journal.create(self.path)
        took_s = self._journal.write(write.records, write.facts)
        self._writer.happened(JournalAppended(records=len(write.records), fsync_s=took_s))
        now_s = At.now().monotonic_s
        for record in write.records:
            if record.kind == "frame":
                ingest_s = max(0.0, now_s - record.at.monotonic_s)
                self._writer.happened(FrameReceived(source=self._source, size_bytes=record.size, ingest_s=ingest_s))

    def get(self, name: str, kind: type[T]) -> T | None:
        """A fact as the disk has it; see `Journal.get`."""
        return None if self._journal is None else self._journal.get(name, kind)

    def entries(self, *kinds: str) -> Iterator[Entry]:
        """What was written; see `Journal.entries`. JournalError: some of it waits to be written."""
        if not self.settled:
            raise JournalError(f"{self.path}: what waits to be written must be written before it is read")
        return iter(()) if self._journal is None else self._journal.entries(*kinds)

    def count(self) -> int:
        """Records on the disk, damaged ones included."""
        return 0 if self._journal is None else self._journal.count()

    def close(self) -> None:
        """Let go of the file."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def delete(self) -> None:
        """Close and remove it for ever."""
        if self._journal is not None:
            self._journal.delete()
            self._journal = None
