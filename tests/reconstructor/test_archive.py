"""Archives: everything comes back, other programs can open them, half of one is never seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import msgspec
import numpy as np
import pytest
from silx.io.nxdata import get_default

from contract.messages import Geometry, Quality, Scan, Volume
from reconstructor import archive, vti
from reconstructor.archive import Archived
from reconstructor.phasing.quality import Prtf
from reconstructor.window import Window3

SHAPE = (9, 8, 7)


@pytest.fixture
def record(i13: Geometry) -> Archived:
    """A refined volume with arrays that can be told apart."""
    rng = np.random.default_rng(0)
    lab = rng.random(SHAPE).astype(np.float32)
    volume = Volume(
        scan=Scan("scan/1 µ"),
        stage="refined",
        revision=7,
        supersedes=6,
        frames_used=48,
        frames_expected=50,
        missing=(3, 4),
        completion="incomplete",
        recipe="HIO(0.9)**30",
        recipe_sha256="ab",
        seeds=(1, 2, 3),
        quality=Quality(r_factor=0.01, free_llk=1.2, oversampling=(3.0, 2.5, 4.0)),
        q_inv_a=(1.2, 0.0, -0.2),
        q_norm_inv_a=1.2166,
        crystal_volume_um3=0.03,
        isosurface=0.4,
        voxel_nm=(10.0, 10.0, 10.0),
        origin_nm=(-40.0, -35.0, -30.0),
        assumptions=("The hand is a convention.",),
        density=lab,
        displacement_a=np.where(lab > 0.5, lab, np.nan).astype(np.float32),
        strain=(lab - 0.5) * np.float32(1e-4),
        support=(lab > 0.5).astype(np.uint8),
    )
    obj = (rng.standard_normal((6, 5, 4)) + 1j * rng.standard_normal((6, 5, 4))).astype(np.complex64)
    return Archived(
        volume=volume,
        obj=obj,
        support=np.abs(obj) > 1,
        window=Window3((-2, 5, 9), (3, 1, 1), (6, 5, 4)),
        steps_nm=rng.random((3, 3)),
        reciprocal_inv_nm=rng.random((3, 3)),
        q_centre_inv_a=(1.21, 0.01, -0.2),
        geometry=i13,
        twinned=True,
        signature=tuple(float(v) for v in rng.random(16)),
        free_seed=2**64 - 3,
        rejected=("seed 3: its free LLK of 2 is above 1.8, 1.5 times the best's",),
        prtf=Prtf(np.array([0.1, 0.2]), np.array([1.0, np.nan]), 31.4),
    )


def test_everything_comes_back(record: Archived, tmp_path: Path) -> None:
    """Round trip: volume, object, support, window, steps, geometry, hand, seed."""
    path = archive.write(archive.path_for(tmp_path, record.volume.scan, 7, "refined"), record)
    back = archive.read(path)
    for name in ("window", "q_centre_inv_a", "geometry", "twinned", "signature", "free_seed", "rejected"):
        assert getattr(back, name) == getattr(record, name), name
    for name in ("obj", "support", "steps_nm", "reciprocal_inv_nm"):
        assert np.array_equal(getattr(back, name), getattr(record, name)), name
    for mine, theirs in zip(record.prtf, back.prtf, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for name in record.volume.__struct_fields__:
        mine, theirs = getattr(record.volume, name), getattr(back.volume, name)
        same = np.array_equal(mine, theirs, equal_nan=True) if isinstance(mine, np.ndarray) else mine == theirs
        assert same, name


def test_what_is_not_determined_is_not_there(record: Archived, tmp_path: Path) -> None:
    """Without rejected runs and PRTF, none come back; a curve that ends above 1/e has no resolution."""
    endless = replace(record, prtf=Prtf(np.array([0.1]), np.array([0.9]), None))
    plain = replace(record, rejected=(), prtf=None)
    paths = [archive.write(tmp_path / f"{k}.cxi", one) for k, one in enumerate((endless, plain))]
    found, back = (archive.read(path) for path in paths)
    assert found.prtf is not None
    assert found.prtf.resolution_nm is None
    assert (back.rejected, back.prtf) == ((), None)


def test_a_vti_stands_beside_a_refined_volume_only(record: Archived, tmp_path: Path) -> None:
    """ParaView's file has the same fields, in nm; a provisional volume has none."""
    path = archive.write(tmp_path / "a.cxi", record)
    image = vti.parse(path.with_suffix(".vti").read_bytes())
    assert set(image.fields) == {"density", "displacement_a", "strain", "support"}
    assert np.array_equal(image.fields["displacement_a"], record.volume.displacement_a, equal_nan=True)
    assert image.origin_nm == (-30.0, -35.0, -40.0)
    early = msgspec.structs.replace(record.volume, stage="provisional")
    other = archive.write(tmp_path / "b.cxi", Archived(**{**vars(record), "volume": early}))
    assert not other.with_suffix(".vti").exists()


