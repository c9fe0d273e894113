"""What provisional volumes expect of frames that are not measured yet, and how those bore them out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from reconstructor.forecast.residual import HORIZON, Forecast, beats, forecast, residual
from reconstructor.forecast.warm import Standing, abandoned
from reconstructor.past import Laid
from reconstructor.phasing.population import Member
from reconstructor.phasing.problem import Complex, PhasingError, Problem
from reconstructor.window import Window3


class Rival(NamedTuple):
    """The best of the cold runs of a job, or of the warm ones."""

    free_llk: float | None
    forecast: Forecast

    def standing(self, now: Problem) -> Standing:
        """What speaks for it by now."""
        return Standing(self.free_llk, residual(self.forecast, now))


@dataclass(frozen=True, eq=False)
class Foretold:
    """The forecasts of one job, all on its window."""

    window: Window3
    volume: Forecast
    baseline: Forecast | None
    """Of the last hold's object, offset and scale fitted to the same frames; None without one."""
    warm: Rival | None
    cold: Rival | None


class Verdict(NamedTuple):
    """How a volume's forecast was borne out."""

    residual: float
    baseline: float | None
    beats: bool
    """Whether the volume foretold better than the last hold's object (or there is none)."""
    abandoned: bool
    """Whether cold runs leave the warm one behind: the crystal has changed too much to begin from its past."""


def foretold(
    obj: Complex, members: Sequence[Member], problem: Problem, window: Window3, laid: Laid | None
) -> Foretold | None:
    """The forecasts of a volume, of those it was chosen among, and of the last hold's object; None where the volume
    has no scale to the data."""
    volume = _expected(obj, problem)
    if volume is None:
        return None
    baseline = None if laid is None or not laid.earlier_hold else _expected(laid.on(window).obj, problem)
    warm, cold = (_rival([m for m in members if m.warm is kind], problem) for kind in (True, False))
    return Foretold(window, volume, baseline, warm, cold)


def verdict(made: Foretold, now: Problem) -> Verdict | None:
    """Score the forecasts with what is measured `now` on their window; None as long as nothing came since."""
    own = residual(made.volume, now)
    if own is None:
        return None
    base = None if made.baseline is None else residual(made.baseline, now)
    left = (
        made.warm is not None and made.cold is not None and abandoned(made.warm.standing(now), made.cold.standing(now))
    )
    return Verdict(own.value, None if base is None else base.value, beats(own, base), left)


def due(made_from: int, frames: int, expected: int, over: bool) -> bool:
    """Whether a volume made from so many frames is to be scored for good: after `HORIZON`, or when no more come."""
    return frames - made_from >= HORIZON * expected or (over and frames > made_from)


def _expected(obj: Complex | None, problem: Problem) -> Forecast | None:
    if obj is None:
        return None
    try:
        return forecast(obj, problem)
    except PhasingError:  # before the first counts nothing has a scale
        return None


def _rival(members: Sequence[Member], problem: Problem) -> Rival | None:
    best = min(members, key=lambda member: member.free_llk, default=None)
    made = None if best is None else _expected(best.estimate.obj, problem)
    if best is None or made is None:
        return None
    misfit = best.estimate.misfit
    return Rival(None if misfit is None else misfit.free_llk, made)
