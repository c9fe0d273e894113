"""Volumes on disk: CXI/HDF5 with everything a volume came from, and VTI for ParaView; complete or not there at all."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import msgspec
import numpy as np
from numpy.typing import NDArray

from contract.codec import decode, encode
from contract.messages import Geometry, Scan, Stage, Volume
from reconstructor import laboratory, vti
from reconstructor.laboratory import CONVENTION, FIELDS
from reconstructor.phasing.problem import Complex, Mask
from reconstructor.phasing.quality import Prtf
from reconstructor.window import Window3

CXI_VERSION = 160
LAYOUT = 1
"""Version of our own layout inside the CXI file; a reader refuses a higher one."""
JOULE_PER_KEV = 1.602176634e-16
_NAME = re.compile(r"^(?P<scan>.+)-r(?P<revision>\d{4,})-(?P<stage>provisional|refined)\.cxi$")


@dataclass(frozen=True, eq=False)
class Archived:
    """A volume with what it was made of."""

    volume: Volume
    obj: Complex
    """The complex object in the array frame, in the hand of the volume, phase ramp kept."""
    support: Mask
    window: Window3
    steps_nm: NDArray[np.float64]
    """Direct steps A, B, C (rows), each (x, y, z) in nm a voxel of the object."""
    reciprocal_inv_nm: NDArray[np.float64]
    """Change of q a voxel of the window (rows), each (x, y, z)."""
    q_centre_inv_a: tuple[float, float, float]
    """Q at the window's voxel n // 2, which the object's phase ramp counts from; `volume.q_inv_a` is at the peak."""
    geometry: Geometry
    twinned: bool
    """Whether the run had given the other hand."""
    signature: tuple[float, ...]
    free_seed: int
    """Seed of the scan's free pixels."""
    rejected: tuple[str, ...] = ()
    """Runs that were not used, each with its seed and the reason."""
    prtf: Prtf | None = None
    """Of the independent runs, where there were enough of them."""


@dataclass(frozen=True)
class Found:
    """An archive in the folder."""

    path: Path
    scan: str
    revision: int
    stage: Stage


def path_for(folder: Path, scan: Scan, revision: int, stage: Stage) -> Path:
    """Where a volume's archive goes: a folder a scan, a file a revision."""
    name = plain_name(scan)
    return folder / "volumes" / name / f"{name}-r{revision:04d}-{stage}.cxi"


def plain_name(scan: str) -> str:
    """The scan's name as a file name: other characters replaced, then told apart by a few digits of its digest."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", scan)[:80].lstrip(".") or "scan"
    return plain if plain == scan else f"{plain}-{hashlib.sha256(scan.encode()).hexdigest()[:8]}"


def found(folder: Path, scan: Scan) -> list[Found]:
    """The archives of a scan, by revision."""
    hits = []
    for path in (folder / "volumes" / plain_name(scan)).glob("*.cxi"):
        match = _NAME.match(path.name)
        if match:
            stage: Stage = "refined" if match["stage"] == "refined" else "provisional"
            hits.append(Found(path, match["scan"], int(match["revision"]), stage))
    return sorted(hits, key=lambda hit: hit.revision)


def write(path: Path, record: Archived) -> Path:
    """Write the archive, and a .vti beside it if the volume is refined; durable when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _appearing(path) as part, h5py.File(part, "w") as file:
        _write_entry(file, record)
    if record.volume.stage == "refined":
        with _appearing(path.with_suffix(".vti")) as part:
            part.write_bytes(vti.document(laboratory.image(record.volume), laboratory.about(record.volume)))
    return path


