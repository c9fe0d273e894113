"""The kernel all others are compared with: textbook NumPy and scipy.fft, one thread, single precision.

A faster kernel of whole transforms overrides four methods and inherits the rest (difference map, charge flipping,
maximum likelihood, partial coherence): `_forward`, `_backward`, `_modulus` and `_updated`.
"""

from __future__ import annotations

import numpy as np
import scipy.fft

from reconstructor.phasing import coherence, poisson
from reconstructor.phasing.kernel import Kernel, Shrunk, Snapshot, Sums
from reconstructor.phasing.problem import Complex, Mask, PhasingError, Problem, Real, Shape
from reconstructor.phasing.projections import flip, misfit_sum, project_modulus, project_support
from reconstructor.phasing.steps import Algorithm, Update, difference_map, update
from reconstructor.phasing.support import Level, Smooth, bounding_box, shrunk, smoothed


class ReferenceKernel(Kernel):
    """Readable, allocating, slow."""

    _smooth: Smooth = staticmethod(smoothed)
    """Of shrinkwrap."""

    def __init__(self) -> None:
        self._amplitude: Real = np.zeros((0, 0, 0), np.float32)
        self._g: Complex = np.zeros((0, 0, 0), np.complex64)
        self._support: Mask = np.zeros((0, 0, 0), np.bool_)
        self._model: poisson.Model | None = None
        self._transfer: coherence.Spectrum | None = None

    @property
    def shape(self) -> Shape:
        n0, n1, n2 = self._amplitude.shape
        return n0, n1, n2

    def load(self, amplitude: Real, problem: Problem | None = None) -> None:
        if problem is not None and problem.shape != amplitude.shape:
            raise PhasingError(f"the problem has shape {problem.shape}; wanted that of the data, {amplitude.shape}")
        self._amplitude = scipy.fft.ifftshift(amplitude)
        self._model = None if problem is None else poisson.model(problem)
        self._transfer = None

    def blur(self, psf: Real | None) -> None:
        self._transfer = None if psf is None else coherence.transfer(psf, self.shape)

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
        if algorithm == "ML":
            return self._descend(iterations)
        sums = Sums(0.0, 0.0, 0.0)
        for left in reversed(range(iterations)):
            projected, misfit = self._project(self._g)
            if not left:
                sums = self._sums(projected, misfit)
            self._g = self._next(algorithm, beta, projected)
        return sums

    def _next(self, algorithm: Algorithm, beta: float, projected: Complex) -> Complex:
        if algorithm == "CF":
            return flip(projected, self._support, beta)
        if algorithm == "DM":
            kept, probe, last = difference_map(beta)
            probed = self._updated(probe, self._g, projected.copy())
            held = self._updated(kept, self._g, projected)
            return self._updated(last, held, self._project(probed)[0])
        return self._updated(update(algorithm, beta), self._g, projected)

    def _descend(self, iterations: int) -> Sums:
        if self._model is None:
            raise PhasingError("ML without raw counts; wanted a kernel that was given the problem with its data")
        optics = poisson.Optics(self._forward, self._backward)
        spectrum = self._transfer
        if spectrum is not None:
            back = np.conj(spectrum)
            optics = optics._replace(
                # not `blurred`: along a direction the intensity changes by negative amounts as well
                blur=lambda change: coherence.convolved(change, spectrum).astype(np.float32),
                unblur=lambda weight: coherence.convolved(weight, back).astype(np.float32),
            )
        begun = project_support(self._g, self._support)
        self._g = poisson.descend(begun, self._support, self._model, optics, iterations)
        return self._sums(*self._project(self._g))

    def _sums(self, projected: Complex, misfit: float) -> Sums:
        power = np.square(projected.real) + np.square(projected.imag)
        inside = float(np.sum(power, where=self._support, dtype=np.float64))
        return Sums(misfit, inside, float(np.sum(power, dtype=np.float64)))

    def _project(self, g: Complex) -> tuple[Complex, float]:
        """P of an object, which stays, and Σ(|Fg| − A)²."""
        wave, misfit = self._modulus(self._forward(g))
        return self._backward(wave), misfit

    def _forward(self, obj: Complex) -> Complex:
        """Unnormalised FFT of an object, which stays, into memory that is the caller's from now on."""
        out: Complex = scipy.fft.fftn(obj)
        return out

    def _backward(self, wave: Complex) -> Complex:
        """Normalised inverse FFT; may use up `wave`, or be it."""
        out: Complex = scipy.fft.ifftn(wave)
        return out

    def _modulus(self, wave: Complex) -> tuple[Complex, float]:
        """The modulus projection of F, and Σ(|F| − A)² before it; may use up `wave`, or be it."""
        size = None
        if self._transfer is not None:
            size = np.sqrt(coherence.blurred(np.square(wave.real) + np.square(wave.imag), self._transfer))
        return project_modulus(wave, self._amplitude, size), misfit_sum(wave, self._amplitude, size)

    def _updated(self, weights: Update, g: Complex, projected: Complex) -> Complex:
        """The next object; may use up `projected`, and g once the next projection is made."""
        inside = np.float32(weights.in_g) * g + np.float32(weights.in_p) * projected
        outside = np.float32(weights.out_g) * g + np.float32(weights.out_p) * projected
        out: Complex = np.where(self._support, inside, outside)
        return out

    def shrink(
        self,
        sigma_voxels: float,
        threshold: float,
        fraction: tuple[float, float],
        by: Level = "rms",
        grows: bool = True,
    ) -> Shrunk:
        box = bounding_box(self._support)
        new = shrunk(self._g, self._support, box, sigma_voxels, threshold, fraction, self._smooth, by, grows)
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
