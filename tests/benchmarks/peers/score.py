"""The same two figures for every engine, from the object alone: R and the complex overlap with the truth."""

from __future__ import annotations

import numpy as np
from crystals import Case
from numpy.typing import NDArray

from reconstructor.phasing import quality
from reconstructor.phasing.alignment import overlap
from reconstructor.phasing.problem import Problem


def score(obj: NDArray[np.complex64], case: Case) -> tuple[float, float]:
    """(R, overlap). R = Σ(|F| − √I)²/ΣI over the whole window, the object scaled to the counts; the overlap after twin,
    shift by parts of a voxel and one constant phase, the ramp kept, over the full box. NaN for an empty object."""
    if not np.isfinite(obj).all() or not obj.any():
        return float("nan"), float("nan")
    everywhere = np.ones(case.counts.shape, np.bool_)
    problem = Problem(case.counts, known=everywhere, free=~everywhere)
    found = quality.misfit(problem, obj, int(np.count_nonzero(obj)))
    return found.r_factor, overlap(case.truth, obj)