def read(path: Path) -> Archived:
    """Read an archive back. Raises ValueError naming the file for what is no archive of ours."""
    try:
        with h5py.File(path, "r") as file:
            layout = int(file.attrs.get("bragglive_layout", 0))
            if not 1 <= layout <= LAYOUT:
                raise ValueError(f"its layout is {layout}; wanted 1 to {LAYOUT}")
            return _read_entry(file["entry_1"])
    except (OSError, KeyError, msgspec.MsgspecError, ValueError) as error:
        raise ValueError(f"{path} is no archive of a volume: {error}") from error


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """A temporary name that becomes `path` once its content is on the disk."""
    part = path.with_name(path.name + ".part")
    try:
        yield part
        _sync(part)
        os.replace(part, path)
    finally:  # whatever ends it, an interrupt too, leaves no half file
        part.unlink(missing_ok=True)
    _sync(path.parent)


def _sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_entry(file: h5py.File, record: Archived) -> None:
    volume = record.volume
    file.attrs.update({"default": "entry_1", "bragglive_layout": LAYOUT, "convention": CONVENTION})
    file["cxi_version"] = CXI_VERSION
    entry = _group(file, "entry_1", "NXentry", default="laboratory")
    entry["title"] = f"{volume.stage} volume of {volume.scan}, revision {volume.revision}"
    entry["program_name"] = "bragglive"
    _write_image(entry, record)
    _write_laboratory(entry, volume)
    source = _group(_group(entry, "instrument_1", "NXinstrument"), "source_1", "NXsource")
    source["energy"] = record.geometry.energy_kev * JOULE_PER_KEV
    source["energy"].attrs["units"] = "J"
    entry["instrument_1"].attrs["geometry_json"] = msgspec.json.encode(record.geometry).decode()
    _group(entry, "sample_1", "NXsample")["name"] = str(volume.crystal or "")
    about = _group(entry, "volume", "NXcollection")
    about.create_dataset("header", data=np.frombuffer(encode(volume)[0], np.uint8))
    about["header"].attrs["meaning"] = "header of the message contract.messages.Volume, msgpack"
    plain = {name: getattr(volume, name) for name in volume.__struct_fields__ if name not in FIELDS}
    quality = msgspec.structs.asdict(plain.pop("quality"))
    _attributes(about, plain)
    _attributes(_group(about, "quality", "NXcollection"), quality)
    about.attrs["rejected"] = record.rejected or h5py.Empty("f")
    if record.prtf is not None:
        _write_prtf(entry, record.prtf)


def _write_prtf(entry: h5py.Group, prtf: Prtf) -> None:
    group = _group(entry, "prtf", "NXdata", signal="ratio", axes=["q"])
    group["ratio"], group["q"] = prtf.ratio, prtf.q_inv_nm
    group["q"].attrs["units"] = "1/nm"
    group["ratio"].attrs["meaning"] = "phase retrieval transfer function by shells of |q - Q|"
    _attributes(group, {"resolution_nm": prtf.resolution_nm})


def _read_prtf(group: h5py.Group) -> Prtf:
    found = group.attrs.get("resolution_nm")
    return Prtf(group["q"][...], group["ratio"][...], None if found is None else float(found))


def _write_image(entry: h5py.Group, record: Archived) -> None:
    """The complex object as CXI keeps a reconstruction: image_1, and data_1 that points to it."""
    image = _group(entry, "image_1", "NXdata", signal="data", axes=["rocking", "row", "column"])
    data = image.create_dataset("data", data=record.obj.astype(np.complex64), **_packing(record.obj))
    data.attrs["units"] = "sqrt(photons), forward FFT not normalised"
    image.create_dataset("mask", data=record.support.astype(np.uint8), **_packing(record.support))
    image["data_space"] = "real"
    image["data_type"] = "electron density"
    image["dimensionality"] = 3
    image["is_fft_shifted"] = 0
    steps = image.create_dataset("direct_steps", data=record.steps_nm)
    steps.attrs["units"] = "nm"
    reciprocal = image.create_dataset("reciprocal_steps", data=record.reciprocal_inv_nm)
    reciprocal.attrs["units"] = "1/nm"
    image.attrs.update(
        {
            "window_start": record.window.start,
            "window_binning": record.window.binning,
            "window_shape": record.window.shape,
            "q_centre_inv_a": record.q_centre_inv_a,
            "kernel_sign": record.volume.kernel_sign,
            "twinned": record.twinned,
            "signature": record.signature,
            "free_seed": np.uint64(record.free_seed),
        }
    )
    process = _group(image, "process_1", "NXprocess")
    process["program"] = "bragglive"
    process["command"] = record.volume.recipe
    data_1 = _group(entry, "data_1", "NXdata", signal="data")
    data_1["data"] = h5py.SoftLink("/entry_1/image_1/data")


