"""One run on a CUDA device: a population of one, as the engine wants it."""

from __future__ import annotations

from reconstructor.phasing.kernel import Kernel, Shrunk, Snapshot, Sums
from reconstructor.phasing.kernels.cuda import Device
from reconstructor.phasing.kernels.cuda_population import CudaPopulation
from reconstructor.phasing.problem import Complex, Mask, PhasingError, Problem, Real, Shape
from reconstructor.phasing.steps import Algorithm
from reconstructor.phasing.support import Level


class CudaKernel(Kernel):
    """As the reference, on the current CUDA device; see `together` for several runs at once."""

    def __init__(self, device: Device | None = None) -> None:
        """Raises PhasingError where there is no device."""
        self._population = CudaPopulation(device or Device(), 1)

    @property
    def shape(self) -> Shape:
        return self._population.shape

    def load(self, amplitude: Real, problem: Problem | None = None) -> None:
        self._population.load(amplitude, problem)

    def blur(self, psf: Real | None) -> None:
        self._population.blur(0, psf)

    def put(self, obj: Complex, support: Mask) -> None:
        self._population.put(0, obj, support)

    def restrict(self, support: Mask) -> None:
        self._population.restrict(0, support)

    def iterate(self, algorithm: Algorithm, beta: float, iterations: int) -> Sums:
        return self._population.iterate((0,), algorithm, beta, iterations)[0]

    def shrink(
        self,
        sigma_voxels: float,
        threshold: float,
        fraction: tuple[float, float],
        by: Level = "rms",
        grows: bool = True,
    ) -> Shrunk:
        found = self._population.shrink((0,), sigma_voxels, (threshold,), fraction, by, grows)[0]
        if isinstance(found, PhasingError):
            raise found
        return found

    def snapshot(self) -> Snapshot:
        return self._population.snapshot(0)

    def obj(self) -> Complex:
        return self._population.obj(0)

    def support(self) -> Mask:
        return self._population.support(0)
