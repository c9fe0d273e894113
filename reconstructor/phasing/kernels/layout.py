"""Memory and plans of the fused kernel for one shape: what is padded, and how it is cut into pieces.

A volume (n0, n1, n2) is kept as n0 flat planes. Plane-wise work goes by pieces of `thick` planes; work along the first
axis by columns, spans of `width` voxels of every plane, copied into a tile where they lie close together.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from reconstructor.phasing.kernels import plans
from reconstructor.phasing.kernels.compiled import Bytes, Floats
from reconstructor.phasing.kernels.sweeps import PADDED
from reconstructor.phasing.kernels.transforms import Batch, Plans
from reconstructor.phasing.problem import Complex, Real, Shape

_PAD = PADDED // 2
"""Elements added to a plane, and to a tile's rows (one cache line of complex64): pitches of a power of two would map
a column into a few cache sets. Planes stay aligned for the plans if this is a multiple of 8."""
_PIECE_BYTES = 150_000
"""A piece or tile, its amplitudes and what is added to it stay in a second-level cache of 512 KiB."""
_FEWEST_PIECES = 32
"""Planes come in whole pieces: thicker ones would take in too many that are empty."""

_Scalar = TypeVar("_Scalar", bound=np.generic)


class Layout:
    """Volumes of a shape, cut into pieces of planes and into columns; memory for `threads` hands."""

    def __init__(self, shape: Shape, threads: int) -> None:
        n0, n1, n2 = self.shape = shape
        self.pitch = n1 * n2 + _PAD + (-n1 * n2) % _PAD
        self.thick = _divisor(n0, min(_PIECE_BYTES // (8 * self.pitch), n0 // _FEWEST_PIECES))
        unit = _PAD if n1 * n2 % _PAD == 0 else 1
        self.width = unit * _divisor(n1 * n2 // unit, _PIECE_BYTES // (8 * n0 * unit))
        self.columns = n1 * n2 // self.width
        wave, volume = (plans.empty((n0, self.pitch)) for _ in range(2))
        inside, tiles = np.zeros((n0, self.pitch), np.uint8), plans.empty((threads, n0, self.width + _PAD))
        self.over_planes = Plans(wave, Batch((n1, n2), self.thick, 1, self.pitch))
        """2D transforms of a piece of W."""
        self.over_columns = Plans(tiles, Batch((n0,), self.width, self.width + _PAD, 1))
        """Along the first axis, of a tile."""
        wave[...], tiles[...] = 0, 0
        self.cube, self.g, self.inside = _cube(wave, shape), _cube(volume, shape), _cube(inside, shape)
        """W, g and the support as (n0, n1, n2)."""
        self.wave: Floats = wave.view(np.float32)
        """W: what is transformed anew each iteration, along the last two axes; by planes."""
        self.tiles: Floats = tiles.view(np.float32)
        """One for each hand."""
        self.amplitude: Real = np.zeros((self.columns, n0 * (self.width + _PAD)), np.float32)
        """By columns, laid out as the tiles are."""
        self.rest: Floats = np.zeros((self.columns, 2 * self.amplitude.shape[1]), np.float32)
        """K: what is added to W's transform, by columns."""
        pieces = n0 // self.thick
        self.wave_pieces: Floats = self.wave.reshape(pieces, -1)
        self.g_pieces: Floats = volume.view(np.float32).reshape(pieces, -1)
        self.inside_pieces: Bytes = inside.reshape(pieces, -1)
        self._held: Floats | None = None

    @property
    def held(self) -> Floats:
        """A third volume by pieces, as `g_pieces`; taken when it is asked for first."""
        if self._held is None:
            self._held = np.zeros_like(self.g_pieces)
        return self._held

    def take(self, amplitude: Real) -> None:
        """Shift the data, origin first, and lay them out as the tiles are."""
        shifted = scipy.fft.ifftshift(amplitude).reshape(self.shape[0], self.columns, self.width)
        tiles = self.amplitude.reshape(self.columns, self.shape[0], self.width + _PAD)
        tiles[:, :, : self.width] = shifted.transpose(1, 0, 2)

    def put(self, obj: Complex) -> None:
        """Take an object; W is the object itself until its planes are transformed."""
        self.g[...] = obj
        self.cube[...] = obj
        self.rest[...] = 0


def _cube(planes: NDArray[_Scalar], shape: Shape) -> NDArray[_Scalar]:
    """Flat planes (n0, pitch) seen as (n0, n1, n2), without copying: only the contiguous axis is split."""
    return planes[:, : shape[1] * shape[2]].reshape(shape)


def _divisor(length: int, most: int) -> int:
    """The largest divisor of `length` that is at most `most`, but at least 1."""
    return max(k for k in range(1, max(1, min(most, length)) + 1) if length % k == 0)
