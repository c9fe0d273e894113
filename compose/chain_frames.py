"""Whether a scan's archive has just the frames that were told of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  (registers the bitshuffle filter that the archives are written with)
import numpy as np
from numpy.typing import NDArray

from compose.raw_stack import ARCHIVED

MISSING = "entry/bragglive/missing"


def archived_as_told(path: Path, frames: Mapping[int, NDArray[Any]], missing: tuple[int, ...]) -> bool:
    """Whether the archive at `path` has these frames, bit for bit, and lists these as missing; no others of either."""
    if not path.exists():
        return False
    with h5py.File(path, "r") as file:
        listed = tuple(file[MISSING][...].tolist())
        if ARCHIVED not in file:
            return listed == missing and not frames
        stack = file[ARCHIVED]
        indices = set(range(len(stack))) - set(listed)
        same = all(np.array_equal(stack[index], counts) for index, counts in frames.items())
    return same and listed == missing and indices == set(frames)
