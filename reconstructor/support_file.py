"""A support from a file, for cold runs to begin in: that of an archived volume, or an array."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reconstructor import archive
from reconstructor.forecast.warm import support_from
from reconstructor.phasing.problem import Mask, PhasingError
from reconstructor.window import Window3


@dataclass(frozen=True, eq=False)
class SupportFile:
    """A support and where it came from."""

    path: Path
    support: Mask
    """(rocking, row, column), the crystal about n // 2."""
    window: Window3 | None
    """What it belongs to; None of a plain array, which has to have the shape of the window that is phased."""

    def on(self, window: Window3) -> Mask:
        """The support on the voxels of a window; PhasingError: it does not fit, or nothing of it lies there."""
        if self.window is not None:
            found = support_from(self.support, self.window, window)
        elif self.support.shape == window.shape:
            found = self.support
        else:
            shape = self.support.shape
            raise PhasingError(f"the support in {self.path} is {shape}; wanted that of the window, {window.shape}")
        if not found.any():
            raise PhasingError(f"the support in {self.path} is empty on a window of {window.shape}; wanted some voxels")
        return found


def read(path: Path) -> SupportFile:
    """Read an archived volume (.cxi), or an array of NumPy's (.npy; not zero is inside). ValueError names the file."""
    if not path.is_file():
        raise ValueError(f"{path} is no file; wanted a volume (.cxi) or an array (.npy)")
    if path.suffix != ".npy":
        kept = archive.read(path)
        return SupportFile(path, kept.support, kept.window)
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{path} is no array of NumPy's: {error}") from error
    if array.ndim != 3 or array.dtype.kind not in "buif":
        raise ValueError(f"{path} holds {array.dtype} of shape {array.shape}; wanted numbers (rocking, row, column)")
    return SupportFile(path, array != 0, None)
