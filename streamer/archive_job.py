"""An archive to be written, and the writing of it from the scan's journal, in whatever process."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from streamer.archive import ArchiveError, Received, write
from streamer.detectors.decode_error import DecodeError
from streamer.detectors.dialects import DIALECTS
from streamer.detectors.records import Frame
from streamer.finished import Finished
from streamer.journal import Journal, JournalError

SPARE_BYTES = 4 << 20
"""What an archive may need besides the frames."""
FAULTS = (ArchiveError, JournalError, DecodeError, OSError)
"""What can be the matter with disk, journal or archive; anything else is a fault of ours."""


class Job(NamedTuple):
    """An archive to be written."""

    finished: Finished
    journal: Path
    dialect: str
    target: Path
    edition: int
    """Grows each time the scan is closed anew; an older edition's result does not count."""


def carry_out(job: Job, going_on: Callable[[], None]) -> None:
    """Write and verify the archive. `going_on` is called for every frame and may raise. Raises one of `FAULTS`."""
    job.target.parent.mkdir(parents=True, exist_ok=True)
    _check_room(job)
    write(job.target, job.finished, _frames(job), going_on)


def words(fault: BaseException) -> str:
    """A fault as one line; ours say by themselves what they are about."""
    return str(fault) if isinstance(fault, ArchiveError | JournalError) else f"{type(fault).__name__}: {fault}"


def _frames(job: Job) -> Iterator[Received]:
    """The frames of a scan, one at a time, from its journal."""
    journal = Journal.open(job.journal, read_only=True)
    try:
        for entry in journal.entries("frame"):
            frame = DIALECTS[job.dialect].read(entry.parts)
            if isinstance(frame, Frame):
                yield Received(frame, entry.at.wall_ns)
    finally:
        journal.close()


def _check_room(job: Job) -> None:
    """Refuse what may not fit: what an archive takes that cannot be finished, the journals would lack meanwhile."""
    wanted = 2 * job.journal.stat().st_size + SPARE_BYTES if job.journal.exists() else 0
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    free = shutil.disk_usage(job.target.parent).free
    room = free if limit == resource.RLIM_INFINITY else min(free, limit)
    if room < wanted:
        raise ArchiveError(f"{job.target} may need {wanted} bytes, there is room for {room}")
