"""After a start: every scan in the journals is taken up where it stood, and published anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from contract.messages import Notice
from contract.stream import Publisher
from contract.telemetry import Happened, JournalFault, JournalRecovered
from streamer.detectors.decode_error import DecodeError
from streamer.detectors.dialects import DIALECTS
from streamer.detectors.records import Frame, SeriesStarted, without_start
from streamer.journal import At, Journal, JournalError
from streamer.open_scan import Identity
from streamer.retention import Spent
from streamer.scan_journal import ScanJournal
from streamer.scan_state import State

if TYPE_CHECKING:
    from streamer.ingest import Ingest


def recover(
    ingest: Ingest, publisher: Publisher, happened: Callable[[Happened], None], now: Callable[[], At]
) -> Iterator[None]:
    """Take up holds and scans, oldest first; comes back after each frame, so that the service's loop goes on.

    An open scan goes on, a closed one that is not archived is archived; of the others the newest few are published
    for a reconstructor that may have missed them. A journal that cannot be read is set aside and never deleted.
    """
    ingest.holds.resume(now())
    found = []
    for path in ingest.journals.scans():
        try:
            journal = Journal.open(path)
            identity = journal.get("identity", Identity)
            state = journal.get("state", State) or State()
            if identity is not None and identity.dialect not in DIALECTS:
                raise JournalError(f"{path}: its dialect {identity.dialect!r} is not known")
        except JournalError as error:
            _set_aside(ingest, path, str(error), publisher, happened)
            continue
        if identity is None:  # the process ended between making the file and writing into it
            journal.delete()
        else:
            found.append((identity, state, journal))
    found.sort(key=lambda one: one[0].opened_ns)
    waiting = [journal for _, state, journal in found if state.archived and state.confirmed is None]
    published = waiting[-ingest.policy.unconfirmed_scans :]
    for identity, state, journal in found:
        if state.archived and journal not in published:
            ingest.finished.append(identity.scan)
            _leave(ingest, journal, state)
        else:
            yield from take_up(ingest, journal, identity, publisher, happened, now)


def take_up(
    ingest: Ingest,
    opened: Journal,
    identity: Identity,
    publisher: Publisher,
    happened: Callable[[Happened], None],
    now: Callable[[], At],
) -> Iterator[None]:
    """Have a scan go on where its journal ends; comes back after each frame."""
    journal = ScanJournal(opened.path, identity.source, ingest.writer, opened)
    try:
        series = series_of(journal, identity)
        if series is None:
            if not journal.damage:
                journal.delete()
                return
            raise JournalError(f"{journal.path}: neither its start nor a frame can be read")
        scan = ingest.opened(series, identity, journal, now().monotonic_s)
        yield from scan.recover(now().monotonic_s)
    except JournalError as error:
        for name in [name for name, scan in ingest.scans.items() if scan.journal is journal]:
            del ingest.scans[name]
        journal.close()
        _set_aside(ingest, journal.path, str(error), publisher, happened)
        return
    happened(JournalRecovered(records=journal.count()))
    if scan.closed and not scan.state.archived:
        ingest.archive(scan)
    ingest.release(scan)


def series_of(journal: ScanJournal, identity: Identity) -> SeriesStarted | None:
    """The series a journal is of: by its start or, if that was missed, by its first frame. None: neither is there."""
    dialect = DIALECTS[identity.dialect]
    first: Frame | None = None
    for kind in ("start", "frame"):
        for entry in journal.entries(kind):
            try:
                record = dialect.read(entry.parts)
            except DecodeError:
                continue
            if isinstance(record, SeriesStarted):
                return record
            if isinstance(record, Frame):
                first = record
                break
    return None if first is None else without_start(first)


def _leave(ingest: Ingest, journal: Journal, state: State) -> None:
    """A scan that is archived and that nobody waits for."""
    journal.close()
    if state.confirmed is not None:
        ingest.retention.add(Spent(journal.path, Path(state.archive)))


def _set_aside(
    ingest: Ingest, path: Path, why: str, publisher: Publisher, happened: Callable[[Happened], None]
) -> None:
    aside = ingest.journals.set_aside(path)
    happened(JournalFault(kind="file", detail=why))
    publisher.publish(Notice(level="error", text=f"a journal cannot be read and was set aside as {aside}: {why}"))
