"""A finished scan as a NeXus/HDF5 file: the frames exactly as the detector compressed them, and all around them.

    /entry                          NXentry; @default data
      instrument/detector           NXdetector: data (frame, row, column), pixel_mask, flatfield, distance, …
      instrument/detector_<channel> NXdetector: data of each further energy threshold
      instrument/beam               NXbeam: incident_energy
      sample                        NXsample: name (the crystal), rotation_angle
      monitor                       NXmonitor: data, relative to the scan's nominal intensity
      data                          NXdata: data, rotation_angle (or frame_index where an angle is unknown)
      rocking_curve                 NXdata: total_counts of the trusted pixels of the window
      bragglive                     NXcollection: scan, crystal, hold, voltage, geometry (JSON), missing frames, …

A missing frame is not padded with counts: its chunk is absent and reads as the largest value of the dtype, which no
reader of detector data trusts, and `bragglive/missing` lists it. Chunks hold the payloads as received (bitshuffle-LZ4,
LZ4 or none), written without decoding them, and are read back and compared by CRC32C before the journal may go. The
CRC32C of each chunk stays beside the frames, so that a bit that flips on the disk later is found, too (`bragglive scan
check`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import crc32c
import h5py
import hdf5plugin
import numpy as np

from streamer import archive_checksums, nexus
from streamer.archive_checksums import Chunk
from streamer.detectors import packed
from streamer.detectors.packed import Compression, Packed
from streamer.detectors.records import Frame
from streamer.finished import Finished
from streamer.journal import JournalError, sync_folder

DETECTOR = "entry/instrument/detector"
FRAMES = f"{DETECTOR}/data"


class ArchiveError(RuntimeError):
    """The archive cannot be written, or what is on the disk is not what was written to it."""


class Received(NamedTuple):
    """A frame and when it came."""

    frame: Frame
    wall_ns: int


@dataclass(slots=True)
class _Writing:
    """One open file and what has been written to it."""

    file: h5py.File
    finished: Finished
    chunks: dict[tuple[str, int], Chunk] = field(default_factory=dict)
    compressions: dict[str, Compression] = field(default_factory=dict)


def write(
    path: Path, finished: Finished, frames: Iterable[Received], going_on: Callable[[], None] = lambda: None
) -> Path:
    """Write and verify the archive: under a temporary name beside `path`, durable, read back, then renamed.

    `frames` are all frames of the scan in any order, read one at a time; of one that came twice, because it was
    damaged at first, the last is kept. `going_on` is called for every frame and may raise to give it up.
    ArchiveError: what was read back differs.
    """
    temporary = temporary_of(path)
    try:
        chunks = _written(temporary, finished, frames, going_on)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        verify(temporary, chunks, going_on)
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def temporary_of(path: Path) -> Path:
    """Where an archive is while it is written."""
    return path.with_name(f".{path.name}.part")


def verify(path: Path, chunks: Iterable[Chunk], going_on: Callable[[], None] = lambda: None) -> None:
    """Read every chunk back and compare its CRC32C with the one it had when it was received."""
    with h5py.File(path, "r") as file:
        for chunk in chunks:
            going_on()
            _, found = file[chunk.dataset].id.read_direct_chunk((chunk.frame, 0, 0))
            if crc32c.crc32c(found) != chunk.crc32c:
                raise ArchiveError(f"{path}: frame {chunk.frame} of {chunk.dataset} is not what was received")


def raw_stack_sha256(path: Path, dataset: str = FRAMES) -> str:
    """sha256 of all frames as little-endian uint32, C order (frame, row, column); missing ones as they read."""
    digest = hashlib.sha256()
    with h5py.File(path, "r") as file:
        frames = file[dataset]
        for index in range(len(frames)):
            digest.update(np.ascontiguousarray(frames[index], "<u4").tobytes())
    return digest.hexdigest()


def _written(path: Path, finished: Finished, frames: Iterable[Received], going_on: Callable[[], None]) -> list[Chunk]:
    """As `_write`; what HDF5 finds only when it closes the file, as on a full disk, it raises as RuntimeError."""
    try:
        return _write(path, finished, frames, going_on)
    except (ArchiveError, JournalError):
        raise
    except RuntimeError as error:
        raise ArchiveError(f"{path.name} could not be written: {error}") from error


def _write(path: Path, finished: Finished, frames: Iterable[Received], going_on: Callable[[], None]) -> list[Chunk]:
    length = finished.curve.length
    received_s = np.full(length, np.nan)
    with h5py.File(path, "w") as file:
        writing = _Writing(file, finished)
        for frame, wall_ns in frames:
            going_on()
            if frame.index in finished.curve.points:
                received_s[frame.index] = wall_ns * 1e-9
                _put(writing, frame)
        absent = [index for index in finished.curve.points if np.isnan(received_s[index])]
        if absent:
            raise ArchiveError(f"{path.name}: frames {absent[:8]} were accepted and are no longer in the journal")
        nexus.describe(file, finished, received_s)
        archive_checksums.keep(file, length, writing.chunks.values())
    return list(writing.chunks.values())


def _put(writing: _Writing, frame: Frame) -> None:
    """Each channel of a frame into its dataset, as it came where the dataset's filter allows it."""
    for channel, picture in frame.channels.items():
        path = FRAMES if channel == writing.finished.channel else f"{DETECTOR}_{nexus.named(channel)}/data"
        if path not in writing.file:
            _create(writing, path, picture)
        dataset = writing.file[path]
        if picture.shape != dataset.shape[1:] or picture.dtype.name != dataset.dtype.name:
            continue  # a further channel that changed its size within the scan: there is no place for it
        compression = writing.compressions[path]
        payload: Any = picture.data
        skip_filter = 0
        if picture.compression != compression or picture.dtype != dataset.dtype:
            payload = np.ascontiguousarray(packed.rows(picture, 0, picture.shape[0]), dataset.dtype).tobytes()
            skip_filter = 1 if compression != "none" else 0
        dataset.id.write_direct_chunk((frame.index, 0, 0), payload, skip_filter)
        writing.chunks[path, frame.index] = Chunk(path, frame.index, crc32c.crc32c(payload))


def _create(writing: _Writing, path: str, picture: Packed) -> None:
    group = writing.file.require_group(path.rpartition("/")[0])
    filters: dict[str, Any] = {}
    if picture.framing is not None:
        elements = picture.framing.block_bytes // picture.dtype.itemsize
        filters = dict(hdf5plugin.Bitshuffle(nelems=elements, cname="lz4"))
    elif picture.compression == "lz4":
        filters = dict(hdf5plugin.LZ4())
    group.create_dataset(
        "data",
        (writing.finished.curve.length, *picture.shape),
        picture.dtype,
        chunks=(1, *picture.shape),
        fillvalue=np.iinfo(picture.dtype).max,
        **filters,
    )
    writing.compressions[path] = picture.compression
