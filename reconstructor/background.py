"""A constant background under the pattern: what does not fall with q as a crystal with faces must."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reconstructor.phasing.problem import Mask, Real

RIM = (0.6, 1.0)
"""Shells looked at, as shares of the way from the window's middle to its nearest faces."""
SHELLS = 12
SCATTER = 0.1
"""By which a shell's mean may miss the law, fringes being what they are."""
SIGMAS = 3.0
LEAST_MEASURED = 0.5
"""Of each shell; a curve that has just begun tells nothing of its rim."""

Floats = NDArray[np.float64]


def background(counts: Real, known: Mask, response: Real | None = None) -> float:
    """Background in photons a voxel, 0 where none is significant; `counts` (rocking, row, column), read where `known`.

    Porod's law (Porod 1951, Kolloid-Z. 124, 83): averaged over directions, the intensity scattered by a body with
    sharp faces falls with q⁻⁴, however it is strained. So the shells' means are fitted by a·k⁻⁴ + b, and b counts as
    found where it is 3 times its uncertainty. Any set of shells of one shape will do: k is measured in shares of the
    window's half axes. Clean patterns give b a little below 0, so what is found is rather too small.
    """
    k = _radius(counts.shape)
    edges = np.geomspace(*RIM, SHELLS + 1)
    shell = np.digitize(k, edges) - 1
    inside = (shell >= 0) & (shell < SHELLS)
    used = inside & known
    weight = np.ones(counts.shape, np.float32) if response is None else response
    law = weight * np.maximum(k, RIM[0]) ** -4
    sums = [np.asarray(np.bincount(shell[used], a[used], SHELLS), float) for a in (counts, weight, law)]
    measured = np.bincount(shell[used], minlength=SHELLS)
    if (measured < LEAST_MEASURED * np.maximum(1, np.bincount(shell[inside], minlength=SHELLS))).any():
        return 0.0
    found, error = _fitted(sums[0], sums[1], sums[2])
    return found if found > SIGMAS * error else 0.0


def _radius(shape: tuple[int, ...]) -> Floats:
    square = np.zeros(shape)
    for axis, n in enumerate(shape):
        steps = (np.arange(n) - n // 2) / (n / 2)
        square += np.expand_dims(np.square(steps), tuple(a for a in range(3) if a != axis))
    return np.sqrt(square)


def _fitted(counts: Floats, weight: Floats, law: Floats) -> tuple[float, float]:
    """b and its uncertainty from counts = b · weight + a · law, shell by shell."""
    mean, slope = counts / weight, law / weight
    poisson = np.maximum(counts, 1.0) / np.square(weight)
    design = np.stack([np.ones(SHELLS), slope], axis=1)
    a, b, error = 0.0, 0.0, np.inf
    # the law's own scatter goes with a, which is not known before the first round
    for _ in range(5):
        precision = 1 / (poisson + np.square(SCATTER * a * slope))
        covariance = np.linalg.inv(design.T @ (precision[:, None] * design))
        b, a = (float(v) for v in covariance @ (design.T @ (precision * mean)))
        a, error = max(a, 0.0), float(np.sqrt(covariance[0, 0]))
    return b, error
