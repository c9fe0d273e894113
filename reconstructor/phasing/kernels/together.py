"""Several runs of the engine at once on one device, none of them knowing of the others.

Each run is an ordinary one, in a thread of its own, with a seat for a kernel. A seat does nothing itself: it asks, and
waits. When every run that is not over has asked, the thread that called `together` answers them all; runs that ask for
the same (they do: they follow the same recipe) are done in one batch. So only one thread ever uses the device, nothing
depends on which thread comes first, and the engine stays as it is.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np

from reconstructor.phasing.kernel import Kernel, Shrunk, Snapshot, Sums
from reconstructor.phasing.kernels.cuda_population import CudaPopulation
from reconstructor.phasing.problem import Complex, Mask, PhasingError, Problem, Real, Shape
from reconstructor.phasing.steps import Algorithm
from reconstructor.phasing.support import Level

Outcome = TypeVar("Outcome")
Run = Callable[[Kernel], Outcome]
"""What is done with a kernel from beginning to end, e.g. all of `engine.run`."""


def together(runs: Sequence[Run[Outcome]], population: CudaPopulation) -> list[Outcome | PhasingError]:
    """Do all runs, as many at once as the population has slots; outcomes in order, a PhasingError where one failed.

    Runs at once must share data and recipe: they load together. Any other exception is raised when all are over, and
    ends them if it is the device's.
    """
    found: list[Outcome | PhasingError] = []
    for start in range(0, len(runs), population.runs):
        found += _Table(population).serve(runs[start : start + population.runs])
    return found


class _Ask(NamedTuple):
    """What one seat waits for; those with the same `what` are answered at once."""

    slot: int
    what: Hashable
    answer: Callable[[list[_Ask]], Sequence[Any]]
    """From all that ask the same to their replies; an exception among them is raised in its run."""
    reply: Future[Any]
    value: Any = None
    """What each of them asks differently."""


class _Table:
    """Where runs and device meet."""

    def __init__(self, population: CudaPopulation) -> None:
        self.population = population
        self.living = 0
        self._asked: queue.SimpleQueue[_Ask | None] = queue.SimpleQueue()
        """None: a run is over."""
        self._closed = threading.Event()

    def serve(self, runs: Sequence[Run[Outcome]]) -> list[Outcome | PhasingError]:
        self.living = len(runs)
        with ThreadPoolExecutor(len(runs), thread_name_prefix="together") as pool:
            futures = [pool.submit(run, _Seat(self, slot)) for slot, run in enumerate(runs)]
            for future in futures:
                future.add_done_callback(lambda _: self._asked.put(None))
            waiting: list[_Ask] = []
            try:
                while self.living:
                    self._gather(waiting)
                    self._answer(waiting)
                    waiting.clear()
            finally:
                self._close(waiting)
        found: list[Outcome | PhasingError] = []
        for future in futures:
            try:
                found.append(future.result())
            except PhasingError as problem:
                found.append(problem)
        return found

    def ask(self, ask: _Ask) -> Any:
        """Called by a run: wait for the reply."""
        self._asked.put(ask)
        if self._closed.is_set():
            # nobody looks at what is asked now
            ask.reply.cancel()
        return ask.reply.result()

    def _gather(self, waiting: list[_Ask]) -> None:
        """Wait until every living run has asked; in the order of the slots, whoever came first."""
        while len(waiting) < self.living:
            ask = self._asked.get()
            if ask is None:
                self.living -= 1
            else:
                waiting.append(ask)
        waiting.sort(key=lambda ask: ask.slot)

    @staticmethod
    def _answer(waiting: Sequence[_Ask]) -> None:
        alike: dict[Hashable, list[_Ask]] = {}
        for ask in waiting:
            alike.setdefault(ask.what, []).append(ask)
        for group in alike.values():
            try:
                replies = group[0].answer(group)
            except PhasingError as problem:
                replies = [problem] * len(group)
            for ask, reply in zip(group, replies, strict=True):
                if isinstance(reply, PhasingError):
                    ask.reply.set_exception(reply)
                else:
                    ask.reply.set_result(reply)

    def _close(self, waiting: Sequence[_Ask]) -> None:
        """Let go of whoever still waits; nobody does, unless something else than data went wrong."""
        self._closed.set()
        late: list[_Ask] = []
        while not self._asked.empty():
            ask = self._asked.get()
            late += [] if ask is None else [ask]
        for ask in (*waiting, *late):
            ask.reply.cancel()


class _Seat(Kernel):
    """A run's kernel: a slot of the population, asked for through the table."""

    def __init__(self, table: _Table, slot: int) -> None:
        self._table, self._slot = table, slot

    def _asked(self, what: Hashable, answer: Callable[[list[_Ask]], Sequence[Any]], value: Any = None) -> Any:
        return self._table.ask(_Ask(self._slot, what, answer, Future(), value))

    def _alone(self, do: Callable[[], Any]) -> Any:
        return self._asked(("alone", self._slot), lambda _: [do()])

    @property
    def shape(self) -> Shape:
        return self._table.population.shape

    def load(self, amplitude: Real, problem: Problem | None = None) -> None:
        self._asked("load", self._load, (amplitude, problem))

    def _load(self, asks: list[_Ask]) -> list[None]:
        amplitude, problem = asks[0].value
        same = all(np.array_equal(ask.value[0], amplitude) for ask in asks)
        if len(asks) < self._table.living or not same:
            raise PhasingError(
                f"{len(asks)} of {self._table.living} runs load data{'' if same else ' that differ'} together; "
                "wanted all of them to load the same"
            )
        self._table.population.load(amplitude, problem)
        return [None] * len(asks)

    def iterate(self, algorithm: Algorithm, beta: float, iterations: int) -> Sums:
        def answer(asks: list[_Ask]) -> list[Sums]:
            return self._table.population.iterate([ask.slot for ask in asks], algorithm, beta, iterations)

        found: Sums = self._asked(("iterate", algorithm, beta, iterations), answer)
        return found

    def shrink(
        self,
        sigma_voxels: float,
        threshold: float,
        fraction: tuple[float, float],
        by: Level = "rms",
        grows: bool = True,
    ) -> Shrunk:
        def answer(asks: list[_Ask]) -> list[Shrunk | PhasingError]:
            slots, thresholds = [ask.slot for ask in asks], [ask.value for ask in asks]
            return self._table.population.shrink(slots, sigma_voxels, thresholds, fraction, by, grows)

        found: Shrunk = self._asked(("shrink", sigma_voxels, fraction, by, grows), answer, threshold)
        return found

    def blur(self, psf: Real | None) -> None:
        self._alone(partial(self._table.population.blur, self._slot, psf))

    def put(self, obj: Complex, support: Mask) -> None:
        self._alone(partial(self._table.population.put, self._slot, obj, support))

    def restrict(self, support: Mask) -> None:
        self._alone(partial(self._table.population.restrict, self._slot, support))

    def snapshot(self) -> Snapshot:
        found: Snapshot = self._alone(partial(self._table.population.snapshot, self._slot))
        return found

    def obj(self) -> Complex:
        found: Complex = self._alone(partial(self._table.population.obj, self._slot))
        return found

    def support(self) -> Mask:
        found: Mask = self._alone(partial(self._table.population.support, self._slot))
        return found
