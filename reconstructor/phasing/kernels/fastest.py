"""The fastest kernel for each step on a processor: the fused one where it can serve, whole transforms where not.

Measured on two busy cores (AMD EPYC 7003, 2026-11-23; the crystal reaches over a third of the window), an iteration of
HIO on one thread in FFT pairs, by the processor's time, the least of many:

    side             32      48      64      96     128     256
    fused          0.95    0.87    0.78    0.74    0.59    0.54
    whole          1.45    1.28    1.35    1.44    1.41    1.92

So no size asks for whole transforms; a second thread pays from 40³ voxels on.
"""

from __future__ import annotations

from reconstructor.phasing.kernel import Kernel, Shrunk, Snapshot, Sums
from reconstructor.phasing.kernels.cpu import TWO_THREADS_FROM
from reconstructor.phasing.kernels.fused import FusedKernel
from reconstructor.phasing.kernels.whole import WholeKernel
from reconstructor.phasing.problem import Complex, Mask, PhasingError, Problem, Real, Shape
from reconstructor.phasing.steps import LINEAR, Algorithm
from reconstructor.phasing.support import Level


class FastestKernel(Kernel):
    """A fused kernel that gives object and support to one of whole transforms, and takes them back, as steps ask."""

    def __init__(self, threads: int = 1) -> None:
        self._fused = {count: FusedKernel(count) for count in (1, threads)}
        self._whole: dict[int, WholeKernel] = {}
        self._threads = threads
        self._sharing = 1
        """Threads that pay on the present data."""
        self._data: tuple[Real, Problem | None] | None = None
        self._psf: Real | None = None
        self._now: Kernel = self._fused[1]

    @property
    def shape(self) -> Shape:
        return self._now.shape

    def load(self, amplitude: Real, problem: Problem | None = None) -> None:
        self._sharing = self._threads if amplitude.size >= TWO_THREADS_FROM else 1
        self._data, self._psf = (amplitude, problem), None
        self._now = self._fused[self._sharing]
        self._now.load(amplitude)

    def blur(self, psf: Real | None) -> None:
        self._psf = psf
        if isinstance(self._now, WholeKernel):
            self._now.blur(psf)

    def put(self, obj: Complex, support: Mask) -> None:
        self._now.put(obj, support)

    def restrict(self, support: Mask) -> None:
        self._now.restrict(support)

    def iterate(self, algorithm: Algorithm, beta: float, iterations: int) -> Sums:
        fits = self._psf is None and algorithm in LINEAR
        if fits != isinstance(self._now, FusedKernel):
            obj, support = self._now.obj(), self._now.support()
            self._now = self._fused[self._sharing] if fits else self._whole_loaded()
            self._now.put(obj, support)
        return self._now.iterate(algorithm, beta, iterations)

    def shrink(
        self,
        sigma_voxels: float,
        threshold: float,
        fraction: tuple[float, float],
        by: Level = "rms",
        grows: bool = True,
    ) -> Shrunk:
        return self._now.shrink(sigma_voxels, threshold, fraction, by, grows)

    def snapshot(self) -> Snapshot:
        return self._now.snapshot()

    def obj(self) -> Complex:
        return self._now.obj()

    def support(self) -> Mask:
        return self._now.support()

    def _whole_loaded(self) -> WholeKernel:
        if self._data is None:
            raise PhasingError("the kernel has no data; wanted load() first")
        whole = self._whole.setdefault(self._sharing, WholeKernel(self._sharing))
        whole.load(*self._data)
        whole.blur(self._psf)
        return whole
