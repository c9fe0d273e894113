"""One job in flight: its runs spread over a crew, watched for the deadline and for being dropped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from reconstructor import work
from reconstructor.beginnings import Beginning, beginnings, bred
from reconstructor.choosing import POLISH
from reconstructor.crew import Crew
from reconstructor.jobs import Job
from reconstructor.phasing import engine, guided
from reconstructor.phasing.kernel import Kernel
from reconstructor.phasing.population import Member
from reconstructor.phasing.problem import Estimate, PhasingError, Problem, Start
from reconstructor.work import Made, Task

LOOK_UP_S = 0.2
"""A run looks about this often whether it is still wanted."""
LEAST_PART = 0.5
"""A further run is not begun where there is time for less than this part of it, nor a provisional one cut to less."""


class DroppedError(Exception):
    """Nobody wants this job's volume any more."""


@dataclass(frozen=True)
class Progressed:
    """How far the job in flight is."""

    job: Job
    run: int
    """Runs begun, the one reported included."""
    runs: int
    iteration: int
    iterations: int
    r_factor: float


@dataclass(frozen=True, eq=False)
class Finished:
    """The job's volume is ready."""

    job: Job
    made: Made
    iteration_s: float | None
    """Seconds an iteration at full size took, with all workers busy; None if no run came to its end."""
    around_s: float
    """Seconds of the job that were no iterations."""
    took_s: float


@dataclass(eq=False)
class Flight:
    """A task on its way. `carry_out` is called once, from a thread that may wait; the rest from any."""

    task: Task
    clock: Callable[[], float]
    kernel: Callable[[Problem], Kernel]
    every: int = engine.YIELD_EVERY
    """Iterations between two looks."""
    progress: Progressed | None = None
    dropped: threading.Event = field(default_factory=threading.Event)
    begun: int = 0
    run_s: list[float] = field(default_factory=list)

    def carry_out(self, crew: Crew, free: NDArray[np.bool_]) -> Finished:
        """All of the job. Raises DroppedError, or what the data did to it (PhasingError, GeometryError, …)."""
        began = self.clock()
        self.task = work.with_others(self.task)
        self._look_up()
        ready = work.prepared(self.task, free, self._look_up)
        searching = self.clock()
        if self.task.job.begins == "last hold":
            made = work.last_hold(self.task, ready)
            searched = 0.0
        else:
            members = self._searched(crew, ready.problem)
            searched = self.clock() - searching
            polish = partial(self._polished, crew, ready.problem)
            made = work.made(self.task, ready, members, polish, self._look_up)
        self._look_up()
        took = self.clock() - began
        cost = self.task.job.offer.recipe.cost
        iteration = sum(self.run_s) / len(self.run_s) / cost if self.run_s else None
        return Finished(self.task.job, made, iteration, took - searched, took)

    def _searched(self, crew: Crew, problem: Problem) -> list[Member]:
        """The members of all generations; raises if there is none."""
        recipe, waiting = self.task.job.offer.recipe, beginnings(self.task)
        runs = sum(guided.sizes(recipe.guided, len(waiting)))
        members: list[Member] = []
        while waiting:
            found, problems = self._gathered([crew.call(partial(self._run, problem, one, runs)) for one in waiting])
            if not members and not found and not self.task.earlier:
                raise PhasingError(problems[0] if problems else "no run came far enough before the hold ended")
            members += found
            waiting = bred(self.task, members) if found and not self._late() else []
        return members

    def _gathered(self, runs: list[Future[Member | None]]) -> tuple[list[Member], list[str]]:
        """The members that came out, and what kept the others from it."""
        members, problems = [], []
        for run in runs:
            try:
                member = run.result()
            except PhasingError as problem:
                problems.append(str(problem))
            else:
                members += [] if member is None else [member]
        self._look_up()
        return members, problems

    def _run(self, problem: Problem, beginning: Beginning, runs: int) -> Member | None:
        """One run; None if it was dropped or had no time even to begin."""
        if self.dropped.is_set() or (self.begun >= 1 and not self._worth_beginning()):
            return None
        self.begun += 1
        began = self.clock()
        newest: Estimate | None = None
        kernel = self.kernel(problem)
        for estimate in engine.run(beginning.recipe, problem, beginning.start, kernel, beginning.seed, self.every):
            newest = estimate
            self.progress = Progressed(
                self.task.job, self.begun, runs, estimate.iteration, estimate.iterations, estimate.iterate_r
            )
            if self.dropped.is_set():
                return None
            if self._late() and self._far_enough(estimate):
                break
        if newest is None:
            return None
        self._learn(newest, beginning, self.clock() - began)
        return Member(work.whole(newest, problem), beginning.seed, beginning.warm, beginning.generation)

    def _far_enough(self, estimate: Estimate) -> bool:
        """Whether a run may be cut short here. A provisional one has no rivals to make up for it, and its volume may be
        a little late rather than worth nothing."""
        return self.task.job.stage == "refined" or estimate.iteration >= LEAST_PART * estimate.iterations

    def _learn(self, ended: Estimate, beginning: Beginning, took_s: float) -> None:
        """How long a whole run takes, from one that came to its end, or far in its only stage."""
        if beginning.generation > 0 or beginning.warm:  # these leave stages out
            return
        far = len(beginning.recipe.stages) == 1 and ended.iteration >= LEAST_PART * ended.iterations
        if ended.last or far:
            self.run_s.append(took_s * ended.iterations / ended.iteration)

    def _polished(self, crew: Crew, problem: Problem, starts: Sequence[Start]) -> list[Estimate | None]:
        """The last iterations, all starts at once."""
        return [future.result() for future in [crew.call(partial(self._polish, problem, start)) for start in starts]]

    def _polish(self, problem: Problem, start: Start) -> Estimate | None:
        """The last iterations from one start; None if there is no time for them, or nothing comes of it."""
        if self._late():
            return None
        newest: Estimate | None = None
        try:
            for estimate in engine.run(POLISH, problem, start, self.kernel(problem), 0, self.every):
                newest = estimate
                self._look_up()
        except PhasingError:
            return None
        return newest

    def _worth_beginning(self) -> bool:
        """Whether another run has time for a good part of its iterations."""
        limit = self.task.job.finish_by
        if limit is None:
            return True
        usual = sum(self.run_s) / len(self.run_s) if self.run_s else 0.0
        return self.clock() + LEAST_PART * usual <= limit

    def _look_up(self) -> None:
        """Raise DroppedError if nobody wants the volume any more."""
        if self.dropped.is_set():
            raise DroppedError

    def _late(self) -> bool:
        limit = self.task.job.finish_by
        return limit is not None and self.clock() > limit
