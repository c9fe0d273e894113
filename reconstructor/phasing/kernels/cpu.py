"""Kernels for a processor: which one is the fastest here."""

from __future__ import annotations

from importlib.util import find_spec

from reconstructor.phasing.kernel import Kernel
from reconstructor.phasing.problem import Shape

FUSED = find_spec("pyfftw") is not None and find_spec("numba") is not None
"""Whether the extra `cpu` is installed."""


TWO_THREADS_FROM = 40**3
"""Voxels below which a second thread costs more than it brings."""


def choose(shape: Shape, threads: int = 1) -> Kernel:
    """The fastest kernel for windows up to this shape: one instance per run per thread, or one with `threads` for a
    single run.

    A population is fastest with one thread a run. Which transforms are the fastest is chosen for each shape loaded and
    each step (see `fastest`).
    """
    if FUSED:
        from reconstructor.phasing.kernels.fastest import FastestKernel

        return FastestKernel(threads if shape[0] * shape[1] * shape[2] >= TWO_THREADS_FROM else 1)
    from reconstructor.phasing.kernels.blocked import BlockedKernel

    return BlockedKernel(threads)
