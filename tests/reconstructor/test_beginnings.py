"""From what the runs of a task begin, and what they go through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from reconstructor.beginnings import beginnings
from reconstructor.curve import Curve
from reconstructor.forecast.pattern import Pattern
from reconstructor.forecast.warm import WARM
from reconstructor.free import no_free_pixels
from reconstructor.jobs import Begins, Job, Offer
from reconstructor.past import Laid
from reconstructor.peak import find_peak
from reconstructor.phasing.notation import parse
from reconstructor.support_file import SupportFile
from reconstructor.window import around
from reconstructor.work import Task


@pytest.fixture
def task(played: Callable[..., Any]) -> Task:
    """Two provisional runs, with an object they may begin from."""
    source = played()
    curve = Curve(source.started)
    curve.add(source.block(0, 40))
    reading = curve.reading()
    peak = find_peak(reading)
    assert peak is not None
    offer = Offer(around(peak.place, (1, 1, 1), (48, 48, 48)), parse("HIO**20", "provisional"))
    job = Job(
        scan=source.started.scan,
        window_revision=1,
        stage="provisional",
        frames=40,
        offer=offer,
        runs=2,
        first_seed=3,
        begins="cold and warm",
    )
    support = np.zeros((48, 48, 48), np.bool_)
    support[20:28, 20:28, 20:28] = True
    last = Laid(Pattern(support.astype(np.complex64), offer.window), support)
    return Task(job, reading, source.started.geometry, peak, no_free_pixels(reading.sizes), warm=last)


def test_only_cold_and_warm_jobs_mix(task: Task) -> None:
    """Which runs begin warm follows from the job alone, and each has a seed of its own."""
    wanted = {"cold": [False, False], "cold and warm": [True, False], "warm": [True]}
    for begins in get_args(Begins):
        if begins == "last hold":
            continue
        runs = 1 if begins == "warm" else 2
        found = beginnings(replace(task, job=replace(task.job, begins=begins, runs=runs)))
        assert [one.warm for one in found] == wanted[begins]
        assert [one.seed for one in found] == list(range(3, 3 + runs))
        assert all((one.start is not None and one.start.obj is not None) == one.warm for one in found)


def test_a_single_run_beside_no_other_stays_cold(task: Task) -> None:
    """Of one run that may be either, the one that owes nothing to the past is made."""
    single = replace(task, job=replace(task.job, runs=1))
    assert [one.warm for one in beginnings(single)] == [False]


def test_warm_runs_are_quick_while_the_scan_grows(task: Task) -> None:
    """Provisional warm runs go through `WARM`, refined ones through all of the job's recipe."""
    assert [one.recipe for one in beginnings(task)] == [WARM, task.job.offer.recipe]
    refined = replace(task, job=replace(task.job, stage="refined"))
    assert [one.recipe for one in beginnings(refined)] == [task.job.offer.recipe] * 2


def test_cold_runs_begin_in_a_given_support(task: Task) -> None:
    """All but the warm one, and they still count as cold."""
    support = np.zeros((48, 48, 48), np.bool_)
    support[22:26, 22:26, 22:26] = True
    first, second = beginnings(replace(task, given=SupportFile(Path("support.npy"), support, None)))
    assert first.warm
    assert not second.warm
    assert second.start is not None
    assert second.start.support is support
