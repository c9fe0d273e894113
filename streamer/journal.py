"""What was received of one scan, durable before it counts: one SQLite database a scan.

`record` holds every accepted message exactly as it came (its parts joined, their lengths beside), a CRC32C and
the wall and monotonic time of its receipt; `fact` what the streamer decided about the scan. Write-ahead log,
`synchronous=FULL`: when `write` has returned, a power cut takes nothing back. A record whose CRC does not fit is
never handed out; it stays, marked, and is reported.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeVar

import crc32c
import msgspec

FORMAT = 1
"""Of the tables below; kept in `user_version`."""
APPLICATION = 0x42524C4A
"""Marks the file as ours ("BRLJ"), in `application_id`."""
PAGE_BYTES = 16384
"""Frames of 346 kB go 1.8 times as fast as with SQLite's 4096 (874 against 478 a second), those of 40 kB the same."""
SCHEMA = """
CREATE TABLE record (
    position INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    frame INTEGER,
    wall_ns INTEGER NOT NULL,
    monotonic_ns INTEGER NOT NULL,
    crc32c INTEGER NOT NULL,
    lengths TEXT NOT NULL,
    body BLOB NOT NULL,
    damaged TEXT
);
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
NO_FACTS: Mapping[str, object] = MappingProxyType({})

T = TypeVar("T")


class JournalError(RuntimeError):
    """The journal cannot be read or written: ours to repair, and loud until it is."""


class At(NamedTuple):
    """When something was received, by the two clocks of this machine."""

    wall_ns: int
    monotonic_ns: int

    @classmethod
    def now(cls) -> At:
        """This moment."""
        return cls(time.time_ns(), time.monotonic_ns())

    @property
    def monotonic_s(self) -> float:
        """Seconds of the monotonic clock."""
        return self.monotonic_ns * 1e-9


class Record(NamedTuple):
    """A message to be made durable."""

    kind: str
    """start, frame, end, angles, hold_started, hold_noted or hold_ended"""
    frame: int | None
    """Index of a frame"""
    parts: Sequence[memoryview | bytes]
    at: At

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(len(part) for part in self.parts)


class Entry(NamedTuple):
    """One accepted message."""

    position: int
    """From 1, in order of receipt"""
    kind: str
    frame: int | None
    at: At
    parts: tuple[memoryview, ...]


class Damage(NamedTuple):
    """A record that cannot be used."""

    position: int
    why: str


class Journal:
    """The journal of one scan. To be used by one thread at a time; one that only reads opens it for itself."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.damage: list[Damage] = []
        """What `entries` found damaged since this was opened."""
        self._connection = connection

    @classmethod
    def create(cls, path: Path) -> Journal:
        """A new, empty journal, whose name in its folder is durable too. JournalError: there is none, nor a part."""
        with _told(path):
            if path.exists():
                raise JournalError(f"{path} exists already, wanted a new journal")
            try:
                connection = _connect(path, "rwc")
                _make_tables(connection)
                sync_folder(path.parent)
            except (sqlite3.Error, OSError):
                _unlink(path)
                raise
        return cls(path, connection)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Journal:
        """The journal at `path` as the last commit left it."""
        with _told(path):
            connection = _connect(path, "ro" if read_only else "rw")
            if (marked := connection.execute("PRAGMA application_id").fetchone()[0]) != APPLICATION:
                raise JournalError(f"{path} is no journal: its application id is {marked}, wanted {APPLICATION}")
            if (version := connection.execute("PRAGMA user_version").fetchone()[0]) > FORMAT:
                raise JournalError(f"{path} has journal format {version}, this program reads up to {FORMAT}")
        return cls(path, connection)

    def write(self, records: Sequence[Record], facts: Mapping[str, object] = NO_FACTS) -> float:
        """Make messages, and facts that are JSON, durable in one commit: all of them, or none.

        How long the commit took, in seconds. JournalError: nothing of it is durable.
        """
        rows = [_row(record) for record in records]
        told = [(name, msgspec.json.encode(value).decode()) for name, value in facts.items()]
        begun = time.monotonic()
        with _told(self.path), self._connection:
            self._connection.executemany(
                "INSERT INTO record (kind, frame, wall_ns, monotonic_ns, crc32c, lengths, body)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            self._connection.executemany("INSERT OR REPLACE INTO fact VALUES (?, ?)", told)
        return time.monotonic() - begun

    def get(self, name: str, kind: type[T]) -> T | None:
        """A fact, which must be of `kind`; None if it was never set."""
        with _told(self.path):
            row = self._connection.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
            return None if row is None else msgspec.json.decode(row[0], type=kind)

    def entries(self, *kinds: str) -> Iterator[Entry]:
        """Every sound record (of `kinds`, if any are named), in order of receipt. The others go to `damage`.

        Each record is fetched by itself, so that one unreadable page costs the records in it and no more.
        """
        for position in range(1, self._last() + 1):
            entry = self._fetch(position)
            if isinstance(entry, Damage):
                self._quarantine(entry)
            elif not kinds or entry.kind in kinds:
                yield entry

    def has_frame(self, index: int) -> bool:
        """Whether there is a record of the frame `index` that was not found damaged."""
        with _told(self.path):
            query = "SELECT 1 FROM record WHERE kind = 'frame' AND frame = ? AND damaged IS NULL LIMIT 1"
            return self._connection.execute(query, (index,)).fetchone() is not None

    def count(self) -> int:
        """Records, damaged ones included."""
        return self._last()

    def close(self) -> None:
        """Let go of the file; its write-ahead log is folded in."""
        with _told(self.path):
            self._connection.close()

    def delete(self) -> None:
        """Close and remove the journal for ever."""
        self.close()
        remove(self.path)

    def _last(self) -> int:
        with _told(self.path):
            return int(self._connection.execute("SELECT coalesce(max(position), 0) FROM record").fetchone()[0])

    def _fetch(self, position: int) -> Entry | Damage:
        try:
            row = self._connection.execute(
                "SELECT kind, frame, wall_ns, monotonic_ns, crc32c, lengths, body, damaged"
                " FROM record WHERE position = ?",
                (position,),
            ).fetchone()
        except sqlite3.DatabaseError as error:
            return Damage(position, f"SQLite cannot read it: {error}")
        if row is None:
            return Damage(position, "it is not in the table")
        kind, frame, wall_ns, monotonic_ns, crc, lengths, body, damaged = row
        at = At(wall_ns, monotonic_ns)
        if damaged is not None:
            return Damage(position, damaged)
        if _crc(kind, frame, at, body) != crc:
            return Damage(position, f"its CRC32C is not the {crc:#010x} it had when it was received")
        return Entry(position, kind, frame, at, tuple(_split(memoryview(body), msgspec.json.decode(lengths))))

    def _quarantine(self, damage: Damage) -> None:
        self.damage.append(damage)
        try:
            with self._connection:
                self._connection.execute(
                    "UPDATE record SET damaged = ? WHERE position = ? AND damaged IS NULL",
                    (damage.why, damage.position),
                )
        except sqlite3.DatabaseError:
            return  # read-only, or unreadable where it would be marked: it is found again next time


def remove(path: Path) -> None:
    """Remove the files of a journal that nobody has open, if they are there. JournalError: they stay."""
    with _told(path):
        _unlink(path)
        sync_folder(path.parent)


def _unlink(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    # The thread that writes and the one that reads are two, but never use it at the same time.
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=10.0, check_same_thread=False)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _make_tables(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.executescript("BEGIN;" + SCHEMA + "COMMIT;")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Any failure of SQLite or the disk as a `JournalError` that names the file."""
    try:
        yield
    except (sqlite3.Error, OSError, msgspec.MsgspecError) as error:
        raise JournalError(f"{path}: {error}") from error


def _row(record: Record) -> tuple[str, int | None, int, int, int, str, memoryview | bytes]:
    kind, frame, parts, at = record
    body: memoryview | bytes = parts[0] if len(parts) == 1 else b"".join(parts)
    lengths = msgspec.json.encode([len(part) for part in parts]).decode()
    return (kind, frame, *at, _crc(kind, frame, at, body), lengths, body)


def _crc(kind: str, frame: int | None, at: At, body: memoryview | bytes) -> int:
    header = f"{kind} {frame} {at.wall_ns} {at.monotonic_ns}".encode()
    return int(crc32c.crc32c(body, crc32c.crc32c(header)))


def _split(body: memoryview, lengths: list[int]) -> Iterator[memoryview]:
    start = 0
    for length in lengths:
        yield body[start : start + length]
        start += length
