"""Our engine as a worker, in our own environment; variants "fused" (the extra `cpu`) and "plain" (NumPy and SciPy).

The "own" recipe is the package's default for refined volumes, with 5 % free pixels, whose log-likelihood chooses.
"""

from __future__ import annotations

from importlib import metadata

import numpy as np
import worker
from published import Published, published
from worker import Phased, timed

from reconstructor.phasing import engine, notation, recipe_file
from reconstructor.phasing.kernel import Kernel
from reconstructor.phasing.kernels import cpu
from reconstructor.phasing.kernels.reference import ReferenceKernel
from reconstructor.phasing.population import Member
from reconstructor.phasing.problem import Estimate, Problem, Start, amplitude, free_pixels
from reconstructor.phasing.recipe import Recipe

SHORT = notation.parse(
    f"Start(grow=0) * Sup(every={worker.SHORT_EVERY}, threshold={worker.SHORT_THRESHOLD}, "
    f"sigma={worker.SHORT_SIGMA_VOXELS}, by=max) * "
    + " * ".join(f"{algorithm}**{count}" for algorithm, count in worker.SHORT),
    "short",
)
"""Thresholds at a share of the maximum, as the peers do."""


class Bragglive:
    def __init__(self, threads: int, variant: str) -> None:
        self.threads, self.variant = threads, variant

    def load(self, counts: np.ndarray) -> None:
        everywhere = np.ones(counts.shape, np.bool_)
        free = free_pixels(counts.shape, everywhere, seed=0)
        self.whole = Problem(counts, known=everywhere, free=~everywhere)
        self.judged = Problem(counts, known=~free, free=free)
        self.cube = Start(support=worker.cube(counts.shape))
        self.kernel = self.fresh()
        # plans and compiled code are had before the first count in a measurement too
        for algorithm in ("ER", "HIO"):
            self.seconds(algorithm, 1)
        self.phase("warm", 0)

    def fresh(self) -> Kernel:
        if self.variant == "plain":
            return ReferenceKernel()
        return cpu.choose(self.whole.shape, self.threads)

    def seconds(self, algorithm: str, iterations: int) -> float:
        self.kernel.load(amplitude(self.whole))
        support = worker.cube(self.whole.shape)
        rng = np.random.default_rng(0)
        self.kernel.put((support * rng.random(support.shape)).astype(np.complex64), support)
        return timed(lambda: self.kernel.iterate(algorithm, worker.BETA, iterations))

    def phase(self, recipe: str, seed: int) -> Phased:
        if recipe == "own":
            return self.run(recipe_file.default("refined"), self.judged, Start(), seed)
        if recipe == "warm":
            brief = notation.parse("Sup(every=1, threshold=0.2, sigma=1) * HIO**2 * ER**1", "warm")
            return self.run(brief, self.whole, self.cube, seed)
        return self.run(SHORT, self.whole, self.cube, seed)

    def population(self, seeds: list[int]) -> tuple[np.ndarray, int, float, str]:
        """What is published of several runs: the best, it polished, or the polished mode, by free LLK."""
        recipe = recipe_file.default("refined")
        members: list[Member] = []
        found: list[Published] = []

        def work() -> None:
            members.extend(Member(self.last(recipe, self.judged, Start(), seed), seed) for seed in seeds)
            found.append(published(members, self.judged, self.kernel))

        seconds = timed(work)
        iterations = sum(member.estimate.iteration for member in members)
        chosen = found[0].chosen
        return chosen.estimate.obj, iterations, seconds, f"{chosen.origin}, {found[0].kept} of {len(seeds)} kept"

    def run(self, recipe: Recipe, problem: Problem, start: Start, seed: int) -> Phased:
        results: list[Estimate] = []
        seconds = timed(lambda: results.append(self.last(recipe, problem, start, seed)))
        return Phased(results[0].obj, results[0].iteration, seconds, Member(results[0], seed).free_llk)

    def last(self, recipe: Recipe, problem: Problem, start: Start, seed: int) -> Estimate:
        *_, estimate = engine.run(recipe, problem, start, self.kernel, seed)
        return estimate


def version() -> str:
    return metadata.version("bragglive")


if __name__ == "__main__":
    worker.serve(version, Bragglive)
