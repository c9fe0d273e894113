"""Supports from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reconstructor import support_file
from reconstructor.phasing.problem import PhasingError
from reconstructor.support_file import SupportFile
from reconstructor.window import Window3


def window(shape: tuple[int, int, int], binning: tuple[int, int, int] = (1, 1, 1)) -> Window3:
    """A window somewhere."""
    return Window3((5, 6, 7), binning, shape)


def box(shape: tuple[int, int, int], half: tuple[int, int, int]) -> np.ndarray:
    """True within so many voxels of n // 2."""
    index = np.ogrid[tuple(slice(-(n // 2), n - n // 2) for n in shape)]
    return (abs(index[0]) <= half[0]) & (abs(index[1]) <= half[1]) & (abs(index[2]) <= half[2])


def test_an_array_serves_windows_of_its_shape(tmp_path: Path) -> None:
    """What is not zero is inside; another window is refused with both shapes."""
    path = tmp_path / "support.npy"
    np.save(path, 3 * box((16, 20, 24), (2, 3, 4)).astype(np.int16))
    given = support_file.read(path)
    assert (given.on(window((16, 20, 24))) == box((16, 20, 24), (2, 3, 4))).all()
    with pytest.raises(PhasingError, match=r"\(16, 20, 24\); wanted that of the window, \(16, 20, 20\)"):
        given.on(window((16, 20, 20)))


def test_a_volume_serves_every_window(tmp_path: Path) -> None:
    """Twice as many voxels of the same field are half as large, so the support is twice as many of them wide; a
    binned window has a smaller field of voxels as large."""
    given = SupportFile(tmp_path / "volume.cxi", box((32, 32, 32), (4, 4, 4)), window((32, 32, 32)))
    finer = given.on(window((64, 32, 32)))
    assert 16 <= finer.any(axis=(1, 2)).sum() <= 19
    assert finer.any(axis=(0, 2)).sum() == 9
    assert (given.on(window((16, 32, 32), (2, 1, 1))) == box((16, 32, 32), (4, 4, 4))).all()


@pytest.mark.parametrize("content", [np.zeros((4, 4)), np.zeros((4, 4, 4), np.complex64), None])
def test_other_files_are_refused(content: np.ndarray | None, tmp_path: Path) -> None:
    """Two axes, complex numbers, bytes that are no array: the file is named."""
    path = tmp_path / "odd.npy"
    if content is None:
        path.write_bytes(b"nothing of ours")
    else:
        np.save(path, content)
    with pytest.raises(ValueError, match=r"odd\.npy"):
        support_file.read(path)


def test_an_empty_support_is_refused(tmp_path: Path) -> None:
    """Nothing could be found in it."""
    path = tmp_path / "support.npy"
    np.save(path, np.zeros((8, 8, 8), np.uint8))
    with pytest.raises(PhasingError, match="empty"):
        support_file.read(path).on(window((8, 8, 8)))
