"""What people are told about jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from contract.messages import Crystal, Deadline, Hold, HoldStarted, JobProgress, Notice
from contract.stream import MemoryStream
from reconstructor import reports
from reconstructor.agenda import Agenda
from reconstructor.curve import Curve
from reconstructor.followed import FollowedScan, HeldCell
from reconstructor.jobs import Start
from reconstructor.offers import Recipes
from reconstructor.phasing.notation import parse
from reconstructor.reports import Flying
from reconstructor.speed import Speed
from reconstructor.telling import Teller

AGENDA = Agenda(2, Speed({(48, 48, 48): 0.01}, {(48, 48, 48): 0.5}))
RECIPES = Recipes(parse("HIO**100", "provisional"), (parse("Runs(cold=8, least=3) * HIO**400", "refined"),))


def held(ends_at: float) -> HeldCell:
    """A hold that ends at a time of the tests' clock."""
    return HeldCell(HoldStarted(hold=Hold("IV-4.1"), crystal=Crystal("IV"), voltage_v=4.1), ends_at)


@pytest.fixture
def scan(played: Callable[..., Any]) -> FollowedScan:
    """A scan of 48 frames, 0.1 s each, of which 40 have come by second 4."""
    source = played()
    found = FollowedScan(Curve(source.started), RECIPES, 0.0)
    for j in range(40):
        found.add(source.block(j, j + 1), 0.1 * (j + 1))
    found.look(held(60.0))
    return found


def test_a_waiting_scan_says_what_for(scan: FollowedScan) -> None:
    """For frames, with the time until its refined volume and until the hold's end."""
    told = reports.waiting(AGENDA, scan, 4.0)
    assert told is not None
    assert told.state == "waiting"
    assert "frames" in told.detail
    assert told.hold_left_s == pytest.approx(56.0)
    assert told.expected_refined_s is not None
    # 0.8 s of frames, 1.5 s for the provisional volume, 8.5 s for four runs of 400 iterations on two threads
    assert told.expected_refined_s == pytest.approx(10.8, abs=0.3)


def test_nothing_is_said_of_a_refined_scan(scan: FollowedScan) -> None:
    """A scan that is over and refined waits for nothing."""
    assert scan.outlook is not None
    scan.outlook = replace(scan.outlook, over=True, refined_frames=scan.outlook.frames)
    assert reports.waiting(AGENDA, scan, 9.0) is None


def test_the_job_in_flight_tells_its_end(scan: FollowedScan) -> None:
    """A running refined job is expected after what is left of its estimate."""
    assert scan.outlook is not None
    scan.outlook = replace(scan.outlook, over=True, shown_frames=scan.outlook.frames)
    plan = AGENDA.decide(5.0, [scan.outlook], [])
    assert isinstance(plan, Start)
    told = reports.running(AGENDA, scan, Flying(plan, 5.0), 6.0)
    assert told.expected_refined_s == pytest.approx(plan.estimate_s - 1.0)
    assert (told.runs, told.iterations) == (4, 400)
    assert "4 runs on 48 × 48 × 48 voxels" in told.detail


def test_a_hold_too_short_is_announced_before_it_ends(scan: FollowedScan) -> None:
    """The sentence names the time needed and the time there is; a long hold gives none."""
    assert scan.outlook is not None
    assert reports.deadlines(AGENDA, [scan.outlook], None, 4.0, {}) == []
    soon = scan.look(held(5.5))
    assert soon is not None
    (late,) = reports.deadlines(AGENDA, [soon], None, 4.0, {})
    assert (late.scan, late.met, late.hold_left_s) == (scan.started.scan, False, pytest.approx(1.5))
    assert late.ready_s > late.hold_left_s
    assert "before its hold ends in 2 s" in late.text
    assert "its last frame is due in 1 s" in late.text


def test_the_last_holds_crystal_is_called_what_it_is(scan: FollowedScan) -> None:
    """A job without runs says that it shows the last hold's crystal."""
    assert scan.outlook is not None
    early = replace(scan.outlook, peak_passed=False, forecast="fitted")
    plan = AGENDA.decide(4.0, [early], [])
    assert isinstance(plan, Start)
    assert "last hold's crystal" in reports.running(AGENDA, scan, Flying(plan, 4.0), 4.1).detail


def test_that_a_volume_is_late_is_told_once_and_taken_back(scan: FollowedScan) -> None:
    """However often the service comes round; a hold that is prolonged makes room for the volume after all."""
    stream = MemoryStream()
    publisher, listener = stream.publisher(), stream.subscriber()
    listener.receive(0)
    teller = Teller(publisher)
    for ends_at in (5.5, 5.5, 60.0, 60.0):
        seen = scan.look(held(ends_at))
        assert seen is not None
        teller.late(AGENDA, [seen], None, 4.0)
    told = [received.message for received in listener.receive(0)]
    assert [one.met for one in told if isinstance(one, Deadline)] == [False, True]


def test_sentences_are_told_once_and_progress_twice_a_second(scan: FollowedScan) -> None:
    """However often the service comes round."""
    stream = MemoryStream()
    publisher, listener = stream.publisher(), stream.subscriber()
    listener.receive(0)
    teller = Teller(publisher)
    scan.obstacle = "No geometry was sent."
    scan.look(held(60.0), fresh=False)
    for tick in range(21):
        teller.regularly(AGENDA, [scan], None, 4.0 + 0.1 * tick)
        teller.once("warning", "something", scan.started.scan)
    messages = [received.message for received in listener.receive(0)]
    assert sum(isinstance(message, Notice) for message in messages) == 1
    assert 4 <= sum(isinstance(message, JobProgress) for message in messages) <= 5
