"""Jobs run in this process: threads of our own, since the kernels release the interpreter's lock.

One thread looks after the job in flight, some run its runs (one run a thread), one writes archives and warms up. The
service asks for `events` and is never kept waiting.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reconstructor import archive, rehearsal
from reconstructor.archive import Archived
from reconstructor.crew import Crew
from reconstructor.flight import LOOK_UP_S, DroppedError, Finished, Flight, Progressed
from reconstructor.free import FreePixels
from reconstructor.jobs import Job
from reconstructor.phasing import engine
from reconstructor.phasing.kernel import Kernel
from reconstructor.phasing.kernels import cpu
from reconstructor.phasing.problem import Problem
from reconstructor.phasing.recipe import Recipe
from reconstructor.window import Triple
from reconstructor.work import Task

CLOSE_S = 1.2
MASKS_KEPT = 3
JOB_FAULTS = (ValueError, ArithmeticError, np.linalg.LinAlgError, MemoryError)
"""What data can do to a job (PhasingError, GeometryError and CurveError are ValueErrors); the rest is our fault."""


@dataclass(frozen=True)
class Failed:
    """The job gave no volume."""

    job: Job
    reason: str


@dataclass(frozen=True)
class Dropped:
    """The job was stopped because nobody wants its volume any more."""

    job: Job


@dataclass(frozen=True, eq=False)
class Filed:
    """An archive is on the disk, or could not be written (`problem`)."""

    record: Archived
    path: Path
    problem: str = ""


@dataclass(frozen=True)
class Rehearsed:
    """Compiled and planned for a shape."""

    shape: Triple
    iteration_s: float


@dataclass(frozen=True)
class Broken:
    """A fault of ours in a thread."""

    fault: BaseException


Event = Progressed | Finished | Failed | Dropped | Filed | Rehearsed | Broken


class LocalRunner:
    """Runs one job at a time, its runs on `workers` threads."""

    def __init__(
        self,
        workers: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        kernel: Callable[[Triple], Kernel] = cpu.choose,
        memory: Path | None = None,
    ) -> None:
        """`memory` is a file in which FFT plans are kept from one start to the next."""
        self.workers = workers
        self._clock = clock
        self._choose = kernel
        self._memory = memory
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._runs, self._job, self._errands = Crew(workers, "run"), Crew(1, "job"), Crew(1, "errand")
        self._flight: Flight | None = None
        self._masks: dict[FreePixels, NDArray[np.bool_]] = {}
        self._own = threading.local()
        self._rehearsed: set[Triple] = set()

    def open(self) -> None:
        """Start the threads."""
        for crew in (self._runs, self._job, self._errands):
            crew.open()
        if self._memory is not None:
            rehearsal.remember(self._memory)

    @property
    def flying(self) -> Job | None:
        """The job in flight."""
        return None if self._flight is None else self._flight.task.job

    def begin(self, task: Task, iteration_s: float) -> None:
        """Start a job whose iterations should take so long. RuntimeError while another is in flight."""
        if self._flight is not None:
            raise RuntimeError(f"a {self._flight.task.job.stage} job of {self._flight.task.job.scan} is in flight")
        every = max(1, min(engine.YIELD_EVERY, int(LOOK_UP_S / max(iteration_s, 1e-6))))
        flight = Flight(task, self._clock, self._kernel, every)
        self._flight = flight
        self._job.call(lambda: self._carry_out(flight)).add_done_callback(self._watch)

    def drop(self) -> None:
        """Stop the job in flight as soon as its runs look up; `Dropped` follows."""
        if self._flight is not None:
            self._flight.dropped.set()

    def file(self, path: Path, record: Archived) -> None:
        """Write an archive; `Filed` follows."""
        self._errands.call(lambda: self._file(path, record)).add_done_callback(self._watch)

    def rehearse(self, shape: Triple, recipe: Recipe) -> None:
        """Compile and plan for windows of this shape (once), beside whatever else is done; `Rehearsed` follows."""
        if shape not in self._rehearsed:
            self._rehearsed.add(shape)
            self._errands.call(lambda: self._rehearse(shape, recipe)).add_done_callback(self._watch)

    def events(self, timeout_s: float = 0.0) -> list[Event]:
        """What happened since the last call, oldest first; waits for something at most `timeout_s`.

        Of a job's progress only the newest is told.
        """
        found: list[Event] = []
        flight = self._flight
        if flight is not None and flight.progress is not None:
            found.append(flight.progress)
            flight.progress = None
        try:
            found.append(self._events.get(timeout=timeout_s) if timeout_s > 0 else self._events.get_nowait())
            while True:
                found.append(self._events.get_nowait())
        except queue.Empty:
            pass
        if any(isinstance(event, Finished | Failed | Dropped) for event in found):
            self._flight = None
        return found

    def close(self) -> None:
        """Stop what is in flight; an archive being written is finished if that takes no longer than a second."""
        self.drop()
        until = time.monotonic() + CLOSE_S
        for crew in (self._runs, self._job, self._errands):
            crew.close(max(0.0, until - time.monotonic()))

    def _carry_out(self, flight: Flight) -> None:
        job = flight.task.job
        try:
            self._events.put(flight.carry_out(self._runs, self._mask(flight.task.free)))
        except DroppedError:
            self._events.put(Dropped(job))
        except JOB_FAULTS as reason:
            self._events.put(Failed(job, " ".join(str(reason).split()) or type(reason).__name__))

    def _mask(self, free: FreePixels) -> NDArray[np.bool_]:
        """The scan's free pixels, drawn once and kept for its next jobs."""
        if free not in self._masks:
            for old in list(self._masks)[: 1 - MASKS_KEPT]:
                del self._masks[old]
            self._masks[free] = free.mask()
        return self._masks[free]

    def _kernel(self, problem: Problem) -> Kernel:
        """This thread's kernel: one is kept, with its memory and plans."""
        kernel: Kernel | None = getattr(self._own, "kernel", None)
        if kernel is None:
            kernel = self._own.kernel = self._choose(problem.shape)
        return kernel

    def _file(self, path: Path, record: Archived) -> None:
        try:
            archive.write(path, record)
        except OSError as problem:
            self._events.put(Filed(record, path, f"{path} could not be written: {problem}"))
        else:
            self._events.put(Filed(record, path))

    def _rehearse(self, shape: Triple, recipe: Recipe) -> None:
        iteration_s = rehearsal.rehearse(shape, recipe, self._choose(shape), self._clock)
        if self._memory is not None:
            rehearsal.keep(self._memory)
        self._events.put(Rehearsed(shape, iteration_s))

    def _watch(self, future: Future[None]) -> None:
        if not future.cancelled() and (fault := future.exception()) is not None:
            self._events.put(Broken(fault))
