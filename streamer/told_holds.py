"""The holds as they are told: journaled before they count, published, and taken up again after a restart."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from contract.codec import decode, encode
from contract.messages import Crystal, HoldEnded, HoldStarted
from contract.stream import Publisher
from contract.telemetry import Happened, JournalAppended, JournalFault
from streamer.detectors.records import SenderNotes
from streamer.environment.holds import Belongs, Holds
from streamer.journal import At, Journal, JournalError, Record
from streamer.journals import Journals

CLOCKS_AGREE_S = 5.0
KEPT_RECORDS = 1000
"""What the journal of the holds may have at a start before it is made anew."""


class ToldHolds:
    """What is told of holds, by messages and by senders' notes. JournalError: not made durable, nothing changed."""

    def __init__(self, journals: Journals, publisher: Publisher, happened: Callable[[Happened], None]) -> None:
        self._journals = journals
        self._publisher = publisher
        self._happened = happened
        self._holds = Holds()
        self._journal: Journal | None = None

    def resume(self, now: At) -> None:
        """Take up the holds that were running when this program last stopped, and publish them.

        A journal that has grown long with holds that are over is replaced by one of those that run.
        """
        journal = self._open()
        newest: dict[Crystal, Record] = {}
        for entry in journal.entries():
            message = decode(entry.parts)
            if isinstance(message, HoldStarted):
                newest[message.crystal] = Record(entry.kind, None, entry.parts, entry.at)
                elapsed_s = message.elapsed_s + passed_s(entry.at, now)
                message = msgspec.structs.replace(message, elapsed_s=elapsed_s)
                self._holds.start(message, now.monotonic_s, noted=entry.kind == "hold_noted")
            elif isinstance(message, HoldEnded):
                self._holds.end(message)
        for damage in journal.damage:
            self._happened(JournalFault(kind="record", detail=f"holds, record {damage.position}: {damage.why}"))
        running = self._holds.running(now.monotonic_s)
        if journal.count() > KEPT_RECORDS:
            journal.close()
            self._journal = self._journals.renew_holds([newest[one.crystal] for one in running])
        for one in running:
            self._publisher.publish(one)

    def start(self, message: HoldStarted, at: At, *, noted: bool = False) -> str:
        """A hold began; one sentence that says so."""
        try:
            self._append("hold_noted" if noted else "hold_started", message, at)
        except JournalError as error:
            if not noted:
                raise
            # The scan must not wait for it: its own journal keeps the hold, and the next scan's start tells it again.
            self._happened(JournalFault(kind="write", detail=str(error)))
        self._holds.start(message, at.monotonic_s, noted=noted)
        self._publisher.publish(message)
        voltage = "" if message.voltage_v is None else f" at {message.voltage_v:g} V"
        return f"hold {message.hold} of crystal {message.crystal}{voltage} began"

    def end(self, message: HoldEnded, at: At) -> tuple[bool, str]:
        """A hold is over; an empty name means the one that runs (of the crystal, if that is named)."""
        running = [
            one
            for one in self._holds.running(at.monotonic_s)
            if message.crystal in ("", one.crystal) and message.hold in ("", one.hold)
        ]
        if not running:
            wanted = " ".join(part for part in (message.hold, message.crystal) if part)
            return False, f"no hold {wanted} is running".replace("  ", " ")
        ended = HoldEnded(hold=running[-1].hold, crystal=running[-1].crystal)
        self._append("hold_ended", ended, at)
        self._holds.end(ended)
        self._publisher.publish(ended)
        return True, f"hold {ended.hold} of crystal {ended.crystal} ended after {running[-1].elapsed_s:.0f} s"

    def scan_begins(self, notes: SenderNotes, started_at: str, at: At) -> tuple[Belongs, HoldStarted | None]:
        """What a scan belongs to that begins now; a hold that only its sender's notes tell of is made known."""
        made = self._holds.noted(notes, started_at)
        if made is not None:
            self.start(made, at, noted=True)
        belongs = self._holds.belongs(notes)
        return belongs, self._holds.of(belongs.hold)

    def close(self) -> None:
        """Let go of the journal."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _append(self, kind: str, message: HoldStarted | HoldEnded, at: At) -> None:
        took_s = self._open().write([Record(kind, None, encode(message), at)])
        self._happened(JournalAppended(fsync_s=took_s))

    def _open(self) -> Journal:
        if self._journal is None:
            self._journal = self._journals.holds()
        return self._journal


def passed_s(then: At, now: At) -> float:
    """Time since `then`, which an earlier process of this machine wrote: by the monotonic clock while both clocks
    agree, which they do until the machine is restarted; after that by the wall clock, which is all there is.
    """
    monotonic_s = (now.monotonic_ns - then.monotonic_ns) * 1e-9
    wall_s = (now.wall_ns - then.wall_ns) * 1e-9
    return max(0.0, monotonic_s if abs(monotonic_s - wall_s) < CLOCKS_AGREE_S else wall_s)
