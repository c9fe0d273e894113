"""Scan 54 of APS 34-ID-C as a problem: a gold crystal, the central 96³, flat field and monitor in the model."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from reconstructor.phasing.problem import Problem, free_pixels

PEAK, SIDE = (99, 126, 127), 96
VOXEL_UM3 = 2338e-9 * (128 / SIDE) ** 3
"""Of the reconstruction."""
LEAST_RESPONSE = 0.2
"""Pixels below this share of the flat field's median are not trusted."""


def gold(frames: Path) -> Problem:
    """`frames` is s0054_frames.h5; whitefield.tif lies beside it."""
    box = tuple(slice(p - SIDE // 2, p + SIDE // 2) for p in PEAK)
    with h5py.File(frames) as file:
        counts = file["entry/frames"][box].astype(np.float32)
        monitor = file["entry/scan_columns/Monitor"][...]
    flat = np.asarray(Image.open(frames.with_name("whitefield.tif")))[box[1], box[2]]
    share = flat / np.median(flat)
    trusted = np.broadcast_to(share > LEAST_RESPONSE, counts.shape)
    response = (monitor / monitor.mean())[box[0], None, None] * np.maximum(share, LEAST_RESPONSE)
    free = free_pixels(counts.shape, trusted, 54)
    return Problem(counts, trusted & ~free, free, response.astype(np.float32))
