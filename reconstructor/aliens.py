"""Neighbouring grains' peaks in the window: bright where the crystal's own pattern would be faint, so left unknown.

Averaged over its fringes, a crystal's pattern only falls on the way outward, along its facets' streaks as between
them, however the crystal is strained. So a spot that stands apart, above everything on any way from it to the Bragg
peak, is not the crystal's. It is found as a hill: the highest saddle on its ways to the main peak is its foot.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from reconstructor.phasing.problem import Mask, Real
from reconstructor.phasing.support import extent_voxels

WIDTH = 0.7
"""σ of the averaging, in fringes of the crystal."""
HEIGHT = 3.0
"""A spot rises to this many times its foot. Clean patterns reach 1.8: noise, where a few counts make an average."""
NEAR = 2.0
"""The main peak is the brightest place within this many fringes of the window's middle, which is put upon it."""
APART = 4.0
"""Fringes between a spot and the main peak; what is nearer is a domain of the crystal itself."""
LEAST_COUNTS = 12.0
"""In an average at a spot's foot, so that noise makes no spots."""
STEP = math.sqrt(2)
"""Ratio of the levels at which hills are told apart."""
LEAST_KNOWN = 0.25
"""An average of which less is known is no number: it keeps nothing apart from anything."""
TOUCHING = np.ones((3, 3, 3), np.bool_)


class _Grid(NamedTuple):
    """Averages on a coarse grid."""

    soft: Real
    """Mean intensity, infinite where too little is known."""
    stride: tuple[int, ...]
    """Voxels a step."""
    fringe_steps: NDArray[np.float64]
    """Width of a fringe along each axis, in steps of the grid."""
    floor: float
    """Intensity at which an average holds `LEAST_COUNTS`."""


def aliens(intensity: Real, known: Mask, look_up: Callable[[], None] = lambda: None) -> Mask:
    """Voxels taken up by neighbouring grains' peaks (or hot pixels), each out to its foot.

    `intensity` (rocking, row, column) is that of the crystal and all else, in about counts, ≥ 0; read where `known`.
    Nothing is found where nothing can be: without counts, or in what lies beside a part that is not measured. `look_up`
    is called between steps; what it raises ends the work.
    """
    if not intensity.any(where=known):
        return np.zeros(known.shape, np.bool_)
    grid = _averaged(intensity, known)
    look_up()
    spots = _hills(grid, look_up)
    if not spots.any():
        return np.zeros(known.shape, np.bool_)
    spots = ndimage.binary_dilation(spots, TOUCHING)
    steps = [np.arange(n) // s for n, s in zip(known.shape, grid.stride, strict=True)]
    found: Mask = spots[np.ix_(*steps)] & known
    return found


def _averaged(intensity: Real, known: Mask) -> _Grid:
    amplitude = np.where(known, np.sqrt(intensity), np.float32(-1)).astype(np.float32)
    fringe = np.array([n / max(wide, 1.0) for n, wide in zip(known.shape, extent_voxels(amplitude), strict=True)])
    sigma = WIDTH * fringe
    stride = tuple(max(1, round(s)) for s in sigma)
    # a step of the grid has averaged over a box already
    rest = np.sqrt(np.square(sigma / stride) - 1 / 12)
    total, part = (
        ndimage.gaussian_filter(_binned(values, stride), rest, mode="reflect", truncate=3.0)
        for values in (np.where(known, intensity, np.float32(0)).astype(np.float32), known.astype(np.float32))
    )
    least = LEAST_KNOWN * float(np.prod(stride))
    soft = np.where(part >= least, total / np.maximum(part, least), np.float32(np.inf)).astype(np.float32)
    # a Gaussian averages over (2√π σ)³ voxels
    voxels = float(np.prod(2 * np.sqrt(np.pi) * sigma))
    return _Grid(soft, stride, fringe / stride, LEAST_COUNTS / voxels)


def _binned(values: Real, stride: tuple[int, ...]) -> Real:
    """Sums of so many voxels along each axis, fewer at the far end."""
    for axis, step in enumerate(stride):
        values = np.add.reduceat(values, np.arange(0, values.shape[axis], step), axis=axis)
    return values


def _hills(grid: _Grid, look_up: Callable[[], None]) -> Mask:
    """Hills that stand apart from the main peak, each as wide as it is just above its foot."""
    soft = np.where(np.isfinite(grid.soft), grid.soft, np.float32(0))
    middle = tuple(n // 2 for n in soft.shape)
    top = np.unravel_index(int(np.where(_fringes(grid, middle) < NEAR, soft, -1).argmax()), soft.shape)
    apart = _fringes(grid, top) >= APART
    spots = np.zeros(soft.shape, np.bool_)
    level = float(soft.max()) / STEP
    while level >= grid.floor:
        look_up()
        parts = ndimage.label(grid.soft > level, TOUCHING)[0]
        for at in set(ndimage.maximum_position(soft, parts, np.unique(parts[soft >= HEIGHT * level]))):
            if parts[at] not in (0, parts[top]) and apart[at]:
                spots |= parts == parts[at]
        level /= STEP
    return spots


def _fringes(grid: _Grid, place: tuple[Any, ...]) -> NDArray[np.float64]:
    """How far each step of the grid is from a place, in fringes."""
    square = np.zeros(grid.soft.shape)
    for axis, (at, fringe) in enumerate(zip(place, grid.fringe_steps, strict=True)):
        steps = (np.arange(square.shape[axis]) - at) / fringe
        square += np.expand_dims(np.square(steps), tuple(a for a in range(3) if a != axis))
    return np.sqrt(square)
