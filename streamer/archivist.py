"""The archive thread: has finished scans archived one after the other, so that ingest goes on meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

from contract.messages import Scan
from streamer.archive_job import FAULTS, Job, words
from streamer.archive_process import write_apart


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

    def __init__(self, write: Callable[[Job, threading.Event], None] = write_apart) -> None:
        self._write = write
        self._stopping = threading.Event()
        self._futures: list[Future[Archived]] = []
        self._executor: ThreadPoolExecutor | None = None

    def open(self) -> None:
        """Begin to work."""
        self._executor = ThreadPoolExecutor(1, "archivist")

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
            self._write(job, self._stopping)
        except FAULTS as error:
            return Archived(scan, job.edition, job.target, words(error))
        return Archived(scan, job.edition, job.target)
