"""When a scan is good enough: more frames no longer change the volume, nor how well it foretells them. Pure.

The limits are from three synthetic crystals in the next hold (a volume every twentieth of the curve): warm volumes
within 0.003 of their final overlap with the truth differed by 0.003–0.012 from one to the next and had residuals of
0.003–0.005 that varied by up to 30 %; stagnated ones differed by 0.02 and more, with residuals above 0.03.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SETTLED = 3
"""So many successive provisional volumes have to agree."""
LEAST_CHANGE = 0.02
"""1 − complex overlap of two successive volumes that counts as none."""
LEAST_GAIN = 0.35
"""Relative change of the forecast residual that counts as none."""
NOISE = 0.001
"""Change of the forecast residual that counts as none whatever its size: 30 % of the least ones above. The residual of
a volume that is right is zero but for the counts' noise, and may be below."""
GOOD_RESIDUAL = 0.01
"""Above it a volume that stands still has stagnated."""


@dataclass(frozen=True)
class Shown:
    """A provisional volume, in the order they were made."""

    frames: int
    """That it was made from."""
    change: float | None
    """1 − complex overlap with the one before; None of the first."""
    residual: float | None
    """Its forecast residual; None where too few frames came after it."""


@dataclass(frozen=True)
class GoodEnough:
    """The scan could end here."""

    frames: int
    """From which on nothing changed any more."""
    saved_frames: int
    """That would not have had to be measured."""
    change: float
    residual: float

    def text(self) -> str:
        """In one or two sentences."""
        return (
            f"The scan is good enough since frame {self.frames}: the last volumes differ by {100 * self.change:.1f} % "
            f"and foretell new frames no better. {self.saved_frames} frames could be saved."
        )


def good_enough(shown: Sequence[Shown], expected: int) -> GoodEnough | None:
    """Whether change and forecast residual have both settled, and since when; `expected` frames are planned.

    Settled are `SETTLED` volumes in a row of which each differs from the one before by no more than `LEAST_CHANGE`,
    and whose forecast residuals agree within `LEAST_GAIN` or `NOISE`, none of them above `GOOD_RESIDUAL`.
    Volumes whose residual is not known yet are passed over.
    """
    known = [one for one in shown if one.change is not None and one.residual is not None]
    for last in range(SETTLED, len(known) + 1):
        few = known[last - SETTLED : last]
        changes, residuals = [one.change or 0.0 for one in few], [one.residual or 0.0 for one in few]
        alike = max(residuals) - min(residuals) <= max(LEAST_GAIN * max(residuals), NOISE)
        if max(changes) <= LEAST_CHANGE and alike and max(residuals) <= GOOD_RESIDUAL:
            frames = few[-1].frames
            return GoodEnough(frames, max(0, expected - frames), max(changes), residuals[-1])
    return None
