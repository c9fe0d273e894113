"""How forecasts are scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest

from reconstructor.forecast.residual import Residual, beats, forecast, noise, residual
from reconstructor.phasing.alignment import overlap
from reconstructor.phasing.problem import Complex, PhasingError, Problem

MEANS = (1e-4, 0.03, 0.7, 3.0, 11.9, 12.1, 90.0, 4e4)


@pytest.mark.parametrize("mean", MEANS)
def test_noise_is_what_poisson_counts_make(mean: float) -> None:
    """The mean of (√n − √m)² over a hundred thousand draws."""
    n = np.random.default_rng(1).poisson(mean, 400_000)
    square = (np.sqrt(n) - np.sqrt(mean)) ** 2
    assert noise(np.array([mean]))[0] == pytest.approx(square.mean(), abs=5 * square.std() / np.sqrt(n.size) + 1e-5)


class Grown(NamedTuple):
    """A true object, and the data of it then and now."""

    truth: Complex
    then: Problem
    now: Problem


@pytest.fixture
def grown(grown_counts: Callable[..., Any]) -> Grown:
    """A small crystal of which 60 % of the planes were measured then, and 75 % are now."""
    return Grown(*grown_counts(0.6, 0.75))


@pytest.fixture
def grown_counts() -> Callable[..., tuple[Complex, Problem, Problem]]:
    """`grown_counts(then, now)`: truth, problem at one share of the planes and at another."""

    def make(then: float, now: float) -> tuple[Complex, Problem, Problem]:
        rng = np.random.default_rng(4)
        z, y, x = np.meshgrid(*[np.arange(32) - 16] * 3, indexing="ij", sparse=True)
        inside = (abs(z) < 6) & (abs(y) < 5) & (x > -6) & (x + 0.5 * z + 0.3 * y < 4)
        obj = (inside * np.exp(1j * (0.02 * x * z + 0.01 * y * y))).astype(np.complex64)
        power = np.abs(np.fft.fftshift(np.fft.fftn(obj))) ** 2
        obj = obj * np.float32(np.sqrt(1e6 / power.sum()))
        counts = rng.poisson(power * (1e6 / power.sum())).astype(np.float32)
        free = rng.random(counts.shape) < 0.05
        plane = np.arange(32)[:, None, None]
        problems = [Problem(counts, (plane < share * 32) & ~free, (plane < share * 32) & free) for share in (then, now)]
        return obj, problems[0], problems[1]

    return make


def test_the_truth_foretells_all_but_noise(grown: Grown) -> None:
    """Its residual is 0 within what counting allows, whatever scale it is given in."""
    scored = residual(forecast(3 * grown.truth, grown.then), grown.now)
    assert scored is not None
    assert abs(scored.value) < 2e-3
    assert scored.arrived == 4 * 32 * 32


def test_a_worse_object_foretells_worse(grown: Grown) -> None:
    """The residual rises with the distance from the truth."""
    x = (np.arange(32) - 16)[None, None, :] / 6
    values, errors = [], []
    for bent in (0.0, 0.3, 0.7, 1.2):
        obj = (grown.truth * np.exp(1j * bent * x * x)).astype(np.complex64)
        scored = residual(forecast(obj, grown.then), grown.now)
        assert scored is not None
        values.append(scored.value)
        errors.append(1 - overlap(grown.truth, obj))
    assert values == sorted(values)
    assert errors == sorted(errors)
    assert values[-1] > 0.02


def test_what_was_seen_does_not_count(grown: Grown) -> None:
    """Counts the volume was fitted to may change as they like: only their sum's share remains."""
    made = forecast(grown.truth, grown.then)
    swapped = grown.now.counts.copy()
    seen = grown.then.known
    swapped[seen] = swapped[seen][::-1]
    before, after = residual(made, grown.now), residual(made, replace(grown.now, counts=swapped))
    assert before is not None
    assert after is not None
    assert after.value == pytest.approx(before.value, rel=1e-6)


def test_there_is_no_residual_before_something_came(grown: Grown) -> None:
    """A forecast is not scored on the data it was made from."""
    assert residual(forecast(grown.truth, grown.then), grown.then) is None


def test_another_window_is_refused(grown: Grown) -> None:
    """The forecast and the data are of one window."""
    with pytest.raises(
        PhasingError, match=r"a forecast of shape \(32, 32, 32\); wanted that of the data, \(16, 32, 32\)"
    ):
        residual(
            forecast(grown.truth, grown.then),
            Problem(grown.now.counts[:16], grown.now.known[:16], grown.now.free[:16]),
        )


def test_an_object_without_scale_is_refused(grown: Grown) -> None:
    """Nothing is foretold from nothing."""
    with pytest.raises(PhasingError, match=r"the object has the scale 0.0 to the data"):
        forecast(np.zeros_like(grown.truth), grown.then)


def test_last_hold_is_beaten_by_a_lower_residual_alone() -> None:
    """Not by an equal one, and not before the volume was scored."""
    low, high = Residual(0.01, 100), Residual(0.05, 100)
    assert beats(low, high)
    assert not beats(high, low)
    assert not beats(low, low)
    assert not beats(None, high)
    assert beats(high, None)
