"""What a whole run of the default recipe costs: measured against the FFT pairs it cannot do without."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from time import perf_counter

from reconstructor.bench_phasing import Crystal, Kernels, Row, library, made, often, pair, rounds
from reconstructor.phasing import engine, recipe_file
from reconstructor.phasing.problem import Problem, Start, free_pixels
from reconstructor.phasing.program import Leg, program
from reconstructor.phasing.recipe import Stage

RECIPE = "refined"


def recipe(kernels: Kernels, data: Crystal, seconds: float) -> Row:
    """One cold run, from counts to its last estimate with support updates, estimates and misfits, on one thread.

    Its pairs are those of each iteration at the size its stage has (two of DM), timed right after the run.
    """
    asked, size = recipe_file.default(RECIPE), data.support.shape[0]
    problem = _with_free(data)
    legs = program(asked, problem, Start())
    transforms = {leg.shape: pair(library(kernels), leg.shape, 1) for leg in legs}
    repeats = {shape: often(work) for shape, work in transforms.items()}
    one = made(kernels, size, 1)

    def run(seed: int) -> None:
        for _ in engine.run(asked, problem, None, one, seed):
            pass

    run(0)  # compiled and planned
    times = []
    for number in rounds(seconds):
        run_s = _took(run, number)
        pairs_s = 0.0
        for leg in legs:
            pairs_s += pairs(leg) * _took(transforms[leg.shape], repeats[leg.shape]) / repeats[leg.shape]
        times.append((run_s, pairs_s))
    return {
        "measured": "recipe",
        "recipe": RECIPE,
        "size": size,
        "stages": [{"shape": leg.shape, "pairs": pairs(leg)} for leg in legs],
        "kernel": type(one).__name__,
        "run_s": statistics.median(run_s for run_s, _ in times),
        "pairs_s": statistics.median(pairs_s for _, pairs_s in times),
        "ratio_to_pairs": statistics.median(run_s / pairs_s for run_s, pairs_s in times),
        "rounds": len(times),
    }


def pairs(leg: Leg) -> int:
    """FFT pairs of a stage, all tries together."""
    return leg.stage.tries * _pairs_of_a_try(leg.stage)


def _pairs_of_a_try(stage: Stage) -> int:
    return sum(step.iterations * (2 if step.algorithm == "DM" else 1) for step in stage.steps)


def _with_free(data: Crystal) -> Problem:
    whole = data.problem
    free = free_pixels(whole.shape, whole.known, seed=0)
    return Problem(whole.counts, ~free, free)


def _took(work: Callable[[int], object], number: int) -> float:
    began = perf_counter()
    work(number)
    return perf_counter() - began