def test_others_can_open_it(record: Archived, tmp_path: Path) -> None:
    """CXI entries where CXI readers look, and an NXdata that silx plots by default, axes in nm."""
    path = archive.write(tmp_path / "a.cxi", record)
    with h5py.File(path, "r") as file:
        assert file["cxi_version"][()] == 160
        assert file["entry_1/data_1/data"].dtype == np.complex64
        assert file["entry_1/image_1/mask"].shape == (6, 5, 4)
        assert "exp(-i q.r)" in file.attrs["convention"]
        shown = get_default(file)
        assert shown is not None
        assert shown.signal_name == "density"
        assert shown.axes_names == ["z (nm)", "y (nm)", "x (nm)"]
        assert file["entry_1/laboratory/z"][0] == -40.0
        assert file["entry_1/volume/quality"].attrs["r_factor"] == 0.01
        assert list(file["entry_1/volume"].attrs["missing"]) == [3, 4]


def test_archives_of_a_scan_are_found_by_revision(record: Archived, tmp_path: Path) -> None:
    """Strange names become file names without meeting each other; unfinished files are not found."""
    scan, stranger = record.volume.scan, Scan("scan_1 µ")
    for revision, stage in ((10, "refined"), (9, "provisional")):
        archive.write(archive.path_for(tmp_path, scan, revision, stage), record)  # type: ignore[arg-type]
    folder = archive.path_for(tmp_path, scan, 1, "refined").parent
    (folder / "x-r0011-refined.cxi.part").write_bytes(b"half")
    (folder / "notes.cxi").write_bytes(b"")
    assert [(hit.revision, hit.stage) for hit in archive.found(tmp_path, scan)] == [(9, "provisional"), (10, "refined")]
    assert archive.found(tmp_path, stranger) == []
    assert "/" not in archive.plain_name(scan)


def test_nothing_half_written_stands_under_its_name(record: Archived, tmp_path: Path) -> None:
    """When writing fails, the name is not there, or still holds what it held."""
    path = tmp_path / "a.cxi"
    path.write_bytes(b"before")
    odd = msgspec.structs.replace(record.volume, density=record.volume.density.astype(np.float64))
    with pytest.raises(ValueError, match="density"):
        archive.write(path, Archived(**{**vars(record), "volume": odd}))
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"not HDF5", None])
def test_what_is_no_archive_is_refused(content: bytes | None, tmp_path: Path) -> None:
    """A reader names the file and what is wrong with it."""
    path = tmp_path / "a.cxi"
    if content is None:
        with h5py.File(path, "w") as file:
            file.attrs["bragglive_layout"] = 99
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="no archive of a volume"):
        archive.read(path)


def test_files_are_made_by_the_scan(tmp_path: Path, record: Archived, scan_started: Callable[..., object]) -> None:
    """A folder a scan, a file a revision."""
    path = archive.path_for(tmp_path, Scan("s54"), 3, "provisional")
    assert path == tmp_path / "volumes" / "s54" / "s54-r0003-provisional.cxi"
