"""The likelihood of all whole-voxel offsets at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reconstructor.forecast.planes import planes
from reconstructor.forecast.search import landscape, template


def test_it_is_the_poisson_likelihood_of_the_moved_template(held: Callable[..., Any]) -> None:
    """Σ n ln μ − Σ μ with the scale that makes the sums agree, written out for a few offsets."""
    crystal = held(0)
    pattern, _ = crystal.last()
    reading = crystal.scan("after").until(70)
    found = planes(reading, pattern.window)
    laid = template(pattern, 120, found, (8.0, 3.0, 2.0))
    seen = landscape(laid, found)
    assert seen.log_likelihood.shape == (9, 7, 5)
    first = -laid.first + (found.at[0] - pattern.window.start[0]) // 2
    for k, offset in ((0, (-4, -3, -2)), (1, (0, 0, 0)), (2, (2, -1, 2)), (3, (4, 3, 0))):
        moved = laid.intensity[first.astype(int) - offset[0]]
        moved = moved[:, 3 - offset[1] : 51 - offset[1], 2 - offset[2] : 50 - offset[2]]
        expected = moved * found.response
        scale = found.counts.sum(dtype=float) / expected.sum(dtype=float)
        value = np.sum(found.counts * np.log(scale * moved), dtype=float) - scale * expected.sum(dtype=float)
        at = tuple(o + r for o, r in zip(offset, (4, 3, 2), strict=True))
        assert seen.log_likelihood[at] == pytest.approx(value, rel=1e-4), k
        assert np.exp(seen.log_scale[at]) == pytest.approx(scale, rel=1e-3)


def test_part_of_the_rocking_offsets_is_a_part_of_the_landscape(held: Callable[..., Any]) -> None:
    """Looking near an earlier fit gives the same numbers as looking everywhere."""
    crystal = held(1)
    pattern, _ = crystal.last()
    found = planes(crystal.scan("after").until(70), pattern.window)
    laid = template(pattern, 120, found, (8.0, 3.0, 3.0))
    whole, part = landscape(laid, found), landscape(laid, found, (-2, 1))
    assert part.offsets[0].tolist() == [-2, -1, 0, 1]
    np.testing.assert_allclose(part.log_likelihood, whole.log_likelihood[2:6])


def test_the_pattern_goes_on_beyond_its_window(held: Callable[..., Any]) -> None:
    """Without a step at the edge, and fainter the further out."""
    pattern, _ = held(0).last()
    found = planes(held(0).scan("after").until(10), pattern.window)
    laid = template(pattern, 120, found, (30.0, 4.0, 4.0))
    assert laid.first < -10
    along = laid.intensity[:, 4:-4, 4:-4].sum(axis=(1, 2))
    edge = -laid.first
    assert along[edge - 1] == pytest.approx(along[edge], rel=0.4)
    assert np.all(np.diff(along[:edge]) > 0)


def test_dispersion_tells_a_changed_crystal_from_noise(held: Callable[..., Any]) -> None:
    """About 1 where only counting noise and the search's smoothing are wrong, many times that for another crystal."""
    crystal = held(0)
    pattern, _ = crystal.last()
    spread = {}
    for state in ("before", "after"):
        found = planes(crystal.scan(state).until(50), pattern.window)
        spread[state] = landscape(template(pattern, 120, found), found).dispersion
    assert 1 <= spread["before"] < 2
    assert spread["after"] > 1.5 * spread["before"]
