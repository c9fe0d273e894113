"""The object a volume is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reconstructor.choosing import compact, pick
from reconstructor.phasing import engine, population
from reconstructor.phasing.alignment import overlap
from reconstructor.phasing.problem import Estimate, Problem


@pytest.fixture
def noisy(played: Callable[..., Any]) -> tuple[Problem, list[population.Member], np.ndarray]:
    """A problem, and members that are the truth with independent noise inside its support."""
    scan = played()
    truth = np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(scan.amplitude)))
    support = np.abs(truth) > 0.3 * np.abs(truth).max()
    rng = np.random.default_rng(0)
    free = rng.random(support.shape) < 0.05
    problem = Problem(scan.counts.astype(np.float32), ~free, free)
    members = []
    for seed in range(4):
        noise = rng.standard_normal(support.shape) + 1j * rng.standard_normal(support.shape)
        obj = np.where(support, truth + 0.1 * np.abs(truth).max() * noise, 0)
        members.append(population.Member(_estimate(obj, support, problem), seed))
    return problem, members, np.where(support, truth, 0).astype(np.complex64)


def _estimate(obj: np.ndarray, support: np.ndarray, problem: Problem) -> Estimate:
    box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(support))
    estimate = Estimate(
        shape=problem.shape,
        corner=(box[0].start, box[1].start, box[2].start),
        block=obj[box].astype(np.complex64),
        inside=support[box],
        iteration=1,
        iterations=1,
        step="ER",
        stage=0,
        iterate_r=0.0,
        energy_outside=0.01,
    )
    return engine.finished(estimate, problem)


def test_what_runs_have_in_common_is_taken_where_it_tells_the_free_pixels_better(noisy: Any) -> None:
    """Of members with independent errors the common mode is nearer to the truth, and has the lower free LLK."""
    problem, members, truth = noisy
    choice = population.choose(members)
    best = members[choice.best]
    found = pick(problem, members, choice)
    assert found.quality.free_llk is not None
    assert best.estimate.misfit is not None
    assert best.estimate.misfit.free_llk is not None
    assert found.quality.free_llk < best.estimate.misfit.free_llk
    assert overlap(truth, found.obj) > overlap(truth, best.estimate.obj)
    assert found.quality.mode_weight is None


def test_one_run_is_its_own_choice(noisy: Any) -> None:
    """A single run is published as it is, with its numbers."""
    problem, members, _ = noisy
    found = pick(problem, members[:1], population.choose(members[:1]))
    misfit = members[0].estimate.misfit
    assert np.array_equal(found.obj, members[0].estimate.obj)
    assert (found.quality.r_factor, found.quality.free_llk) == (misfit.r_factor, misfit.free_llk)
    assert found.quality.support_voxels == int(found.support.sum())


def test_compact_members_compare_as_the_whole_ones_do(noisy: Any) -> None:
    """Cutting the empty surroundings changes no overlap."""
    _, members, _ = noisy
    small = compact(members)
    assert small[0].estimate.shape < members[0].estimate.shape
    whole = overlap(members[0].estimate.obj, members[1].estimate.obj)
    assert overlap(small[0].estimate.obj, small[1].estimate.obj) == pytest.approx(whole, abs=2e-3)
