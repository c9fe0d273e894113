"""Archives written by the reconstructor are read; anything else is refused by name."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from contract.codec import encode
from contract.messages import Geometry, Notice, Volume
from reconstructor import archive
from reconstructor.window import Window3
from tests.viewer.campaign import Maker
from viewer.volumefile import FIELDS, HEADER, VolumeFileError, is_volume, read_curve, read_volume

GEOMETRY = Geometry(
    instrument="I13-1",
    energy_kev=11.0,
    distance_mm=2900.0,
    pixel_um=(220.0, 220.0),
    sample_axes=("y+",),
    sample_angles_deg=(0.0,),
    rocking_axis=0,
    detector_axes=("y+",),
    detector_angles_deg=(30.0,),
    pixel_directions=("y-", "x+"),
    beam_centre_px=(32.0, 32.0),
)


def archived(folder: Path, volume: Volume) -> Path:
    """Write a volume as the reconstructor does."""
    block = np.zeros((4, 4, 4))
    record = archive.Archived(
        volume=volume,
        obj=block.astype(np.complex64),
        support=block > 0,
        window=Window3((0, 0, 0), (1, 1, 1), (4, 4, 4)),
        steps_nm=np.eye(3),
        reciprocal_inv_nm=np.eye(3),
        q_centre_inv_a=volume.q_inv_a,
        geometry=GEOMETRY,
        twinned=False,
        signature=(),
        free_seed=1,
    )
    return archive.write(archive.path_for(folder, volume.scan, volume.revision, volume.stage), record)


def test_the_reconstructors_archive_is_read(tmp_path: Path, make: Maker) -> None:
    """What the reconstructor wrote is the same volume here, although the viewer knows nothing of its code."""
    volume = make.volume(0, size=16)
    path = archived(tmp_path, volume)
    back = read_volume(path)
    assert is_volume(path)
    assert (back.scan, back.revision, back.quality) == (volume.scan, volume.revision, volume.quality)
    assert np.array_equal(back.displacement_a, volume.displacement_a, equal_nan=True)
    assert np.array_equal(back.support, volume.support)


def test_a_file_that_is_no_archive_is_refused_by_name(tmp_path: Path) -> None:
    """Text, a missing file and a foreign HDF5 are refused with the file's name."""
    text, foreign, missing = tmp_path / "a.h5", tmp_path / "b.h5", tmp_path / "c.h5"
    text.write_text("no HDF5")
    with h5py.File(foreign, "w") as file:
        file["data"] = np.zeros(3)
    for path in (text, foreign, missing):
        assert not is_volume(path)
        with pytest.raises(VolumeFileError, match=path.name):
            read_volume(path)


def test_a_newer_layout_is_refused(tmp_path: Path, make: Maker) -> None:
    """A layout of the future is not guessed at."""
    path = archived(tmp_path, make.volume(0, size=16))
    with h5py.File(path, "r+") as file:
        file.attrs["bragglive_layout"] = 9
    with pytest.raises(VolumeFileError, match="is 9, wanted 1 to 1"):
        read_volume(path)


def test_fields_that_do_not_fit_their_header_are_refused(tmp_path: Path, make: Maker) -> None:
    """A field of another shape than the header tells is an error, not a picture."""
    path = archived(tmp_path, make.volume(0, size=16))
    with h5py.File(path, "r+") as file:
        del file[FIELDS[0]]
        file[FIELDS[0]] = np.zeros((3, 3, 3), np.float32)
    with pytest.raises(VolumeFileError, match="no archive of a volume"):
        read_volume(path)


def test_a_volume_that_cannot_be_drawn_is_refused_by_name(tmp_path: Path, make: Maker) -> None:
    """The message names the file, what was found and what was wanted."""
    path = archived(tmp_path, make.volume(0, size=16, q_norm_inv_a=0.0))
    with pytest.raises(VolumeFileError, match=rf"{path.name} cannot be drawn: its \|Q\| is 0 .*wanted"):
        read_volume(path)


def test_a_header_of_another_message_is_refused(tmp_path: Path, make: Maker) -> None:
    """A header of another kind of message is named."""
    path = archived(tmp_path, make.volume(0, size=16))
    with h5py.File(path, "r+") as file:
        del file[HEADER]
        file[HEADER] = np.frombuffer(bytes(encode(Notice(level="info", text="x"))[0]), np.uint8)
    with pytest.raises(VolumeFileError):
        read_volume(path)


def scan_file(path: Path, axis: str) -> Path:
    with h5py.File(path, "w") as file:
        group = file.create_group("entry/rocking_curve")
        group.attrs.update({"signal": "total_counts", "axes": [axis]})
        group["total_counts"] = np.array([5, 50, 7])
        group[axis] = np.array([26.0, 26.1, 26.2])
    return path


def test_a_rocking_curve_is_read_from_an_archived_scan(tmp_path: Path) -> None:
    """Counts against the rotation angle; against nothing but the frame where the angle is unknown."""
    known = read_curve(scan_file(tmp_path / "a.nxs", "rotation_angle"))
    assert known.counts.tolist() == [5, 50, 7]
    assert known.angle_deg.tolist() == [26.0, 26.1, 26.2]
    assert np.isnan(read_curve(scan_file(tmp_path / "b.nxs", "frame_index")).angle_deg).all()


def test_a_scan_without_curve_is_refused(tmp_path: Path) -> None:
    """A file without a rocking curve is refused by name."""
    path = tmp_path / "c.nxs"
    h5py.File(path, "w").close()
    with pytest.raises(VolumeFileError, match=r"c\.nxs holds no rocking curve"):
        read_curve(path)
