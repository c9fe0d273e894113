"""The pure part of a job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reconstructor import work
from reconstructor.candidates import SHOWN
from reconstructor.curve import Curve
from reconstructor.forecast.pattern import Pattern
from reconstructor.free import free_pixels
from reconstructor.jobs import Job, Offer
from reconstructor.past import Laid
from reconstructor.peak import find_peak
from reconstructor.phasing import engine
from reconstructor.phasing.kernels.reference import ReferenceKernel
from reconstructor.phasing.notation import parse
from reconstructor.phasing.population import Member
from reconstructor.phasing.problem import Estimate, Mask
from reconstructor.window import around


@pytest.fixture
def task(played: Callable[..., Any]) -> work.Task:
    """Two runs of a recipe that begins at half the resolution."""
    source = played()
    curve = Curve(source.started)
    curve.add(source.block(0, 48))
    reading = curve.reading()
    peak = find_peak(reading)
    assert peak is not None
    offer = Offer(
        around(peak.place, (1, 1, 1), (48, 48, 48)), parse("Crop(0.5) * HIO**20 | Sup(threshold=0.2) * ER**10")
    )
    job = Job(
        scan=source.started.scan, window_revision=1, stage="refined", frames=48, offer=offer, runs=2, first_seed=3
    )
    return work.Task(job, reading, source.started.geometry, peak, free_pixels(job.scan, reading.sizes, peak.place))


def test_a_run_cut_short_at_low_resolution_is_made_whole(task: work.Task) -> None:
    """An estimate of a cropped stage comes to the full size with a misfit of the full data."""
    ready = work.prepared(task, task.free.mask())
    first = next(engine.run(task.job.offer.recipe, ready.problem, None, ReferenceKernel(), 3, every=10))
    assert first.shape != ready.problem.shape
    whole = work.whole(first, ready.problem)
    assert whole.shape == ready.problem.shape
    assert whole.misfit is not None
    assert np.array_equal(whole.obj != 0, (whole.obj != 0) & whole.support)


def test_q_is_taken_at_the_measured_peak_and_the_ramp_counted_from_the_window(task: work.Task) -> None:
    """|Q| at the peak and at the window's middle voxel differ by the way between them along Q."""
    ready = work.prepared(task, task.free.mask())
    estimates = list(engine.run(task.job.offer.recipe, ready.problem, None, ReferenceKernel(), 3))
    made = work.made(task, ready, [Member(estimates[-1], 3)])
    off = np.array(task.peak.centre) - np.array(ready.window.centre)
    space = made.space
    along = off @ space.reciprocal_inv_nm @ space.q_centre_inv_a / np.linalg.norm(space.q_centre_inv_a) / 10
    lengths = [float(np.linalg.norm(q)) for q in (space.q_peak_inv_a, space.q_centre_inv_a)]
    assert abs(along) > 1e-5
    assert lengths[0] - lengths[1] == pytest.approx(along, abs=1e-6)
    assert space.steps_nm @ space.reciprocal_inv_nm.T == pytest.approx(2 * np.pi * np.eye(3) / 48, abs=1e-9)
    assert made.obj.shape == (48, 48, 48)
    assert made.seeds == (3,)


@pytest.fixture
def likenesses(task: work.Task, played: Callable[..., Any]) -> list[Member]:
    """Twelve finished runs with the true amplitudes, whose phases agree the less the further from the peak; the last
    one's amplitudes are wrong."""
    ready = work.prepared(task, task.free.mask())
    wave = played().amplitude
    k = (np.arange(48) - 24) / 24
    q = np.sqrt(k[:, None, None] ** 2 + k[None, :, None] ** 2 + k[None, None, :] ** 2)
    rng, found = np.random.default_rng(0), []
    for seed in range(12):
        other = wave * np.exp(4j * q * rng.standard_normal(q.shape))
        other *= 1 + (seed == 11) * rng.standard_normal(q.shape)
        obj = np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(other))).astype(np.complex64)
        estimate = Estimate((48, 48, 48), (0, 0, 0), obj, np.abs(obj) > 0, 1, 1, "ER", 0, 0.0, 0.01)
        found.append(Member(engine.finished(estimate, ready.problem), seed))
    return found


