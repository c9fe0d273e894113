"""The kernel without the extra `cpu`: scipy.fft in place, and NumPy on pieces that stay in a second-level cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import scipy.fft

from reconstructor.phasing.kernels.reference import ReferenceKernel
from reconstructor.phasing.problem import Complex, PhasingError, Problem, Real
from reconstructor.phasing.steps import Update

_Part = TypeVar("_Part")
_PIECE = 16384
"""Voxels handled at a time."""


class BlockedKernel(ReferenceKernel):
    """As the reference, some three times faster; `threads` share one run."""

    def __init__(self, threads: int = 1) -> None:
        super().__init__()
        if threads < 1:
            raise PhasingError(f"a kernel with {threads} threads; wanted at least 1")
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._spare: Complex | None = None
        """Memory of an object that is no longer needed."""

    def load(self, amplitude: Real, problem: Problem | None = None) -> None:
        super().load(amplitude, problem)
        self._flat = self._amplitude.reshape(-1)
        self._unknown = self._flat < 0
        if self._spare is not None and self._spare.shape != amplitude.shape:
            self._spare = None
        if self._threads > 1 and self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="phasing")

    def _forward(self, obj: Complex) -> Complex:
        wave = np.empty_like(obj) if self._spare is None else self._spare
        self._spare = None
        np.copyto(wave, obj)
        out: Complex = scipy.fft.fftn(wave, overwrite_x=True, workers=self._threads)
        return out

    def _backward(self, wave: Complex) -> Complex:
        out: Complex = scipy.fft.ifftn(wave, overwrite_x=True, workers=self._threads)
        return out

    def _modulus(self, wave: Complex) -> tuple[Complex, float]:
        if self._transfer is not None:
            return super()._modulus(wave)
        flat = wave.reshape(-1)

        def project(part: range) -> float:
            misfit = 0.0
            for piece in _pieces(part):
                amplitude, unknown, values = self._flat[piece], self._unknown[piece], flat[piece]
                size = np.abs(values)
                difference = size - amplitude
                difference[unknown] = 0
                misfit += float(np.dot(difference, difference))
                size += np.float32(1e-20)
                np.divide(amplitude, size, out=size)
                size[unknown] = 1
                values *= size
            return misfit

        return wave, sum(self._shared(project, flat.size))

    def _updated(self, weights: Update, g: Complex, projected: Complex) -> Complex:
        in_g, in_p, out_g, out_p = (np.float32(weight) for weight in weights)
        old, new, support = g.reshape(-1), projected.reshape(-1), self._support.reshape(-1)

        def change(part: range) -> None:
            for piece in _pieces(part):
                p, s = new[piece], support[piece]
                outside = old[piece] * out_g
                outside += p * out_p
                if in_g == 0 and in_p == 1:
                    np.copyto(p, outside, where=~s)
                else:
                    np.copyto(p, np.where(s, old[piece] * in_g + p * in_p, outside))

        self._shared(change, new.size)
        if g is self._g:
            self._spare = g
        return projected

    def _shared(self, work: Callable[[range], _Part], voxels: int) -> list[_Part]:
        if self._pool is None:
            return [work(range(voxels))]
        share = -(-voxels // self._threads)
        return list(self._pool.map(work, [range(k, min(k + share, voxels)) for k in range(0, voxels, share)]))


def _pieces(part: range) -> Iterator[slice]:
    for start in range(part.start, part.stop, _PIECE):
        yield slice(start, min(start + _PIECE, part.stop))
