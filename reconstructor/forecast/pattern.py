"""What a known crystal scatters, at any place of the rocking curve it was phased on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from reconstructor.phasing.problem import Complex, Real
from reconstructor.phasing.support import bounding_box
from reconstructor.window import Place, Window3

Places = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Places along each axis of the curve, (frame, row, column), fractions allowed: what is asked for is their grid."""


@dataclass(frozen=True, eq=False)
class Pattern:
    """An object and the window it was phased on.

    The far field of a crystal that is smaller than its field of view is known between the voxels too: it is the
    object's Fourier sum (Shannon). The sum factors by axes and runs over the crystal's box alone. Beyond its window
    nothing is known of it.
    """

    obj: Complex
    """Array frame, phase ramp kept, (rocking, row, column); |Fρ|² in counts a voxel at nominal incident intensity
    (as an estimate's is): scales are looked for about 1."""
    window: Window3

    def __post_init__(self) -> None:
        if self.obj.shape != self.window.shape:
            raise ValueError(f"the object has shape {self.obj.shape}; wanted that of its window, {self.window.shape}")
        if not self.obj.any():
            raise ValueError("the object is zero everywhere; wanted a crystal")

    @property
    def members(self) -> int:
        """Raw voxels in one of the window's."""
        return self.window.binning[0] * self.window.binning[1] * self.window.binning[2]

    def covers(self, axis: int, places: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which places along an axis lie in the window."""
        inside: NDArray[np.bool_] = np.abs(self._voxels(axis, places) - (self.window.shape[axis] - 1) / 2) <= (
            self.window.shape[axis] / 2
        )
        return inside

    def wave(self, at: Places) -> Complex:
        """The far field on the grid of these places, (frame, row, column)."""
        first, second, third = (self._kernel(axis, places) for axis, places in enumerate(at))
        return _summed(self._block, first, second, third)

    def intensity(self, at: Places) -> Real:
        """Counts a voxel of the window at nominal incident intensity, on the grid of these places."""
        wave = self.wave(at)
        out: Real = np.square(wave.real) + np.square(wave.imag)
        return out

    def slopes(self, at: Places) -> tuple[Real, Real, Real, Real]:
        """Intensity and its derivatives along frames, rows and columns (counts a voxel and raw index)."""
        kernels = [self._kernel(axis, places) for axis, places in enumerate(at)]
        wave = _summed(self._block, *kernels)
        found: list[Real] = [np.square(wave.real) + np.square(wave.imag)]
        for axis in range(3):
            turned = list(kernels)
            per_index = -2j * np.pi * self._indices[axis] / (self.window.shape[axis] * self.window.binning[axis])
            turned[axis] = (kernels[axis] * per_index).astype(np.complex64)
            change = _summed(self._block, *turned)
            found.append(2 * (wave.real * change.real + wave.imag * change.imag))
        return found[0], found[1], found[2], found[3]

    @property
    def centre(self) -> Place:
        """The place q is counted from."""
        return self.window.centre

    @cached_property
    def _box(self) -> tuple[slice, slice, slice]:
        return bounding_box(self.obj != 0)

    @cached_property
    def _block(self) -> Complex:
        return np.ascontiguousarray(self.obj[self._box])

    @cached_property
    def _indices(self) -> list[NDArray[np.intp]]:
        return [np.arange(s.start, s.stop) - n // 2 for s, n in zip(self._box, self.obj.shape, strict=True)]

    def _voxels(self, axis: int, places: NDArray[np.float64]) -> NDArray[np.float64]:
        size = self.window.binning[axis]
        return (places - (size - 1) / 2 - self.window.start[axis]) / size

    def _kernel(self, axis: int, places: NDArray[np.float64]) -> Complex:
        n = self.window.shape[axis]
        turns = np.outer((self._voxels(axis, places) - n // 2) / n, self._indices[axis])
        kernel: Complex = np.exp(-2j * np.pi * turns).astype(np.complex64)
        return kernel


def _summed(block: Complex, first: Complex, second: Complex, third: Complex) -> Complex:
    """Σ block[i, j, k] first[p, i] second[r, j] third[c, k]: three products of matrices."""
    a, b, c = block.shape
    planes = (first @ block.reshape(a, -1)).reshape(-1, b, c)
    out: Complex = np.matmul(second, planes) @ third.T
    return out
