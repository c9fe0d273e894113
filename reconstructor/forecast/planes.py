"""The frames measured so far, summed as a pattern's window sums them: what a pattern is compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reconstructor.curve import Reading
from reconstructor.forecast.pattern import Places
from reconstructor.phasing.problem import Mask, Real
from reconstructor.window import Window3

Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Planes:
    """Groups of measured frames. Bins lie where the window's do, so that a pattern moved by whole voxels meets them.

    A voxel is expected to count `exposure` × `cell` for each photon of the pattern.
    """

    counts: Real
    """(plane, row, column): sums over a voxel's measured members; 0 where `cell` is."""
    known: Mask
    """(plane, row, column): all members trusted and below saturation."""
    exposure: NDArray[np.float32]
    """(plane,): monitor summed over the members measured, over how many members a whole group has; about 1."""
    cell: Real
    """(row, column): flat field, mean over a bin; 0 where a member is not trusted."""
    at: Places
    """Places on the curve: of each plane (the mean of its members), of each row and column of bins."""

    @property
    def response(self) -> Real:
        """(plane, row, column): exposure × cell where known, else 0."""
        out: Real = np.where(self.known, self.exposure[:, None, None] * self.cell, np.float32(0))
        return out

    @property
    def total(self) -> float:
        """All counts."""
        return float(self.counts.sum(dtype=np.float64))


def planes(reading: Reading, window: Window3, frames: Mask | None = None) -> Planes:
    """The measured frames (of those in `frames`), in groups and bins as `window` has them.

    A group of which some frames are not measured, or not asked for, is taken at its members' place and exposure.
    """
    groups = _groups(reading.measured if frames is None else reading.measured & frames, window)
    rows, columns = (_bins(reading.sizes[axis], window.start[axis], window.binning[axis]) for axis in (1, 2))
    cut = (slice(rows[0, 0], rows[-1, -1] + 1), slice(columns[0, 0], columns[-1, -1] + 1))
    split = (len(rows), window.binning[1], len(columns), window.binning[2])
    trusted: Mask = np.asarray(reading.trusted[cut].reshape(split).all(axis=(1, 3)))
    flat = reading.started.flat_field
    cell = np.ones(trusted.shape) if flat is None else flat[cut].reshape(split).mean(axis=(1, 3))
    limit = reading.started.saturation_counts
    counts = np.zeros((len(groups), *trusted.shape), np.float32)
    known = np.broadcast_to(trusted, counts.shape).copy()
    for k, members in enumerate(groups):
        raw = reading.counts[(members[0] if len(members) == 1 else members, *cut)].reshape(-1, *split)
        counts[k] = raw.sum(axis=(0, 2, 4), where=trusted[:, None, :, None], dtype=np.float32)
        if limit is not None:
            known[k] &= (raw < limit).all(axis=(0, 2, 4))
    exposure = np.array([reading.monitor[members].sum() / window.binning[0] for members in groups], np.float32)
    places = (np.array([float(members.mean()) for members in groups]), rows.mean(axis=1), columns.mean(axis=1))
    return Planes(counts, known, exposure, np.where(trusted, cell, 0).astype(np.float32), places)


def _groups(wanted: Mask, window: Window3) -> list[Indices]:
    """Indices of the wanted frames, by the bin they fall into."""
    indices = np.flatnonzero(wanted)
    bins = (indices - window.start[0]) // window.binning[0]
    return [group for group in np.split(indices, np.flatnonzero(np.diff(bins)) + 1) if group.size]


def _bins(length: int, start: int, binning: int) -> Indices:
    """(bin, member) raw indices of the whole bins of an axis."""
    first = start % binning
    number = (length - first) // binning
    if number < 1:
        raise ValueError(f"an axis of {length} pixels has no whole bin of {binning}; wanted at least one")
    return first + np.arange(number * binning).reshape(number, binning)
