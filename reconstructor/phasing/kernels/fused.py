"""The fused kernel: transforms only where the support is, and pointwise work while a piece is in cache.

Every linear algorithm (`steps`) makes the next object from g and P with one pair of weights outside the support,
and other ones inside:

    g′ = out_g · g + out_p · P + T,      T = (in_g − out_g) · g + (in_p − out_p) · P inside the support, else 0.

The modulus projection M needs the transform of g′, which is linear: F′ = out_g · F + out_p · M(F) + FFT(T). The first
two terms are at hand where M is made, and T is zero in planes without support; so are the planes of P that no one
asks for. With a support that reaches over a third of the planes, an iteration's transforms cost (1 + 2/3) / 3 of a
pair: nothing is approximated, sums are only taken in another order. An iteration is two sweeps over memory:

1. some columns at a time: the planes of W = T, transformed along the last two axes → FFT along the first axis → + K
   = F → modulus projection, K ← out_g · F + out_p · M → inverse FFT along the first axis → the planes of W;
2. some planes at a time: inverse 2D FFT → update of g, T → 2D FFT.

Each piece stays in a core's second-level cache, and threads share the pieces. g is known in the planes swept.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
import scipy.fft

from reconstructor.phasing.kernel import Kernel, Shrunk, Snapshot, Sums
from reconstructor.phasing.kernels import compiled, sweeps
from reconstructor.phasing.kernels.layout import Layout
from reconstructor.phasing.kernels.smoothing import smooth
from reconstructor.phasing.problem import Complex, Mask, PhasingError, Problem, Real, Shape
from reconstructor.phasing.projections import project_support
from reconstructor.phasing.steps import LINEAR, Algorithm, Update, update
from reconstructor.phasing.support import Box, Level, bounding_box, shrunk

_Part = TypeVar("_Part")
_Range = tuple[int, int]
_LAYOUTS = 2
"""Shapes whose memory and plans are kept: a run goes back and forth between low and full resolution."""


class _Half(NamedTuple):
    """One modulus projection and what is made of it: an iteration, or half of one of the difference map."""

    keep_f: float
    keep_p: float
    """K ← keep_f · F + keep_p · M."""
    change: Callable[[_Range, bool], float]
    """Of a range of pieces of planes: g ← the next g, W ← T. Gives Σ|P|² inside the support if asked to measure."""


class FusedKernel(Kernel):
    """pyFFTW and Numba; `threads` share one run. For the linear algorithms, fully coherent."""

    def __init__(self, threads: int = 1) -> None:
        if threads < 1:
            raise PhasingError(f"a kernel with {threads} threads; wanted at least 1")
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._layouts: dict[Shape, Layout] = {}
        self._now: Layout | None = None
        self._box: Box = (slice(0), slice(0), slice(0))
        self._planes = slice(0)
        """Where g and W are up to date: whole pieces; elsewhere T is zero."""
        self._rests = False
        """Whether there is anything in K."""

    @property
    def _at(self) -> Layout:
        if self._now is None:
            raise PhasingError("the kernel has no data; wanted load() first")
        return self._now

    @property
    def shape(self) -> Shape:
        return self._at.shape

    def load(self, amplitude: Real, problem: Problem | None = None) -> None:
        n0, n1, n2 = amplitude.shape
        self._now = self._layouts.pop((n0, n1, n2), None)
        while len(self._layouts) >= _LAYOUTS:
            del self._layouts[next(iter(self._layouts))]
        self._now = self._now or Layout((n0, n1, n2), self._threads)
        self._layouts[n0, n1, n2] = self._now
        self._now.take(amplitude)
        if self._threads > 1 and self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads - 1, thread_name_prefix="phasing")

    def blur(self, psf: Real | None) -> None:
        if psf is not None:
            raise PhasingError("the fused kernel is fully coherent; wanted a kernel of whole transforms")

    def put(self, obj: Complex, support: Mask) -> None:
        if obj.shape != self.shape:
            raise PhasingError(f"the object has shape {obj.shape}; wanted that of the data, {self.shape}")
        self._at.put(obj)
        self._planes, self._rests = slice(0, self.shape[0]), False
        self._plane_sweep(
            lambda pieces: sweeps.forward_sweep(pieces, self._at.over_planes.forward, self._at.wave_pieces)
        )
        self.restrict(support)

    def restrict(self, support: Mask) -> None:
        if support.shape != self.shape:
            raise PhasingError(f"the support has shape {support.shape}; wanted that of the data, {self.shape}")
        box = bounding_box(support)
        self._at.inside[...] = support
        self._enter(box)

    def iterate(self, algorithm: Algorithm, beta: float, iterations: int) -> Sums:
        if algorithm not in LINEAR:
            raise PhasingError(f"the fused kernel has no {algorithm}; wanted one of {', '.join(LINEAR)}")
        norm = 1.0 / float(np.prod(self.shape))
        misfit, inside, power = 0.0, 0.0, 0.0
        first, *others = self._difference_map(beta) if algorithm == "DM" else [self._single(algorithm, beta)]
        planes = self._whole_pieces(self._box)
        for left in reversed(range(iterations)):
            misfit, power = self._modulus_sweep(planes, first)
            inside = self._update_sweep(first, measure=not left)
            for half in others:
                self._modulus_sweep(planes, half)
                self._update_sweep(half, measure=False)
        return Sums(misfit, inside * norm**2, power * norm)

    def shrink(
        self,
        sigma_voxels: float,
        threshold: float,
        fraction: tuple[float, float],
        by: Level = "rms",
        grows: bool = True,
    ) -> Shrunk:
        inside = self._at.inside
        new = shrunk(self._at.g, inside, self._box, sigma_voxels, threshold, fraction, smooth, by, grows)
        inside[...] = 0
        inside[new.box] = new.inside
        self._enter(new.box)
        return Shrunk(new.voxels, new.threshold)

    def snapshot(self) -> Snapshot:
        inside = self._at.inside[self._box].astype(np.bool_)
        a, b, c = (s.start for s in self._box)
        return Snapshot((a, b, c), project_support(self._at.g[self._box], inside), inside)

    def obj(self) -> Complex:
        at, planes = self._at, slice(0, self.shape[0])
        if self._planes == planes:
            return at.g.copy()
        out = np.empty((planes.stop, at.shape[1] * at.shape[2]), np.complex64)
        self._gather_sweep(out.view(np.float32), planes, keep=False)
        back: Complex = scipy.fft.ifft2(out.reshape(self.shape), axes=(1, 2), overwrite_x=True)
        back /= np.float32(planes.stop)
        return back

    def support(self) -> Mask:
        return self._at.inside.astype(np.bool_)

    def _enter(self, box: Box) -> None:
        """Take the support's box; if it leaves the planes where g is known, fetch g from its transform there."""
        self._box = box
        planes = self._whole_pieces(box)
        if self._planes.start <= planes.start and planes.stop <= self._planes.stop:
            return
        self._gather_sweep(self._at.wave, planes, keep=True)
        self._planes, self._rests = planes, True
        fetched = Update(0.0, 1.0, 0.0, 1.0)
        self._plane_sweep(lambda pieces: self._change(pieces, fetched, False))

    def _whole_pieces(self, box: Box) -> slice:
        """The planes of a box, made whole pieces."""
        thick, first, last = self._at.thick, box[0].start, box[0].stop
        return slice(first - first % thick, last + (-last) % thick)

    def _single(self, algorithm: Algorithm, beta: float) -> _Half:
        weights = update(algorithm, beta)
        return _Half(weights.out_g, weights.out_p, lambda pieces, measure: self._change(pieces, weights, measure))

    def _change(self, pieces: _Range, weights: Update, measure: bool) -> float:
        """Of some pieces: W → P; g ← in_g · g + in_p · P inside the support, out_g · g + out_p · P outside; W ← T."""
        at, norm = self._at, 1.0 / float(np.prod(self.shape))
        scaled = (weights.in_g, weights.in_p * norm, weights.out_g, weights.out_p * norm)
        both, g, wave, inside = at.over_planes.both, at.g_pieces, at.wave_pieces, at.inside_pieces
        return sweeps.update_sweep(pieces, *both, g, wave, inside, scaled, measure)

    def _difference_map(self, beta: float) -> list[_Half]:
        """`steps.difference_map` in two halves: g is ρ, kept, then the next ρ; F is ρ's, the probe's, the next ρ's."""
        at, norm = self._at, 1.0 / float(np.prod(self.shape))
        both, g, wave, held = at.over_planes.both, at.g_pieces, at.wave_pieces, at.held

        def split(pieces: _Range, measure: bool) -> float:
            return sweeps.split_sweep(pieces, *both, g, wave, held, at.inside_pieces, beta, norm, measure)

        def rejoin(pieces: _Range, _: bool) -> float:
            return sweeps.rejoin_sweep(pieces, *both, g, wave, held, -beta * norm)

        return [_Half(1.0 / beta, 0.0, split), _Half(beta, -beta, rejoin)]

    def _modulus_sweep(self, planes: slice, half: _Half) -> tuple[float, float]:
        """Sweep 1; from now on only `planes` are up to date. Returns Σ(|F| − A)² and Σ|M|²."""
        at, keeps = self._at, half.keep_f != 0 or half.keep_p != 0
        source, target = _ends(self._planes), _ends(planes)

        both, rests = at.over_columns.both, self._rests or keeps

        def project(columns: _Range, hand: int) -> tuple[float, float]:
            volumes = at.tiles[hand], at.wave, at.rest, at.amplitude
            return sweeps.modulus_sweep(columns, *both, *volumes, source, target, rests, half.keep_f, half.keep_p)

        parts = self._shared(project, 0, at.columns)
        self._planes, self._rests = planes, keeps
        return sum(misfit for misfit, _ in parts), sum(power for _, power in parts)

    def _update_sweep(self, half: _Half, measure: bool) -> float:
        """Sweep 2. Returns Σ|N · P|² inside the support, if asked to measure."""
        return sum(self._plane_sweep(lambda pieces: half.change(pieces, measure)))

    def _gather_sweep(self, into: compiled.Floats, planes: slice, keep: bool) -> None:
        """`planes` of the transform along the last two axes of g go `into`; F stays in K if asked to keep."""
        at, source, target = self._at, _ends(self._planes), _ends(planes)

        def gather(columns: _Range, hand: int) -> None:
            volumes = at.tiles[hand], at.wave, at.rest, into
            sweeps.gather_sweep(columns, *at.over_columns.both, *volumes, source, target, keep)

        self._shared(gather, 0, at.columns)

    def _plane_sweep(self, work: Callable[[_Range], _Part]) -> list[_Part]:
        """Do the work on the pieces of the planes that are up to date."""
        thick = self._at.thick
        return self._shared(lambda pieces, _: work(pieces), self._planes.start // thick, self._planes.stop // thick)

    def _shared(self, sweep: Callable[[_Range, int], _Part], start: int, stop: int) -> list[_Part]:
        """One sweep, its pieces dealt out in runs to the threads, of which the caller's is the first."""
        if self._pool is None:
            return [sweep((start, stop), 0)]
        share = -(-(stop - start) // self._threads)
        runs = [(k, min(k + share, stop)) for k in range(start, stop, share)]
        others = [self._pool.submit(sweep, run, hand) for hand, run in enumerate(runs) if hand]
        return [sweep(runs[0], 0)] + [other.result() for other in others]


def _ends(planes: slice) -> _Range:
    return planes.start, planes.stop
