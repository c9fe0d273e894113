"""cohere-core as a worker; variants "torch" and "np" (its numpy backend). Runs in the peers' environment.

cohere's kernel from object to diffraction is exp(+i q·r), so its objects are conjugated on the way out. Its data are
amplitudes in a file. The "own" recipe is the sequence its users start from, with shrinkwrap in each iteration.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import worker
from worker import Phased, timed

OWN = "3*(20*ER+180*HIO)+20*ER"
OWN_SHRINKWRAP = {"shrink_wrap_trigger": [1, 1], "twin_trigger": [2], "twin_halves": [0, 0]}
SHRINKWRAP = {"shrink_wrap_type": "GAUSS", "shrink_wrap_threshold": 0.1, "shrink_wrap_gauss_sigma": 1.0}


class Cohere:
    def __init__(self, threads: int, backend: str) -> None:
        if backend == "torch":
            import torch

            torch.set_num_threads(threads)
        from cohere_core.controller import phasing

        self.phasing, self.backend = phasing, backend
        self.folder = tempfile.TemporaryDirectory()
        self.file = str(Path(self.folder.name) / "data.npy")

    def load(self, counts: np.ndarray) -> None:
        np.save(self.file, np.sqrt(counts).astype(np.float32))

    def seconds(self, algorithm: str, iterations: int) -> float:
        return self.run(f"{iterations}*{algorithm}", 0, {})[1]

    def phase(self, recipe: str, seed: int) -> Phased:
        if recipe == "short":
            sequence = "+".join(f"{count}*{algorithm}" for algorithm, count in worker.SHORT)
            every = [worker.SHORT_EVERY, worker.SHORT_EVERY]
            run, seconds = self.run(sequence, seed, {**SHRINKWRAP, "shrink_wrap_trigger": every})
        else:
            run, seconds = self.run(OWN, seed, {**SHRINKWRAP, **OWN_SHRINKWRAP})
        obj, support = self.numpy(run.get_image()), self.numpy(run.get_support())
        return Phased(np.conj(obj) * (support > 0), run.iter_no, seconds, float(run.errs[-1]))

    def run(self, sequence: str, seed: int, settings: dict[str, Any]) -> tuple[Any, float]:
        if self.backend == "torch":
            import torch

            torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - what cohere draws from
        asked = {
            "reconstructions": 1,
            "algorithm_sequence": sequence,
            "hio_beta": worker.BETA,
            "initial_support_area": [0.5, 0.5, 0.5],
            **settings,
        }
        with contextlib.redirect_stdout(io.StringIO()):
            run = self.phasing.create_rec(asked, self.file, self.backend, -1, debug=True)
            return run, timed(run.iterate)

    def numpy(self, array: Any) -> np.ndarray:
        return array.cpu().numpy() if self.backend == "torch" else np.asarray(array)


def version() -> str:
    import cohere_core.controller.phasing  # noqa: F401

    return metadata.version("cohere-core")


if __name__ == "__main__":
    worker.serve(version, Cohere)
