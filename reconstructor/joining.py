"""Scans of one crystal in one hold, as the newest of them sees the others. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from reconstructor.curve import CurveError, Reading
from reconstructor.repeated import Evolution, repeated


class Joined(NamedTuple):
    """The newest scan's curve, with those added that agree with it."""

    reading: Reading
    """On the newest scan's grid, and under its name."""
    evolution: Evolution | None
    """Of the newest scan against the first one; None where they cannot be compared."""
    assumptions: tuple[str, ...]


def joined(own: Reading, earlier: Sequence[Reading]) -> Joined:
    """Add to a scan's counts those of earlier scans of its hold, where it agrees with the first of them.

    `earlier`: oldest first. A scan that differs stands alone, and its evolution says how.
    """
    if not earlier:
        return Joined(own, None, ())
    try:
        evolution = repeated([earlier[0], own]).evolutions[0]
        if not evolution.summed:
            return Joined(own, evolution, ())
        total = repeated([own, *earlier])
    except CurveError as reason:
        return Joined(own, None, (f"It is not compared with the hold's other scans: {reason}.",))
    return Joined(total.reading, evolution, total.assumptions)
