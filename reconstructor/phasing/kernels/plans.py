"""FFTW plans: in place, single precision, measured once; wisdom as bytes.

A plan serves one thread at a time.
"""

from __future__ import annotations

import threading
from typing import Any, cast

import pyfftw

from reconstructor.phasing.problem import Complex

PLANNING = threading.Lock()
"""How many threads a plan has is told to FFTW before it is made: nobody else may plan in between."""
_FLAGS = ("FFTW_MEASURE",)


class Pair:
    """Forward and backward transform, in place, of all arrays with the layout of one; not normalised."""

    def __init__(self, like: Complex, axes: tuple[int, ...], threads: int = 1) -> None:
        """Plan for arrays laid out (shape, strides, alignment) as `like`, whose content is destroyed."""
        planned = {"axes": axes, "threads": threads, "flags": _FLAGS}
        with PLANNING:
            self._forward: Any = pyfftw.FFTW(like, like, direction="FFTW_FORWARD", **planned)
            self._backward: Any = pyfftw.FFTW(like, like, direction="FFTW_BACKWARD", **planned)

    def forward(self, array: Complex | None = None) -> None:
        """Transform `array`, or the one last transformed or planned for, in place, kernel exp(−i q·r)."""
        if array is not None:
            self._forward.update_arrays(array, array)
        self._forward.execute()

    def backward(self, array: Complex | None = None) -> None:
        """Transform `array`, or the one last transformed back or planned for, in place, kernel exp(+i q·r), without
        1/N."""
        if array is not None:
            self._backward.update_arrays(array, array)
        self._backward.execute()


def empty(shape: tuple[int, ...]) -> Complex:
    """A zeroed complex64 array aligned as the plans want it."""
    return cast(Complex, pyfftw.zeros_aligned(shape, "complex64"))


def aligned(array: Complex) -> Complex:
    """The array, or a copy where it is not aligned as `empty` is: plans for any alignment would be 1.7 times slower."""
    if pyfftw.is_byte_aligned(array):
        return array
    out = empty(array.shape)
    out[...] = array
    return out


def wisdom() -> bytes:
    """What FFTW has learnt about single precision on this machine, to be kept for the next start."""
    return cast(bytes, pyfftw.export_wisdom()[1])


def learn(kept: bytes) -> bool:
    """Take kept wisdom; False if FFTW refuses it (another version or machine), which only costs planning anew."""
    return bool(pyfftw.import_wisdom((b"", kept, b""))[1])
