"""From the curve measured so far to a phasing problem: window, counts, what is known, what is free."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reconstructor.aliens import aliens
from reconstructor.background import background
from reconstructor.curve import Counts, Flags, Reading
from reconstructor.phasing.problem import Problem
from reconstructor.window import Window3


@dataclass(frozen=True, eq=False)
class Prepared:
    """A phasing problem and what was assumed in making it."""

    problem: Problem
    window: Window3
    assumptions: tuple[str, ...]


def prepare(reading: Reading, window: Window3, free: Flags, look_up: Callable[[], None] = lambda: None) -> Prepared:
    """Cut and bin `window` out of the curve.

    Unknown is a voxel with any member that was not measured, is masked, saturated or outside the scan's window, or
    where a neighbouring grain's peak is; free is a known voxel with any member in `free` (a mask over the raw curve).
    Counts are summed in a bin, never corrected: monitor and flat field go into the model's response, and so does a
    background where there is one. `look_up` is called between steps; what it raises ends the work.
    """
    known_raw, counts_raw, free_raw = _cut(reading, window, free)
    look_up()
    known: Flags = np.asarray(_blocks(known_raw, window).all(axis=(1, 3, 5)))
    counts = _blocks(counts_raw, window).sum(axis=(1, 3, 5), dtype=np.float32)
    response = _response(reading, window, known)
    look_up()
    strange = aliens(counts if response is None else counts / response, known, look_up)
    known &= ~strange
    look_up()
    is_free: Flags = np.asarray(_blocks(free_raw, window).any(axis=(1, 3, 5)) & known)
    problem = Problem(
        counts=np.where(known, counts, np.float32(0)),
        known=known & ~is_free,
        free=is_free,
        response=response,
        background=background(counts, known, response),
    )
    return Prepared(problem, window, (*_assumptions(reading), *_found(int(strange.sum()), problem.background)))


def _cut(reading: Reading, window: Window3, free: Flags) -> tuple[Flags, Counts, Flags]:
    """The window's raw voxels: known, counts and free, with nothing known beyond what was measured."""
    shape = tuple(n * b for n, b in zip(window.shape, window.binning, strict=True))
    known, counts = np.zeros(shape, np.bool_), np.zeros(shape, np.uint32)
    is_free = np.zeros(shape, np.bool_)
    inside, there = [], []
    for start, size, length in zip(window.start, shape, reading.counts.shape, strict=True):
        low, high = max(0, start), min(length, start + size)
        inside.append(slice(low, max(low, high)))
        there.append(slice(low - start, max(low, high) - start))
    cut, put = tuple(inside), tuple(there)
    measured = reading.measured[cut[0]]
    raw = reading.counts[cut]
    believed = measured[:, None, None] & reading.trusted[cut[1:]]
    if reading.started.saturation_counts is not None:
        believed = believed & (raw < reading.started.saturation_counts)
    known[put] = believed
    counts[put] = raw
    is_free[put] = free[cut]
    return known, counts, is_free


def _blocks(raw: Flags | Counts, window: Window3) -> NDArray[np.generic]:
    """View of a raw cut with each axis split in (voxel, member of its bin)."""
    split = [n for pair in zip(window.shape, window.binning, strict=True) for n in pair]
    return raw.reshape(split)


def _response(reading: Reading, window: Window3, known: Flags) -> NDArray[np.float32] | None:
    """Members of a bin, each times its monitor and flat field: counts of a bin for one photon of the model a member.

    Divided by the number of members, so that it is about 1 and the model's photons are those of the bin; None where
    it is 1 everywhere.
    """
    monitor = _padded(reading.monitor, window, 0)
    flat = reading.started.flat_field
    if flat is None and bool((monitor == 1).all()):
        return None
    along = monitor.reshape(window.shape[0], window.binning[0]).mean(axis=1)
    response = np.broadcast_to(along[:, None, None], window.shape)
    if flat is not None:
        rows = _padded(flat, window, 1)
        cells = _padded(rows.T, window, 2).T
        split = (window.shape[1], window.binning[1], window.shape[2], window.binning[2])
        response = response * cells.reshape(split).mean(axis=(1, 3))
    return np.where(known, response, 1.0).astype(np.float32)


def _padded(values: NDArray[np.floating], window: Window3, axis: int) -> NDArray[np.float64]:
    """`values` over the raw indices of one axis of the window (its first axis), 1 beyond what exists."""
    size = window.shape[axis] * window.binning[axis]
    indices = window.start[axis] + np.arange(size)
    there = (indices >= 0) & (indices < len(values))
    padded = np.ones((size, *values.shape[1:]))
    padded[there] = values[indices[there]]
    return padded


def _found(strange_voxels: int, photons: float) -> tuple[str, ...]:
    found = []
    if strange_voxels:
        found.append(f"{strange_voxels} voxels of the window show a neighbouring grain's peak: taken as not measured.")
    if photons:
        found.append(f"There is a constant background of {photons:.2g} photons a voxel under the crystal's pattern.")
    return tuple(found)


def _assumptions(reading: Reading) -> tuple[str, ...]:
    found = []
    if bool((reading.monitor[reading.measured] == 1).all()):
        found.append("Every frame had the same incident intensity (no monitor was sent).")
    if reading.started.flat_field is None:
        found.append("All pixels respond alike (no flat field was sent).")
    return tuple(found)
