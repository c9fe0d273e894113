"""Compile kernels and plan transforms before the frames come, and keep the plans for the next start."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from reconstructor.phasing import engine, sizes
from reconstructor.phasing.kernel import Kernel
from reconstructor.phasing.kernels import cpu
from reconstructor.phasing.problem import PhasingError, Problem
from reconstructor.phasing.recipe import Recipe, Stage, Step, scaled
from reconstructor.phasing.resolution import cropped_shape
from reconstructor.window import Triple

TIMED_ITERATIONS = 10


def rehearse(shape: Triple, recipe: Recipe, kernel: Kernel, clock: Callable[[], float]) -> float:
    """Run a recipe in short on made-up data of each shape it may visit, then time some iterations at full size;
    seconds an iteration."""
    for visited in shapes(shape, recipe):
        # a recipe that cannot phase what is made up may still phase what is measured
        with suppress(PhasingError):
            for _ in engine.run(shortened(recipe), _problem(visited), None, kernel, 0):
                pass
    timed = Recipe("rehearsal", (Stage((Step("HIO", 2 * TIMED_ITERATIONS),)),))
    began = 0.0
    for estimate in engine.run(timed, _problem(shape), None, kernel, 0, every=TIMED_ITERATIONS):
        if not estimate.last:
            began = clock()
    return (clock() - began) / TIMED_ITERATIONS


def shapes(shape: Triple, recipe: Recipe) -> list[Triple]:
    """Where a recipe may go on a window of this shape: what it asks for first, then what a small crystal forces it to
    (`resolution.cropped_shape`), as far as that crystal is as wide one way as another."""
    asked = {stage.crop for stage in recipe.stages}
    forced = {n / shape[0] for n in sizes.FAST if min(asked) < n / shape[0] < 1}
    return list(dict.fromkeys(cropped_shape(shape, share) for share in (*sorted(asked), *sorted(forced), 1.0)))


def shortened(recipe: Recipe) -> Recipe:
    """All that a recipe does, once: each step, support update and update of the psf, at full resolution."""
    return scaled(replace(recipe, stages=tuple(_eager(stage) for stage in recipe.stages)), 1)


def _eager(stage: Stage) -> Stage:
    return replace(
        stage,
        crop=1.0,
        tries=1,
        shrinkwrap=stage.shrinkwrap and replace(stage.shrinkwrap, every=1),
        coherence=stage.coherence and replace(stage.coherence, every=1),
    )


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
    """The diffraction of an ellipsoid a third of the window wide, all of it known."""
    k = np.meshgrid(*[(np.arange(n) - n // 2) * (np.pi / 3) for n in shape], indexing="ij", sparse=True)
    radius = np.sqrt(sum(np.square(axis) for axis in k)) + 1e-3
    ball = 3 * (np.sin(radius) - radius * np.cos(radius)) / radius**3
    counts = (1e6 * np.square(ball)).astype(np.float32)
    return Problem(counts, np.ones(shape, np.bool_), np.zeros(shape, np.bool_))
