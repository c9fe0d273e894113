"""Memory and plans of the fused kernel for one shape: what is padded, and how it is cut into pieces.

A volume (n0, n1, n2) is kept as n0 flat planes. Plane-wise work goes by pieces of `thick` planes; work along the first
axis by columns, spans of `width` voxels of every plane, copied into a tile where they lie close together.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from reconstructor.phasing.kernels import plans
from reconstructor.phasing.kernels.compiled import Bytes, Floats
from reconstructor.phasing.problem import Complex, Real, Shape

_PAD = 8
"""Elements added to a plane, and to a tile's rows (one cache line of complex64): pitches of a power of two would map
a column into a few cache sets. Planes stay aligned for the plans if this is a multiple of 8."""
_PIECE_BYTES = 300_000
"""A piece or tile and its amplitudes stay in a second-level cache of 512 KiB or more."""
_FEWEST_PIECES = 16
"""Planes come in whole pieces: thicker ones would take in too many that are empty."""

_Scalar = TypeVar("_Scalar", bound=np.generic)


class Hand(NamedTuple):
    """What one thread works with."""

    columns: plans.Pair
    """Along the first axis, of the tile."""
    tile: Complex
    """(n0, width)"""
    flat: Floats
    """The tile with its padding."""


class Layout:
    """Volumes of a shape, cut into pieces of planes and into columns; memory for `threads` hands."""

    def __init__(self, shape: Shape, threads: int) -> None:
        n0, n1, n2 = self.shape = shape
        self.pitch = n1 * n2 + _PAD + (-n1 * n2) % _PAD
        self.thick = _divisor(n0, min(_PIECE_BYTES // (8 * self.pitch), n0 // _FEWEST_PIECES))
        unit = _PAD if n1 * n2 % _PAD == 0 else 1
        self.width = unit * _divisor(n1 * n2 // unit, _PIECE_BYTES // (8 * n0 * unit))
        self.wave = plans.empty((n0, self.pitch))
        """W: what is transformed anew each iteration, along the last two axes."""
        volume, inside = plans.empty((n0, self.pitch)), np.zeros((n0, self.pitch), np.uint8)
        self.g = _cube(volume, shape)
        self.inside: Bytes = _cube(inside, shape)
        cube = _cube(self.wave, shape)
        self.planes = [plans.Pair(cube[k : k + self.thick], (1, 2)) for k in range(0, n0, self.thick)]
        """2D transforms of W, by pieces: a plan for each is twice as quick to start as one plan for all."""
        self.hands = [self._hand() for _ in range(threads)]
        self.wave[...] = 0
        self.columns = [slice(k, k + self.width) for k in range(0, n1 * n2, self.width)]
        self.amplitude: Real = np.zeros((len(self.columns), n0 * (self.width + _PAD)), np.float32)
        """By columns, laid out as the tiles are."""
        self.rest: Floats = np.zeros((len(self.columns), 2 * self.amplitude.shape[1]), np.float32)
        """K: what is added to W's transform, by columns."""
        pieces = n0 // self.thick
        self.flat_wave: list[Floats] = list(self.wave.reshape(pieces, -1).view(np.float32))
        self.flat_g: list[Floats] = list(volume.reshape(pieces, -1).view(np.float32))
        self.flat_inside: list[Bytes] = list(inside.reshape(pieces, -1))
        self._held: list[Floats] = []

    @property
    def held(self) -> list[Floats]:
        """A third volume by pieces, as `flat_g`; taken when it is asked for first."""
        if not self._held:
            self._held = [np.zeros_like(piece) for piece in self.flat_g]
        return self._held

    def _hand(self) -> Hand:
        n0, width = self.shape[0], self.width
        tile = plans.empty((n0, width + _PAD))
        columns = plans.Pair(tile[:, :width], (0,))
        tile[...] = 0
        return Hand(columns, tile[:, :width], tile.reshape(-1).view(np.float32))

    def take(self, amplitude: Real) -> None:
        """Shift the data, origin first, and lay them out as the tiles are."""
        shifted = scipy.fft.ifftshift(amplitude).reshape(self.shape[0], -1)
        for span, tile in zip(self.columns, self.amplitude, strict=True):
            tile.reshape(self.shape[0], -1)[:, : self.width] = shifted[:, span]

    def put(self, obj: Complex) -> None:
        """Take an object; W is the object itself until its planes are transformed."""
        self.g[...] = obj
        _cube(self.wave, self.shape)[...] = obj
        self.rest[...] = 0


def _cube(planes: NDArray[_Scalar], shape: Shape) -> NDArray[_Scalar]:
    """Flat planes (n0, pitch) seen as (n0, n1, n2), without copying: only the contiguous axis is split."""
    return planes[:, : shape[1] * shape[2]].reshape(shape)


def _divisor(length: int, most: int) -> int:
    """The largest divisor of `length` that is at most `most`, but at least 1."""
    return max(k for k in range(1, max(1, min(most, length)) + 1) if length % k == 0)
