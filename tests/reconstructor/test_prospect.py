"""How volumes of a growing scan are borne out, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from contract.messages import Geometry
from reconstructor.foretold import due, foretold, verdict
from reconstructor.free import free_pixels, no_free_pixels
from reconstructor.jobs import Begins, Job, Offer
from reconstructor.past import Past
from reconstructor.phasing import engine
from reconstructor.phasing.notation import parse
from reconstructor.phasing.population import Member
from reconstructor.phasing.problem import Complex, Estimate, Problem
from reconstructor.prepare import prepare
from reconstructor.prospect import Prospect, first_look
from reconstructor.work import Made, Task, made
from tests.reconstructor.forecast.conftest import FRAMES, Scan, crystal
from tests.reconstructor.remembered import beginning, remembered

PLACE = (55.0, 25.3, 23.1)
AT = 70
"""Frames that the volumes are made from."""


@pytest.fixture
def scan(coarse: Geometry) -> Scan:
    """The second hold of a crystal that was strained since."""
    return crystal(0, "strained", beginning(coarse, "after")).scan("after", PLACE, brightness=1.4)


@pytest.fixture
def past(coarse: Geometry) -> Past:
    """Its first hold."""
    return remembered(crystal(0, "strained", beginning(coarse, "x")), coarse)


def member(obj: Complex, problem: Problem, warm: bool) -> Member:
    """A run that ended with an object."""
    estimate = Estimate(problem.shape, (0, 0, 0), obj, np.abs(obj) > 0.1 * np.abs(obj).max(), 1, 1, "ER", 0, 0.0, 0.0)
    return Member(engine.finished(estimate, problem), 0, warm)


@pytest.fixture
def volume_of(scan: Scan, past: Past) -> Callable[..., tuple[Prospect, Made]]:
    """A volume of the first `AT` frames that is the truth, or the last hold's object: volume_of(true, begins)."""

    def make(true: bool, begins: Begins = "warm", over: bool = False) -> tuple[Prospect, Made]:
        prospect, early = Prospect(), scan.until(AT)
        reading = prospect.see(past, early)
        assert prospect.foreseen is not None
        assert prospect.laid is not None
        window = prospect.laid.pattern.window
        ready = prepare(reading, window, np.zeros(reading.sizes, np.bool_))
        obj = scan.truth(window) if true else prospect.laid.on(window).obj
        assert obj is not None
        job = Job(
            scan=early.started.scan,
            window_revision=1,
            stage="provisional",
            frames=AT,
            offer=Offer(window, parse("HIO**1", "one")),
            runs=1,
            first_seed=0,
            begins=begins,
            over=over,
        )
        geometry = early.started.geometry
        assert geometry is not None
        free = no_free_pixels(reading.sizes)
        task = Task(job, reading, geometry, prospect.foreseen.peak, free, warm=prospect.laid)
        return prospect, made(task, ready, [member(obj, ready.problem, begins == "warm")])

    return make


def test_a_better_volume_beats_the_last_hold_and_a_copy_of_it_does_not(
    volume_of: Callable[..., tuple[Prospect, Made]], scan: Scan
) -> None:
    """The truth foretells the next tenth better than the last object; until that is known the caption stays."""
    for true in (True, False):
        prospect, found = volume_of(true)
        assert prospect.is_last_hold(found)
        prospect.expect(3, found)
        nothing = np.zeros((FRAMES, 48, 48), np.bool_)
        assert prospect.judge(scan.until(AT + 5), nothing, FRAMES, over=False) == []
        (scored,) = prospect.judge(scan.until(AT + 12), nothing, FRAMES, over=False)
        assert (scored.revision, scored.frames_used, scored.frames_scored) == (3, AT, AT + 12)
        assert scored.baseline is not None
        assert (scored.residual < 0.3 * scored.baseline) == true
        assert scored.last_hold == (not true)
        assert prospect.forecast(passed=True) == ("beaten" if true else "fitted")
        assert prospect.is_last_hold(found) == (not true)
        assert prospect.judge(scan.until(FRAMES), nothing, FRAMES, over=True) == []


def test_volumes_of_the_whole_curve_are_told_from_their_past_by_free_llk(
    volume_of: Callable[..., tuple[Prospect, Made]],
) -> None:
    """Nothing is left to foretell: they are not captioned LAST HOLD; cold ones never are; the past itself always is."""
    assert not volume_of(True, over=True)[0].is_last_hold(volume_of(True, over=True)[1])
    prospect, cold = volume_of(True, "cold")
    assert (cold.start, prospect.is_last_hold(cold)) == ("cold", False)
    itself = replace(cold, task=replace(cold.task, job=replace(cold.task.job, begins="last hold")))
    prospect.beaten = True
    assert prospect.is_last_hold(itself)


def test_frames_that_came_meanwhile_give_a_first_look(
    volume_of: Callable[..., tuple[Prospect, Made]], scan: Scan
) -> None:
    """A volume is told with its residual as far as that is known, and without one where nothing came."""
    prospect, found = volume_of(True)
    nothing = np.zeros((FRAMES, 48, 48), np.bool_)
    assert first_look(found, scan.until(AT), nothing).quality.forecast_residual is None
    later = first_look(found, prospect.see(None, scan.until(AT + 4)), nothing)
    assert later.quality.forecast_residual is not None
    assert later.quality.forecast_residual < 0.2


def test_the_past_is_abandoned_where_cold_runs_foretell_better(scan: Scan, past: Past) -> None:
    """A warm run that stayed at the last object is left behind by a cold one that found the present one."""
    prospect = Prospect()
    reading = prospect.see(past, scan.until(AT))
    assert prospect.laid is not None
    window = prospect.laid.pattern.window
    free = free_pixels(reading.started.scan, reading.sizes, PLACE).mask()
    problem, later = (prepare(curve, window, free).problem for curve in (reading, scan.until(AT + 15)))
    truth, last = scan.truth(window), prospect.laid.on(window).obj
    assert last is not None
    for cold, warm, wanted in ((truth, last, True), (last, truth, False)):
        runs = [member(cold, problem, False), member(warm, problem, True)]
        made_of = foretold(truth, runs, problem, window, prospect.laid)
        assert made_of is not None
        found = verdict(made_of, later)
        assert found is not None
        assert found.abandoned is wanted
        assert found.beats


@pytest.mark.parametrize(
    ("frames", "over", "wanted"), [(70, False, False), (81, False, False), (82, False, True), (71, True, True)]
)
def test_a_volume_is_scored_a_tenth_of_the_scan_later(frames: int, over: bool, wanted: bool) -> None:
    """Or when no more frames come."""
    assert due(AT, frames, FRAMES, over) is wanted
    assert not due(AT, AT, FRAMES, True)


def test_no_scale_no_forecast(scan: Scan, past: Past) -> None:
    """Before anything was counted an object expects nothing."""
    window: Any = past.record.window
    problem = prepare(scan.until(AT), window, np.zeros((FRAMES, 48, 48), np.bool_)).problem
    empty = replace(problem, counts=np.zeros_like(problem.counts))
    assert foretold(past.record.obj, [], empty, window, None) is None
