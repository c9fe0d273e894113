"""What the reconstructor knows of a growing rocking curve: one array, filled in place once a frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contract.messages import Angles, FrameBlock, Geometry, ScanEnded, ScanStarted

Counts = NDArray[np.uint32]
Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]

LARGEST_GIB = 16.0
MONITOR = (1e-6, 1e6)
"""Least and largest relative intensity that is taken for one."""


class CurveError(ValueError):
    """A message that does not fit its scan; the text names what was found and what was wanted."""


@dataclass(frozen=True, eq=False)
class Reading:
    """The curve at one moment. `counts` is shared with the growing curve: read only frames that are `measured`."""

    started: ScanStarted
    counts: Counts
    """(frame, row, column), raw counts inside the scan's window."""
    measured: Flags
    """(frame,)"""
    angle_deg: Floats
    """(frame,), NaN where not known."""
    monitor: Floats
    """(frame,), relative to the scan's nominal intensity; 1 where the sender's number is no intensity."""
    image: Floats
    """(row, column): counts of all measured frames together, 0 where not trusted."""
    trusted: Flags
    """(row, column)"""
    ended: ScanEnded | None = None

    @property
    def frames(self) -> int:
        """How many frames are measured."""
        return int(np.count_nonzero(self.measured))

    @property
    def sizes(self) -> tuple[int, int, int]:
        """(frames, rows, columns) of the whole curve."""
        frames, rows, columns = self.counts.shape
        return frames, rows, columns

    @property
    def missing(self) -> tuple[int, ...]:
        """Frames not (yet) measured."""
        return tuple(int(j) for j in np.flatnonzero(~self.measured))

    @property
    def located(self) -> bool:
        """Whether the angle of every measured frame is known (and there are at least two of them)."""
        return self.frames >= 2 and bool(np.isfinite(self.angle_deg[self.measured]).all())

    @property
    def geometry(self) -> Geometry | None:
        """Where beam and detector were, if the scan says it."""
        return self.started.geometry


