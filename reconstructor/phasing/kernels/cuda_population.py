"""A population on a CUDA device: several runs on the same data, done together in batches.

An iteration is four or five kernels: cuFFT forward, modulus projection, cuFFT inverse, real-space update (before it,
for charge flipping, the energy its bar hangs on). Within a call of `iterate` nothing waits for the device; at its end
the sums of the whole batch are fetched in one piece. Where an iteration is short its kernels are recorded once and
repeated as a graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from reconstructor.phasing import coherence
from reconstructor.phasing.kernel import Shrunk, Snapshot, Sums
from reconstructor.phasing.kernels import cuda_descent, cuda_shrink
from reconstructor.phasing.kernels.cuda import Array, Device
from reconstructor.phasing.kernels.cuda_volumes import Volumes
from reconstructor.phasing.problem import Complex, Mask, PhasingError, Problem, Real, Shape
from reconstructor.phasing.projections import project_support
from reconstructor.phasing.steps import Algorithm, Update, difference_map, update
from reconstructor.phasing.support import Level, bounding_box

GRAPH_ITERATIONS = 10
"""Recorded as one graph."""
GRAPH_VOXELS = 2**22
"""Graphs pay up to this many voxels a batch: beyond, four launches of some 5 µs take less time than their kernels."""
_SHAPES = 2
"""Whose memory and plans are kept: a run goes from low to full resolution."""


class CudaPopulation:
    """Objects and supports of `runs` runs, in slots 0 … runs − 1, and the data they share.

    Every method takes the slots it is about; runs that are named together are done together. Shapes, order, meaning
    and errors of arrays are those of `kernel.Kernel`. Used by one thread at a time. The same calls give the same bits;
    in a batch of another size cuFFT may take another way, which rounds differently.
    """

    def __init__(self, device: Device, runs: int = 1) -> None:
        self.runs = runs
        self.deviance = np.full(runs, np.nan)
        """Of each run: Σ 2[Ic − Io + Io ln(Io/Ic)] over known voxels, Io = A², Ic = |Fg|², where `Sums.misfit` was
        measured: the likelihood of the iterate, free of cost."""
        self._device = device
        self._volumes: dict[Shape, Volumes] = {}
        self._now: Volumes | None = None
        self._psfs: dict[int, Array] = {}
        self._supported = [0] * runs
        """Voxels of each support."""

    @property
    def _at(self) -> Volumes:
        if self._now is None:
            raise PhasingError("the kernel has no data; wanted load() first")
        return self._now

    @property
    def shape(self) -> Shape:
        """Of the data loaded."""
        return self._at.shape

    @property
    def batch(self) -> int:
        """Runs that go at once; fewer than there are where the memory does not suffice."""
        return self._at.batch

    def load(self, amplitude: Real, problem: Problem | None = None) -> None:
        """Take the data of all runs; raises PhasingError, having taken nothing, where the memory does not suffice."""
        if problem is not None and problem.shape != amplitude.shape:
            raise PhasingError(f"the problem has shape {problem.shape}; wanted that of the data, {amplitude.shape}")
        n0, n1, n2 = amplitude.shape
        self._now = kept = self._volumes.pop((n0, n1, n2), None)
        if kept is None:
            while len(self._volumes) >= _SHAPES:
                self._drop()
            self._now = kept = self._made((n0, n1, n2))
        self._volumes[n0, n1, n2] = kept
        self._psfs.clear()
        kept.take(amplitude, problem)

    def _made(self, shape: Shape) -> Volumes:
        """Memory for a shape; that of other shapes is given up only where there is no other way."""
        while True:
            try:
                return Volumes(self._device, shape, self.runs)
            except PhasingError:
                if not self._volumes:
                    raise
                self._drop()

    def _drop(self) -> None:
        del self._volumes[next(iter(self._volumes))]
        self._device.give_back()

    def blur(self, slot: int, psf: Real | None) -> None:
        """Partial coherence of one run from now on; such runs go one at a time."""
        self._psfs.pop(slot, None)
        if psf is not None:
            coherence.transfer(psf, self.shape)  # only to refuse what is no psf
            self._psfs[slot] = self._device.empty(psf.shape, np.float32)
            self._device.send(self._psfs[slot], psf.astype(np.float32))

    def put(self, slot: int, obj: Complex, support: Mask) -> None:
        """Take object and support of one run."""
        if obj.shape != self.shape:
            raise PhasingError(f"the object has shape {obj.shape}; wanted that of the data, {self.shape}")
        self.restrict(slot, support)
        self._device.send(self._at.obj(slot), obj.astype(np.complex64))

    def restrict(self, slot: int, support: Mask) -> None:
        """Take another support of one run."""
        if support.shape != self.shape:
            raise PhasingError(f"the support has shape {support.shape}; wanted that of the object, {self.shape}")
        bounding_box(support)
        self._supported[slot] = int(np.count_nonzero(support))
        self._device.send(self._at.inside(slot), support.astype(np.uint8))

    def iterate(self, slots: Sequence[int], algorithm: Algorithm, beta: float, iterations: int) -> list[Sums]:
        """Do so many iterations of each of these runs; their sums in the same order."""
        found: list[Sums] = []
        for group in self._groups(slots, alone=algorithm == "ML"):
            found += self._iterated(group, algorithm, beta, iterations)
        return found

    def _groups(self, slots: Sequence[int], alone: bool = False) -> Iterator[tuple[int, ...]]:
        """Batches of the runs, as even as can be; those with partial coherence by themselves."""
        together = [] if alone else [slot for slot in slots if slot not in self._psfs]
        if len(together) < len(slots) and together:
            raise PhasingError(f"{len(together)} of {len(slots)} runs are fully coherent; wanted all of them or none")
        if not together:
            yield from ((slot,) for slot in slots)
            return
        count = -(-len(together) // self.batch)
        size = -(-len(together) // count)
        yield from (tuple(together[k : k + size]) for k in range(0, len(together), size))

    def _iterated(self, group: tuple[int, ...], algorithm: Algorithm, beta: float, iterations: int) -> list[Sums]:
        at, batch = self._at, len(group)
        at.choose(group)
        if algorithm == "ML":
            cuda_descent.descend(self._device, at, group[0], self._psfs.get(group[0]), iterations)
            iterations = 0
        if algorithm == "CF":
            shares = np.array([beta**2 / self._supported[slot] for slot in group], np.float32)
            self._device.send(at.shares[:batch], shares)
        at.by_pairs("gather", batch, at.g, at.wave, at.slots, np.int32(at.pairs))
        if iterations > 1:
            self._repeat(group, algorithm, beta, iterations - 1)
        self._cycle(group, algorithm, beta, measure=True)
        at.add_up(batch, 0, by_pairs=True)
        return self._told(group, self._device.fetch(at.sums[0, :batch]))

    def _told(self, group: tuple[int, ...], rows: np.ndarray) -> list[Sums]:
        norm = 1.0 / float(self._at.voxels) ** 2
        self.deviance[list(group)] = rows[:, 1]
        return [Sums(float(row[0]), float(row[2]) * norm, float(row[3]) * norm) for row in rows]

    def _repeat(self, group: tuple[int, ...], algorithm: Algorithm, beta: float, iterations: int) -> None:
        """Iterations nobody looks at."""
        at, batch = self._at, len(group)
        cycle = partial(self._cycle, group, algorithm, beta, measure=False)
        if batch * at.voxels <= GRAPH_VOXELS and group[0] not in self._psfs:
            key = (algorithm, beta, batch)
            # what is recorded must have been done before
            if key in at.graphs and iterations >= GRAPH_ITERATIONS:
                graph = at.graphs[key] = at.graphs[key] or self._device.graph(lambda: _times(GRAPH_ITERATIONS, cycle))
                for _ in range(iterations // GRAPH_ITERATIONS):
                    graph()
                iterations %= GRAPH_ITERATIONS
            at.graphs.setdefault(key)
        _times(iterations, cycle)

    def _cycle(self, group: tuple[int, ...], algorithm: Algorithm, beta: float, measure: bool) -> None:
        """One iteration: from the wave that is g to the wave that is the next g; or, of ML, only what it measures."""
        at, batch = self._at, len(group)
        self._project(group, measure)
        match algorithm:
            case "ML":
                self._energies(batch)
            case "CF":
                self._energies(batch)
                at.bar(batch)
                self._update(batch, Update(0.0, 1.0, 0.0, -1.0), flip=True)
            case "DM":
                kept, probe, last = difference_map(beta)
                self._update(batch, kept, probe, measure=measure)
                self._project(group, measure=False)
                self._update(batch, last)
            case _:
                self._update(batch, update(algorithm, beta), measure=measure)

    def _project(self, group: tuple[int, ...], measure: bool) -> None:
        """The wave becomes N times its modulus projection."""
        at, batch = self._at, len(group)
        transform = at.transform(batch)
        wave, pairs = at.wave[:batch], np.int32(at.pairs)
        transform.forward(wave, wave)
        psf = self._psfs.get(group[0])
        expected = at.amplitude
        if psf is not None:
            expected = cuda_descent.expected(self._device, at, psf)
        blurred, asked = np.int32(psf is not None), np.int32(measure)
        at.by_pairs("modulus", batch, at.wave, at.amplitude, expected, blurred, pairs, asked, at.partials)
        transform.backward(wave, wave)

    def _energies(self, batch: int) -> None:
        at = self._at
        at.by_pairs("energies", batch, at.wave, at.support, at.slots, np.int32(at.pairs), at.partials)

    def _update(
        self, batch: int, obj: Update, wave: Update | None = None, flip: bool = False, measure: bool = False
    ) -> None:
        """The next object, and what is transformed next (the same, unless told); 1/N goes to the weights of P."""
        at, norm = self._at, 1.0 / self._at.voxels
        weights = [
            np.float32(weight)
            for each in (obj, wave or obj)
            for weight in (each.in_g, each.in_p * norm, each.out_g, each.out_p * norm)
        ]
        before = (at.g, at.wave, at.support, at.slots, at.bars, np.int32(flip), np.int32(at.pairs))
        at.by_pairs("update", batch, *before, *weights, np.int32(measure), at.partials)

    def shrink(
        self,
        slots: Sequence[int],
        sigma_voxels: float,
        thresholds: Sequence[float],
        fraction: tuple[float, float],
        by: Level = "rms",
        grows: bool = True,
    ) -> list[Shrunk | PhasingError]:
        """Update these runs' supports, each with its threshold; what `support.shrunk` would raise is returned, so
        that one run's end is not that of the others."""
        threshold = dict(zip(slots, thresholds, strict=True))
        found: list[Shrunk | PhasingError] = []
        for start in range(0, len(slots), self.batch):
            group = slots[start : start + self.batch]
            self._at.choose(group)
            asked = cuda_shrink.Asked(sigma_voxels, fraction, by, grows)
            found += cuda_shrink.shrink(self._device, self._at, [threshold[slot] for slot in group], asked)
        for slot, one in zip(slots, found, strict=True):
            if isinstance(one, Shrunk):
                self._supported[slot] = one.voxels
        return found

    def snapshot(self, slot: int) -> Snapshot:
        """One run's object after the support projection."""
        support = self.support(slot)
        box = bounding_box(support)
        inside = support[box].copy()
        a, b, c = (s.start for s in box)
        block: Complex = self._device.fetch(self._at.obj(slot)[box])
        return Snapshot((a, b, c), project_support(block, inside), inside)

    def obj(self, slot: int) -> Complex:
        """One run's object, before the support projection."""
        out: Complex = self._device.fetch(self._at.obj(slot))
        return out

    def support(self, slot: int) -> Mask:
        """One run's support."""
        out: Mask = self._device.fetch(self._at.inside(slot)).view(np.bool_)
        return out


def _times(count: int, work: partial[None]) -> None:
    for _ in range(count):
        work()
