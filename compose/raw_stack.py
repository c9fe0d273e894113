"""Compare the archived raw frames with those that were sent."""

from __future__ import annotations

import hashlib
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  (registers the bitshuffle filter that the archives are written with)
import numpy as np

RECORDED = "entry/frames"
ARCHIVED = "entry/instrument/detector/data"


def raw_facts(path: Path, dataset: str = ARCHIVED) -> dict[str, object]:
    """Number of frames, sha256 of the stack (little-endian uint32, C order) and the brightest voxel of an HDF5 stack.

    Raises `KeyError` with the file's name if it holds no such dataset.
    """
    digest, brightest, peak, frames = hashlib.sha256(), -1, (0, 0, 0), 0
    with h5py.File(path) as file:
        if dataset not in file:
            raise KeyError(f"{path} holds no dataset {dataset!r}")
        for index, frame in enumerate(file[dataset]):
            counts = np.ascontiguousarray(frame, dtype="<u4")
            digest.update(counts.tobytes())
            place = int(counts.argmax())
            frames += 1
            if counts.flat[place] > brightest:
                row, column = np.unravel_index(place, counts.shape)
                brightest, peak = int(counts.flat[place]), (index, int(row), int(column))
    return {
        "raw_frames": frames,
        "raw_sha256": digest.hexdigest(),
        "raw_peak": list(peak),
        "raw_peak_counts": brightest,
    }
