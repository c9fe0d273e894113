"""One detector frame, made ready to be looked at: logarithm, marks, what cannot be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contract.messages import Scan, Window

WIDEST_PX = 512
"""Larger frames are thinned to this many pixels a side, each the brightest of those it stands for."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame as it was received, inside the window: `counts` is (row, column)."""

    scan: Scan
    index: int
    angle_deg: float
    total_counts: float
    counts: NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class FrameView:
    """What the panel draws; positions are pixels of the full detector image, (row, column)."""

    scan: Scan
    index: int
    angle_deg: float
    log_counts: NDArray[np.float32]
    """log₁₀(1 + counts), (row, column); NaN where the pixel is masked."""
    window: Window
    maximum_counts: int
    maximum_at: tuple[float, float]
    centre_of_mass: tuple[float, float] | None
    """Of the counts; None in an empty frame."""
    saturated: int
    """Pixels at or above the detector's limit of trust."""
    masked: int


def view_frame(
    frame: Frame, window: Window, mask: NDArray[np.uint32] | None, saturation_counts: int | None
) -> FrameView:
    """Prepare `frame` for the screen; a `mask` of another shape than the frame's is not applied."""
    trusted = np.ones(frame.counts.shape, bool) if mask is None or mask.shape != frame.counts.shape else mask == 0
    counts = np.where(trusted, frame.counts, 0)
    total = float(counts.sum(dtype=np.float64))
    row, column = np.unravel_index(int(counts.argmax()), counts.shape)
    centre = None
    if total > 0:
        rows = float(counts.sum(axis=1, dtype=np.float64) @ np.arange(counts.shape[0])) / total
        columns = float(counts.sum(axis=0, dtype=np.float64) @ np.arange(counts.shape[1])) / total
        centre = (window.row0 + rows, window.column0 + columns)
    shown = np.where(trusted, np.log10(1.0 + counts), np.nan).astype(np.float32)
    return FrameView(
        scan=frame.scan,
        index=frame.index,
        angle_deg=frame.angle_deg,
        log_counts=_thin(shown),
        window=window,
        maximum_counts=int(counts.max()),
        maximum_at=(window.row0 + float(row), window.column0 + float(column)),
        centre_of_mass=centre,
        saturated=0 if saturation_counts is None else int((counts >= saturation_counts).sum()),
        masked=int((~trusted).sum()),
    )


def _thin(image: NDArray[np.float32]) -> NDArray[np.float32]:
    factor = -(-max(image.shape) // WIDEST_PX)
    if factor <= 1:
        return image
    rows, columns = (-(-size // factor) * factor for size in image.shape)
    padded = np.full((rows, columns), np.nan, np.float32)
    padded[: image.shape[0], : image.shape[1]] = image
    blocks = padded.reshape(rows // factor, factor, columns // factor, factor)
    return np.asarray(np.fmax.reduce(np.fmax.reduce(blocks, axis=3), axis=1))
