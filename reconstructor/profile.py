"""A scan's counts, row and column about its Bragg peak, frame by frame: what a curve is compared by. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reconstructor.curve import Floats, Reading
from reconstructor.peak import Peak

BOX_PX = 24
"""Half width of the box on the detector about the peak whose counts are taken."""


@dataclass(frozen=True)
class Background:
    """Counts a pixel and frame that are not the crystal's."""

    counts: float
    error: float
    """Standard error of counting."""


@dataclass(frozen=True, eq=False)
class Profile:
    """Counts about the peak against the rocking angle; one entry a measured frame, in the order of the frames."""

    frame: NDArray[np.intp]
    angle_deg: Floats
    """NaN where not known."""
    counts: Floats
    """Counts in the box, those of all trusted pixels, less the background beside it."""
    monitor: Floats
    """Incident intensity relative to the scan's nominal one."""
    background: Floats
    """What was taken off, in counts."""
    row_px: Floats
    """Centre of mass of these counts, within the scan's window; NaN where there are too few."""
    column_px: Floats
    spread_px: tuple[Floats, Floats]
    """Standard error of the centre along rows and columns, of counting alone."""

    @property
    def intensity(self) -> Floats:
        """Counts for the nominal incident intensity."""
        return self.counts / self.monitor


def profile(reading: Reading, peak: Peak) -> Profile:
    """The profile of the frames measured so far. The background is a constant a pixel, as in the corners."""
    frames = np.flatnonzero(reading.measured)
    rows, columns = (
        slice(max(0, at - BOX_PX), min(n, at + BOX_PX + 1))
        for at, n in zip(peak.at[1:], reading.image.shape, strict=True)
    )
    trusted = reading.trusted[rows, columns]
    stack = np.where(trusted, reading.counts[frames, rows, columns], 0).astype(float)
    empty = background_per_pixel(reading).counts * trusted
    counts = stack.sum(axis=(1, 2))
    centres = [_centre(stack - empty, axis) for axis in (1, 2)]
    spreads = [_spread(stack, counts - empty.sum(), centre, axis) for centre, axis in zip(centres, (1, 2), strict=True)]
    return Profile(
        frame=frames,
        angle_deg=reading.angle_deg[frames],
        counts=counts - empty.sum(),
        monitor=reading.monitor[frames],
        background=np.full(len(frames), float(empty.sum())),
        row_px=centres[0] + rows.start,
        column_px=centres[1] + columns.start,
        spread_px=(spreads[0], spreads[1]),
    )


def background_per_pixel(reading: Reading) -> Background:
    """The median of the four corners of the detector window, an eighth of it along each side: no peak reaches three."""
    rows, columns = (max(1, n // 8) for n in reading.image.shape)
    means, pixels = [], 0
    for down in (slice(0, rows), slice(-rows, None)):
        for across in (slice(0, columns), slice(-columns, None)):
            trusted = reading.trusted[down, across]
            if trusted.any():
                means.append(float(reading.image[down, across][trusted].mean()))
                pixels += int(np.count_nonzero(trusted))
    mean = float(np.median(means)) if means else 0.0
    frames = max(1, reading.frames)
    return Background(mean / frames, float(np.sqrt(max(mean, 1 / max(1, pixels)) / max(1, pixels))) / frames)


def _centre(stack: Floats, axis: int) -> Floats:
    """Centre of mass of each frame along an axis; NaN where nothing is above the background."""
    total = stack.sum(axis=(1, 2))
    along = stack.sum(axis=3 - axis)
    weighed = along @ np.arange(along.shape[1])
    return np.where(total > 0, weighed / np.where(total > 0, total, 1), np.nan)


def _spread(stack: Floats, total: Floats, centre: Floats, axis: int) -> Floats:
    """Standard error of that centre: √Σ n (x − centre)² over the counts above the background."""
    along = stack.sum(axis=3 - axis)
    distance = np.arange(along.shape[1])[None, :] - np.nan_to_num(centre)[:, None]
    variance = np.sum(along * distance**2, axis=1)
    return np.where(total > 0, np.sqrt(variance) / np.where(total > 0, total, 1), np.inf)
