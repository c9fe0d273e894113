"""Bonsu's phasing classes as a worker, without its window; variants "c64" and "c128". Runs in the peers' environment.

Bonsu's kernel from object to diffraction is exp(+i q·r), so its objects are conjugated on the way out. Its modules
import wx and vtk, which only its window uses: modules that have whatever is asked of them stand in for those.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import io
import sys
import types
from importlib import metadata
from typing import Any, ClassVar

import numpy as np
import worker
from worker import Phased, timed

OWN_HIO, OWN_ER, OWN_THRESHOLD = 600, 50, 0.15


class _Anything(types.ModuleType):
    __path__: ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        nothing = {"__init__": lambda self, *a, **k: None, "__getattr__": lambda self, asked: lambda *a, **k: None}
        made = type(name, (), nothing)
        setattr(self, name, made)
        return made


class _StandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if name.split(".")[0] in ("wx", "vtk", "vtkmodules"):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Anything(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing to do."""


class Bonsu:
    def __init__(self, threads: int, kind: str) -> None:
        self.threads = threads
        self.dtype = {"c64": np.complex64, "c128": np.complex128}[kind]
        self.phasing = _phasing()

    def load(self, counts: np.ndarray) -> None:
        self.amplitude = np.fft.ifftshift(np.sqrt(counts)).astype(self.dtype)
        self.mask = np.ones(counts.shape, self.dtype)

    def seconds(self, algorithm: str, iterations: int) -> float:
        support = worker.cube(self.amplitude.shape).astype(self.dtype)
        kind = {"HIO": self.phasing.HIOMask, "ER": self.phasing.ERMask}[algorithm]
        return self.do(kind, self.random(support, 0), support, iterations)[0]

    def phase(self, recipe: str, seed: int) -> Phased:
        support = worker.cube(self.amplitude.shape).astype(self.dtype)
        obj = self.random(support, seed)
        kinds = {"HIO": self.phasing.SWHIOMask, "ER": self.phasing.SWERMask}
        if recipe == "short":
            steps = [(kinds[a], count, worker.SHORT_THRESHOLD) for a, count in worker.SHORT[:-1]]
            steps.append((self.phasing.ERMask, worker.SHORT[-1][1], 0.0))
        else:
            steps = [(kinds["HIO"], OWN_HIO, OWN_THRESHOLD), (self.phasing.ERMask, OWN_ER, 0.0)]
        seconds, error = 0.0, 0.0
        for kind, iterations, threshold in steps:
            took, error = self.do(kind, obj, support, iterations, threshold)
            seconds += took
        inside = np.conj(obj) * (support.real > 0)
        return Phased(inside, sum(count for _, count, _ in steps), seconds, error)

    def random(self, support: np.ndarray, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        drawn = rng.random(support.shape) * np.exp(2j * np.pi * rng.random(support.shape))
        return (support * drawn).astype(self.dtype)

    def do(
        self, kind: Any, obj: np.ndarray, support: np.ndarray, iterations: int, threshold: float = 0.0
    ) -> tuple[float, float]:
        """Change object and support in place; seconds without planning, and Bonsu's last residual."""
        job = kind()
        job.SetSeqdata(obj)
        job.SetExpdata(self.amplitude)
        job.SetSupport(support)
        job.SetMask(self.mask)
        job.SetNumthreads(self.threads)
        job.SetBeta(worker.BETA)
        job.SetStartiter(0)
        job.SetNumiter(iterations)
        with contextlib.redirect_stdout(io.StringIO()):
            job.Prepare()
            if threshold:
                job.SetSWCyclelength(worker.SHORT_EVERY)
                job.SetSWSigma(worker.SHORT_SIGMA_VOXELS)
                job.SetSWThreshold(threshold)
                job.SWPrepare()
                seconds = timed(job.SWStart)
            else:
                seconds = timed(job.Start)
        residual = float(job.residual[-1])
        job.DestroyPlan()
        return seconds, residual


def _phasing() -> Any:
    if not any(isinstance(finder, _StandIn) for finder in sys.meta_path):
        sys.meta_path.insert(0, _StandIn())
    import bonsu.phasing

    return bonsu.phasing


def version() -> str:
    _phasing()
    return metadata.version("bonsu")


if __name__ == "__main__":
    worker.serve(version, Bonsu)
