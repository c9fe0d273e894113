"""What a volume may be made of, beside the best run: polished, in common with others, or what it began from. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from reconstructor.choosing import Candidate, Common
from reconstructor.phasing import engine
from reconstructor.phasing.problem import Complex, Estimate, Problem, Start

BEGUN = "what warm runs began from, polished"
SHOWN = "the volume of these frames that was shown before"

Polish = Callable[[Sequence[Start]], Sequence[Estimate | None]]
"""Runs `choosing.POLISH` from each of some starts; it may decline any by giving None."""


def no_polish(starts: Sequence[Start]) -> Sequence[Estimate | None]:
    """Decline."""
    return [None] * len(starts)


def candidates(
    best: Estimate, shared: Common | None, begun: Start | None, told: Estimate | None, polish: Polish
) -> list[Candidate]:
    """The best run as it is and polished, the polished mode; and what warm runs began from, lest they made it worse:
    polished, and as it was `told` before.
    """
    starts = {"the best run, polished": Start(obj=best.obj, support=best.support, psf=best.psf)}
    if begun is not None:
        starts[BEGUN] = begun
    if shared is not None:
        starts[f"the first eigenmode of {shared.members} runs, polished"] = shared.start
    polished = zip(starts, polish(list(starts.values())), strict=True)
    found = [Candidate(estimate, origin) for origin, estimate in polished if estimate is not None]
    return [Candidate(best, "the best run"), *found, *([] if told is None else [Candidate(told, SHOWN)])]


def told_before(volume: Start, problem: Problem) -> Estimate | None:
    """A volume that was told of the same frames already, with its misfit on this problem; None if it is empty there."""
    if volume.obj is None or volume.support is None:
        return None
    obj: Complex = np.where(volume.support, volume.obj, np.complex64(0)).astype(np.complex64)
    if not obj.any():
        return None
    return engine.finished(Estimate(problem.shape, (0, 0, 0), obj, volume.support, 0, 0, "", 0, 0.0, 0.0), problem)
