"""An engine in a process of its own: requests as JSON lines on stdin, replies as JSON lines on stdout.

Runs in whichever environment the engine lives in; numpy and the standard library only. Arrays travel as .npy files.
Counts and objects are in natural order (Bragg peak and crystal at n // 2); objects leave in the convention of the
forward FFT from object to diffraction, whatever the engine's own. What an engine prints goes to stderr.

    {"do": "load", "counts": FILE}                                -> {}
    {"do": "seconds", "algorithm": "HIO", "iterations": 20}       -> {"seconds": s}
    {"do": "phase", "recipe": "short" | "own", "seeds": [0, 1], "to": FILE}
                    -> {"seconds": s, "iterations": of all runs together, "chosen": "which of the runs, and how"}
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

BETA = 0.9
SHORT = (("ER", 20), ("HIO", 180), ("ER", 20))
"""The recipe every engine can do: these iterations from a cube of half the window, ..."""
SHORT_EVERY, SHORT_SIGMA_VOXELS, SHORT_THRESHOLD = 20, 1.0, 0.1
"""... the support updated so often by smoothing so wide and keeping what is above this share of the maximum."""


class Phased(NamedTuple):
    """One run's outcome."""

    obj: np.ndarray
    """complex64, natural order, forward FFT; zero outside the support."""
    iterations: int
    seconds: float
    """From data in memory to the object: iterations, support updates and the engine's own metrics, but no planning,
    compiling or reading."""
    error: float
    """The engine's own measure, by which it would choose among its runs: less is better."""


class Engine(Protocol):
    """What a run_*.py offers."""

    def load(self, counts: np.ndarray) -> None:
        """Take float32 counts."""

    def seconds(self, algorithm: str, iterations: int) -> float:
        """How long so many iterations of "HIO" or "ER" with the cube as support take, set-up left out."""

    def phase(self, recipe: str, seed: int) -> Phased:
        """One run of the common "short" recipe or of the engine's "own"."""


def cube(shape: tuple[int, ...]) -> np.ndarray:
    """The start support of the short recipe and the timings: half the window a side, natural order."""
    inside = np.zeros(shape, bool)
    inside[tuple(slice(n // 2 - n // 4, n // 2 - n // 4 + n // 2) for n in shape)] = True
    return inside


def choose(engine: Engine, recipe: str, seeds: list[int]) -> tuple[np.ndarray, int, float, str]:
    """The object of the run that the engine itself calls best, and what all of them together took."""
    runs = [engine.phase(recipe, seed) for seed in seeds]
    best = min(range(len(runs)), key=lambda place: runs[place].error)
    chosen = f"run {best + 1} of {len(runs)} by its own error"
    return runs[best].obj, sum(run.iterations for run in runs), sum(run.seconds for run in runs), chosen


def answer(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    if request["do"] == "load":
        engine.load(np.load(request["counts"]))
        return {}
    if request["do"] == "seconds":
        return {"seconds": engine.seconds(request["algorithm"], request["iterations"])}
    population = getattr(engine, "population", None)
    if population is not None and request["recipe"] == "own":
        obj, iterations, seconds, chosen = population(request["seeds"])
    else:
        obj, iterations, seconds, chosen = choose(engine, request["recipe"], request["seeds"])
    np.save(request["to"], obj.astype(np.complex64))
    return {"seconds": seconds, "iterations": iterations, "chosen": chosen}


def serve(version: Callable[[], str], make: Callable[[int, str], Engine]) -> None:
    """`run_x.py --version` says the version; `run_x.py THREADS VARIANT` answers requests until stdin ends."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if sys.argv[1:] == ["--version"]:
        replies.write(f"{version()}\n")
        replies.close()
        return
    engine = make(int(sys.argv[1]), sys.argv[2])
    for line in sys.stdin:
        replies.write(json.dumps(answer(engine, json.loads(line))) + "\n")
        replies.flush()


def timed(work: Callable[[], object]) -> float:
    """Seconds on the clock."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
