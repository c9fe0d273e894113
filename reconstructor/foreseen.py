"""What the crystal's last object foretells of one scan, brought up to date as its frames come. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reconstructor.curve import Reading, rocking
from reconstructor.forecast.offset import Fit, fit
from reconstructor.forecast.planes import planes
from reconstructor.forecast.search import Template, template
from reconstructor.past import Laid, Past, extent_sampling
from reconstructor.peak import Peak
from reconstructor.undersampled import OTHER_STEP, Finer, finer
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
    step_deg: float
    """Rocking step of the grid it was laid on; where angles told later make another one, it is laid anew."""

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
    no finer grid bridges, angles told again that do not rock).
    """
    try:
        known = None if before is None else _onward(before, measured)
        return _laid(past if before is None else before.past, measured) if known is None else known
    except (ValueError, ArithmeticError):  # CurveError and LinAlgError are ValueErrors
        return None


def _onward(before: Foreseen, measured: Reading) -> Foreseen | None:
    """On from `before`; None where the scan's steps are not those any more that it was laid on."""
    grid = _spread(before.past, measured)
    if grid.every != before.grid.every or abs(rocking(grid.reading).step_deg / before.step_deg - 1) > OTHER_STEP:
        return None
    grid = replace(before.grid, reading=grid.reading)
    wanted = (ANEW_DETERMINED if before.fit.determined else ANEW) * len(measured.measured)
    return _on(before, grid) if measured.frames - before.frames >= wanted else replace(before, grid=grid)


def _laid(past: Past | None, measured: Reading) -> Foreseen | None:
    """Laid over the frames for the first time."""
    if past is None or not measured.located or not enough(measured.frames, len(measured.measured)):
        return None
    grid = _spread(past, measured)
    line = rocking(grid.reading)
    laid = past.laid(measured.started, line)
    if laid is None:
        return None
    seen = planes(grid.reading, laid.pattern.window)
    found = template(laid.pattern, grid.reading.sizes[0], seen)
    return _fitted(Foreseen(past, grid, found, fit(found, seen), laid, measured.frames, line.step_deg))


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
