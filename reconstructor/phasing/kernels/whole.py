"""Whole transforms by pyFFTW with compiled pointwise passes: for what needs all of F and all of P at once.

That is partial coherence, charge flipping and maximum likelihood, which it inherits. The linear algorithms are faster
on the fused kernel, at every size.
"""

from __future__ import annotations

import numpy as np

from reconstructor.phasing.kernels import compiled, plans, sweeps
from reconstructor.phasing.kernels.blocked import BlockedKernel
from reconstructor.phasing.kernels.smoothing import smooth
from reconstructor.phasing.problem import Complex, Mask, Problem, Real
from reconstructor.phasing.steps import Algorithm, Update


class WholeKernel(BlockedKernel):
    """As the reference, with pyFFTW and Numba; `threads` share its transforms."""

    _smooth = staticmethod(smooth)

    def __init__(self, threads: int = 1) -> None:
        super().__init__(threads)
        self._planned: tuple[int, ...] = ()

    def load(self, amplitude: Real, problem: Problem | None = None) -> None:
        super().load(amplitude, problem)
        self._amplitude = np.ascontiguousarray(self._amplitude)
        if self._planned != amplitude.shape:
            self._pair = plans.Pair(plans.empty(amplitude.shape), (0, 1, 2), self._threads)
            self._planned = amplitude.shape

    def put(self, obj: Complex, support: Mask) -> None:
        super().put(np.ascontiguousarray(obj), np.ascontiguousarray(support))
        self._g = plans.aligned(self._g)

    def restrict(self, support: Mask) -> None:
        super().restrict(np.ascontiguousarray(support))

    def _forward(self, obj: Complex) -> Complex:
        wave = plans.empty(obj.shape) if self._spare is None else plans.aligned(self._spare)
        self._spare = None
        np.copyto(wave, obj)
        self._pair.forward(wave)
        return wave

    def _backward(self, wave: Complex) -> Complex:
        wave = plans.aligned(wave)
        self._pair.backward(wave)
        wave *= np.float32(1.0 / wave.size)
        return wave

    def _modulus(self, wave: Complex) -> tuple[Complex, float]:
        if self._transfer is not None:
            return super()._modulus(wave)
        misfit, _ = sweeps.modulus(_flat(wave), self._amplitude.reshape(-1))
        return wave, float(misfit)

    def _next(self, algorithm: Algorithm, beta: float, projected: Complex) -> Complex:
        if algorithm != "CF":
            return super()._next(algorithm, beta, projected)
        inside = sweeps.energy(_flat(projected), self._support.reshape(-1).view(np.uint8))
        compiled.flip(_flat(projected), beta**2 * float(inside) / np.count_nonzero(self._support))
        self._spare = self._g
        return projected

    def _updated(self, weights: Update, g: Complex, projected: Complex) -> Complex:
        compiled.combine(_flat(g), _flat(projected), self._support.reshape(-1).view(np.uint8), *weights)
        if g is self._g:
            self._spare = g
        return projected


def _flat(volume: Complex) -> compiled.Floats:
    """(re, im, re, im …) of a contiguous volume, without copying."""
    return volume.reshape(-1).view(np.float32)
