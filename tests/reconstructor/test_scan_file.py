"""Archived scans read back as curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import msgspec
import numpy as np
import pytest

from contract.messages import Geometry
from reconstructor import scan_file
from reconstructor.scan_file import ScanFileError

FRAMES, ROWS, COLUMNS = 6, 10, 8
WINDOW = (2, 1, 5, 6)
"""First row, first column, rows, columns."""


def written(path: Path, geometry: Geometry, missing: tuple[int, ...] = (3,), **changes: Any) -> np.ndarray:
    """A scan as the streamer archives it, without what a curve does not need; its counts."""
    counts = np.random.default_rng(1).poisson(5.0, (FRAMES, ROWS, COLUMNS)).astype(np.uint16)
    counts[list(missing)] = np.iinfo(np.uint16).max
    mask = np.zeros((ROWS, COLUMNS), np.uint32)
    mask[4, 3] = 2
    fields: dict[str, Any] = {
        "instrument/detector/data": counts,
        "instrument/detector/pixel_mask": mask,
        "instrument/detector/flatfield": np.full((ROWS, COLUMNS), 1.25, np.float32),
        "instrument/detector/saturation_value": 4000,
        "monitor/data": np.where(np.isin(np.arange(FRAMES), missing), np.nan, 0.9),
        "bragglive/scan": "scan-7",
        "bragglive/source": "test",
        "bragglive/crystal": "IV",
        "bragglive/hold": "",
        "bragglive/missing": np.array(missing, np.int32),
        "bragglive/angles_deg": 6.8 + 0.005 * np.arange(FRAMES),
        "bragglive/geometry": msgspec.json.encode(geometry).decode(),
        "bragglive/window": np.array(WINDOW),
    }
    with h5py.File(path, "w") as file:
        for name, value in (fields | changes).items():
            if value is not None:
                file[f"entry/{name}"] = value
    return counts


def test_the_curve_is_what_was_published(i13: Geometry, tmp_path: Path) -> None:
    """Counts inside the window, angles, monitor, mask, flat field and limit come back; the missing frame is unknown."""
    counts = written(tmp_path / "scan.h5", i13)
    reading = scan_file.read(tmp_path / "scan.h5")
    row0, column0, rows, columns = WINDOW
    there = [0, 1, 2, 4, 5]
    np.testing.assert_array_equal(reading.counts[there], counts[there, row0 : row0 + rows, column0 : column0 + columns])
    assert reading.missing == (3,)
    assert reading.angle_deg[4] == pytest.approx(6.82)
    assert reading.monitor.tolist() == [0.9, 0.9, 0.9, 1.0, 0.9, 0.9]
    assert np.argwhere(~reading.trusted).tolist() == [[2, 2]]
    started = reading.started
    assert (started.scan, started.crystal, started.hold, started.geometry) == ("scan-7", "IV", None, i13)
    assert (started.saturation_counts, started.detector_shape) == (4000, (ROWS, COLUMNS))
    assert started.flat_field is not None
    assert started.flat_field.shape == (rows, columns)


def test_without_a_limit_the_overload_levels_are_not_trusted(i13: Geometry, tmp_path: Path) -> None:
    """What detectors write into gaps, the two largest values of the dtype, never counts as measured."""
    written(tmp_path / "scan.h5", i13, **{"instrument/detector/saturation_value": None})
    assert scan_file.read(tmp_path / "scan.h5").started.saturation_counts == 65534


@pytest.mark.parametrize("lacking", ["bragglive/window", "instrument/detector/data"])
def test_another_file_is_named(i13: Geometry, tmp_path: Path, lacking: str) -> None:
    """A file without a part of the layout, and one that is not there, are refused by name."""
    written(tmp_path / "scan.h5", i13, **{lacking: None})
    with pytest.raises(ScanFileError, match=r"scan\.h5 is no archive of a scan: .*(window|data)"):
        scan_file.read(tmp_path / "scan.h5")
    with pytest.raises(ScanFileError, match=r"absent\.h5"):
        scan_file.read(tmp_path / "absent.h5")
