"""Gaussian smoothing for shrinkwrap, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reconstructor.phasing.kernels import compiled
from reconstructor.phasing.problem import Complex, Real
from reconstructor.phasing.support import reach


def smooth(obj: Complex, support: NDArray[Any], sigma_voxels: float) -> Real:
    """As `support.smoothed`, some ten times faster.

    Each row, and each plane, has `reach` zeros behind it: along every axis the block is one long line, whose
    neighbours are a stride apart. What flows into the zeros behind a plane stays there.
    """
    r = reach(sigma_voxels)
    x = np.arange(-r, r + 1)
    weights = np.exp(-0.5 * (x / sigma_voxels) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    n0, n1, n2 = obj.shape
    padded = (n0, n1 + r, n2 + r)
    size = n0 * padded[1] * padded[2]
    strides = (padded[1] * padded[2], padded[2], 1)
    lines = [np.zeros(size + 2 * r * stride, np.float32) for stride in strides]
    middles = [line[r * stride : r * stride + size] for line, stride in zip(lines, strides, strict=True)]
    out = np.empty(size, np.float32)
    compiled.amplitude(obj.view(np.float32), support.view(np.uint8), middles[0].reshape(padded))
    for line, stride, target in zip(lines, strides, [*middles[1:], out], strict=True):
        compiled.convolve(line, weights, stride, target)
    return out.reshape(padded)[:, :n1, :n2]
