"""Objects cut to the box that holds them, for quick comparison, and put back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reconstructor.phasing.problem import Complex, Estimate, Shape
from reconstructor.phasing.sizes import FAST

MARGIN = 2
"""Empty voxels left on each side."""


def compact(estimates: Sequence[Estimate]) -> list[Estimate]:
    """The same estimates (of one shape) in the smallest fast box about n // 2 that holds them all.

    Nothing is lost: they are zero outside their supports.
    """
    half = [0, 0, 0]
    for estimate in estimates:
        places = zip(estimate.shape, estimate.corner, estimate.block.shape, strict=True)
        for axis, (n, corner, size) in enumerate(places):
            half[axis] = max(half[axis], n // 2 - corner, corner + size - n // 2)
    found = []
    for estimate in estimates:
        a, b, c = (
            min(n, next((fast for fast in FAST if fast >= 2 * (reach + MARGIN)), n))
            for n, reach in zip(estimate.shape, half, strict=True)
        )
        i, j, k = (at - n // 2 + m // 2 for at, n, m in zip(estimate.corner, estimate.shape, (a, b, c), strict=True))
        found.append(replace(estimate, shape=(a, b, c), corner=(i, j, k)))
    return found


def padded(obj: Complex, shape: Shape) -> Complex:
    """An object in a box at least as large, n // 2 on n // 2."""
    out = np.zeros(shape, np.complex64)
    place = [slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(shape, obj.shape, strict=True)]
    out[tuple(place)] = obj
    return out
