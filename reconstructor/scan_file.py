"""An archived scan read back as the curve it was: the streamer's NeXus file, by the layout its documentation states."""

from __future__ import annotations

from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  (registers the bitshuffle filter that the archives are written with)
import msgspec
import numpy as np
from numpy.typing import NDArray

from contract.messages import Crystal, FrameBlock, Geometry, Hold, Scan, ScanStarted, Window
from reconstructor.curve import Curve, Reading

REVISION = 1
"""Of the window; there is one in a file."""


class ScanFileError(ValueError):
    """A file that holds no scan of ours; the text names it and says why."""


def read(path: Path) -> Reading:
    """The whole curve of an archived scan, inside the window it was published with. ScanFileError: it cannot be had."""
    try:
        with h5py.File(path, "r") as file:
            started = _started(file["entry"])
            curve = Curve(started)
            curve.add(_block(file["entry"], started))
    except (OSError, KeyError, ValueError, msgspec.MsgspecError) as reason:
        raise ScanFileError(f"{path} is no archive of a scan: {reason}") from reason
    return curve.reading()


def _started(entry: h5py.Group) -> ScanStarted:
    ours, detector = entry["bragglive"], entry["instrument/detector"]
    row0, column0, rows, columns = (int(v) for v in ours["window"][...])
    window = Window(row0=row0, column0=column0, rows=rows, columns=columns)
    shape = detector["data"].shape
    flat = _inside(detector, "flatfield", window)
    mask = _inside(detector, "pixel_mask", window)
    trusted_below = int(np.iinfo(detector["data"].dtype).max) - 1
    saturation = int(detector["saturation_value"][()]) if "saturation_value" in detector else trusted_below
    return ScanStarted(
        scan=Scan(_text(ours, "scan")),
        source=_text(ours, "source"),
        frames_expected=shape[0],
        window_revision=REVISION,
        window=window,
        detector_shape=(shape[1], shape[2]),
        geometry=msgspec.json.decode(_text(ours, "geometry"), type=Geometry) if "geometry" in ours else None,
        crystal=Crystal(_text(ours, "crystal")) or None,
        hold=Hold(_text(ours, "hold")) or None,
        saturation_counts=min(saturation, trusted_below),
        mask=np.zeros((rows, columns), np.uint32) if mask is None else mask.astype(np.uint32),
        flat_field=None if flat is None else flat.astype(np.float32),
    )


def _block(entry: h5py.Group, started: ScanStarted) -> FrameBlock:
    """All frames that came, as if at once."""
    missing = set(entry["bragglive/missing"][...].tolist())
    index = np.array([j for j in range(started.frames_expected) if j not in missing], np.int32)
    window = started.window
    inside = entry["instrument/detector/data"][
        :, window.row0 : window.row0 + window.rows, window.column0 : window.column0 + window.columns
    ]
    counts = inside[index].astype(np.uint32)
    return FrameBlock(
        scan=started.scan,
        window_revision=REVISION,
        index=index,
        angle_deg=entry["bragglive/angles_deg"][...][index].astype(np.float64),
        monitor=entry["monitor/data"][...][index].astype(np.float64),
        total_counts=counts.sum(axis=(1, 2), where=np.asarray(started.mask == 0), dtype=np.float64),
        counts=counts,
    )


def _inside(detector: h5py.Group, name: str, window: Window) -> NDArray[np.generic] | None:
    if name not in detector:
        return None
    cut: NDArray[np.generic] = detector[name][
        window.row0 : window.row0 + window.rows, window.column0 : window.column0 + window.columns
    ]
    return cut


def _text(group: h5py.Group, name: str) -> str:
    return str(group[name].asstr()[()])
