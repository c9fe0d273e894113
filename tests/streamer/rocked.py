"""Full images of a rocked crystal, for the region of interest: a peak that comes and goes, and what does not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SHAPE = (200, 260)
WIDTH_PX, WIDTH_FRAMES = 3.0, 2.0


def rocked(
    *peaks: tuple[float, float, float],
    frames: int = 16,
    shape: tuple[int, int] = SHAPE,
    background: float = 0.1,
    at_frame: float | None = None,
    seed: int = 0,
) -> NDArray[np.uint32]:
    """Counts (frame, row, column) of peaks (row, column, counts in the brightest pixel) on a flat background."""
    row, column = np.indices(shape)
    top = frames / 2 if at_frame is None else at_frame
    along = np.exp(-((np.arange(frames) - top) ** 2) / (2 * WIDTH_FRAMES**2))
    expected = np.full((frames, *shape), background)
    for at_row, at_column, brightest in peaks:
        spot = np.exp(-((row - at_row) ** 2 + (column - at_column) ** 2) / (2 * WIDTH_PX**2))
        expected += brightest * along[:, None, None] * spot
    return np.random.default_rng(seed).poisson(expected).astype(np.uint32)
