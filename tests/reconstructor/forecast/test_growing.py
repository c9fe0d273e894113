"""What could be shown while a curve grows, on crystals that changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reconstructor.forecast.growing import Play, Shown, shown, until
from reconstructor.forecast.residual import beats
from reconstructor.phasing import recipe_file
from reconstructor.phasing.kernels import cpu

PLACE = (55.0, 25.3, 23.1)


def play(held: Callable[..., Any], seed: int, change: str, shares: tuple[float, ...]) -> dict[tuple[str, float], Shown]:
    """By way and share."""
    crystal = held(seed, change)
    pattern, support = crystal.last()
    scan = crystal.scan("after", PLACE, brightness=1.4)
    cold = recipe_file.default("provisional")
    told = Play(scan.reading, scan.truth, pattern, support, cold, lambda problem: cpu.choose(problem.shape))
    return {(row.way, row.share): row for row in shown(told, shares)}


def test_a_warm_volume_beats_last_hold_and_says_so(held: Callable[..., Any]) -> None:
    """Within a tenth of the scan after the peak; its overlap is above 0.95 where the last hold's was below 0.9."""
    rows = play(held, 0, "strained", (0.1, 0.55, 0.6, 0.7))
    assert not rows["last", 0.1].passed
    warm, last, cold = (rows[way, 0.6] for way in ("warm", "last", "cold"))
    assert last.overlap < 0.9
    assert warm.overlap > 0.95
    assert beats(warm.residual, last.residual)
    assert cold.overlap < warm.overlap
    assert not beats(cold.residual, warm.residual)


@pytest.mark.parametrize(("seed", "change"), [(1, "a dislocation born"), (2, "a domain lost")])
def test_a_crystal_that_really_changed_is_not_pulled_back(seed: int, change: str, held: Callable[..., Any]) -> None:
    """On the whole curve the lower free LLK of cold and warm is the crystal as it is now, not as it was."""
    rows = play(held, seed, change, (1.0,))
    best = min((rows["warm", 1.0], rows["cold", 1.0]), key=lambda row: float(row.free_llk or np.inf))
    assert rows["last", 1.0].overlap < 0.9
    assert best.overlap > 0.97


def test_what_is_not_measured_yet_is_not_looked_at(held: Callable[..., Any]) -> None:
    """The curve of an earlier moment has its own image, and no frame too many."""
    scan = held(0).scan("after")
    early = until(scan.reading, 0.25)
    assert early.frames == 30
    np.testing.assert_array_equal(early.image, scan.reading.counts[:30].sum(axis=0))
    assert scan.reading.frames == 120
