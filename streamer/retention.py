"""When journals may go: archived, verified and confirmed ones, oldest first, while the disk is short of room."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from streamer.journal import remove


class Spent(NamedTuple):
    """A journal that is needed no more, for all of it is in its archive and nobody waits for it."""

    journal: Path
    archive: Path


def free_bytes(folder: Path) -> int:
    """Room left on the disk of `folder`."""
    return shutil.disk_usage(folder).free


class Retention:
    """Journals that may go, in the order in which their scans were finished. They go when less than `watermark_bytes`
    are free, and as many as that needs; never one whose archive is no longer there.
    """

    def __init__(self, folder: Path, watermark_bytes: int, free: Callable[[Path], int] = free_bytes) -> None:
        self.short = False
        """Less is free than there should be, and there is nothing left that may go."""
        self._folder = folder
        self._watermark_bytes = watermark_bytes
        self._free = free
        self._spent: deque[Spent] = deque()

    def add(self, spent: Spent) -> None:
        """A journal has been closed that may go."""
        self._spent.append(spent)

    def keep(self, journal: Path) -> None:
        """A closed journal is needed again."""
        self._spent = deque(spent for spent in self._spent if spent.journal != journal)

    def prune(self) -> list[Path]:
        """Delete what must go; those that went."""
        gone = []
        while short := self._free(self._folder) < self._watermark_bytes:
            if not self._spent:
                break
            spent = self._spent.popleft()
            if spent.archive.exists():
                remove(spent.journal)
                gone.append(spent.journal)
        self.short = short
        return gone
