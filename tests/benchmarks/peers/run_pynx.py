"""PyNX's processor operators as a worker. Runs in the peers' environment.

PyNX keeps arrays with the centre at index 0. Its command line needs a GPU; the "own" recipe here is the chain that
its script for ESRF ID01 composes, out of the same operators: support from the autocorrelation, 300 HIO, 500 RAAR
and 200 ER, the support updated every 20 by 0.15-0.40 of the RMS with smoothing from 2 to 0.5 voxels, twin removal at a
quarter, free pixels, whose log-likelihood chooses among runs; a run whose support fails begins anew with another
threshold, as there, and its time counts.
"""

from __future__ import annotations

import os

os.environ["PYNX_PU"] = "cpu"

import sys
import time
import types
from functools import reduce
from importlib import metadata
from typing import Any

import numpy as np
import worker
from scipy import ndimage
from worker import Phased, timed

if not hasattr(ndimage, "measurements"):  # this PyNX imports a name that new SciPy has dropped
    old = types.ModuleType("scipy.ndimage.measurements")
    old.center_of_mass = ndimage.center_of_mass  # type: ignore[attr-defined]
    sys.modules[old.__name__] = old

SEARCH = (("HIO", 300), ("RAAR", 500))
POLISH = 200
EVERY = 20
TRIES, TUNING = 5, 1.1


class Pynx:
    def __init__(self, threads: int, variant: str) -> None:
        import pynx.cdi

        self.cdi = pynx.cdi

    def load(self, counts: np.ndarray) -> None:
        self.counts = np.fft.ifftshift(counts)
        self.cube = np.fft.ifftshift(worker.cube(counts.shape))

    def seconds(self, algorithm: str, iterations: int) -> float:
        volume = self.random(self.start(self.cube), 0)
        return timed(lambda: self.step(algorithm) ** iterations * volume)

    def phase(self, recipe: str, seed: int) -> Phased:
        if recipe == "short":
            return self.run(*self.short(seed), 0.0)
        threshold, lost = np.random.default_rng(seed).uniform(0.15, 0.40), 0.0
        for _ in range(TRIES - 1):
            volume, todo = self.own(seed, threshold)
            begin = time.perf_counter()
            try:
                return self.run(volume, todo, lost)
            except self.cdi.SupportTooSmall:
                threshold /= TUNING
            except self.cdi.SupportTooLarge:
                threshold *= TUNING
            lost += time.perf_counter() - begin
        return self.run(*self.own(seed, threshold), lost)

    def run(self, volume: Any, todo: list[Any], lost: float) -> Phased:
        seconds = timed(lambda: reduce(lambda v, operator: operator * v, todo, volume))
        volume = self.cdi.LLK() * volume
        error = float(volume.llk_poisson_free if volume.nb_free_points else volume.llk_poisson)
        obj = np.fft.fftshift(volume.get_obj() * (volume.get_support() > 0))
        return Phased(obj, int(volume.cycle), seconds + lost, error)

    def short(self, seed: int) -> tuple[Any, list[Any]]:
        update = self.cdi.SupportUpdate(
            threshold_relative=worker.SHORT_THRESHOLD, smooth_width=worker.SHORT_SIGMA_VOXELS, method="max"
        )
        todo: list[Any] = []
        for algorithm, count in worker.SHORT[:-1]:
            for _ in range(count // worker.SHORT_EVERY):
                todo += [self.step(algorithm) ** worker.SHORT_EVERY, update]
        todo.append(self.step("ER") ** worker.SHORT[-1][1])
        return self.random(self.start(self.cube), seed), todo

    def own(self, seed: int, threshold: float) -> tuple[Any, list[Any]]:
        np.random.seed(seed)  # noqa: NPY002 - what PyNX draws from
        volume = self.start(np.ones_like(self.cube))
        volume = self.cdi.InitFreePixels() * volume
        volume = self.cdi.AutoCorrelationSupport(threshold=(0.09, 0.11)) * volume
        total = sum(count for _, count in SEARCH)
        update = self.cdi.SupportUpdate(threshold_relative=threshold, smooth_width=(2.0, 0.5, total), method="rms")
        todo: list[Any] = []
        for algorithm, count in SEARCH:
            for _ in range(count // EVERY):
                todo += [self.step(algorithm) ** EVERY, update]
        todo.insert(2 * (total // 4 // EVERY), self.cdi.DetwinHIO(nb_cycle=10, beta=worker.BETA))
        todo.append(self.step("ER") ** POLISH)
        return self.random(volume, seed), todo

    def start(self, support: np.ndarray) -> Any:
        return self.cdi.CDI(iobs=self.counts.copy(), support=support, mask=None)

    def random(self, volume: Any, seed: int) -> Any:
        np.random.seed(seed)  # noqa: NPY002 - what PyNX draws from
        return self.cdi.ScaleObj() * self.cdi.InitObjRandom(src="support", amin=0, amax=1, phirange=2 * np.pi) * volume

    def step(self, algorithm: str) -> Any:
        if algorithm == "ER":
            return self.cdi.ER(calc_llk=0, show_cdi=False)
        return getattr(self.cdi, algorithm)(beta=worker.BETA, calc_llk=0, show_cdi=False)


def version() -> str:
    import pynx.cdi  # noqa: F401

    return metadata.version("PyNX")


if __name__ == "__main__":
    worker.serve(version, Pynx)
