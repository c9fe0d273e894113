"""The NeXus groups and fields around the frames of an archive; see `streamer.archive` for the tree."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import crc32c
import h5py
import msgspec
import numpy as np
from numpy.typing import NDArray

from contract.messages import Geometry, RegionChosen, ScanStarted
from streamer.detectors.records import SeriesStarted
from streamer.finished import Finished

KEV_ANGSTROM = 12.398419843
FORMAT = "1.0"
"""Of the tree; additions raise the second number."""


def named(text: str) -> str:
    """A text as part of an HDF5 name that NeXus allows; different for different texts."""
    allowed = re.sub(r"[^A-Za-z0-9_]", "_", text)[:60]
    return allowed if text and allowed == text else f"{allowed}_{crc32c.crc32c(text.encode()):08x}"


def describe(file: h5py.File, finished: Finished, received_s: NDArray[np.float64]) -> None:
    """Everything but the frames themselves, which are there already (if there are any)."""
    started, series = finished.started, finished.series
    file.attrs.update({"NX_class": "NXroot", "default": "entry", "creator": "bragglive"})
    entry = _group(file, "entry", "NXentry", default="data")
    entry["title"] = f"rocking scan {started.scan}"
    entry["entry_identifier"] = started.scan
    entry["program_name"] = "bragglive"
    entry["program_name"].attrs["version"] = metadata.version("bragglive")
    if np.isfinite(received_s).any():
        entry["start_time"] = started.started_at or _iso(np.nanmin(received_s))
        entry["end_time"] = _iso(np.nanmax(received_s))
    instrument = _group(entry, "instrument", "NXinstrument")
    _detectors(instrument, finished)
    if started.geometry is not None:
        instrument["name"] = started.geometry.instrument
    _beam(instrument, started.geometry, series)
    angles = np.array(finished.angles_deg)
    _sample(entry, finished, angles)
    points = finished.curve.points.values()
    indices = list(finished.curve.points)
    monitor = _group(entry, "monitor", "NXmonitor")
    monitor["data"] = _spread(indices, [point.monitor for point in points], len(angles))
    totals = _spread(indices, [point.total_counts for point in points], len(angles))
    _plots(entry, angles, totals)
    _collection(entry, finished, received_s)


def _detectors(instrument: h5py.Group, finished: Finished) -> None:
    series, started = finished.series, finished.started
    main = instrument.require_group("detector")
    for name in list(instrument):
        _group(instrument, name, "NXdetector")
        if "data" in instrument[name]:
            instrument[name]["data"].attrs.update({"units": "counts", "long_name": "counts"})
    main["description"] = series.detector
    main["channel"] = finished.channel
    _number(main, "saturation_value", started.saturation_counts, "counts")
    _number(main, "count_time", series.count_time_s, "s")
    _number(main, "frame_time", series.frame_time_s, "s")
    geometry = started.geometry
    pixel_um = geometry.pixel_um if geometry is not None else series.pixel_um
    centre = geometry.beam_centre_px if geometry is not None else series.beam_centre_px
    if pixel_um is not None:
        _number(main, "y_pixel_size", pixel_um[0] * 1e-6, "m")
        _number(main, "x_pixel_size", pixel_um[1] * 1e-6, "m")
    if centre is not None:
        _number(main, "beam_center_y", centre[0], "pixel")
        _number(main, "beam_center_x", centre[1], "pixel")
    distance_mm = geometry.distance_mm if geometry is not None else series.distance_mm
    _number(main, "distance", None if distance_mm is None else distance_mm * 1e-3, "m")
    channel = series.channels.get(finished.channel)
    if channel is not None and channel.mask is not None:
        main.create_dataset("pixel_mask", data=channel.mask, compression="gzip", compression_opts=1)
        main["pixel_mask_applied"] = False
    if channel is not None and channel.flat_field is not None:
        main.create_dataset("flatfield", data=channel.flat_field, compression="gzip", compression_opts=1)
        main["flatfield_applied"] = False


def _beam(instrument: h5py.Group, geometry: Geometry | None, series: SeriesStarted) -> None:
    energy_kev = geometry.energy_kev if geometry is not None else series.energy_kev
    beam = _group(instrument, "beam", "NXbeam")
    _number(beam, "incident_energy", energy_kev, "keV")
    _number(beam, "incident_wavelength", None if energy_kev is None else KEV_ANGSTROM / energy_kev, "angstrom")


def _sample(entry: h5py.Group, finished: Finished, angles: NDArray[np.float64]) -> None:
    sample = _group(entry, "sample", "NXsample")
    sample["name"] = finished.started.crystal or "unknown"
    _number(sample, "rotation_angle", angles, "degree")
    if finished.rocking_axis:
        sample["rotation_angle"].attrs["long_name"] = f"{finished.rocking_axis} (degree)"
    if finished.hold is not None:
        _number(sample, "electric_potential", finished.hold.voltage_v, "V")


def _plots(entry: h5py.Group, angles: NDArray[np.float64], totals: NDArray[np.float64]) -> None:
    """The two default plots: the stack, and its rocking curve. An axis with holes in it is none."""
    known = bool(np.isfinite(angles).all())
    axis = "rotation_angle" if known else "frame_index"
    for name, signal in (("data", "data"), ("rocking_curve", "total_counts")):
        plot = _group(entry, name, "NXdata", signal=signal)
        if known:
            plot[axis] = h5py.SoftLink("/entry/sample/rotation_angle")
        else:
            plot[axis] = np.arange(len(angles))
    entry["rocking_curve"]["total_counts"] = totals
    entry["rocking_curve"].attrs["axes"] = [axis]
    if "data" not in entry["instrument/detector"]:
        entry.attrs["default"] = "rocking_curve"
        del entry["data"]
        return
    frames = entry["instrument/detector/data"]
    entry["data"]["data"] = h5py.SoftLink(frames.name)
    entry["data"]["row"] = np.arange(frames.shape[1])
    entry["data"]["column"] = np.arange(frames.shape[2])
    entry["data"].attrs["axes"] = [axis, "row", "column"]


def _collection(entry: h5py.Group, finished: Finished, received_s: NDArray[np.float64]) -> None:
    started, ended = finished.started, finished.ended
    ours = _group(entry, "bragglive", "NXcollection", format=FORMAT)
    ours["scan"] = started.scan
    ours["source"] = started.source
    ours["crystal"] = started.crystal or ""
    ours["hold"] = started.hold or ""
    ours["status"] = ended.status
    ours["reason"] = ended.reason
    ours["missing"] = np.array(ended.missing, np.int32)
    ours["missing"].attrs["meaning"] = "frames that did not come; they read as the largest value of the dtype"
    ours["frames_expected"] = started.frames_expected
    ours["angles_deg"] = np.array(finished.angles_deg)
    _number(ours, "received", received_s, "s", meaning="Unix time at which each frame came to this machine")
    if started.geometry is not None:
        ours["geometry"] = msgspec.json.encode(started.geometry).decode()
        ours["geometry"].attrs["meaning"] = "JSON of the contract's Geometry"
    if finished.hold is not None:
        _number(ours, "voltage", finished.hold.voltage_v, "V")
        _number(ours, "hold_planned", finished.hold.planned_s, "s")
    ours["goniometer"] = msgspec.json.encode(dict(finished.series.goniometer)).decode()
    ours["goniometer"].attrs["meaning"] = "JSON: axis → [start, increment] in degrees"
    ours["window"] = _window(started)
    ours["window"].attrs["meaning"] = "region of interest: first row, first column, rows, columns"
    if finished.region is not None:
        _region(ours, finished.region)


def _region(ours: h5py.Group, region: RegionChosen) -> None:
    """How the window was chosen, and by how much it is further on than the crystal's last one."""
    ours["window_chosen"] = region.chosen
    ours["window_chosen"].attrs["reason"] = region.reason
    ours["window_revision"] = region.window_revision
    meaning = "rows, columns by which the window's middle is further on than in the scan `since`"
    _number(ours, "window_shift", np.array(region.shift_px), "pixel", meaning=meaning, since=region.since or "")
    if region.peak_px is not None:
        meaning = "row, column of the Bragg peak on the full image"
        _number(ours, "peak_position", np.array(region.peak_px), "pixel", meaning=meaning)


def _window(started: ScanStarted) -> NDArray[np.int64]:
    window = started.window
    return np.array([window.row0, window.column0, window.rows, window.columns])


def _group(parent: h5py.Group, name: str, kind: str, **attributes: Any) -> h5py.Group:
    group = parent.require_group(name)
    group.attrs["NX_class"] = kind
    group.attrs.update(attributes)
    return group


def _number(group: h5py.Group, name: str, value: Any, units: str, **attributes: str) -> None:
    """A field with its units; nothing where the value is not known."""
    if value is None:
        return
    group[name] = value
    group[name].attrs.update({"units": units, **attributes})


def _spread(indices: list[int], values: list[float], length: int) -> NDArray[np.float64]:
    out = np.full(length, np.nan)
    out[indices] = values
    return out


def _iso(unix_s: float) -> str:
    return datetime.fromtimestamp(float(unix_s), UTC).isoformat()
