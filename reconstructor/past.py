"""A crystal as its last refinement left it, and how that lies on another scan's grid. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from contract.messages import Geometry, Scan, ScanStarted
from reconstructor.archive import Archived
from reconstructor.curve import Reading, Rocking, rocking
from reconstructor.drift import Slope, drift
from reconstructor.forecast.pattern import Pattern
from reconstructor.forecast.warm import warm_start
from reconstructor.geometry import steps_at
from reconstructor.peak import Peak
from reconstructor.phasing.problem import Mask, Start
from reconstructor.profile import Profile, profile
from reconstructor.window import Place, Window3, around

Scalar = TypeVar("Scalar", bound=np.generic)

SAME_STEP = 0.01
"""Relative difference of rocking steps that is none."""
SAME_GRID = 0.05
"""The same of an archived window against the scan it is said to be of."""
SAME_ANGLE_DEG = 0.02
SAME_LENGTH = 0.01
SAME_ENERGY = 0.001


class Laid(NamedTuple):
    """An object laid over a scan: runs may begin from it."""

    pattern: Pattern
    """Its places are those of the scan, but for `offset`."""
    support: Mask
    offset: Place = (0.0, 0.0, 0.0)
    """(frames, rows, columns) by which the scan's pattern is further on."""
    scale: float = 1.0
    """The scan's counts over the pattern's."""
    earlier_hold: bool = True
    """Whether it is of the crystal's last hold, not of this scan."""
    told: bool = False
    """Whether it is a volume that was told of these very frames."""

    def on(self, window: Window3) -> Start:
        """What a run on a window of the scan begins with."""
        return warm_start(self.pattern, self.support, window, self.offset)

    @property
    def peak(self) -> Place:
        """Where the origin of the object's own window lies on the scan."""
        a, b, c = (p + o for p, o in zip(self.pattern.centre, self.offset, strict=True))
        return a, b, c


@dataclass(frozen=True, eq=False)
class Past:
    """The last refined object of a crystal and what is remembered of the scan it came from."""

    scan: Scan
    record: Archived
    started: ScanStarted
    line: Rocking
    """Angles of the grid that the object's window is on."""
    peak: Peak
    profile: Profile
    core: Slope | None
    """How the strong frames moved over the detector; None where they were too few."""

    @property
    def plane_step_deg(self) -> float:
        """From one plane of the object's window to the next."""
        return self.line.step_deg * self.record.window.binning[0]

    def laid(self, started: ScanStarted, line: Rocking) -> Laid | None:
        """The object on another scan's grid: equal angles and pixels are equal places.

        None where that scan was measured with another instrument, or rocked the other way round. Where its steps are
        others, the window's planes become that scan's frames: the object's voxels keep their size, its field of view
        along the rocking axis grows or shrinks.
        """
        ratio = line.step_deg / self.line.step_deg
        if ratio <= 0 or started.geometry is None or not _alike(self.record.geometry, started.geometry):
            return None
        obj, support, window = self.record.obj, self.record.support, self.record.window
        binning, shape = window.binning, window.shape
        if abs(ratio - 1) > SAME_STEP:
            binning = (1, *binning[1:])
            shape = (round(shape[0] * window.binning[0] / ratio), *shape[1:])
            if shape[0] <= np.ptp(np.flatnonzero(support.any(axis=(1, 2)))):
                return None
            obj, support = _resized(obj, shape[0]), _resized(support, shape[0])
        frame, row, column = window.centre
        own, other = self.started.window, started.window
        place = (
            (self.line.angle(frame) - line.start_deg) / line.step_deg,
            row + own.row0 - other.row0,
            column + own.column0 - other.column0,
        )
        return Laid(Pattern(obj, around(place, binning, shape)), support)


def past(record: Archived, reading: Reading, peak: Peak) -> Past | None:
    """What is remembered of a refined volume made of `reading`; None if the record's window is not on its grid."""
    line, box, roi = rocking(reading), profile(reading, peak), reading.started.window
    frame, row, column = peak.centre
    steps = steps_at(record.geometry, line.step_deg, (line.angle(frame), row + roi.row0, column + roi.column0))
    wanted, found = (np.linalg.norm(a[0]) for a in (steps.binned(record.window.binning), record.reciprocal_inv_nm))
    if abs(found / wanted - 1) > SAME_GRID or not record.obj.any():
        return None
    moved = drift(box)
    return Past(record.volume.scan, record, reading.started, line, peak, box, None if moved is None else moved.core)


def extent_sampling(support: Mask, window: Window3) -> tuple[float, float, float]:
    """Field of view before binning over the crystal's extent, along (rocking, row, column)."""
    found = []
    for axis, (n, size) in enumerate(zip(window.shape, window.binning, strict=True)):
        along = np.flatnonzero(support.any(axis=tuple(a for a in range(3) if a != axis)))
        found.append(n * size / float(np.ptp(along) + 1) if along.size else float(n * size))
    return found[0], found[1], found[2]


def _alike(one: Geometry, other: Geometry) -> bool:
    """Whether the same detector pixel sees the same q at the same rocking angle, nearly."""
    axes = [(g.sample_axes, g.detector_axes, g.pixel_directions, g.rocking_axis, g.pixel_um) for g in (one, other)]
    if axes[0] != axes[1]:
        return False
    fixed = [_without(g.sample_angles_deg, g.rocking_axis) + g.detector_angles_deg for g in (one, other)]
    centres = [np.multiply(g.beam_centre_px, g.pixel_um) / (1000 * g.distance_mm) for g in (one, other)]
    return (
        bool(np.allclose(fixed[0], fixed[1], rtol=0, atol=SAME_ANGLE_DEG))
        and bool(np.isclose(one.distance_mm, other.distance_mm, rtol=SAME_LENGTH))
        and bool(np.allclose(centres[0], centres[1], rtol=0, atol=np.radians(SAME_ANGLE_DEG)))
        and bool(np.isclose(one.energy_kev, other.energy_kev, rtol=SAME_ENERGY))
    )


def _without(angles: tuple[float, ...], axis: int) -> tuple[float, ...]:
    return angles[:axis] + angles[axis + 1 :]


def _resized(volume: NDArray[Scalar], length: int) -> NDArray[Scalar]:
    """Cut or padded along the rocking axis, voxel n // 2 staying in the middle."""
    first = volume.shape[0] // 2 - length // 2
    cut = volume[max(0, first) : first + length]
    before = max(0, -first)
    return np.pad(cut, ((before, length - before - len(cut)), (0, 0), (0, 0)))
