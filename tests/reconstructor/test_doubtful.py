"""Which supports are warned of."""

from __future__ import annotations

import numpy as np

from reconstructor.doubtful import doubtful
from reconstructor.phasing.problem import Mask


def _block(*widths: int, side: int = 32) -> Mask:
    """A block so wide in a window of side³."""
    support = np.zeros((side, side, side), np.bool_)
    support[tuple(slice(side // 2 - w // 2, side // 2 - w // 2 + w) for w in widths)] = True
    return support


def test_a_likely_support_is_not_warned_of() -> None:
    """Up to half of the window along each axis nothing is said."""
    assert doubtful(_block(4, 10, 16)) == ()
    assert doubtful(_block(16, 16, 16)) == ()


def test_a_collapsed_support_is_told_with_its_widths() -> None:
    """A needle, and nothing at all."""
    (needle,) = doubtful(_block(2, 3, 12))
    assert "collapsed: 72 voxels, 2 × 3 × 12 wide; wanted at least 4" in needle
    (nothing,) = doubtful(_block(0, 0, 0))
    assert "collapsed: 0 voxels" in nothing


def test_a_support_that_stays_huge_is_told_with_its_share() -> None:
    """A block that fills two thirds of the window is too large, and too wide along each axis."""
    share, wide = doubtful(_block(28, 28, 28))
    assert "it fills 67 % of the window; wanted at most 50 %" in share
    assert wide.count("28 of 32 voxels") == 3


def test_a_support_too_wide_along_one_axis_names_it() -> None:
    """The axis that is not sampled finely enough is told by its name."""
    (wide,) = doubtful(_block(17, 8, 8))
    assert "17 of 32 voxels along rocking; wanted at most half" in wide
    assert "column" not in wide
