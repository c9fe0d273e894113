"""A bit that flips in an archive is found, and the frame it belongs to is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest
from typer.testing import CliRunner

from streamer import archive
from streamer.archive_checksums import NAME, damaged
from streamer.commands import app
from tests.streamer.test_archive import measured


def flip(path: Path, index: int, bit: int) -> None:
    """Flip a bit of a frame's chunk on the disk."""
    with h5py.File(path) as file:
        at = file[archive.FRAMES].id.get_chunk_info_by_coord((index, 0, 0))
    with path.open("r+b") as raw:
        raw.seek(at.byte_offset + bit // 8 % at.size)
        byte = raw.read(1)[0]
        raw.seek(-1, 1)
        raw.write(bytes([byte ^ 1 << bit % 8]))


@pytest.fixture
def path(tmp_path: Path, series: Callable[..., Any]) -> Path:
    """An archive of frames 0, 1, 2 and 5 of nine."""
    return archive.write(tmp_path / "scan.h5", *measured(series(), [0, 1, 2, 5]))


@pytest.mark.parametrize("bit", [0, 7, 1001, 5555])
def test_a_flipped_bit_names_its_frame(path: Path, bit: int) -> None:
    """Sound at first; with one bit of frame 2 flipped, that frame is damaged and no other is; missing ones are not."""
    assert damaged(path) == ()
    flip(path, 2, bit)
    assert damaged(path) == (2,)
    flip(path, 5, bit)
    assert damaged(path) == (2, 5)


def test_the_command_says_what_is_damaged(path: Path) -> None:
    """Exit code 0 and "sound", or 1 and the frames."""
    done = CliRunner().invoke(app, ["scan", "check", str(path)])
    assert (done.exit_code, "sound" in done.output) == (0, True)
    flip(path, 1, 17)
    done = CliRunner().invoke(app, ["scan", "check", str(path)])
    assert (done.exit_code, "damaged frames 1" in done.output) == (1, True)


def test_what_cannot_be_checked_is_told(path: Path, tmp_path: Path) -> None:
    """A file that is no archive, one that is cut off, and one without checksums."""
    (tmp_path / "none.h5").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"none.h5 cannot be checked"):
        damaged(tmp_path / "none.h5")
    with h5py.File(path, "r+") as file:
        del file["entry/instrument/detector"][NAME]
    with pytest.raises(ValueError, match="holds no checksums"):
        damaged(path)
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(ValueError, match="cannot be checked"):
        damaged(path)


def test_a_scan_without_frames_is_sound(tmp_path: Path, series: Callable[..., Any]) -> None:
    """There is nothing in it that could be damaged."""
    assert damaged(archive.write(tmp_path / "empty.h5", *measured(series(), []))) == ()
