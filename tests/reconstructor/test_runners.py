"""Jobs on threads: results, faults, deadlines and being dropped. Nothing here sleeps: kernels wait for the test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from contract.messages import Scan
from reconstructor.curve import Curve
from reconstructor.flight import Finished, Progressed
from reconstructor.free import free_pixels
from reconstructor.jobs import Job, Offer
from reconstructor.peak import find_peak
from reconstructor.phasing.kernel import Sums
from reconstructor.phasing.kernels.reference import ReferenceKernel
from reconstructor.phasing.notation import parse
from reconstructor.runners import Broken, Dropped, Event, Failed, Filed, LocalRunner, Rehearsed
from reconstructor.window import around
from reconstructor.work import Task

WAIT_S = 60.0
RECIPE = parse("Sup(every=5, threshold=0.2) * HIO**20 * ER**10", "quick")


class Gated(ReferenceKernel):
    """A kernel whose iterations wait until the test opens the gate."""

    gate = threading.Event()
    reached = threading.Event()

    def iterate(self, algorithm: Any, beta: float, iterations: int) -> Sums:
        Gated.reached.set()
        assert Gated.gate.wait(WAIT_S)
        return super().iterate(algorithm, beta, iterations)


@pytest.fixture
def gated() -> type[Gated]:
    """A closed gate."""
    Gated.gate.clear()
    Gated.reached.clear()
    return Gated


@pytest.fixture
def runner_of() -> Iterator[Callable[..., LocalRunner]]:
    """Makes opened runners, and closes them."""
    made: list[LocalRunner] = []

    def make(**options: Any) -> LocalRunner:
        runner = LocalRunner(2, **options)
        runner.open()
        made.append(runner)
        return runner

    yield make
    for runner in made:
        runner.close()


@pytest.fixture
def task_of(played: Callable[..., Any]) -> Callable[..., Task]:
    """Makes tasks on a small scan: task_of(runs=…, finish_by=…, …)."""
    source = played()
    curve = Curve(source.started)
    curve.add(source.block(0, 48))
    reading = curve.reading()
    peak = find_peak(reading)
    assert peak is not None

    def make(runs: int = 2, recipe: Any = RECIPE, **fields: Any) -> Task:
        job = Job(
            scan=Scan("scan-1"),
            window_revision=1,
            stage="refined",
            frames=48,
            offer=Offer(around(peak.place, (1, 1, 1), (48, 48, 48)), recipe),
            runs=runs,
            first_seed=5,
            finish_by=fields.pop("finish_by", None),
        )
        geometry = fields.pop("geometry", source.started.geometry)
        return Task(job, reading, geometry, peak, free_pixels(Scan("scan-1"), reading.sizes, peak.place), **fields)

    return make


def wait_for(runner: LocalRunner, *kinds: type) -> Event:
    """The next event of one of these kinds."""
    for _ in range(1000):
        for event in runner.events(WAIT_S):
            if isinstance(event, kinds):
                return event
            assert not isinstance(event, Broken), event
    raise AssertionError(f"no {kinds} came")


def test_a_job_gives_a_crystal_chosen_among_its_runs(
    runner_of: Callable[..., LocalRunner], task_of: Callable[..., Task]
) -> None:
    """Runs, seeds, quality and the crystal in physical units come out, with the speed they were made at."""
    runner = runner_of()
    runner.begin(task_of(runs=3), 0.01)
    done = wait_for(runner, Finished, Failed)
    assert isinstance(done, Finished), done
    made = done.made
    assert made.seeds == (5, 6, 7)
    assert len(made.members) + len(made.rejected) == 3
    assert made.quality.r_factor is not None
    assert made.quality.free_llk is not None
    assert 0 < made.quality.r_factor < 0.5
    assert made.crystal.outer_volume_um3 > 0
    assert done.iteration_s is not None
    assert 0 < done.around_s < done.took_s
    assert runner.flying is None


def test_one_job_at_a_time(
    runner_of: Callable[..., LocalRunner], task_of: Callable[..., Task], gated: type[Gated]
) -> None:
    """A second job is refused while one is in flight."""
    runner = runner_of(kernel=lambda _: gated())
    runner.begin(task_of(), 0.01)
    with pytest.raises(RuntimeError, match="in flight"):
        runner.begin(task_of(), 0.01)
    gated.gate.set()
    wait_for(runner, Finished)


def test_a_dropped_job_ends_without_a_result(
    runner_of: Callable[..., LocalRunner], task_of: Callable[..., Task], gated: type[Gated]
) -> None:
    """Dropped between two looks, a job gives Dropped and makes room for the next."""
    runner = runner_of(kernel=lambda _: gated())
    runner.begin(task_of(), 0.01)
    assert gated.reached.wait(WAIT_S)
    runner.drop()
    gated.gate.set()
    assert isinstance(wait_for(runner, Finished, Dropped, Failed), Dropped)
    runner.begin(task_of(runs=1), 0.01)
    assert isinstance(wait_for(runner, Finished, Dropped, Failed), Finished)


def test_a_late_job_gives_what_it_has(
    runner_of: Callable[..., LocalRunner], task_of: Callable[..., Task], gated: type[Gated]
) -> None:
    """When its time is over a job cuts its runs short and leaves those not begun: the best so far is the result."""
    now = [0.0]
    runner = runner_of(kernel=lambda _: gated(), clock=lambda: now[0])
    runner.begin(task_of(runs=6, finish_by=10.0, recipe=parse("HIO**4000")), 1.0)
    assert gated.reached.wait(WAIT_S)
    now[0] = 11.0
    gated.gate.set()
    done = wait_for(runner, Finished, Failed)
    assert isinstance(done, Finished), done
    assert 1 <= len(done.made.members) <= 2
    assert all(not member.estimate.last for member in done.made.members)
    assert all(member.estimate.misfit is not None for member in done.made.members)
    assert done.iteration_s is None


def test_a_late_provisional_run_goes_half_of_its_way(
    runner_of: Callable[..., LocalRunner], task_of: Callable[..., Task]
) -> None:
    """A volume of the whole curve whose time is over from the start is made all the same, of half of the iterations,
    and tells how long a whole run takes."""
    done: list[int] = []

    class Counting(ReferenceKernel):
        def iterate(self, algorithm: Any, beta: float, iterations: int) -> Sums:
            done.append(iterations)
            return super().iterate(algorithm, beta, iterations)

    runner = runner_of(clock=lambda: 5.0, kernel=lambda _: Counting())
    task = task_of(runs=1, finish_by=1.0, recipe=parse("Sup(every=5, threshold=0.2) * HIO**200"))
    runner.begin(replace(task, job=replace(task.job, stage="provisional", over=True)), 0.01)
    found = wait_for(runner, Finished, Failed)
    assert isinstance(found, Finished), found
    assert 100 <= sum(done) <= 120
    assert found.made.quality.free_llk is not None
    assert found.iteration_s is not None


def test_progress_tells_the_newest_only(runner_of: Callable[..., LocalRunner], task_of: Callable[..., Task]) -> None:
    """However long nobody asked, there is one progress to tell, and it belongs to the job."""
    runner = runner_of()
    task = task_of()
    runner.begin(task, 0.001)
    told = wait_for(runner, Progressed, Finished)
    assert isinstance(told, Progressed | Finished)
    assert told.job == task.job


def test_data_that_cannot_be_phased_fail_the_job_and_the_next_goes_on(
    runner_of: Callable[..., LocalRunner], task_of: Callable[..., Task], coarse: Any
) -> None:
    """A vanishing support and a geometry that cannot be are reasons, not faults."""
    runner = runner_of()
    runner.begin(task_of(recipe=parse("Sup(every=2, threshold=50, fraction=0.5..0.6) * HIO**10")), 0.01)
    failed = wait_for(runner, Finished, Failed)
    assert isinstance(failed, Failed)
    assert "support" in failed.reason
    runner.begin(task_of(geometry=msgspec.structs.replace(coarse, distance_mm=0.0)), 0.01)
    failed = wait_for(runner, Finished, Failed)
    assert isinstance(failed, Failed)
    assert "distance_mm" in failed.reason
    runner.begin(task_of(runs=1), 0.01)
    assert isinstance(wait_for(runner, Finished, Failed), Finished)


def test_a_fault_of_ours_is_not_hidden(runner_of: Callable[..., LocalRunner], task_of: Callable[..., Task]) -> None:
    """What no data can cause comes out as Broken, with the fault."""

    def broken(_: object) -> Any:
        raise KeyError("no such kernel")

    runner = runner_of(kernel=broken)
    runner.begin(task_of(), 0.01)
    found = runner.events(WAIT_S)
    assert [type(event) for event in found] == [Broken]
    assert isinstance(found[0], Broken)
    assert isinstance(found[0].fault, KeyError)


def test_an_archive_that_cannot_be_written_is_told(runner_of: Callable[..., LocalRunner], tmp_path: Path) -> None:
    """A folder that is a file is a problem in words."""
    (tmp_path / "volumes").write_text("in the way")
    runner = runner_of()
    runner.file(tmp_path / "volumes" / "a" / "a.cxi", None)  # type: ignore[arg-type]
    filed = wait_for(runner, Filed)
    assert isinstance(filed, Filed)
    assert "could not be written" in filed.problem


def test_a_rehearsal_measures_and_keeps_the_plans(runner_of: Callable[..., LocalRunner], tmp_path: Path) -> None:
    """A shape is rehearsed once; its speed is told; plans are on the disk for the next start."""
    runner = runner_of(memory=tmp_path / "plans")
    for _ in range(2):
        runner.rehearse((32, 32, 32), RECIPE)
    told = wait_for(runner, Rehearsed)
    assert isinstance(told, Rehearsed)
    assert told.shape == (32, 32, 32)
    assert 0 < told.iteration_s < 5
    assert runner.events() == []


def test_closing_takes_no_longer_than_a_look(
    runner_of: Callable[..., LocalRunner], task_of: Callable[..., Task], gated: type[Gated]
) -> None:
    """A runner closed in the middle of a job has no threads left once its kernel looks up."""
    runner = runner_of(kernel=lambda _: gated())
    runner.begin(task_of(runs=4, recipe=parse("HIO**100000")), 1.0)
    assert gated.reached.wait(WAIT_S)
    gated.gate.set()
    runner.close()
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("bragglive-run")]
    assert not names


def test_a_task_is_a_pure_function_of_its_seeds(
    runner_of: Callable[..., LocalRunner], task_of: Callable[..., Task]
) -> None:
    """The same job gives the same volume."""
    runner, made = runner_of(kernel=lambda _: ReferenceKernel()), []
    for _ in range(2):
        runner.begin(task_of(runs=2), 0.01)
        done = wait_for(runner, Finished, Failed)
        assert isinstance(done, Finished)
        made.append(done.made)
    assert np.array_equal(made[0].crystal.density, made[1].crystal.density)
    assert made[0].quality == made[1].quality


def test_a_guided_recipe_breeds_its_runs(runner_of: Callable[..., LocalRunner], task_of: Callable[..., Task]) -> None:
    """Generations follow each other, lines of descent keep their seeds, and what is bred says nothing of likeness."""
    runner = runner_of()
    recipe = parse("Guided(generations=3, keep=0.75, sigma=0.5) * Sup(every=5, threshold=0.2) * HIO**40 * ER**10")
    runner.begin(task_of(runs=4, recipe=recipe), 0.01)
    done = wait_for(runner, Finished, Failed)
    assert isinstance(done, Finished), done
    made = done.made
    assert made.seeds == (5, 6, 7, 8)
    assert any(member.generation for member in made.members)
    assert 4 + 1 + 1 <= len(made.members) + len(made.rejected) <= 4 + 3 + 3
    told = [f"seed {m.seed}, generation {m.generation + 1}" for m in made.members if m.generation] + list(made.rejected)
    assert any("generation 3" in sentence for sentence in told)
    assert made.quality.mode_weight is None
    assert made.prtf is None
    assert done.iteration_s is not None
