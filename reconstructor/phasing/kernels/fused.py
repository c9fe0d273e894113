"""The plane-fused kernel: one iteration is two sweeps over memory instead of about eight.

Sweep 1, some rows at a time: F[:, rows, :] → FFT along the first axis → modulus projection → inverse FFT → back.
Sweep 2, some planes at a time: F[planes] → inverse 2D FFT → real-space update of g[planes] → 2D FFT of the new g.
So F is always the 2D transform of g, plane by plane, each piece stays in a core's second-level cache, and threads
share the pieces. Rows are padded: pitches of a power of two would map a column into a few cache sets.
Between ER iterations the object is zero outside the support, so planes without support need no second sweep.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from reconstructor.phasing.kernel import Kernel, Shrunk, Snapshot, Sums
from reconstructor.phasing.kernels import compiled, plans
from reconstructor.phasing.problem import Complex, Mask, PhasingError, Real, Shape
from reconstructor.phasing.projections import project_support
from reconstructor.phasing.steps import Algorithm, Update, difference_map, update
from reconstructor.phasing.support import Box, bounding_box, reach, shrunk

_PAD = 8
"""Elements added to a row: one cache line of complex64."""
_PIECE_BYTES = 300_000
"""A piece and its amplitudes stay in a second-level cache of 512 KiB or more."""


class _Hand(NamedTuple):
    """What one thread works with: its own plans and tile."""

    planes: plans.Pair
    rows: plans.Pair
    tile: Complex
    """(n0, rows · pitch + pad)"""
    view: Complex
    """The tile as (n0, rows, n2)"""
    flat: NDArray[np.float32]


_Change = Callable[[compiled.Floats, compiled.Floats, compiled.Bytes], None]
"""Real-space change of (g, P, support), flat, one piece: in place of g, and of P, which is transformed next."""
_Part = TypeVar("_Part")
_Scalar = TypeVar("_Scalar", bound=np.generic)


class FusedKernel(Kernel):
    """pyFFTW and Numba; `threads` share one run."""

    def __init__(self, threads: int = 1) -> None:
        if threads < 1:
            raise PhasingError(f"a kernel with {threads} threads; wanted at least 1")
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._shape: Shape = (0, 0, 0)

    @property
    def shape(self) -> Shape:
        return self._shape

    def load(self, amplitude: Real) -> None:
        n0, n1, n2 = amplitude.shape
        if self._shape != (n0, n1, n2):
            self._lay_out((n0, n1, n2))
        shifted = scipy.fft.ifftshift(amplitude)
        for piece, tile in enumerate(self._amplitude):
            rows = shifted[:, piece * self._deep : (piece + 1) * self._deep]
            _rows_of(tile.reshape(n0, -1), self._deep, self._pitch)[:, :, :n2] = rows

    def _lay_out(self, shape: Shape) -> None:
        """Memory and plans for a shape; the plans are found in wisdom from the second time on."""
        n0, n1, n2 = shape
        self._shape, self._pitch = shape, n2 + _PAD + (-n2) % _PAD
        self._thick = _divisor(n0, _PIECE_BYTES // (8 * n1 * self._pitch))
        self._deep = _divisor(n1, _PIECE_BYTES // (8 * n0 * self._pitch))
        self._wave, self._store = plans.empty((n0, n1, self._pitch)), plans.empty((n0, n1, self._pitch))
        self._inside = np.zeros((n0, n1, self._pitch), np.uint8)
        self._amplitude = np.zeros((n1 // self._deep, n0 * (self._deep * self._pitch + _PAD)), np.float32)
        self._hands = [self._hand() for _ in range(self._threads)]
        self._wave[...] = 0
        pieces = n0 // self._thick
        self._pieces = [self._wave[k : k + self._thick, :, :n2] for k in range(0, n0, self._thick)]
        self._flat_wave = list(self._wave.reshape(pieces, -1).view(np.float32))
        self._flat_store = list(self._store.reshape(pieces, -1).view(np.float32))
        self._flat_inside = list(self._inside.reshape(pieces, -1))
        self._box: Box = (slice(0, n0), slice(0, n1), slice(0, n2))
        self._confined = False
        if self._threads > 1 and self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="phasing")

    def _hand(self) -> _Hand:
        n0, _, n2 = self._shape
        tile = plans.empty((n0, self._deep * self._pitch + _PAD))
        view = _rows_of(tile, self._deep, self._pitch)[:, :, :n2]
        planes = plans.Pair(self._wave[: self._thick, :, :n2], (1, 2))
        rows = plans.Pair(view, (0,))
        tile[...] = 0
        return _Hand(planes, rows, tile, view, tile.reshape(-1).view(np.float32))

    def put(self, obj: Complex, support: Mask) -> None:
        if obj.shape != self._shape:
            raise PhasingError(f"the object has shape {obj.shape}; wanted that of the data, {self._shape}")
        self._store[:, :, : self._shape[2]] = obj
        self.restrict(support)
        self._wave[...] = self._store
        self._shared(self._transform, range(len(self._pieces)))

    def restrict(self, support: Mask) -> None:
        if support.shape != self._shape:
            raise PhasingError(f"the support has shape {support.shape}; wanted that of the object, {self._shape}")
        self._box = bounding_box(support)
        self._inside[:, :, : self._shape[2]] = support
        self._confined = False

    def iterate(self, algorithm: Algorithm, beta: float, iterations: int) -> Sums:
        sums = Sums(0.0, 0.0, 0.0)
        for left in reversed(range(iterations)):
            whole = slice(0, self._shape[0])
            # the last iteration measures the energy outside, so it needs every plane
            planes = self._support_planes() if self._confined and algorithm == "ER" and left else whole
            misfit = self._modulus_sweep(planes)
            if algorithm == "DM":
                kept, probe, last = difference_map(beta)
                inside, total = self._update_sweep(self._split(kept, probe), planes, measure=not left)
                self._modulus_sweep(planes)
                self._update_sweep(self._update(last), planes, measure=False)
            else:
                weights = update(algorithm, beta)
                inside, total = self._update_sweep(self._update(weights), planes, measure=not left)
            self._confined = algorithm == "ER"
            sums = Sums(misfit, inside, total)
        return sums

    def shrink(self, sigma_voxels: float, threshold: float, fraction: tuple[float, float]) -> Shrunk:
        inside = self._inside[:, :, : self._shape[2]]
        new = shrunk(self._g, inside, self._box, sigma_voxels, threshold, fraction, smooth)
        inside[...] = 0
        inside[new.box] = new.inside
        self._box = new.box
        self._confined = False
        return Shrunk(new.voxels, new.threshold)

    def snapshot(self) -> Snapshot:
        inside = self._inside[:, :, : self._shape[2]][self._box].astype(np.bool_)
        a, b, c = (s.start for s in self._box)
        return Snapshot((a, b, c), project_support(self._g[self._box], inside), inside)

    def obj(self) -> Complex:
        return self._g.copy()

    def support(self) -> Mask:
        return self._inside[:, :, : self._shape[2]].astype(np.bool_)

    @property
    def _g(self) -> Complex:
        return self._store[:, :, : self._shape[2]]

    def _support_planes(self) -> slice:
        """The planes of the support, made whole pieces."""
        first, last = self._box[0].start, self._box[0].stop
        return slice(first - first % self._thick, last + (-last) % self._thick)

    def _modulus_sweep(self, planes: slice) -> float:
        """Transform along the first axis, project, transform back; `planes` hold all that is not zero, and all of
        the outcome that is wanted. Returns Σ(|F| − A)²."""
        depth, width = self._deep, self._deep * self._pitch

        def sweep(hand: _Hand, rows: range) -> float:
            misfit, tile = 0.0, hand.tile
            for row in rows:
                source = self._wave[planes, row : row + depth].reshape(-1, width)
                tile[planes, :width] = source
                if planes.stop < self._shape[0]:
                    tile[planes.stop :] = 0
                if planes.start:
                    tile[: planes.start] = 0
                hand.rows.forward(hand.view)
                misfit += float(compiled.modulus(hand.flat, self._amplitude[row // depth]))
                hand.rows.backward(hand.view)
                source[...] = tile[planes, :width]
            return misfit

        return sum(self._shared(sweep, range(0, self._shape[1], depth)))

    def _update_sweep(self, change: _Change, planes: slice, measure: bool) -> tuple[float, float]:
        """Inverse 2D transform, real-space change of g, 2D transform of what the change leaves, plane by plane.
        Returns Σ|P|² inside the support and everywhere, if asked to measure."""

        def sweep(hand: _Hand, numbers: range) -> tuple[float, float]:
            inside, total = 0.0, 0.0
            for number in numbers:
                piece, flat, support = self._pieces[number], self._flat_wave[number], self._flat_inside[number]
                hand.planes.backward(piece)
                if measure:
                    part = compiled.energies(flat, support)
                    inside, total = inside + float(part[0]), total + float(part[1])
                change(self._flat_store[number], flat, support)
                hand.planes.forward(piece)
            return inside, total

        parts = self._shared(sweep, range(planes.start // self._thick, planes.stop // self._thick))
        norm = 1.0 / float(np.prod(self._shape)) ** 2
        return sum(p[0] for p in parts) * norm, sum(p[1] for p in parts) * norm

    def _transform(self, hand: _Hand, numbers: range) -> None:
        for number in numbers:
            hand.planes.forward(self._pieces[number])

    def _update(self, weights: Update) -> _Change:
        norm = 1.0 / float(np.prod(self._shape))
        in_g, in_p, out_g, out_p = weights

        def change(g: compiled.Floats, p: compiled.Floats, support: compiled.Bytes) -> None:
            compiled.update(g, p, support, in_g, in_p * norm, out_g, out_p * norm)

        return change

    def _split(self, kept: Update, probe: Update) -> _Change:
        norm = 1.0 / float(np.prod(self._shape))

        def change(g: compiled.Floats, p: compiled.Floats, support: compiled.Bytes) -> None:
            compiled.split(g, p, support, kept.in_p * norm, kept.out_g, probe.in_g, probe.out_g)

        return change

    def _shared(self, sweep: Callable[[_Hand, range], _Part], pieces: range) -> list[_Part]:
        """One sweep, its pieces dealt out to the threads in runs."""
        if self._pool is None:
            return [sweep(self._hands[0], pieces)]
        share = -(-len(pieces) // self._threads)
        runs = [pieces[k : k + share] for k in range(0, len(pieces), share)]
        return list(self._pool.map(sweep, self._hands[: len(runs)], runs))


def _rows_of(tile: NDArray[_Scalar], rows: int, pitch: int) -> NDArray[_Scalar]:
    """A tile (n0, rows · pitch + pad) seen as (n0, rows, pitch), without copying."""
    strides = (tile.strides[0], pitch * tile.itemsize, tile.itemsize)
    return np.lib.stride_tricks.as_strided(tile, (tile.shape[0], rows, pitch), strides)


def smooth(block: Real, sigma_voxels: float, part: Box) -> Real:
    """Gaussian smoothing with zeros around the block, as `support.smoothed`, some ten times faster: each axis is
    done for the part wanted only."""
    r = reach(sigma_voxels)
    x = np.arange(-r, r + 1)
    weights = np.exp(-0.5 * (x / sigma_voxels) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    n0, n1, n2 = block.shape
    m0, m1, m2 = (s.stop - s.start for s in part)
    planes, columns = np.empty((1, m0, n1 * n2), np.float32), np.empty((m0, m1, n2), np.float32)
    rows = np.empty((m0 * m1, m2), np.float32)
    compiled.smooth_columns(np.ascontiguousarray(block).reshape(1, n0, n1 * n2), weights, part[0].start, planes)
    compiled.smooth_columns(planes.reshape(m0, n1, n2), weights, part[1].start, columns)
    compiled.smooth_rows(columns.reshape(m0 * m1, n2), weights, part[2].start, rows)
    return rows.reshape(m0, m1, m2)


def _divisor(length: int, most: int) -> int:
    """The largest divisor of `length` that is at most `most`, but at least 1."""
    return max(k for k in range(1, max(1, min(most, length)) + 1) if length % k == 0)