def _write_laboratory(entry: h5py.Group, volume: Volume) -> None:
    """The laboratory fields as NXdata with axes in nm from the centre of mass."""
    group = _group(
        entry,
        "laboratory",
        "NXdata",
        signal="density",
        auxiliary_signals=["displacement_a", "strain", "support"],
        axes=["z", "y", "x"],
    )
    for axis, (n, step, start) in enumerate(zip(volume.density.shape, volume.voxel_nm, volume.origin_nm, strict=True)):
        group["zyx"[axis]] = start + step * np.arange(n)
        group["zyx"[axis]].attrs["units"] = "nm"
    for name, unit in FIELDS.items():
        values = getattr(volume, name)
        field = group.create_dataset(name, data=values, **_packing(values))
        if unit:
            field.attrs["units"] = unit


def _read_entry(entry: h5py.Group) -> Archived:
    image, laboratory = entry["image_1"], entry["laboratory"]
    arrays = [laboratory[name][...].tobytes() for name in FIELDS]
    volume = decode([entry["volume/header"][...].tobytes(), *arrays])
    if not isinstance(volume, Volume):
        raise ValueError(f"its header is of a {type(volume).__name__}; wanted Volume")
    about = image.attrs
    start, binning, shape = (_indices(about[f"window_{name}"]) for name in ("start", "binning", "shape"))
    x, y, z = (float(v) for v in about["q_centre_inv_a"])
    return Archived(
        volume=volume,
        obj=image["data"][...],
        support=image["mask"][...] != 0,
        window=Window3(start, binning, shape),
        steps_nm=image["direct_steps"][...],
        reciprocal_inv_nm=image["reciprocal_steps"][...],
        q_centre_inv_a=(x, y, z),
        geometry=msgspec.json.decode(entry["instrument_1"].attrs["geometry_json"], type=Geometry),
        twinned=bool(about["twinned"]),
        signature=tuple(float(v) for v in about["signature"]),
        free_seed=int(about["free_seed"]),
        rejected=_sentences(entry["volume"].attrs.get("rejected")),
        prtf=_read_prtf(entry["prtf"]) if "prtf" in entry else None,
    )


def _sentences(values: Any) -> tuple[str, ...]:
    """Strings of an attribute that may be empty or not there at all."""
    return tuple(str(v) for v in values) if isinstance(values, np.ndarray) else ()


def _indices(values: Any) -> tuple[int, int, int]:
    a, b, c = (int(v) for v in values)
    return a, b, c


def _group(parent: h5py.Group, name: str, kind: str, **attributes: Any) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["NX_class"] = kind
    group.attrs.update(attributes)
    return group


def _attributes(group: h5py.Group, values: dict[str, Any]) -> None:
    """Plain values as attributes; what is not known (None) is left out."""
    for name, value in values.items():
        if value is not None:
            group.attrs[name] = value if not isinstance(value, tuple) or value else h5py.Empty("f")


def _packing(values: NDArray[Any]) -> dict[str, Any]:
    """Volumes are mostly zero or NaN outside the crystal: gzip 1 is quick there, and every reader has it."""
    return {"compression": "gzip", "compression_opts": 1, "shuffle": True, "chunks": (1, *values.shape[1:])}
