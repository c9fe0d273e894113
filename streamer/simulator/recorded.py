"""Recorded rocking scans to be sent again: the layout of `s0054_frames.h5`, and the archives that we write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401 (registers the filters)
import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contract.messages import Geometry
from streamer.simulator.geometries import aps_34idc

BAD_DARK_COUNTS = 1
"""A pixel with more counts than this in the dark is bad."""
WEAK_RESPONSE = 0.1
"""A pixel with less than this share of the median response is bad."""
NOISY, WEAK = 16, 4
"""Bits of the DECTRIS pixel mask."""


class RecordedError(ValueError):
    """The file is no recorded scan that we know; the message names what is missing or wrong."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordedScan:
    """A rocking scan as it was measured; `frames` is read from the open file as it is indexed."""

    name: str
    frames: Any
    """HDF5 dataset (frame, row, column), raw counts"""
    missing: tuple[int, ...] = ()
    """Frames that were not received; they are not sent again."""
    geometry: Geometry | None
    angles_deg: NDArray[np.float64]
    monitor: NDArray[np.float64]
    """Incident intensity relative to the scan's median, of each frame"""
    count_time_s: float | None = None
    saturation: int | None = None
    mask: NDArray[np.uint32] | None = None
    """(row, column), 0 = good"""
    flat_field: NDArray[np.float32] | None = None
    """(row, column), relative response"""
    crystal: str | None = None
    voltage_v: float | None = None


@contextmanager
def open_recorded(path: Path, dark: Path | None = None, white: Path | None = None) -> Iterator[RecordedScan]:
    """The scan in the file `path`, open as long as the context.

    `dark` and `white` are TIFF images of the dark counts and of the response to uniform illumination, from pixel
    (0, 0) of the frames on; without them `darkfield.tif` and `whitefield.tif` beside the file are taken if they are
    there. Our own archives carry mask and flat field themselves.
    """
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise RecordedError(f"{path} cannot be read as HDF5: {error}") from error
    with file:
        if "entry/instrument/detector/data" in file:
            yield _archived(file)
        elif "entry/frames" in file:
            yield _beamline_scan(file, path, dark, white)
        else:
            raise RecordedError(f"{path} has neither entry/frames nor entry/instrument/detector/data: no recorded scan")


def _beamline_scan(file: h5py.File, path: Path, dark: Path | None, white: Path | None) -> RecordedScan:
    frames, geometry = file["entry/frames"], file["entry/geometry"]
    columns = file["entry/scan_columns"]
    counted = np.asarray(columns["Monitor"], float)
    shape = frames.shape[1:]
    mask, flat_field = _masks(path, dark, white, shape)
    angles = _linear_angles(np.asarray(columns["Theta"], float), float(geometry["theta_step_deg"][()]))
    return RecordedScan(
        name=path.stem,
        frames=frames,
        geometry=aps_34idc(
            energy_kev=float(geometry["energy_keV"][()]),
            distance_mm=float(geometry["detector_distance_mm"][()]),
            pixel_um=float(geometry["pixel_size_m"][()]) * 1e6,
            theta_deg=float(np.mean(angles[[0, -1]])),
            chi_deg=float(geometry["chi_deg"][()]),
            phi_deg=float(geometry["phi_deg"][()]),
            delta_deg=float(geometry["delta_deg"][()]),
            gamma_deg=float(geometry["gamma_deg"][()]),
        ),
        angles_deg=angles,
        monitor=counted / np.median(counted),
        count_time_s=float(geometry["count_time_s"][()]),
        mask=mask,
        flat_field=flat_field,
    )


def _linear_angles(read_deg: NDArray[np.float64], step_deg: float) -> NDArray[np.float64]:
    """Commanded angles of equal steps; what the encoder read must agree within a tenth of a step."""
    index = np.arange(len(read_deg), dtype=np.float64)
    start_deg = round(float(np.median(read_deg - step_deg * index)), 4)
    angles: NDArray[np.float64] = start_deg + step_deg * index
    worst = float(np.abs(read_deg - angles).max())
    if worst > step_deg / 10:
        raise RecordedError(f"Theta departs by {worst:.5f}° from steps of {step_deg:g}°, at most a tenth is expected")
    return angles


def _masks(
    path: Path, dark: Path | None, white: Path | None, shape: tuple[int, int]
) -> tuple[NDArray[np.uint32] | None, NDArray[np.float32] | None]:
    dark_counts = _image(dark or path.with_name("darkfield.tif"), shape, wanted=dark is not None)
    response = _image(white or path.with_name("whitefield.tif"), shape, wanted=white is not None)
    if dark_counts is None and response is None:
        return None, None
    mask = np.zeros(shape, np.uint32)
    if dark_counts is not None:
        mask[dark_counts > BAD_DARK_COUNTS] |= NOISY
    if response is None:
        return mask, None
    flat_field = (response / np.median(response)).astype(np.float32)
    mask[flat_field < WEAK_RESPONSE] |= WEAK
    return mask, flat_field


def _image(path: Path, shape: tuple[int, int], wanted: bool) -> NDArray[np.float64] | None:
    """The part of the image at `path` that frames of `shape` store; None if it is not there and not `wanted`."""
    if not path.exists() and not wanted:
        return None
    with Image.open(path) as picture:
        whole = np.asarray(picture, np.float64)
    if whole.ndim != 2 or whole.shape[0] < shape[0] or whole.shape[1] < shape[1]:
        raise RecordedError(f"{path} is an image of {whole.shape}, wanted at least {shape}")
    cropped: NDArray[np.float64] = whole[: shape[0], : shape[1]]
    return cropped


def _archived(file: h5py.File) -> RecordedScan:
    detector, ours = file["entry/instrument/detector"], file["entry/bragglive"]
    geometry = ours["geometry"].asstr()[()] if "geometry" in ours else None
    monitor = np.asarray(file["entry/monitor/data"], float)
    return RecordedScan(
        name=ours["scan"].asstr()[()],
        frames=detector["data"],
        missing=tuple(np.asarray(ours["missing"], int).tolist()),
        geometry=None if geometry is None else msgspec.json.decode(geometry, type=Geometry),
        angles_deg=np.asarray(ours["angles_deg"], float),
        monitor=np.where(np.isfinite(monitor), monitor, 1.0),
        count_time_s=_optional(detector, "count_time"),
        saturation=None if "saturation_value" not in detector else int(detector["saturation_value"][()]),
        mask=None if "pixel_mask" not in detector else np.asarray(detector["pixel_mask"], np.uint32),
        flat_field=None if "flatfield" not in detector else np.asarray(detector["flatfield"], np.float32),
        crystal=ours["crystal"].asstr()[()] or None,
        voltage_v=_optional(ours, "voltage"),
    )


def _optional(group: h5py.Group, name: str) -> float | None:
    return float(group[name][()]) if name in group else None
