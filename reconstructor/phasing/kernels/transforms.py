"""Transforms that compiled loops call themselves: the interpreter, and its lock, are asked once a sweep.

pyFFTW's `execute` is a Python call: beside a second run in another thread it waits for the interpreter's lock some
hundred times an iteration, and a core that waits sleeps. Here the same FFTW, the library inside pyFFTW, is planned
through its C interface (FFTW 3.3 manual, "Advanced Interface", "New-array Execute Functions") and called by address.
Wisdom is shared with pyFFTW, since the library is.
"""

from __future__ import annotations

import ctypes
import weakref
from typing import Any, NamedTuple

import llvmlite.binding
import numba
import pyfftw

from reconstructor.phasing.kernels import plans
from reconstructor.phasing.problem import Complex, PhasingError

_FORWARD, _BACKWARD, _MEASURE = -1, 1, 0
_EXECUTE = "fftwf_execute_dft"
_LIBRARY: Any = ctypes.CDLL(pyfftw.pyfftw.__file__)
_LIBRARY.fftwf_make_planner_thread_safe()
_LIBRARY.fftwf_plan_many_dft.restype = ctypes.c_void_p
llvmlite.binding.add_symbol(_EXECUTE, ctypes.cast(getattr(_LIBRARY, _EXECUTE), ctypes.c_void_p).value)

execute: Any = numba.types.ExternalFunction(
    _EXECUTE, numba.types.void(numba.types.intp, numba.types.uintp, numba.types.uintp)
)
"""execute(plan, address, address): transform in place; for compiled functions. The array must be laid out and aligned
as the one planned for."""


class Batch(NamedTuple):
    """Which transforms a plan does at once, in elements."""

    axes: tuple[int, ...]
    """Lengths; the last one's elements lie `stride` apart, the others' as in a contiguous array."""
    howmany: int
    stride: int
    distance: int
    """From one transform to the next."""


class Plans:
    """Addresses of a forward and a backward plan, in place, not normalised; they live as long as this object."""

    def __init__(self, like: Complex, batch: Batch) -> None:
        """Plan for arrays that begin aligned as `like`, whose content is destroyed."""
        with plans.PLANNING:
            _LIBRARY.fftwf_plan_with_nthreads(1)
            self.forward, self.backward = (self._planned(like, batch, sign) for sign in (_FORWARD, _BACKWARD))

    @property
    def both(self) -> tuple[int, int]:
        """Forward, backward."""
        return self.forward, self.backward

    def _planned(self, like: Complex, batch: Batch, sign: int) -> int:
        lengths, place = (ctypes.c_int * len(batch.axes))(*batch.axes), ctypes.c_void_p(like.ctypes.data)
        layout = (place, None, batch.stride, batch.distance)
        plan = _LIBRARY.fftwf_plan_many_dft(
            len(batch.axes), lengths, batch.howmany, *layout, *layout, sign, ctypes.c_uint(_MEASURE)
        )
        if not plan:
            raise PhasingError(f"FFTW has no plan for {batch}")
        weakref.finalize(self, _destroy, plan).atexit = False
        return int(plan)


def _destroy(plan: int) -> None:
    """At any time, in any thread: the planner is thread-safe."""
    _LIBRARY.fftwf_destroy_plan(ctypes.c_void_p(plan))
