"""Where the Bragg peak is on the curve measured so far, and whether it has passed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from reconstructor.curve import Reading
from reconstructor.window import Place, Triple

FALLEN = 0.5
"""The peak has passed when the profile has fallen below this share of its maximum …"""
FRAMES_AFTER = 3
"""… in this many of the newest measured frames."""
LEAST_COUNTS = 25.0
BOX_PX = 8
"""Half width of the box on the detector whose counts make the rocking profile."""


@dataclass(frozen=True)
class Peak:
    """The Bragg peak of the frames measured so far."""

    at: Triple
    """(frame, row, column) of the smoothed maximum, within the scan's window."""
    centre: Place
    """Centre of mass of the counts about it: the place Q is taken at."""
    passed: bool
    """Whether frames on the far side show that the maximum is behind us."""
    counts: float
    """Counts in the box of the frame at the maximum, smoothed over three frames."""

    @property
    def place(self) -> Place:
        """The maximum's voxel as a place: what windows are centred on."""
        return float(self.at[0]), float(self.at[1]), float(self.at[2])


def find_peak(reading: Reading) -> Peak | None:
    """The peak of the measured frames, or None where no more than a few counts have come.

    Pixels that stand alone (hot ones) do not decide: the detector image goes through a 3 × 3 median first.
    """
    measured = np.flatnonzero(reading.measured)
    if not len(measured):
        return None
    image = ndimage.gaussian_filter(ndimage.median_filter(reading.image, 3), 1.0)
    row, column = (int(v) for v in np.unravel_index(int(np.argmax(image)), image.shape))
    box = _box((row, column), BOX_PX, image.shape)
    calm = _calm(reading, box)
    stack = reading.counts[(slice(None), *box)]
    profile = np.sum(stack[measured], axis=(1, 2), where=calm, dtype=float) / reading.monitor[measured]
    smooth = _smoothed(profile)
    top = int(np.argmax(smooth))
    if smooth[top] < LEAST_COUNTS:
        return None
    after = smooth[top + 1 :]
    passed = len(after) >= FRAMES_AFTER and bool((after[-FRAMES_AFTER:] < FALLEN * smooth[top]).all())
    centre = _centre_of_mass(stack, calm, measured, (top, row - box[0].start, column - box[1].start))
    place = (centre[0], centre[1] + box[0].start, centre[2] + box[1].start)
    return Peak((int(measured[top]), row, column), place, passed, float(smooth[top]))


def _box(at: tuple[int, int], half: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    rows, columns = (slice(max(0, p - half), min(n, p + half + 1)) for p, n in zip(at, shape, strict=True))
    return rows, columns


def _calm(reading: Reading, box: tuple[slice, slice]) -> NDArray[np.bool_]:
    """Trusted pixels of the box that do not stand far above all their neighbours together."""
    image = reading.image[box]
    around = ndimage.median_filter(image, 3)
    hot = image > 10 * around + 5 * np.sqrt(np.maximum(image, 1)) + 10
    calm: NDArray[np.bool_] = reading.trusted[box] & ~hot
    return calm


def _smoothed(profile: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each measured frame and those measured before and after it, with weights 1, 2, 1."""
    kernel = np.array([1.0, 2.0, 1.0])
    smooth: NDArray[np.float64] = np.convolve(profile, kernel, "full")[1:-1]
    return smooth / np.convolve(np.ones(len(profile)), kernel, "full")[1:-1]


def _centre_of_mass(
    stack: NDArray[np.uint32], calm: NDArray[np.bool_], measured: NDArray[np.intp], at: Triple
) -> Place:
    """Centre of mass of the counts above half of the maximum's, near it; place within the stack.

    `at` is (which of the measured frames, row, column). Frames that were not measured are passed over, so that a scan
    with coarse steps on a fine grid hangs together.
    """
    first = max(0, at[0] - BOX_PX)
    frames = measured[first : at[0] + BOX_PX + 1]
    counts = np.where(calm, stack[frames], 0).astype(float)
    smooth = ndimage.uniform_filter(counts, 3)
    weight = np.where(smooth >= 0.5 * smooth[at[0] - first, at[1], at[2]], smooth, 0.0)
    if not weight.any():
        return float(measured[at[0]]), float(at[1]), float(at[2])
    parts, _ = ndimage.label(weight > 0)
    weight = np.where(parts == parts[np.unravel_index(int(np.argmax(weight)), weight.shape)], weight, 0.0)
    _, row, column = ndimage.center_of_mass(weight)
    frame = float(np.average(frames, weights=weight.sum(axis=(1, 2))))
    return frame, float(row), float(column)
