"""How near an archived volume comes to the simulator's truth: complex overlap over the full box."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from reconstructor import archive
from reconstructor.phasing.alignment import aligned
from reconstructor.phasing.problem import Complex
from reconstructor.window import Window3


class TruthError(ValueError):
    """A truth file that cannot be used; the text says why."""


@dataclass(frozen=True)
class Score:
    """How a volume compares with the truth of its scan."""

    archive: str
    truth: str
    scan: str
    hold: str
    stage: str
    revision: int
    complex_overlap: float
    """|⟨a, b⟩| / (‖a‖‖b‖) over the full box after joint hand, sub-voxel shift and one constant phase; ramp kept."""
    twinned: bool
    shift_voxels: tuple[float, float, float]


def score(archive_path: Path, truth_path: Path, scan: str | None = None, hold: str | None = None) -> Score:
    """Compare an archive with the truth of its scan (or of the scan or hold named). Raises ValueError, TruthError."""
    kept = archive.read(archive_path)
    found, truth = true_object(truth_path, kept.window, scan or (None if hold else kept.volume.scan), hold)
    laid = aligned(truth, kept.obj)
    return Score(
        archive=str(archive_path),
        truth=str(truth_path),
        scan=kept.volume.scan,
        hold=found,
        stage=kept.volume.stage,
        revision=kept.volume.revision,
        complex_overlap=float(laid.overlap),
        twinned=laid.twin,
        shift_voxels=laid.shift_voxels,
    )


def true_object(path: Path, window: Window3, scan: str | None, hold: str | None) -> tuple[str, Complex]:
    """The hold's name and the true object on a window's grid: its true far-field amplitude, transformed back.

    The file holds /holds/<k>/amplitude, complex64 (frame, row, column), with the attributes scan, hold, crystal.
    """
    try:
        with h5py.File(path, "r") as file:
            groups = [group for group in file["holds"].values() if _fits(group, scan, hold)]
            if len(groups) != 1:
                known = ", ".join(f"{g.attrs.get('scan')} ({g.attrs.get('hold')})" for g in file["holds"].values())
                wanted = f"scan {scan}" if scan else f"hold {hold}"
                raise TruthError(f"{path} holds {len(groups)} truths of {wanted}; it knows {known}")
            name = str(groups[0].attrs.get("hold", ""))
            amplitude = sampled(groups[0]["amplitude"], window)
    except (OSError, KeyError) as reason:
        raise TruthError(f"{path} is no truth of a simulation: {reason}") from reason
    obj = scipy.fft.fftshift(scipy.fft.ifftn(scipy.fft.ifftshift(amplitude)))
    return name, np.asarray(obj, np.complex64)


def sampled(amplitude: h5py.Dataset | Complex, window: Window3) -> Complex:
    """The amplitude at the centre of each voxel of a window: the middle raw sample, or the mean of the middle two."""
    out = np.asarray(amplitude[...], np.complex64)
    for axis, (start, size, length) in enumerate(zip(window.start, window.binning, window.shape, strict=True)):
        first = start + size * np.arange(length) + (size - 1) // 2
        low = _along(out, first, axis)
        out = low if size % 2 else ((low + _along(out, first + 1, axis)) / 2).astype(np.complex64)
    return out


def _along(values: Complex, indices: NDArray[np.intp], axis: int) -> Complex:
    """Planes by index, zero where there are none."""
    there = (indices >= 0) & (indices < values.shape[axis])
    planes = np.take(values, np.clip(indices, 0, values.shape[axis] - 1), axis=axis)
    keep = np.expand_dims(there, tuple(a for a in range(3) if a != axis))
    return np.where(keep, planes, np.complex64(0)).astype(np.complex64)


def _fits(group: h5py.Group, scan: str | None, hold: str | None) -> bool:
    if scan is not None and str(group.attrs.get("scan", "")) != scan:
        return False
    return hold is None or str(group.attrs.get("hold", "")) == hold
