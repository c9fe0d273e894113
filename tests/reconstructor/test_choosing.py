"""The object a volume is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reconstructor.choosing import POLISH, Candidate, common, pick
from reconstructor.phasing import engine, population
from reconstructor.phasing.alignment import overlap
from reconstructor.phasing.kernels.reference import ReferenceKernel
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
    """Of members with independent errors the polished mode is nearer to the truth, and has the lower free LLK."""
    problem, members, truth = noisy
    choice = population.choose(members)
    best = members[choice.best].estimate
    shared = common(members, choice)
    assert shared is not None
    assert shared.weight is None
    *_, polished = engine.run(POLISH, problem, shared.start, ReferenceKernel(), 0)
    found = pick([Candidate(best, "run"), Candidate(polished, "mode")], shared.weight)
    assert found.origin == "mode"
    assert found.quality.free_llk == polished.misfit.free_llk < best.misfit.free_llk
    assert overlap(truth, found.obj) > overlap(truth, best.obj)


def test_the_first_of_candidates_stays_where_none_is_better(noisy: Any) -> None:
    """What tells the free pixels worse is left; a candidate is published with its own numbers."""
    _, members, _ = noisy
    choice = population.choose(members)
    ranked = [Candidate(members[k].estimate, f"run {k}") for k in choice.kept]
    found = pick(ranked, None)
    misfit = ranked[0].estimate.misfit
    assert found.origin == ranked[0].origin
    assert np.array_equal(found.obj, ranked[0].estimate.obj)
    assert misfit is not None
    assert (found.quality.r_factor, found.quality.free_llk) == (misfit.r_factor, misfit.free_llk)
    assert found.quality.support_voxels == int(found.support.sum())


def test_one_run_has_nothing_in_common(noisy: Any) -> None:
    """A mode is of two at least."""
    _, members, _ = noisy
    assert common(members[:1], population.choose(members[:1])) is None


def test_ten_cold_members_have_a_weight(noisy: Any) -> None:
    """From ten cold members on the mode's weight is determined; warm ones do not count."""
    _, members, _ = noisy
    many = [population.Member(members[k % 4].estimate, k) for k in range(10)]
    shared = common(many, population.choose(many))
    assert shared is not None
    assert shared.weight is not None
    assert shared.mean is not None
    assert 0.3 < shared.weight <= 1
    assert np.linalg.norm(shared.mean) < np.linalg.norm(members[0].estimate.obj)
    for dependent in (replace(many[0], warm=True), replace(many[0], generation=1)):
        some = [dependent, *many[1:]]
        shared = common(some, population.choose(some))
        assert shared is not None
        assert (shared.weight, shared.mean) == (None, None)


def test_a_blur_that_was_found_is_kept(noisy: Any) -> None:
    """What the best run found of the beam's coherence holds while the mode is polished."""
    _, members, _ = noisy
    choice = population.choose(members)
    psf = np.full((1, 1, 3), 1 / 3, np.float32)
    best = replace(members[choice.best], estimate=replace(members[choice.best].estimate, psf=psf))
    shared = common([best if place == choice.best else member for place, member in enumerate(members)], choice)
    assert shared is not None
    assert shared.start.psf is psf


def test_warm_and_cold_runs_are_compared_where_both_were_kept(noisy: Any) -> None:
    """The best of each kind, also where the other kind's best is beyond the few the mode is taken of."""
    _, members, _ = noisy
    assert common(members, population.choose(members)).warm_cold is None  # type: ignore[union-attr]
    choice = population.choose(members)
    worst = choice.kept[-1]
    mixed = [replace(member, warm=place == worst) for place, member in enumerate(members)]
    wanted = overlap(members[choice.best].estimate.obj, members[worst].estimate.obj)
    found = common(mixed, choice)
    assert found is not None
    assert found.warm_cold == pytest.approx(wanted, abs=1e-4)
    many = [*(replace(members[choice.best], seed=9 + k) for k in range(5)), mixed[worst]]
    beyond = common(many, population.choose(many))
    assert beyond is not None
    assert (beyond.members, beyond.warm_cold) == (5, pytest.approx(wanted, abs=1e-4))
    assert pick([Candidate(members[0].estimate, "one")], None, None, 0.97).quality.warm_cold_overlap == 0.97