def test_ten_independent_runs_tell_their_resolution(task: work.Task, likenesses: list[Member]) -> None:
    """PRTF, its resolution and the weight are given; what was not used is named with its seed, in the volume's
    sentences too."""
    made = work.made(task, work.prepared(task, task.free.mask()), likenesses)
    assert made.prtf is not None
    assert made.prtf.ratio[1] == pytest.approx(1.0, abs=0.05)
    assert made.prtf.resolution_nm is not None
    assert 0.3 < 2 * np.pi / made.prtf.resolution_nm / made.prtf.q_inv_nm[-1] < 0.95
    assert made.quality.prtf_resolution_nm == made.prtf.resolution_nm
    assert made.quality.mode_weight is not None
    assert [sentence.split(":")[0] for sentence in made.rejected] == ["seed 11"]
    assert any(s.startswith("1 of 12 runs were not used (seed 11: its free LLK") for s in made.assumptions)
    assert made.seeds == tuple(range(12))


@pytest.mark.parametrize("dependent", [{"warm": True}, {"generation": 1}])
def test_runs_that_depend_on_each_other_tell_no_resolution(
    task: work.Task, likenesses: list[Member], dependent: dict[str, Any]
) -> None:
    """Nine independent runs and any number of warm or bred ones: not determined."""
    members = [*likenesses[:9], *(replace(member, **dependent) for member in likenesses[9:11])]
    made = work.made(task, work.prepared(task, task.free.mask()), members)
    assert (made.prtf, made.quality.prtf_resolution_nm, made.quality.mode_weight) == (None, None, None)


def test_a_curve_that_never_falls_is_said(task: work.Task, likenesses: list[Member]) -> None:
    """Runs that agree entirely: the resolution is not determined, but known to be finer than the window's edge."""
    made = work.made(task, work.prepared(task, task.free.mask()), [replace(likenesses[0], seed=k) for k in range(10)])
    assert made.prtf is not None
    assert made.quality.prtf_resolution_nm is None
    assert any("agree up to the window's edge" in sentence for sentence in made.assumptions)


def test_a_support_that_never_closed_in_is_said(task: work.Task, likenesses: list[Member]) -> None:
    """The volume is published all the same, with a sentence that warns of it; a likely support has none."""
    estimate, ready = likenesses[0].estimate, work.prepared(task, task.free.mask())
    middle = tuple(slice(n // 2 - n // 5, n // 2 + n // 5) for n in estimate.shape)
    inside = np.zeros(estimate.shape, np.bool_)
    inside[middle] = True

    def said(support: Mask) -> tuple[str, ...]:
        held = replace(estimate, corner=(0, 0, 0), block=estimate.obj * support, inside=support)
        return work.made(task, ready, [replace(likenesses[0], estimate=held)]).assumptions

    everywhere, likely = said(np.ones_like(inside)), said(inside)
    assert any("never closed in: it fills 100 % of the window" in sentence for sentence in everywhere)
    assert not any("The support" in sentence for sentence in likely)


class Unwanted(Exception):
    """Nobody wants the volume any more."""


def test_a_job_can_be_stopped_between_its_steps(task: work.Task, likenesses: list[Member]) -> None:
    """Preparing, and making a volume of runs, look up several times each; what the look raises ends them there."""
    looks = [0]

    def look_up(most: int) -> Callable[[], None]:
        looks[0] = 0

        def look() -> None:
            looks[0] += 1
            if looks[0] > most:
                raise Unwanted

        return look

    ready = work.prepared(task, task.free.mask(), look_up(1000))
    steps = {"prepared": looks[0]}
    work.made(task, ready, likenesses, look_up=look_up(1000))
    steps["made"] = looks[0]
    assert steps["prepared"] > 4
    assert steps["made"] > len(likenesses)
    for most in range(steps["prepared"]):
        with pytest.raises(Unwanted):
            work.prepared(task, task.free.mask(), look_up(most))
    for most in range(0, steps["made"], 3):
        with pytest.raises(Unwanted):
            work.made(task, ready, likenesses, look_up=look_up(most))


@pytest.mark.parametrize("told", [False, True])
def test_a_refined_volume_tells_the_free_pixels_no_worse_than_the_provisional_one_did(
    task: work.Task, likenesses: list[Member], told: bool
) -> None:
    """Where all runs came out worse, the provisional volume of the same frames is kept; another object is not."""
    ready = work.prepared(task, task.free.mask())
    good, poor = likenesses[0], likenesses[11:]
    window = task.job.offer.window
    laid = Laid(Pattern(good.estimate.obj, window), good.estimate.support, earlier_hold=False, told=told)
    found = work.made(replace(task, warm=laid), ready, poor)
    assert found.quality.free_llk is not None
    assert (found.quality.free_llk == pytest.approx(good.free_llk, rel=1e-3)) == told
    assert (found.origin == SHOWN) == told
