"""A run: recipe, data, start and seed in, estimates out. No time, no threads, no devices, no input or output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from reconstructor.phasing import coherence, quality, resolution, sizes
from reconstructor.phasing.kernel import Kernel, Snapshot, Sums
from reconstructor.phasing.problem import (
    Complex,
    Estimate,
    Mask,
    PhasingError,
    Problem,
    Real,
    Start,
    amplitude,
    free_llk,
)
from reconstructor.phasing.program import iterations, program
from reconstructor.phasing.recipe import Beginning, Range, Recipe, Stage
from reconstructor.phasing.schedule import Chunk, chunks
from reconstructor.phasing.support import box, ellipsoid, from_autocorrelation, grown, halved

YIELD_EVERY = 20
NOTHING = Sums(0.0, 0.0, 0.0)


def run(
    recipe: Recipe, problem: Problem, start: Start | None, kernel: Kernel, seed: int, every: int = YIELD_EVERY
) -> Iterator[Estimate]:
    """Phase `problem`: an estimate at least every `every` iterations, with `misfit` at the end of each stage.

    The last one (`Estimate.last`) is the result: rolled so that its support's centre of mass is at n // 2, scaled to
    the known counts. The same arguments give the same estimates on the same kernel and machine. A run may be left
    at any yield. Raises PhasingError when there is nothing to phase, the support vanishes, or a value is not finite.
    """
    if every < 1:
        raise PhasingError(f"an estimate every {every} iterations; wanted every 1 or more")
    rng, start = np.random.default_rng(seed), start or Start()
    _check(problem, start)
    legs = program(recipe, problem, start)
    best, done, total = _Attempt(), 0, iterations(legs)
    for number, stage, shape in legs:
        part = resolution.cropped(problem, shape)
        data = amplitude(part)
        kernel.load(data, part if any(step.algorithm == "ML" for step in stage.steps) else None)
        carried, best = best, _Attempt()
        shares = _shares(stage, rng, spread=carried.estimate is not None or start.obj is not None)
        for attempt, share in enumerate(shares):
            if carried.estimate:
                kernel.put(*_carried(carried.estimate, part))
            else:
                kernel.put(*_beginning(recipe, part, data, start, rng))
            psf = carried.estimate.psf if carried.estimate else start.psf
            kernel.blur(psf)
            power = float(np.sum(np.square(data), where=data > 0))
            walk = _Walk(kernel, stage, number, part, power, _threshold(stage, share), psf)
            for estimate in walk.estimates(every, done, total):
                if estimate.misfit:
                    best = best.better(estimate)
                    estimate = (best.estimate or estimate) if attempt == stage.tries - 1 else estimate
                yield estimate
            done += stage.iterations


def _check(problem: Problem, start: Start) -> None:
    sizes.check(problem.shape)
    for name, array in (("object", start.obj), ("support", start.support)):
        if array is not None and array.shape != problem.shape:
            raise PhasingError(f"the start {name} has shape {array.shape}; wanted that of the data, {problem.shape}")


@dataclass(frozen=True)
class _Attempt:
    """The best end of a stage so far."""

    estimate: Estimate | None = None

    def better(self, estimate: Estimate) -> _Attempt:
        if self.estimate is None or free_llk(estimate) < free_llk(self.estimate):
            return _Attempt(estimate)
        # the same object as before, at today's iteration
        return _Attempt(replace(self.estimate, iteration=estimate.iteration))


def _shares(stage: Stage, rng: np.random.Generator, spread: bool) -> list[float]:
    """Where in its range each try's threshold lies: spread evenly from end to end, or each drawn."""
    if spread and stage.tries > 1:
        return [k / (stage.tries - 1) for k in range(stage.tries)]
    return [float(share) for share in rng.random(stage.tries)]


def _threshold(stage: Stage, share: float) -> float:
    return _from(stage.shrinkwrap.threshold, share) if stage.shrinkwrap else 0.0


def _from(span: Range, share: float) -> float:
    return span[0] + (span[1] - span[0]) * share


def _beginning(
    recipe: Recipe, problem: Problem, data: Real, start: Start, rng: np.random.Generator
) -> tuple[Complex, Mask]:
    """The object and support a run starts from, with the energy of the data."""
    given = start.support if start.support is not None else None if start.obj is None else start.obj != 0
    if given is None:
        support = _cold(recipe.beginning, data, float(rng.random()))
    else:
        support = grown(resolution.resampled_support(given, problem.shape), recipe.beginning.grow_voxels)
    if not support.any():
        raise PhasingError(f"the support to begin with has 0 of {support.size} voxels; wanted at least 1")
    if start.obj is not None:
        obj = resolution.resampled(start.obj, problem.shape).astype(np.complex64)
        factor = quality.scale(problem, quality.intensity(obj))
        if not np.isfinite(factor) or factor <= 0:
            raise PhasingError(f"the start object has the scale {factor} to the data; wanted a finite one above 0")
        return obj * np.float32(np.sqrt(factor)), support
    size = rng.random(problem.shape, np.float32)
    phase = rng.random(problem.shape, np.float32) * np.float32(2 * np.pi)
    obj = np.where(support, size * np.exp(1j * phase), 0).astype(np.complex64)
    energy = float(np.sum(np.square(data), where=data > 0, dtype=np.float64)) / data.size
    return obj * np.float32(np.sqrt(energy / float(np.vdot(obj, obj).real))), support


