"""The archive thread: writes finished scans one after the other, so that ingest goes on meanwhile."""

from __future__ import annotations

import resource
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

from contract.messages import Scan
from streamer.archive import ArchiveError, Received, write
from streamer.detectors.bslz4 import use_one_thread
from streamer.detectors.decode_error import DecodeError
from streamer.detectors.dialects import DIALECTS
from streamer.detectors.records import Frame
from streamer.finished import Finished
from streamer.journal import Journal, JournalError

SPARE_BYTES = 4 << 20
"""What an archive may need besides the frames."""


class Job(NamedTuple):
    """An archive to be written."""

    finished: Finished
    journal: Path
    dialect: str
    target: Path
    edition: int
    """Grows each time the scan is closed anew; an older edition's result does not count."""


class Archived(NamedTuple):
    """What became of a job."""

    scan: Scan
    edition: int
    target: Path
    fault: str = ""
    """Why there is no archive; "" if it is there, verified and durable."""


class Archivist:
    """`submit` jobs, and ask for `results`. The journal of a scan must stay until its result has come.

    As many jobs wait as there are closed scans in memory, whose number is bounded by the settings.
    """

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._futures: list[Future[Archived]] = []
        self._executor: ThreadPoolExecutor | None = None

    def open(self) -> None:
        """Begin to work."""
        self._executor = ThreadPoolExecutor(1, "archivist", initializer=use_one_thread)

    def submit(self, job: Job) -> None:
        """Have an archive written."""
        if self._executor is not None:
            self._futures.append(self._executor.submit(self._work, job))

    def results(self) -> list[Archived]:
        """What became of jobs since the last call. A fault of ours in the thread is raised here."""
        done = [future for future in self._futures if future.done()]
        self._futures = [future for future in self._futures if future not in done]
        return [future.result() for future in done]

    def wait(self) -> list[Archived]:
        """Wait until all jobs are done; what became of them."""
        wait(self._futures)
        return self.results()

    def close(self) -> None:
        """Give up the archive at hand, which leaves nothing behind and is written anew after the next start."""
        self._stopping.set()
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)

    def _work(self, job: Job) -> Archived:
        scan = job.finished.started.scan
        try:
            job.target.parent.mkdir(parents=True, exist_ok=True)
            _check_room(job)
            write(job.target, job.finished, self._frames(job), lambda: self._going_on(job.target))
        except (ArchiveError, JournalError, DecodeError, OSError) as error:
            return Archived(scan, job.edition, job.target, f"{type(error).__name__}: {error}")
        return Archived(scan, job.edition, job.target)

    def _going_on(self, target: Path) -> None:
        if self._stopping.is_set():
            raise ArchiveError(f"{target} was given up: the service closes")

    def _frames(self, job: Job) -> Iterator[Received]:
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
    """Refuse what may not fit. HDF5 does not survive a disk that refuses it in the middle of a file: what it cannot
    write when it closes the file it goes on trying to write, in the end from memory that is no longer there.
    """
    wanted = 2 * job.journal.stat().st_size + SPARE_BYTES if job.journal.exists() else 0
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    free = shutil.disk_usage(job.target.parent).free
    room = free if limit == resource.RLIM_INFINITY else min(free, limit)
    if room < wanted:
        raise ArchiveError(f"{job.target} may need {wanted} bytes, there is room for {room}")
