"""Bits that flip on the disk, in a journal and in an archive, as the soak has them flip."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import h5py
import numpy as np

from streamer.archive import FRAMES


def flip_in_journal(path: Path, random: np.random.Generator) -> int | None:
    """Flip a bit of one frame in a journal that nobody has open; the frame's index, None if no frame is in it.

    The write-ahead log is folded in before, for a bit that flips there ends what SQLite reads of it, as a torn tail.
    """
    if not path.exists():
        return None
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        frames = connection.execute(
            "SELECT frame, body FROM record WHERE kind = 'frame' AND damaged IS NULL"
        ).fetchall()
    finally:
        connection.close()
    if not frames:
        return None
    index, body = frames[int(random.integers(len(frames)))]
    begin = path.read_bytes().find(body)
    if begin < 0:
        return None
    flip(path, begin + int(random.integers(len(body))), int(random.integers(8)))
    return int(index)


def flip_in_archive(path: Path, random: np.random.Generator) -> int | None:
    """Flip a bit of one frame in an archive; the frame's index, None if no frame is in it."""
    with h5py.File(path, "r") as file:
        if FRAMES not in file or not file[FRAMES].id.get_num_chunks():
            return None
        chunks = file[FRAMES].id
        one = chunks.get_chunk_info(int(random.integers(chunks.get_num_chunks())))
    flip(path, one.byte_offset + int(random.integers(one.size)), int(random.integers(8)))
    return int(one.chunk_offset[0])


def flip(path: Path, place: int, bit: int) -> None:
    """Flip one bit of the byte at `place`."""
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1 << bit]))