def _cold(beginning: Beginning, data: Real, share: float) -> Mask:
    """The support of a run that knows nothing yet; `share` is where in its range what it depends on lies."""
    shape, size = (data.shape[0], data.shape[1], data.shape[2]), _from(beginning.size, share)
    match beginning.shape:
        case "autocorrelation":
            return from_autocorrelation(data, _from(beginning.autocorrelation, share))
        case "ellipsoid":
            return ellipsoid(shape, size)
        case "box":
            return box(shape, size)


def _carried(estimate: Estimate, problem: Problem) -> tuple[Complex, Mask]:
    """Object and support on the voxels of the next stage."""
    fine = resolution.resampled_support(estimate.support, problem.shape)
    return resolution.resampled(estimate.obj, problem.shape), grown(fine, 1) if fine.shape != estimate.shape else fine


@dataclass
class _Walk:
    """A stage under way."""

    kernel: Kernel
    stage: Stage
    number: int
    problem: Problem
    power: float
    """ΣA² over known voxels."""
    threshold: float
    psf: Real | None = None
    """Of partial coherence; None where fully coherent."""
    sums: Sums = NOTHING
    whole: Mask | None = None
    """The support while half of it is in use."""

    def estimates(self, every: int, done: int, total: int) -> Iterator[Estimate]:
        """Go through the stage after `done` iterations of `total`; the last estimate is finished."""
        for chunk in chunks(self.stage, every):
            self.do(chunk)
            done += chunk.iterations
            if chunk.report:
                estimate = self.estimate(chunk, done, total)
                yield finished(estimate, self.problem) if chunk.end else estimate

    def do(self, chunk: Chunk) -> None:
        if chunk.halve:
            self.whole = self.kernel.support()
            self.kernel.restrict(halved(self.whole))
        self.sums = self.kernel.iterate(chunk.step.algorithm, chunk.step.beta, chunk.iterations)
        if not np.isfinite(self.sums.misfit + self.sums.total) or self.sums.total <= 0:
            raise PhasingError(
                f"after {chunk.step.algorithm} the object's energy is {self.sums.total} and its misfit "
                f"{self.sums.misfit}; wanted finite numbers, and some energy"
            )
        if chunk.restore and self.whole is not None:
            self.kernel.restrict(self.whole)
            self.whole = None
        if chunk.sigma_voxels is not None and self.stage.shrinkwrap is not None:
            wrap = self.stage.shrinkwrap
            shrunk = self.kernel.shrink(chunk.sigma_voxels, self.threshold, wrap.fraction, wrap.by, wrap.grows)
            self.threshold = shrunk.threshold
        if chunk.coherence and self.stage.coherence is not None:
            psf = coherence.pseudo_voigt(self.stage.coherence.reach_voxels) if self.psf is None else self.psf
            light = quality.intensity(self.estimate(chunk, 0, 0).obj)
            self.psf = coherence.updated(psf, light, self.problem, self.stage.coherence.iterations)
            self.kernel.blur(self.psf)

    def estimate(self, chunk: Chunk, done: int, iterations: int) -> Estimate:
        shape, snapshot = self.kernel.shape, self.kernel.snapshot()
        if not np.isfinite(np.vdot(snapshot.block, snapshot.block).real):
            bad = int(np.count_nonzero(~np.isfinite(snapshot.block)))
            raise PhasingError(f"after {chunk.step.algorithm} {bad} voxels of the object are not finite; wanted none")
        return Estimate(
            shape=shape,
            corner=_centred(snapshot, shape),
            block=snapshot.block,
            inside=snapshot.inside,
            iteration=done,
            iterations=iterations,
            step=chunk.step.algorithm,
            stage=self.number,
            iterate_r=self.sums.misfit / self.power,
            energy_outside=max(0.0, 1.0 - self.sums.inside / self.sums.total),
            psf=self.psf,
        )


def _centred(snapshot: Snapshot, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """The corner that brings the support's centre of mass to n // 2, as far as the volume goes."""
    corner = []
    for axis, n in enumerate(shape):
        along = snapshot.inside.sum(axis=tuple(a for a in range(3) if a != axis), dtype=np.int64)
        centre = round(float((along * np.arange(along.size)).sum() / max(1, along.sum())))
        corner.append(int(np.clip(n // 2 - centre, 0, n - along.size)))
    return corner[0], corner[1], corner[2]


def finished(estimate: Estimate, problem: Problem) -> Estimate:
    """The estimate scaled to the known counts, with its misfit."""
    factor = quality.scale(problem, quality.intensity(estimate.obj, estimate.psf))
    scaled = replace(estimate, block=estimate.block * np.float32(np.sqrt(factor)))
    voxels = int(np.count_nonzero(estimate.inside))
    return replace(scaled, misfit=quality.misfit(problem, scaled.obj, voxels, estimate.psf))