class Curve:
    """A rocking curve that grows. Frames that came already are not taken twice; nothing is ever overwritten."""

    def __init__(self, started: ScanStarted) -> None:
        window = started.window
        shape = (started.frames_expected, window.rows, window.columns)
        if started.frames_expected == 0:
            raise CurveError(f"nobody told how many frames {started.scan} has (its start was missed): no volume of it")
        if min(shape) < 1:
            raise CurveError(f"scan {started.scan} has (frames, rows, columns) {shape}; each must be at least 1")
        if np.prod(shape, dtype=float) * 4 > LARGEST_GIB * 2**30:
            raise CurveError(f"scan {started.scan} has (frames, rows, columns) {shape}: above {LARGEST_GIB:g} GiB")
        if started.mask.shape != shape[1:]:
            raise CurveError(f"the mask of {started.scan} has shape {started.mask.shape}; wanted {shape[1:]}")
        if started.flat_field is not None and started.flat_field.shape != shape[1:]:
            raise CurveError(
                f"the flat field of {started.scan} has shape {started.flat_field.shape}; wanted {shape[1:]}"
            )
        self.started = started
        self.ended: ScanEnded | None = None
        self._counts: Counts = np.zeros(shape, np.uint32)
        self._measured: Flags = np.zeros(shape[0], np.bool_)
        self._angle_deg: Floats = np.full(shape[0], np.nan)
        self._monitor: Floats = np.ones(shape[0])
        self.strange_monitor: list[int] = []
        """Frames whose monitor is positive but outside `MONITOR`; it counts as 1."""
        self._image: Floats = np.zeros(shape[1:])
        self._trusted: Flags = _trusted(started)

    @property
    def frames(self) -> int:
        """How many frames are measured."""
        return int(np.count_nonzero(self._measured))

    def add(self, block: FrameBlock) -> int:
        """Take the block's frames that are new; returns how many were. Raises `CurveError` for what cannot be."""
        self._check(block)
        new = 0
        for k, index in enumerate(int(j) for j in block.index):
            if np.isfinite(block.angle_deg[k]):
                self._angle_deg[index] = block.angle_deg[k]
            if self._measured[index]:
                continue
            self._counts[index] = block.counts[k]
            if MONITOR[0] <= block.monitor[k] <= MONITOR[1]:
                self._monitor[index] = block.monitor[k]
            elif block.monitor[k] > 0:
                self.strange_monitor.append(index)
            self._image += np.where(self._trusted, block.counts[k], 0)
            self._measured[index] = True
            new += 1
        return new

    def locate(self, angles: Angles) -> None:
        """Take angles that became known after their frames."""
        self._check_index(angles.index, angles.angle_deg.shape)
        for index, angle in zip(angles.index, angles.angle_deg, strict=True):
            if np.isfinite(angle):
                self._angle_deg[index] = angle

    def end(self, ended: ScanEnded) -> None:
        """No more frames are expected (late ones are still taken)."""
        self.ended = ended

    def reading(self) -> Reading:
        """The curve as it stands; costs no copy of the frames."""
        return Reading(
            started=self.started,
            counts=self._counts,
            measured=self._measured.copy(),
            angle_deg=self._angle_deg.copy(),
            monitor=self._monitor.copy(),
            image=self._image.copy(),
            trusted=self._trusted,
            ended=self.ended,
        )

    def _check(self, block: FrameBlock) -> None:
        wanted = (len(block.index), *self._counts.shape[1:])
        if block.counts.shape != wanted:
            raise CurveError(f"frames of {block.scan} have shape {block.counts.shape}; wanted {wanted}")
        self._check_index(block.index, block.angle_deg.shape, block.monitor.shape)

    def _check_index(self, index: NDArray[np.int32], *shapes: tuple[int, ...]) -> None:
        scan, frames = self.started.scan, len(self._measured)
        for shape in shapes:
            if shape != index.shape:
                raise CurveError(f"{index.shape} indices of {scan} come with values of shape {shape}; wanted as many")
        if index.size and not (int(index.min()) >= 0 and int(index.max()) < frames):
            raise CurveError(f"frame {int(index.max())} (least {int(index.min())}) of {scan}; wanted 0 to {frames - 1}")


def _trusted(started: ScanStarted) -> Flags:
    trusted: Flags = np.asarray(started.mask) == 0
    if started.flat_field is not None:
        trusted &= np.isfinite(started.flat_field) & (started.flat_field > 0)
    return trusted


@dataclass(frozen=True)
class Rocking:
    """Angle of frame j = start + j · step, and how far the measured ones are from it."""

    start_deg: float
    step_deg: float
    worst_steps: float
    """Largest deviation of a measured angle from the line, in steps."""

    def angle(self, frame: float) -> float:
        """Angle at a (fractional) frame, in degrees."""
        return self.start_deg + frame * self.step_deg


def rocking(reading: Reading) -> Rocking:
    """The straight line through the known angles; raises `CurveError` if there is none worth the name."""
    known = np.flatnonzero(reading.measured & np.isfinite(reading.angle_deg))
    if len(known) < 2:
        raise CurveError(f"{len(known)} frames of {reading.started.scan} have an angle; wanted at least 2")
    angles = reading.angle_deg[known]
    step, start = (float(v) for v in np.polyfit(known, angles, 1))
    if step == 0 or not np.isfinite(step):
        raise CurveError(f"the rocking angle of {reading.started.scan} does not change (it stays at {angles[0]} deg)")
    worst = float(np.max(np.abs(angles - (start + step * known)))) / abs(step)
    return Rocking(start, step, worst)


def contiguous(indices: Iterable[int]) -> str:
    """Indices as people write them: "3, 7–9"."""
    runs: list[list[int]] = []
    for j in sorted(indices):
        if runs and j == runs[-1][1] + 1:
            runs[-1][1] = j
        else:
            runs.append([j, j])
    return ", ".join(f"{a}" if a == b else f"{a}–{b}" for a, b in runs)
