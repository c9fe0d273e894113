"""The folder of journals: one file a scan, one for the holds, and damaged ones set aside, never deleted."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import crc32c

from contract.telemetry import JournalSize
from streamer.journal import Journal, JournalError, Record, remove, sync_folder

SUFFIX = ".sqlite"
HOLDS = "holds" + SUFFIX
NEW_HOLDS = HOLDS + ".new"
LOCK = "lock"
DAMAGED = ".damaged"


def stem(name: str) -> str:
    """A file name for a scan: readable, harmless, and different for different scans."""
    readable = re.sub(r"[^A-Za-z0-9._-]", "_", name).strip(".")[:80]
    return f"{readable or 'scan'}-{crc32c.crc32c(name.encode()):08x}"


def unused(folder: Path, name: str) -> Path:
    """A path for a scan's archive that no other archive has."""
    path, number = folder.absolute() / f"{stem(name)}.h5", 1
    while path.exists():
        number += 1
        path = folder.absolute() / f"{stem(name)}-{number}.h5"
    return path


class Journals:
    """All journals of a streamer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: int | None = None

    def lock(self) -> None:
        """Make the folder if need be and take it for this process alone. OSError: another one has it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise OSError(f"the journals in {self.folder} are in use by another streamer") from error
        self._lock = descriptor

    def unlock(self) -> None:
        """Give the folder back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def path(self, scan: str) -> Path:
        """Where a scan's journal is, or would be."""
        return self.folder / (stem(scan) + SUFFIX)

    def scans(self) -> list[Path]:
        """Journals of scans, whatever their state."""
        return sorted(path for path in self.folder.glob("*" + SUFFIX) if path.name != HOLDS)

    def holds(self) -> Journal:
        """The journal of the holds, made if there is none; one that cannot be read is set aside."""
        path = self.folder / HOLDS
        if path.exists():
            try:
                return Journal.open(path)
            except JournalError:
                self.set_aside(path)
        return Journal.create(path)

    def renew_holds(self, records: Sequence[Record]) -> Journal:
        """The journal of the holds with these records alone, in place of the closed one: the one or the other is there
        whenever the process ends.
        """
        path, new = self.folder / HOLDS, self.folder / NEW_HOLDS
        remove(new)
        journal = Journal.create(new)
        journal.write(records)
        journal.close()
        for suffix in (
            "-wal",
            "-shm",
        ):  # folded in when it was closed; left over, they would be taken for the new one's
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        new.replace(path)
        sync_folder(self.folder)
        return Journal.open(path)

    def set_aside(self, path: Path) -> Path:
        """Rename a journal that cannot be used, with its write-ahead log, so that a person can look into it."""
        number = 1
        while (aside := path.with_name(f"{path.name}{DAMAGED}-{number}")).exists():
            number += 1
        for suffix in ("", "-wal", "-shm"):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        return aside

    def size(self) -> JournalSize:
        """What the folder holds and what room is left on its disk."""
        used = 0
        for path in self.folder.iterdir():
            try:
                used += path.stat().st_size
            except FileNotFoundError:  # a write-ahead log that was folded in meanwhile
                continue
        return JournalSize(journal_bytes=used, scans=len(self.scans()), free_bytes=shutil.disk_usage(self.folder).free)
