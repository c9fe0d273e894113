"""What the disk has not taken yet: kept in memory in its order, up to a bound, and tried again."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from streamer.journal import JournalError, Record

FACT_BYTES = 4096
"""What a fact is taken to need in memory."""


class Write(NamedTuple):
    """Messages and facts of one journal, durable together or not at all."""

    journal: Writable
    records: Sequence[Record]
    facts: Mapping[str, object]

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return sum(record.size for record in self.records) + FACT_BYTES * len(self.facts)


class Writable(Protocol):
    """A journal that can be written to; see `streamer.scan_journal`."""

    def commit(self, write: Write) -> None: ...


class Unwritten:
    """Writes that journals refused, oldest first. While one of a journal waits, those after it wait behind it.

    What is in here has not been accepted: it is lost if the process ends before the disk takes it.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.size_bytes = 0
        self.fault: JournalError | None = None
        """Why the disk took nothing when it was last tried; None while nothing waits."""
        self._writes: dict[Writable, deque[Write]] = {}

    @property
    def empty(self) -> bool:
        """Everything is durable."""
        return not self._writes

    @property
    def messages(self) -> int:
        """How many messages wait."""
        return sum(len(write.records) for writes in self._writes.values() for write in writes)

    def waits(self, journal: Writable) -> bool:
        """Whether anything of this journal is in here."""
        return journal in self._writes

    def keep(self, write: Write, fault: JournalError | None = None) -> None:
        """Keep what the disk refused for `fault`, or what must wait behind such. JournalError: there is no room."""
        self.fault = fault or self.fault
        if self.size_bytes + write.size > self.limit_bytes:
            limit = self.limit_bytes / (1 << 20)
            raise JournalError(
                f"what waits in memory for the disk has reached its limit of {limit:g} MiB: {self.fault}"
            )
        self._writes.setdefault(write.journal, deque()).append(write)
        self.size_bytes += write.size

    def flush(self, size_bytes: int) -> None:
        """Write what the disk takes, of each journal in order, until so many bytes are written or nothing waits.

        `fault` then says why the disk did not take some of it.
        """
        self.fault = None
        until = self.size_bytes - size_bytes
        for journal, writes in list(self._writes.items()):
            try:
                while writes and self.size_bytes > until:
                    journal.commit(writes[0])
                    self.size_bytes -= writes.popleft().size
            except JournalError as error:
                self.fault = error
            if not writes:
                del self._writes[journal]
