"""What the crystal's last object foretells of one scan, brought up to date as its frames come. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reconstructor.curve import CurveError, Reading, rocking
from reconstructor.forecast.offset import Fit, fit
from reconstructor.forecast.planes import planes
from reconstructor.forecast.search import Template, template
from reconstructor.past import Laid, Past, extent_sampling
from reconstructor.peak import Peak
from reconstructor.undersampled import Finer, finer
from reconstructor.windows import Oversampling

FROM = 0.1
"""Of the scan's frames: from here on the last object is laid over them …"""
CLOSE_VOXELS = 1.0
"""Of the last window: an object that lies as near to its place is worth beginning from, once the peak is measured."""
ANEW = 0.02
"""… and again after so many more, as long as its place is not determined …"""
ANEW_DETERMINED = 0.1
"""… or is."""


@dataclass(frozen=True, eq=False)
class Foreseen:
    """The last object on the grid of one scan."""

    past: Past
    grid: Finer
    """The curve on the grid that it is phased on: finer than measured where the scan's steps are coarse."""
    template: Template
    fit: Fit
    laid: Laid
    frames: int
    """That it was fitted to."""

    @property
    def peak(self) -> Peak:
        """Where the Bragg peak is expected, as a peak that has not passed."""
        frame, row, column = self.laid.peak
        own, window = self.laid.pattern.window, self.past.record.window
        if (own.shape, own.binning) == (window.shape, window.binning):
            # the measured peak is not quite where the window's middle voxel is
            a, b, c = (p - m for p, m in zip(self.past.peak.centre, window.centre, strict=True))
            frame, row, column = frame + a, row + b, column + c
        return Peak((round(frame), round(row), round(column)), (frame, row, column), False, 0.0)

    @property
    def sampled(self) -> Oversampling:
        """As the last object's support tells it, before the peak is measured."""
        return Oversampling(extent_sampling(self.laid.support, self.laid.pattern.window), self.grid.every)

    @property
    def close(self) -> bool:
        """Whether its place is known well enough for runs that have the peak's frames to put them right."""
        size = self.laid.pattern.window.binning
        return all(sigma <= CLOSE_VOXELS * n for sigma, n in zip(self.fit.sigma, size, strict=True))

    @property
    def moved_deg(self) -> float:
        """How far the peak's rocking angle is from where it was."""
        return self.fit.offset[0] * rocking(self.grid.reading).step_deg

    def text(self) -> str:
        """How sure the place is, in a sentence."""
        frame, sigma = self.laid.peak[0], self.fit.sigma[0]
        sure = "" if self.fit.determined else " That is not determined by these frames yet."
        return (
            f"The crystal is that of {self.past.scan}, laid over the frames so far: its peak is put at plane "
            f"{frame:.1f} ± {sigma:.1f}, {self.fit.scale:.2f} times as bright.{sure}"
        )


def foreseen(before: Foreseen | None, past: Past | None, measured: Reading) -> Foreseen | None:
    """The last object laid over the frames measured so far, anew or on from `before`.

    None where there is none, too few frames have come, or it does not fit this scan (another instrument, steps that
    no finer grid bridges).
    """
    if before is not None:
        grid = replace(before.grid, reading=_spread(before.past, measured).reading)
        wanted = (ANEW_DETERMINED if before.fit.determined else ANEW) * len(measured.measured)
        return _on(before, grid) if measured.frames - before.frames >= wanted else replace(before, grid=grid)
    if past is None or not measured.located or not enough(measured.frames, len(measured.measured)):
        return None
    try:
        grid = _spread(past, measured)
        laid = past.laid(measured.started, rocking(grid.reading))
        if laid is None:
            return None
        seen = planes(grid.reading, laid.pattern.window)
    except (CurveError, ValueError):
        return None
    found = template(laid.pattern, grid.reading.sizes[0], seen)
    return _fitted(Foreseen(past, grid, found, fit(found, seen), laid, measured.frames))


def enough(frames: int, expected: int) -> bool:
    """Whether so many frames of a scan are a tenth of it, as nearly as whole frames can be."""
    return frames >= round(FROM * expected)


def _spread(past: Past, measured: Reading) -> Finer:
    return finer(measured, past.plane_step_deg)


def _on(known: Foreseen, grid: Finer) -> Foreseen:
    """Fitted anew, to the frames of `grid`."""
    found = fit(known.template, planes(grid.reading, known.laid.pattern.window), known.fit)
    return _fitted(replace(known, grid=grid, fit=found, frames=grid.reading.frames))


def _fitted(known: Foreseen) -> Foreseen:
    return replace(known, laid=known.laid._replace(offset=known.fit.offset, scale=known.fit.scale))
