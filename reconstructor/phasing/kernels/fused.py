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
from reconstructor.phasing.kernels import compiled
from reconstructor.phasing.kernels.layout import Hand, Layout
from reconstructor.phasing.kernels.smoothing import smooth
from reconstructor.phasing.problem import Complex, Mask, PhasingError, Problem, Real, Shape
from reconstructor.phasing.projections import project_support
from reconstructor.phasing.steps import LINEAR, Algorithm, update
from reconstructor.phasing.support import Box, Level, bounding_box, shrunk

_Part = TypeVar("_Part")
_LAYOUTS = 2
"""Shapes whose memory and plans are kept: a run goes back and forth between low and full resolution."""


class _Half(NamedTuple):
    """One modulus projection and what is made of it: an iteration, or half of one of the difference map."""

    keep_f: float
    keep_p: float
    """K ← keep_f · F + keep_p · M."""
    change: Callable[[int], None]
    """Of one piece of planes: g ← the next g, W ← T."""


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
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="phasing")

    def blur(self, psf: Real | None) -> None:
        if psf is not None:
            raise PhasingError("the fused kernel is fully coherent; wanted a kernel of whole transforms")

    def put(self, obj: Complex, support: Mask) -> None:
        if obj.shape != self.shape:
            raise PhasingError(f"the object has shape {obj.shape}; wanted that of the data, {self.shape}")
        self._at.put(obj)
        self._planes, self._rests = slice(0, self.shape[0]), False
        self._plane_sweep(lambda number: self._at.planes[number].forward())
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
        self._column_sweep(lambda flat, number: np.add(flat, at.rest[number], out=flat), out, planes)
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
        at, norm = self._at, 1.0 / float(np.prod(self.shape))

        def gather(flat: compiled.Floats, number: int) -> None:
            flat += at.rest[number]
            at.rest[number] = flat

        def fetch(number: int) -> None:
            at.planes[number].backward()
            compiled.update(at.flat_g[number], at.flat_wave[number], at.flat_inside[number], 0.0, norm, 0.0, norm)

        self._column_sweep(gather, at.wave, planes)
        self._planes, self._rests = planes, True
        self._plane_sweep(fetch)

    def _whole_pieces(self, box: Box) -> slice:
        """The planes of a box, made whole pieces."""
        thick, first, last = self._at.thick, box[0].start, box[0].stop
        return slice(first - first % thick, last + (-last) % thick)

    def _single(self, algorithm: Algorithm, beta: float) -> _Half:
        at, norm = self._at, 1.0 / float(np.prod(self.shape))
        in_g, in_p, out_g, out_p = update(algorithm, beta)

        def change(number: int) -> None:
            g, wave, inside = at.flat_g[number], at.flat_wave[number], at.flat_inside[number]
            compiled.update(g, wave, inside, in_g, in_p * norm, out_g, out_p * norm)

        return _Half(out_g, out_p, change)

    def _difference_map(self, beta: float) -> list[_Half]:
        """`steps.difference_map` in two halves: g is ρ, kept, then the next ρ; F is ρ's, the probe's, the next ρ's."""
        at, norm = self._at, 1.0 / float(np.prod(self.shape))
        held = at.held  # here, not in the threads: memory is taken once

        def split(number: int) -> None:
            g, wave, inside = at.flat_g[number], at.flat_wave[number], at.flat_inside[number]
            compiled.split(g, wave, held[number], inside, beta, norm)

        def rejoin(number: int) -> None:
            compiled.rejoin(at.flat_g[number], at.flat_wave[number], held[number], -beta * norm)

        return [_Half(1.0 / beta, 0.0, split), _Half(beta, -beta, rejoin)]

    def _modulus_sweep(self, planes: slice, half: _Half) -> tuple[float, float]:
        """Sweep 1; from now on only `planes` are up to date. Returns Σ(|F| − A)² and Σ|M|²."""
        at, keeps = self._at, half.keep_f != 0 or half.keep_p != 0

        def project(flat: compiled.Floats, number: int) -> tuple[np.float32, np.float32]:
            if self._rests or keeps:
                return compiled.project(flat, at.rest[number], at.amplitude[number], half.keep_f, half.keep_p)
            return compiled.modulus(flat, at.amplitude[number])

        parts = self._column_sweep(project, at.wave, planes)
        self._planes, self._rests = planes, keeps
        return sum(float(misfit) for misfit, _ in parts), sum(float(power) for _, power in parts)

    def _update_sweep(self, half: _Half, measure: bool) -> float:
        """Sweep 2. Returns Σ|N · P|² inside the support, if asked to measure."""
        at = self._at

        def sweep(number: int) -> float:
            planes = at.planes[number]
            planes.backward()
            inside = float(compiled.energy(at.flat_wave[number], at.flat_inside[number])) if measure else 0.0
            half.change(number)
            planes.forward()
            return inside

        return sum(self._plane_sweep(sweep))

    def _column_sweep(self, work: Callable[[compiled.Floats, int], _Part], into: Complex, planes: slice) -> list[_Part]:
        """Transform W along the first axis, do the work on each tile, transform back; `planes` of it go `into`."""
        at, source = self._at, self._planes

        def sweep(hand: Hand, numbers: range) -> list[_Part]:
            before, filled, after = hand.tile[: source.start], hand.tile[source], hand.tile[source.stop :]
            found, done = hand.tile[planes], []
            for number in numbers:
                columns = at.columns[number]
                before[...] = 0
                filled[...] = at.wave[source, columns]
                after[...] = 0
                hand.columns.forward()
                done.append(work(hand.flat, number))
                hand.columns.backward()
                into[planes, columns] = found
            return done

        return self._shared(sweep, range(len(at.columns)))

    def _plane_sweep(self, work: Callable[[int], _Part]) -> list[_Part]:
        """Do the work on each piece of the planes that are up to date."""
        thick = self._at.thick

        def sweep(_: Hand, numbers: range) -> list[_Part]:
            return [work(number) for number in numbers]

        return self._shared(sweep, range(self._planes.start // thick, self._planes.stop // thick))

    def _shared(self, sweep: Callable[[Hand, range], list[_Part]], pieces: range) -> list[_Part]:
        """One sweep, its pieces dealt out to the threads in runs."""
        if self._pool is None:
            return sweep(self._at.hands[0], pieces)
        share = -(-len(pieces) // self._threads)
        runs = [pieces[k : k + share] for k in range(0, len(pieces), share)]
        return [part for parts in self._pool.map(sweep, self._at.hands[: len(runs)], runs) for part in parts]
