"""The printed page shows the crystal and needs no GUI."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from tests.viewer.campaign import Maker
from tests.viewer.test_volumefile import archived, scan_file
from viewer.rocking import EMPTY
from viewer.summary import DOTS_PER_INCH, PAGE_INCHES, Page, draw_pages, numbers, read_pages
from viewer.volumefile import VolumeFileError


def test_pages_are_drawn_one_below_the_other(tmp_path: Path, make: Maker) -> None:
    """Two volumes give a picture of two pages with colour in the slices and in the surface."""
    block = make.frame_block(0, 0, 201)
    curve = EMPTY.merge(block.index, block.angle_deg, block.total_counts)
    draw_pages([Page(make.volume(0), curve), Page(make.volume(1, completion="incomplete"))], tmp_path / "two.png")
    image = imread(tmp_path / "two.png")[..., :3]
    width, height = (round(inches * DOTS_PER_INCH) for inches in PAGE_INCHES)
    assert image.shape == (2 * height, width, 3)
    coloured = np.ptp(image, axis=2) > 0.3
    page = coloured[:height]
    assert page[:, : width // 2].mean() > 0.01
    assert page[: 2 * height // 3, int(0.55 * width) : int(0.8 * width)].mean() > 0.02


def test_a_volume_without_surface_is_drawn(tmp_path: Path, make: Maker) -> None:
    """A failed reconstruction gets its page too."""
    volume = make.volume(0, size=16)
    draw_pages([Page(make.volume(0, size=16, density=np.zeros_like(volume.density)))], tmp_path / "a" / "empty.png")
    assert imread(tmp_path / "a" / "empty.png").std() > 0.05


def test_archives_become_pages(tmp_path: Path, make: Maker) -> None:
    """Pages are read from archived volumes and scans; their numbers are those of the volume."""
    path = archived(tmp_path, make.volume(0, size=16))
    page = read_pages([path], [scan_file(tmp_path / "scan.nxs", "rotation_angle")])[0]
    told = numbers(page)
    assert (told["scan"], told["r_factor"], told["rocking_fwhm_deg"]) == (make.scan_name(0), 0.0093, None)
    with pytest.raises(VolumeFileError, match="1 scans for 2 volumes"):
        read_pages([path, path], [path])


def test_no_gui_toolkit_is_loaded() -> None:
    """Drawing pages needs neither Qt nor napari."""
    code = "import sys, viewer.summary; print([m for m in ('qtpy', 'PyQt6', 'napari', 'vispy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
