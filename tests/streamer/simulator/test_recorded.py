"""Recorded scans: the real scan 54, and an archive of ours."""

from __future__ import annotations

import hashlib
from pathlib import Path

import h5py
import msgspec
import numpy as np
import pytest

from streamer.simulator.geometries import i13_1
from streamer.simulator.recorded import RecordedError, open_recorded


def test_scan_54_is_what_was_measured(scan54: Path) -> None:
    """201 frames of 256 × 256, 46 155 653 counts, the brightest 165 297 at (99, 126, 127), and the known checksum."""
    with open_recorded(scan54) as scan:
        assert scan.frames.shape == (201, 256, 256)
        stack = np.stack([scan.frames[i] for i in range(201)])
    assert stack.sum(dtype=np.int64) == 46_155_653
    assert np.unravel_index(stack.argmax(), stack.shape) == (99, 126, 127)
    assert stack.max() == 165_297
    digest = hashlib.sha256(np.ascontiguousarray(stack, "<u4").tobytes()).hexdigest()
    assert digest == "533949c358d9f50ae3850ea0e609fd76a092d0ee31d888ca0f49f8b374726544"


def test_scan_54_tells_angles_monitor_and_geometry(scan54: Path) -> None:
    """Angles are −0.28° + 0.005° · index, the monitor is about 1, the geometry that of 34-ID-C."""
    with open_recorded(scan54) as scan:
        np.testing.assert_allclose(scan.angles_deg, -0.28 + 0.005 * np.arange(201), atol=1e-9)
        assert np.median(scan.monitor) == 1.0
        assert scan.monitor.std() == pytest.approx(0.018, abs=0.001)
        assert scan.geometry is not None
        assert scan.geometry.energy_kev == 9.0
        assert scan.geometry.distance_mm == 500.0
        assert scan.geometry.pixel_um == pytest.approx((55.0, 55.0))
        assert scan.geometry.sample_angles_deg == pytest.approx((0.22, 90.0, -5.0))
        assert scan.geometry.detector_angles_deg == pytest.approx((32.174, 12.6346))


def test_scan_54_takes_the_images_beside_it(scan54: Path) -> None:
    """The dark image marks 13 pixels of the stored part bad, the white one gives a response with median 1."""
    with open_recorded(scan54) as scan:
        assert scan.mask is not None
        assert scan.flat_field is not None
        assert (scan.mask & 16 != 0).sum() == 13
        assert scan.mask[105, 90] == 16
        assert np.median(scan.flat_field) == pytest.approx(1.0)
        assert (scan.mask[scan.flat_field < 0.1] != 0).all()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The part of an archive of ours that a replay reads; frame 2 is missing."""
    path = tmp_path / "scan.nxs"
    with h5py.File(path, "w") as file:
        detector = file.create_group("entry/instrument/detector")
        detector["data"] = np.arange(4 * 6 * 5, dtype=np.uint16).reshape(4, 6, 5)
        detector["pixel_mask"] = np.eye(6, 5, dtype=np.uint32)
        detector["count_time"] = 0.09
        detector["saturation_value"] = 60_000
        ours = file.create_group("entry/bragglive")
        ours["scan"], ours["crystal"], ours["voltage"] = "IV-1", "IV", 4.1
        ours["missing"] = np.array([2], np.int32)
        ours["angles_deg"] = [6.0, 6.1, 6.2, 6.3]
        ours["geometry"] = msgspec.json.encode(i13_1(6, 5, 4)).decode()
        file["entry/monitor/data"] = [1.0, 1.1, np.nan, 0.9]
    return path


def test_an_archive_of_ours_is_read(archive: Path) -> None:
    """Frames, mask, geometry, crystal and voltage come back, and the missing frame is listed."""
    with open_recorded(archive) as scan:
        assert scan.name == "IV-1"
        assert scan.frames.dtype == np.uint16
        assert scan.frames[1][0, 0] == 30
        assert scan.missing == (2,)
        assert (scan.crystal, scan.voltage_v, scan.saturation, scan.count_time_s) == ("IV", 4.1, 60_000, 0.09)
        assert scan.geometry == i13_1(6, 5, 4)
        assert scan.monitor.tolist() == [1.0, 1.1, 1.0, 0.9]
        assert scan.mask is not None
        assert scan.mask[1, 1] == 1
        assert scan.flat_field is None


def test_other_files_are_refused(tmp_path: Path) -> None:
    """A file that is no HDF5, or holds no scan, is refused with its name and what is missing."""
    text = tmp_path / "notes.h5"
    text.write_text("not a scan")
    with pytest.raises(RecordedError, match=r"notes\.h5 cannot be read as HDF5"), open_recorded(text):
        pass
    empty = tmp_path / "empty.h5"
    h5py.File(empty, "w").close()
    with pytest.raises(RecordedError, match="neither entry/frames nor"), open_recorded(empty):
        pass


def test_angles_that_are_not_steps_are_refused(tmp_path: Path) -> None:
    """When the encoder departs from equal steps by more than a tenth, the error tells by how much."""
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file["entry/frames"] = np.zeros((3, 4, 4), np.uint32)
        file["entry/geometry/theta_step_deg"] = 0.005
        file["entry/scan_columns/Theta"] = [0.0, 0.006, 0.010]
        file["entry/scan_columns/Monitor"] = [1.0, 1.0, 1.0]
    with pytest.raises(RecordedError, match=r"departs by 0\.00100°"), open_recorded(path):
        pass
