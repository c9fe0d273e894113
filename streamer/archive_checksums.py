"""The CRC32C of every frame in an archive, kept beside the frames: what has rotted on the disk since is found by it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import crc32c
import h5py
import numpy as np

INSTRUMENT = "entry/instrument"
NAME = "crc32c"
ABSENT = -1


class Chunk(NamedTuple):
    """Where a payload was written, and its CRC32C as received."""

    dataset: str
    frame: int
    crc32c: int


def keep(file: h5py.File, length: int, chunks: Iterable[Chunk]) -> None:
    """Write the checksums of `chunks`, of `length` frames, into the group of their dataset."""
    by_dataset: dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]] = {}
    for chunk in chunks:
        by_dataset.setdefault(chunk.dataset, np.full(length, ABSENT, np.int64))[chunk.frame] = chunk.crc32c
    for dataset, values in by_dataset.items():
        kept = file[dataset].parent.create_dataset(NAME, data=values)
        kept.attrs["meaning"] = f"CRC32C of each frame's chunk in data, as received; {ABSENT}: the frame did not come"


def damaged(path: Path) -> tuple[int, ...]:
    """Frames of an archive that are no longer what was received, of whichever channel.

    ValueError: it cannot be read, or holds no checksums.
    """
    found: set[int] = set()
    try:
        with h5py.File(path, "r") as file:
            detectors = [one for one in file[INSTRUMENT].values() if isinstance(one, h5py.Group) and "data" in one]
            if any(NAME not in group for group in detectors):
                raise ValueError(f"{path} holds no checksums")
            for group in detectors:
                found.update(_damaged(group))
    except (OSError, KeyError, RuntimeError) as error:
        raise ValueError(f"{path} cannot be checked: {error}") from error
    return tuple(sorted(found))


def _damaged(group: h5py.Group) -> list[int]:
    expected = group[NAME][...]
    frames = group["data"]
    came = np.flatnonzero(expected != ABSENT).tolist()
    return [index for index in came if _crc(frames, index) != expected[index]]


def _crc(frames: h5py.Dataset, index: int) -> int:
    """Of a chunk as it is on the disk; ABSENT if it cannot be read."""
    try:
        _, stored = frames.id.read_direct_chunk((index, 0, 0))
    except (OSError, RuntimeError):
        return ABSENT
    return int(crc32c.crc32c(stored))
