"""Memory and plans of the plane-fused kernel for one shape: what is padded, and how it is cut into pieces."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from reconstructor.phasing.kernels import plans
from reconstructor.phasing.kernels.compiled import Bytes, Floats
from reconstructor.phasing.problem import Complex, Real, Shape

_PAD = 8
"""Elements added to a row (one cache line of complex64): pitches of a power of two would map a column into a few
cache sets."""
_PIECE_BYTES = 300_000
"""A piece and its amplitudes stay in a second-level cache of 512 KiB or more."""
_Scalar = TypeVar("_Scalar", bound=np.generic)


class Hand(NamedTuple):
    """What one thread works with: plans and a tile of its own."""

    planes: plans.Pair
    """2D, of one piece of planes."""
    rows: plans.Pair
    """Along the first axis, of the tile."""
    tile: Complex
    """(n0, deep · pitch + pad)"""
    view: Complex
    """The tile as (n0, deep, n2)."""
    flat: Floats


class Layout:
    """Padded volumes of a shape (n0, n1, n2), cut into pieces of `thick` planes and pieces of `deep` rows."""

    def __init__(self, shape: Shape, threads: int) -> None:
        n0, n1, n2 = self.shape = shape
        self.pitch = n2 + _PAD + (-n2) % _PAD
        self.thick = _divisor(n0, _PIECE_BYTES // (8 * n1 * self.pitch))
        self.deep = _divisor(n1, _PIECE_BYTES // (8 * n0 * self.pitch))
        self.width = self.deep * self.pitch
        self.wave = plans.empty((n0, n1, self.pitch))
        """F, transformed along the last two axes."""
        g, inside = plans.empty((n0, n1, self.pitch)), np.zeros((n0, n1, self.pitch), np.uint8)
        self.g: Complex = g[:, :, :n2]
        self.inside: Bytes = inside[:, :, :n2]
        self.hands = [self._hand() for _ in range(threads)]
        self.wave[...] = 0
        pieces = n0 // self.thick
        self.pieces: list[Complex] = [self.wave[k : k + self.thick, :, :n2] for k in range(0, n0, self.thick)]
        self.flat_wave: list[Floats] = list(self.wave.reshape(pieces, -1).view(np.float32))
        self.flat_g: list[Floats] = list(g.reshape(pieces, -1).view(np.float32))
        self.flat_inside: list[Bytes] = list(inside.reshape(pieces, -1))
        self.amplitude: Real = np.zeros((n1 // self.deep, n0 * (self.width + _PAD)), np.float32)
        """By pieces of rows, laid out as the tiles are."""

    def _hand(self) -> Hand:
        n0, _, n2 = self.shape
        tile = plans.empty((n0, self.width + _PAD))
        view = _rows_of(tile, self.deep, self.pitch)[:, :, :n2]
        planes = plans.Pair(self.wave[: self.thick, :, :n2], (1, 2))
        rows = plans.Pair(view, (0,))
        tile[...] = 0
        return Hand(planes, rows, tile, view, tile.reshape(-1).view(np.float32))

    def take(self, amplitude: Real) -> None:
        """Shift the data, origin first, and lay them out as the tiles are."""
        n0, _, n2 = self.shape
        shifted = scipy.fft.ifftshift(amplitude)
        for piece, tile in enumerate(self.amplitude):
            rows = shifted[:, piece * self.deep : (piece + 1) * self.deep]
            _rows_of(tile.reshape(n0, -1), self.deep, self.pitch)[:, :, :n2] = rows

    def put(self, obj: Complex) -> None:
        """Take an object; F is the object itself until its planes are transformed."""
        self.g[...] = obj
        self.wave[:, :, : self.shape[2]] = obj


def _rows_of(tile: NDArray[_Scalar], rows: int, pitch: int) -> NDArray[_Scalar]:
    """A tile (n0, rows · pitch + pad) seen as (n0, rows, pitch), without copying."""
    strides = (tile.strides[0], pitch * tile.itemsize, tile.itemsize)
    return np.lib.stride_tricks.as_strided(tile, (tile.shape[0], rows, pitch), strides)


def _divisor(length: int, most: int) -> int:
    """The largest divisor of `length` that is at most `most`, but at least 1."""
    return max(k for k in range(1, max(1, min(most, length)) + 1) if length % k == 0)
