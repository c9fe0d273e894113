"""The kernel all others are compared with: textbook NumPy and scipy.fft, one thread, single precision."""

from __future__ import annotations

import numpy as np
import scipy.fft

from reconstructor.phasing.kernel import Kernel, Shrunk, Snapshot, Sums
from reconstructor.phasing.problem import Complex, Mask, PhasingError, Real, Shape
from reconstructor.phasing.projections import misfit_sum, project_modulus, project_support
from reconstructor.phasing.steps import Algorithm, Update, difference_map, update
from reconstructor.phasing.support import bounding_box, shrunk


class ReferenceKernel(Kernel):
    """Readable, allocating, slow."""

    def __init__(self) -> None:
        self._amplitude: Real = np.zeros((0, 0, 0), np.float32)
        self._g: Complex = np.zeros((0, 0, 0), np.complex64)
        self._support: Mask = np.zeros((0, 0, 0), np.bool_)

    @property
    def shape(self) -> Shape:
        n0, n1, n2 = self._amplitude.shape
        return n0, n1, n2

    def load(self, amplitude: Real) -> None:
        self._amplitude = scipy.fft.ifftshift(amplitude)

    def put(self, obj: Complex, support: Mask) -> None:
        if obj.shape != self._amplitude.shape:
            raise PhasingError(f"the object has shape {obj.shape}; wanted that of the data, {self._amplitude.shape}")
        self._g = obj.astype(np.complex64)
        self.restrict(support)

    def restrict(self, support: Mask) -> None:
        if support.shape != self._g.shape:
            raise PhasingError(f"the support has shape {support.shape}; wanted that of the object, {self._g.shape}")
        bounding_box(support)
        self._support = support.astype(np.bool_)

    def iterate(self, algorithm: Algorithm, beta: float, iterations: int) -> Sums:
        sums = Sums(0.0, 0.0, 0.0)
        for left in reversed(range(iterations)):
            projected, misfit = self._project(self._g)
            if not left:
                sums = self._sums(projected, misfit)
            if algorithm == "DM":
                kept, probe, last = difference_map(beta)
                probed = self._updated(probe, self._g, projected.copy())
                held = self._updated(kept, self._g, projected)
                self._g = self._updated(last, held, self._project(probed)[0])
            else:
                self._g = self._updated(update(algorithm, beta), self._g, projected)
        return sums

    def _sums(self, projected: Complex, misfit: float) -> Sums:
        power = np.square(projected.real) + np.square(projected.imag)
        inside = float(np.sum(power, where=self._support, dtype=np.float64))
        return Sums(misfit, inside, float(np.sum(power, dtype=np.float64)))

    def _project(self, g: Complex) -> tuple[Complex, float]:
        wave = scipy.fft.fftn(g)
        back: Complex = scipy.fft.ifftn(project_modulus(wave, self._amplitude))
        return back, misfit_sum(wave, self._amplitude)

    def _updated(self, weights: Update, g: Complex, projected: Complex) -> Complex:
        """The next object; may use up `projected`, and g once the next projection is made."""
        inside = np.float32(weights.in_g) * g + np.float32(weights.in_p) * projected
        outside = np.float32(weights.out_g) * g + np.float32(weights.out_p) * projected
        out: Complex = np.where(self._support, inside, outside)
        return out

    def shrink(self, sigma_voxels: float, threshold: float, fraction: tuple[float, float]) -> Shrunk:
        box = bounding_box(self._support)
        new = shrunk(self._g, self._support, box, sigma_voxels, threshold, fraction)
        self._support = np.zeros_like(self._support)
        self._support[new.box] = new.inside
        return Shrunk(new.voxels, new.threshold)

    def snapshot(self) -> Snapshot:
        box = bounding_box(self._support)
        inside = self._support[box].copy()
        a, b, c = (s.start for s in box)
        return Snapshot((a, b, c), project_support(self._g[box], inside), inside)

    def obj(self) -> Complex:
        return self._g.copy()

    def support(self) -> Mask:
        return self._support.copy()
