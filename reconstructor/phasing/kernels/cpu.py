"""Kernels for a processor: which one for which shape."""

from __future__ import annotations

from importlib.util import find_spec

from reconstructor.phasing.kernel import Kernel
from reconstructor.phasing.kernels.reference import ReferenceKernel
from reconstructor.phasing.problem import Shape

FUSED = find_spec("pyfftw") is not None and find_spec("numba") is not None
"""Whether the extra `cpu` is installed."""


def choose(shape: Shape, threads: int = 1) -> Kernel:
    """The fastest kernel here for this shape: one instance per run per thread."""
    if FUSED:
        from reconstructor.phasing.kernels.fused import FusedKernel

        return FusedKernel(threads)
    return ReferenceKernel()
