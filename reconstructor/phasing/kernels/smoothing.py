"""Gaussian smoothing for shrinkwrap, compiled."""

from __future__ import annotations

import numpy as np

from reconstructor.phasing.kernels import compiled
from reconstructor.phasing.problem import Real
from reconstructor.phasing.support import Box, reach


def smooth(block: Real, sigma_voxels: float, part: Box) -> Real:
    """Gaussian smoothing with zeros around the block, as `support.smoothed`, some ten times faster: each axis is
    done for the part wanted only."""
    r = reach(sigma_voxels)
    x = np.arange(-r, r + 1)
    weights = np.exp(-0.5 * (x / sigma_voxels) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    n0, n1, n2 = block.shape
    m0, m1, m2 = (s.stop - s.start for s in part)
    planes, columns = np.empty((1, m0, n1 * n2), np.float32), np.empty((m0, m1, n2), np.float32)
    rows = np.empty((m0 * m1, m2), np.float32)
    compiled.smooth_columns(np.ascontiguousarray(block).reshape(1, n0, n1 * n2), weights, part[0].start, planes)
    compiled.smooth_columns(planes.reshape(m0, n1, n2), weights, part[1].start, columns)
    compiled.smooth_rows(columns.reshape(m0 * m1, n2), weights, part[2].start, rows)
    return rows.reshape(m0, m1, m2)
