"""Compile kernels and plan transforms before the frames come, and keep the plans for the next start."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from reconstructor.phasing import engine
from reconstructor.phasing.kernel import Kernel
from reconstructor.phasing.kernels import cpu
from reconstructor.phasing.problem import Problem
from reconstructor.phasing.recipe import Recipe, Stage, Step, scaled
from reconstructor.window import Triple

TIMED_ITERATIONS = 10


def rehearse(shape: Triple, recipe: Recipe, kernel: Kernel, clock: Callable[[], float]) -> float:
    """Run a recipe in short on made-up data of a shape, then time some iterations; seconds an iteration."""
    problem = _problem(shape)
    for _ in engine.run(scaled(recipe, 1), problem, None, kernel, 0):
        pass
    timed = Recipe("rehearsal", (Stage((Step("HIO", 2 * TIMED_ITERATIONS),)),))
    began = 0.0
    for estimate in engine.run(timed, problem, None, kernel, 0, every=TIMED_ITERATIONS):
        if not estimate.last:
            began = clock()
    return (clock() - began) / TIMED_ITERATIONS


def remember(file: Path) -> bool:
    """Take up the plans of an earlier start; False if there are none that fit."""
    if not cpu.FUSED or not file.exists():
        return False
    from reconstructor.phasing.kernels import plans

    return plans.learn(file.read_bytes())


def keep(file: Path) -> None:
    """Write the plans made so far, all or nothing."""
    if not cpu.FUSED:
        return
    from reconstructor.phasing.kernels import plans

    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    part.write_bytes(plans.wisdom())
    part.replace(file)


def _problem(shape: Triple) -> Problem:
    """A small ball's diffraction, all of it known."""
    k = np.meshgrid(*[(np.arange(n) - n // 2) / (n / 6) for n in shape], indexing="ij", sparse=True)
    radius = np.sqrt(sum(np.square(axis) for axis in k)) * np.pi + 1e-3
    ball = 3 * (np.sin(radius) - radius * np.cos(radius)) / radius**3
    counts = (1e6 * np.square(ball)).astype(np.float32)
    return Problem(counts, np.ones(shape, np.bool_), np.zeros(shape, np.bool_))
