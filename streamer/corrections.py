"""What is done to a frame before it leaves: cropped to the region of interest, and what is not to be trusted named.

Counts stay as they were measured; mask, flat field and the level from which counts are not trusted travel beside
them, because Poisson statistics live in raw counts. Dead time is corrected by the detectors themselves
(`countrate_correction`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.messages import Window
from streamer.detectors.records import Channel

UNUSABLE_FLAT_FIELD = 1 << 8
"""Bit set in the mask where the flat field is not a positive number (NeXus: bit 8 is "user defined")."""


@dataclass(frozen=True, slots=True, eq=False)
class Corrections:
    """What goes with the frames of one channel inside one window."""

    window: Window
    mask: NDArray[np.uint32]
    """(row, column) of the window, 0 = trusted"""
    flat_field: NDArray[np.float32] | None
    """(row, column) of the window, counts = response × photons; 1 where it is masked"""
    untrusted_from: int
    """Counts from here on are not trusted."""
    trusted: NDArray[np.bool_]
    """(row, column) of the window, where the mask is 0"""


def corrections(
    channel: Channel, window: Window, shape: tuple[int, int], dtype: np.dtype[Any], saturation_counts: int | None
) -> Corrections:
    """Mask and flat field of a channel inside `window`, which lies inside `shape`, and its overload level."""
    inside = _slices(window)
    mask = np.zeros(shape, np.uint32) if channel.mask is None else channel.mask
    mask = mask[inside].copy()
    flat = None
    if channel.flat_field is not None:
        flat = channel.flat_field[inside].copy()
        unusable = ~(np.isfinite(flat) & (flat > 0.0))
        mask[unusable] |= UNUSABLE_FLAT_FIELD
        flat[unusable] = 1.0
    return Corrections(window, mask, flat, untrusted_from(dtype, saturation_counts), mask == 0)


def untrusted_from(dtype: np.dtype[Any], saturation_counts: int | None) -> int:
    """The smallest count that is not trusted. Detectors write the two largest values of the dtype, 2ⁿ − 1 and
    2ⁿ − 2, into gaps, dead and overflowed pixels; from `saturation_counts` on a pixel did not count all.
    """
    overload = int(np.iinfo(dtype).max) - 1
    return overload if saturation_counts is None else min(overload, saturation_counts)


def fitted(wanted: Window | None, shape: tuple[int, int]) -> Window:
    """The part of `wanted` that lies inside an image of `shape`; the whole image if there is none, or None wanted."""
    whole = Window(row0=0, column0=0, rows=shape[0], columns=shape[1])
    if wanted is None:
        return whole
    row0, column0 = max(wanted.row0, 0), max(wanted.column0, 0)
    row1 = min(wanted.row0 + wanted.rows, shape[0])
    column1 = min(wanted.column0 + wanted.columns, shape[1])
    if row1 <= row0 or column1 <= column0:
        return whole
    return Window(row0=row0, column0=column0, rows=row1 - row0, columns=column1 - column0)


def cropped(band: NDArray[Any], window: Window) -> NDArray[np.uint32]:
    """Counts inside `window` as uint32, C order, from the band of rows that `window` covers (all columns)."""
    return np.ascontiguousarray(band[:, window.column0 : window.column0 + window.columns], np.uint32)


def total_counts(counts: NDArray[np.uint32], known: Corrections) -> float:
    """Sum of the counts in all trusted pixels of the window."""
    return float(counts.sum(where=known.trusted & (counts < known.untrusted_from), dtype=np.uint64))


def _slices(window: Window) -> tuple[slice, slice]:
    return (
        slice(window.row0, window.row0 + window.rows),
        slice(window.column0, window.column0 + window.columns),
    )
