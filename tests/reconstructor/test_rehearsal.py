"""A rehearsal leaves nothing to be planned, and plans once kept make runs the same in every process."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reconstructor import bench_phasing, rehearsal
from reconstructor.phasing import engine, recipe_file
from reconstructor.phasing.kernels import cpu
from reconstructor.phasing.notation import parse
from reconstructor.phasing.recipe import scaled

needs_the_extra = pytest.mark.skipif(not cpu.FUSED, reason="needs the extra cpu")

EVERYTHING = parse(
    "Crop(0.5) * Tries(2) * Sup(every=20) * HIO**40 * CF(0.3)**5 * DM**10 * ER**20 | "
    "Coherent(at=0.5, every=20) * Sup(every=20) * RAAR**40 * SF**5 * ER**20 * ML**10",
)
"""One recipe with every algorithm, support updates, partial coherence and a polish."""


def test_the_shapes_visited_are_those_a_crystal_can_ask_for() -> None:
    """What the recipe asks for, and every fast size between its crop and the whole window."""
    refined = recipe_file.default("refined")
    assert rehearsal.shapes((64, 64, 64), refined) == [(32, 32, 32), (64, 64, 64), (48, 48, 48)]
    assert rehearsal.shapes((96, 64, 64), EVERYTHING)[:2] == [(48, 32, 32), (96, 64, 64)]
    assert rehearsal.shapes((64, 64, 64), parse("HIO**5")) == [(64, 64, 64)]


def test_a_rehearsal_does_each_thing_once() -> None:
    """Every step of the recipe, a support update after each iteration of the search, no tries, no cropping."""
    short = rehearsal.shortened(EVERYTHING)
    assert [step.algorithm for stage in short.stages for step in stage.steps] == [
        step.algorithm for stage in EVERYTHING.stages for step in stage.steps
    ]
    assert short.iterations == sum(len(stage.steps) for stage in EVERYTHING.stages)
    assert {stage.shrinkwrap and stage.shrinkwrap.every for stage in short.stages} == {1}
    assert short.stages[1].coherence is not None
    assert short.stages[1].coherence.every == 1


def test_a_recipe_that_fails_on_made_up_data_is_rehearsed_all_the_same() -> None:
    """A support that vanishes there says nothing of the scan to come: the speed is measured."""
    doomed = parse("Sup(every=2, threshold=50, fraction=0.5..0.6) * HIO**10")
    ticks = iter(range(100))
    assert rehearsal.rehearse((32, 32, 32), doomed, cpu.choose((32, 32, 32)), lambda: float(next(ticks))) > 0


@needs_the_extra
def test_nothing_is_planned_after_a_rehearsal() -> None:
    """A real run of the rehearsed recipe, small and large crystals, teaches FFTW nothing new."""
    from reconstructor.phasing.kernels import plans

    shape = (48, 48, 48)
    rehearsal.rehearse(shape, EVERYTHING, cpu.choose(shape), lambda: 0.0)
    known = plans.wisdom()
    data = bench_phasing.crystal(48).problem
    for counts in (data.counts, _of_a_small_crystal(48)):
        *_, last = engine.run(scaled(EVERYTHING, 20), replace(data, counts=counts), None, cpu.choose(shape), 0)
        assert last.last
    assert plans.wisdom() == known


def _of_a_small_crystal(side: int) -> np.ndarray:
    """Counts of a Gaussian crystal so narrow that its data must not be cropped by half."""
    k = (np.arange(side) - side // 2) / np.float32(0.2 * side)
    square = k[:, None, None] ** 2 + k[None, :, None] ** 2 + k[None, None, :] ** 2
    return np.round(1e5 * np.exp(-square)).astype(np.float32)


RUN = """
import sys
from hashlib import sha256
from pathlib import Path
from reconstructor import bench_phasing, rehearsal
from reconstructor.phasing import engine
from reconstructor.phasing.kernels import cpu
from reconstructor.phasing.notation import parse

file, threads = Path(sys.argv[1]), int(sys.argv[2])
rehearsal.remember(file)
recipe = parse("Crop(0.5) * Sup(every=5) * HIO**15 * DM**5 | Sup(every=5) * RAAR**10 * CF(0.3)**2 * ER**5 * ML**3")
*_, last = engine.run(recipe, bench_phasing.crystal(48).problem, None, cpu.choose((48, 48, 48), threads), 7)
rehearsal.keep(file)
print(sha256(last.block.tobytes()).hexdigest(), last.misfit)
"""


@needs_the_extra
@pytest.mark.parametrize("threads", [1, 2])
def test_processes_with_the_same_plans_find_the_same_bits(tmp_path: Path, threads: int) -> None:
    """The same recipe, data, seed, threads and kept plans give the same object to the last bit."""
    found = [
        subprocess.run(
            [sys.executable, "-c", RUN, str(tmp_path / "plans"), str(threads)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for _ in range(2)
    ]
    assert found[0]
    assert found[0] == found[1]
