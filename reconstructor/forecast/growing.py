"""What could have been shown while a curve grew: overlap with the truth of LAST HOLD, warm and cold volumes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from reconstructor.curve import Reading
from reconstructor.forecast.offset import Fit, fit
from reconstructor.forecast.pattern import Pattern
from reconstructor.forecast.planes import planes
from reconstructor.forecast.residual import HORIZON, Residual, forecast, residual
from reconstructor.forecast.search import Template, template
from reconstructor.forecast.warm import WARM, seen_from, warm_start
from reconstructor.free import free_pixels
from reconstructor.peak import find_peak
from reconstructor.phasing import engine
from reconstructor.phasing.alignment import overlap
from reconstructor.phasing.kernel import Kernel
from reconstructor.phasing.problem import Complex, Mask, Problem, Start, free_llk
from reconstructor.phasing.recipe import Recipe
from reconstructor.prepare import prepare
from reconstructor.window import Place, Window3, around

SHARES = (0.1, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True, eq=False)
class Play:
    """A measured curve that is played back, and all that is known of it beforehand and afterwards."""

    reading: Reading
    """Of the whole curve."""
    truth: Callable[[Window3], Complex]
    """The true object on a window's grid, up to a factor."""
    last: Pattern
    """The last hold's object."""
    support: Mask
    """And its support."""
    cold: Recipe
    """By which cold volumes are made; warm ones by `WARM`."""
    kernel: Callable[[Problem], Kernel]


@dataclass(frozen=True, eq=False)
class Shown:
    """One way of showing the crystal at one moment of the scan."""

    share: float
    """Of the frames that are measured."""
    way: str
    """"last", "warm" or "cold"."""
    overlap: float
    """Complex overlap with the truth."""
    passed: bool
    """Whether the peak has passed."""
    free_llk: float | None = None
    """None for the last hold's object, which is not phased."""
    residual: Residual | None = None
    """Scored when a tenth of the frames more have come; None before the peak, and of the whole curve."""


@dataclass(frozen=True, eq=False)
class Moment:
    """What is known when a share of the frames is measured."""

    share: float
    reading: Reading
    window: Window3
    free: Mask | None
    """Drawn once, when the peak has passed; None before."""
    fit: Fit

    @property
    def problem(self) -> Problem:
        """What there is to be phased."""
        none = np.zeros(self.reading.sizes, np.bool_)
        return prepare(self.reading, self.window, none if self.free is None else self.free).problem


def shown(play: Play, shares: tuple[float, ...] = SHARES) -> Iterator[Shown]:
    """What each way would have shown at each share of the frames."""
    for moment in played(play, shares):
        truth, problem = play.truth(moment.window), moment.problem
        later = replace(moment, reading=until(play.reading, moment.share + HORIZON)).problem
        for way, obj, llk in _ways(play, moment, problem):
            score = None if moment.free is None else residual(forecast(obj, problem), later)
            yield Shown(moment.share, way, overlap(truth, obj), moment.free is not None, llk, score)


def played(play: Play, shares: tuple[float, ...]) -> Iterator[Moment]:
    """The curve as it grows, with the fit of the last hold's pattern and the window that follows from it."""
    laid: Template = template(play.last, play.reading.sizes[0], planes(play.reading, play.last.window))
    free, found = None, None
    for share in shares:
        now = until(play.reading, share)
        found = fit(laid, planes(now, play.last.window), found)
        peak = find_peak(now)
        passed = peak is not None and peak.passed
        place = peak.place if peak is not None and passed else expected_place(play.last, found)
        if free is None and passed:
            free = free_pixels(now.started.scan, now.sizes, place).mask()
        yield Moment(share, now, around(place, play.last.window.binning, play.last.window.shape), free, found)


def until(reading: Reading, share: float) -> Reading:
    """The curve as it stood when this share of its frames was measured."""
    measured = reading.measured & (np.arange(len(reading.measured)) < round(share * len(reading.measured)))
    image = np.where(reading.trusted, reading.counts[measured].sum(axis=0, dtype=np.float64), 0.0)
    return replace(reading, measured=measured, image=image, ended=reading.ended if measured.all() else None)


def expected_place(last: Pattern, found: Fit) -> Place:
    """Where the origin of the last window should lie on the present curve."""
    a, b, c = (p + o for p, o in zip(last.window.centre, found.offset, strict=True))
    return a, b, c


def _ways(play: Play, moment: Moment, problem: Problem) -> Iterator[tuple[str, Complex, float | None]]:
    """Name, object and free LLK of each way; cold and warm ones from the moment the peak has passed."""
    yield "last", seen_from(play.last, moment.window, moment.fit.offset), None
    if moment.free is None:
        return
    start = warm_start(play.last, play.support, moment.window, moment.fit.offset)
    ways: tuple[tuple[str, Recipe, Start | None], ...] = (("warm", WARM, start), ("cold", play.cold, None))
    for way, recipe, begin in ways:
        *_, end = engine.run(recipe, problem, begin, play.kernel(problem), 0)
        yield way, end.obj, free_llk(end)
