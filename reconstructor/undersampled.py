"""A scan with coarser rocking steps than the crystal's last one, on that one's finer grid. Pure.

With a warm start every n-th frame is enough for small changes (chrono CDI, arXiv:1603.01668): the planes between are
unknown, never zero and never interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from reconstructor.curve import LARGEST_GIB, CurveError, Reading, rocking

MOST_PLANES = 16
"""Finer than that no warm start can fill."""
OTHER_STEP = 0.02
"""Relative difference of the steps, once subdivided, that has to be stated."""


@dataclass(frozen=True, eq=False)
class Finer:
    """A curve on a finer grid."""

    reading: Reading
    every: int
    """Frame j of the scan is plane j · every; the others are not measured. 1: nothing was changed."""
    assumptions: tuple[str, ...]


def finer(reading: Reading, step_deg: float) -> Finer:
    """The curve on a grid as fine as that of a last object, whose planes are `step_deg` apart (binned ones, if its
    window was binned).

    The scan's own step is divided by a whole number, so that every frame stays exactly at its angle. CurveError where
    the steps go by more than `MOST_PLANES`, or the finer curve would be too large.
    """
    own = rocking(reading).step_deg
    if not np.isfinite(step_deg) or step_deg == 0:
        raise CurveError(f"the last scan's rocking step is {step_deg} deg; wanted one that is not 0")
    every = max(1, round(abs(own / step_deg)))
    if every == 1:
        return Finer(reading, 1, ())
    if every > MOST_PLANES:
        raise CurveError(f"{reading.started.scan} has one frame in {every} of the last scan's; wanted {MOST_PLANES}")
    return Finer(_spread(reading, every), every, _assumptions(own, step_deg, every))


def _spread(reading: Reading, every: int) -> Reading:
    """Frame j at plane j · every."""
    frames, rows, columns = reading.sizes
    planes = (frames - 1) * every + 1
    if planes * rows * columns * 4 > LARGEST_GIB * 2**30:
        raise CurveError(f"{reading.started.scan} on {planes} planes of {rows} × {columns}: above {LARGEST_GIB:g} GiB")
    there = slice(None, None, every)
    counts = np.zeros((planes, rows, columns), np.uint32)
    counts[there] = np.where(reading.measured[:, None, None], reading.counts, 0)
    measured, angle, monitor = np.zeros(planes, np.bool_), np.full(planes, np.nan), np.ones(planes)
    measured[there], angle[there], monitor[there] = reading.measured, reading.angle_deg, reading.monitor
    return Reading(
        started=msgspec.structs.replace(reading.started, frames_expected=planes),
        counts=counts,
        measured=measured,
        angle_deg=angle,
        monitor=monitor,
        image=reading.image,
        trusted=reading.trusted,
        ended=reading.ended,
    )


def _assumptions(own_deg: float, step_deg: float, every: int) -> tuple[str, ...]:
    between = f"{every - 1} planes between" if every > 2 else "the plane between"
    found = [
        f"Frames are {abs(own_deg):.4f}° apart, {every} steps of the last scan: {between} two frames are unknown, and "
        f"come from the last hold's crystal as far as the measured ones do not decide."
    ]
    off = abs(own_deg / (every * step_deg)) - 1
    if abs(off) > OTHER_STEP:
        found.append(f"The steps are taken for {100 * off:+.1f} % different from the last scan's.")
    return tuple(found)
