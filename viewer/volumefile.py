"""Reads the HDF5 files of a campaign: archived volumes (CXI), and rocking curves out of archived scans (NeXus)."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from contract.codec import ContractError, decode
from contract.messages import Volume
from viewer.drawable import undrawable
from viewer.rocking import Curve

NEWEST_LAYOUT = 1
HEADER = "entry_1/volume/header"
FIELDS = tuple(f"entry_1/laboratory/{name}" for name in ("density", "displacement_a", "strain", "support"))
LARGEST_HEADER = 1 << 20
LARGEST_FIELD = 1 << 30
"""Bytes; a file that claims more is refused before it is read."""


class VolumeFileError(ValueError):
    """A file is not what it was taken for; the message names it and says what is wrong."""


def read_volume(path: Path) -> Volume:
    """Read an archived volume. VolumeFileError: the file cannot be read, or holds no volume of ours."""
    try:
        with h5py.File(path, "r") as file:
            layout = int(file.attrs.get("bragglive_layout", 0))
            if not 1 <= layout <= NEWEST_LAYOUT:
                raise VolumeFileError(f"{path}: bragglive_layout is {layout}, wanted 1 to {NEWEST_LAYOUT}")
            header = _bytes(file, HEADER, LARGEST_HEADER)
            volume = decode([header, *(_bytes(file, name, LARGEST_FIELD) for name in FIELDS)])
    except (OSError, KeyError, TypeError, ContractError) as error:
        raise VolumeFileError(f"{path} is no archive of a volume: {error}") from error
    if not isinstance(volume, Volume):
        raise VolumeFileError(f"{path}: its header is of a {type(volume).__name__}, wanted Volume")
    if why := undrawable(volume):
        raise VolumeFileError(f"{path} cannot be drawn: {why}")
    return volume


def is_volume(path: Path) -> bool:
    """Whether the file looks like an archive of ours; False also if it cannot be read."""
    try:
        with h5py.File(path, "r") as file:
            return "bragglive_layout" in file.attrs and HEADER in file
    except OSError:
        return False


def read_curve(path: Path) -> Curve:
    """Read the rocking curve of an archived scan. VolumeFileError: there is none in the file."""
    try:
        with h5py.File(path, "r") as file:
            group = file["entry/rocking_curve"]
            counts = np.asarray(group[group.attrs["signal"]][...], np.float64)
            axis = str(np.atleast_1d(group.attrs["axes"])[0])
            across = np.asarray(group[axis][...], np.float64)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise VolumeFileError(f"{path} holds no rocking curve: {error}") from error
    angle = across if axis == "rotation_angle" else np.full(counts.shape, np.nan)
    return Curve(np.arange(len(counts), dtype=np.int32), angle, counts)


def _bytes(file: h5py.File, name: str, largest: int) -> bytes:
    data = file[name]
    if data.nbytes > largest:
        raise VolumeFileError(f"{file.filename}: {name} has {data.nbytes} bytes, wanted at most {largest}")
    return bytes(data[...].tobytes())
