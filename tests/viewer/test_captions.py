"""Words and numbers: what is not known has no line, what changes slowly does not flicker."""

from __future__ import annotations

import pytest

from contract.messages import Advice, Deadline, ForecastScored, JobProgress, Notice, Quality
from tests.viewer.campaign import Maker
from viewer.badge import Badge, choose_picture, judge
from viewer.captions import (
    CHANGED,
    canvas_text,
    coarse_age,
    job_text,
    live_numbers,
    remarks,
    time_left,
    volume_numbers,
    where_text,
)
from viewer.picture import draw_picture
from viewer.reducer import reduce, with_picture
from viewer.state import State

NOW_S = 1000.0


def test_what_was_not_determined_has_no_line(make: Maker) -> None:
    """None is "not determined" and is left out, never shown as zero."""
    labels = [number.label for number in volume_numbers(draw_picture(make.volume(0, size=16, quality=Quality())))]
    assert "R" not in labels
    assert "resolution" not in labels
    assert {"frames", "|Q|", "voxel"} <= set(labels)


def test_numbers_carry_units(make: Maker) -> None:
    """Lengths, |Q| and volume are told with their units."""
    numbers = {number.label: number.value for number in volume_numbers(draw_picture(make.volume(0, size=64)))}
    assert numbers["|Q|"] == "2.7209 Å⁻¹"
    assert numbers["voxel"] == "8.0 × 8.0 × 8.0 nm"
    assert numbers["crystal"].endswith("µm³")


def test_a_volume_without_crystal_is_named_by_its_scan(make: Maker) -> None:
    """Where neither crystal nor voltage is known the scan's name stands for them."""
    assert where_text(make.volume(0, size=16, crystal=None, voltage_v=None)) == "scan series-0001"


def test_the_canvas_says_why_there_is_nothing() -> None:
    """Without a volume the canvas says what is waited for."""
    text = canvas_text(Badge("WAITING", "waiting for the streamer at tcp://127.0.0.1:5610"), None, NOW_S)
    assert "WAITING" in text
    assert "tcp://127.0.0.1:5610" in text


def test_last_hold_stands_alone_in_the_canvas(make: Maker) -> None:
    """The caption is not followed by the stage, which is no news."""
    state = make.known([(make.volume(0, "provisional", size=16, last_hold=True, runs=0), 1.0)])
    badge = judge(state, choose_picture(state), NOW_S)
    lines = canvas_text(badge, choose_picture(state), NOW_S).splitlines()
    assert lines[0].split() == ["LAST", "HOLD"]
    assert "provisional" not in lines[0].lower()


def test_what_the_frames_tell_is_said_with_the_picture(make: Maker) -> None:
    """Warnings and what one may act upon are remarks, of each kind the newest; how a forecast went is a number."""
    state = make.known(make.situation("provisional"))
    scan = state.newest_scan()
    assert scan is not None
    told = {"scan": scan.scan, "frames_used": 90}
    for kind, level, text in (
        ("window_cut", "warning", "The window cuts the peak."),
        ("window_cut", "warning", "The window cuts the fringes."),
        ("peak_passed", "info", "The Bragg peak has passed."),
        ("good_enough", "info", "The scan is good enough."),
    ):
        state = reduce(state, Advice(kind=kind, level=level, text=text, **told), NOW_S)
    scored = ForecastScored(revision=1, frames_scored=110, residual=0.02, baseline=0.14, **told)
    state = reduce(state, scored, NOW_S)
    said = remarks(state, Badge("PROVISIONAL"), choose_picture(state), NOW_S)
    assert "The window cuts the fringes." in said
    assert "The scan is good enough." in said
    assert "The window cuts the peak." not in said
    assert "The Bragg peak has passed." not in said
    values = {number.label: number.value for number in live_numbers(state, choose_picture(state), NOW_S)}
    assert values["forecast residual"] == "0.020 from 90 frames, last hold 0.140"


def test_a_volume_that_will_be_late_is_read_with_the_picture(make: Maker) -> None:
    """Until it is told otherwise, or the refined volume is there."""
    scan = make.scan_name(0)
    late = Deadline(scan=scan, met=False, ready_s=9.0, hold_left_s=3.0, text="It will be late.")
    state = reduce(reduce(State(), make.scan_started(0), NOW_S), late, NOW_S)
    assert remarks(state, Badge("WAITING"), None, NOW_S + 2) == ("warning, 2 s ago: It will be late.",)
    there = with_picture(state, draw_picture(make.volume(0, stage="refined", size=16)), NOW_S)
    assert not any("late" in one for one in remarks(there, Badge("REFINED"), None, NOW_S))
    after_all = Deadline(scan=scan, met=True, ready_s=1.0, hold_left_s=3.0, text="It will be in time.")
    assert remarks(reduce(state, after_all, NOW_S), Badge("WAITING"), None, NOW_S) == ()


def test_a_crystal_that_changed_too_much_is_said_to_have(make: Maker) -> None:
    """Once warm starts are given up."""
    told = {"scan": make.scan_name(0), "revision": 1, "frames_used": 90, "frames_scored": 110, "residual": 0.1}
    state = reduce(reduce(State(), make.scan_started(0), NOW_S), ForecastScored(**told), NOW_S)
    assert remarks(state, Badge("WAITING"), None, NOW_S) == ()
    state = reduce(state, ForecastScored(abandoned=True, **told), NOW_S)
    assert remarks(state, Badge("WAITING"), None, NOW_S) == (CHANGED,)


@pytest.mark.parametrize(
    ("age_s", "text"),
    [(-1, "age < 5 s"), (4.9, "age < 5 s"), (13, "age 10 s"), (100, "age 1 min 30 s"), (700, "age 11 min 00 s")],
)
def test_ages_in_the_canvas_go_in_steps(age_s: float, text: str) -> None:
    """The canvas is not drawn anew every second for an age."""
    assert coarse_age(age_s) == text


def test_time_left_of_a_hold(make: Maker) -> None:
    """Before its end the time left, after it that it is over, without a plan how long it has lasted."""
    hold = next(iter(reduce(State(), make.hold_started(0, planned_s=60.0), NOW_S).holds.values()))
    assert time_left(hold, NOW_S + 20) == "40 s"
    assert time_left(hold, NOW_S + 75) == "planned time over for 15 s"
    endless = next(iter(reduce(State(), make.hold_started(0, planned_s=None), NOW_S).holds.values()))
    assert time_left(endless, NOW_S + 75) == "open end, 1 min 15 s so far"


def test_what_the_reconstructor_does(make: Maker) -> None:
    """A running job tells its iteration and run, another its state and why."""
    running = JobProgress(scan=make.scan_name(0), stage="refined", state="running", iteration=3, iterations=9, runs=4)
    assert job_text(running) == "refined, iteration 3 / 9, run 0 / 4"
    failed = JobProgress(scan=make.scan_name(0), stage="refined", state="failed", detail="the support is empty")
    assert job_text(failed) == "refined failed: the support is empty"


def test_assumptions_notices_and_the_open_hand_are_said(make: Maker) -> None:
    """What was assumed, an unknown hand and recent notices are told to the user."""
    volume = make.volume(0, size=16, assumptions=("The energy was assumed.",), hand="unknown")
    state = reduce(make.known([(volume, 1.0)]), Notice(level="warning", text="The beam is gone."), NOW_S - 12)
    said = remarks(state, Badge("REFINED"), next(iter(state.pictures.values())), NOW_S)
    assert "The energy was assumed." in said
    assert any("hand is not known" in line for line in said)
    assert "warning, 12 s ago: The beam is gone." in said


def test_frames_that_are_still_to_come_are_not_missing(make: Maker) -> None:
    """A provisional volume of a running scan tells what it used; only a closed scan has missing frames."""
    running = make.volume(0, "provisional", size=16, frames_used=112, missing=tuple(range(112, 201)))
    numbers = {number.label: number.value for number in volume_numbers(draw_picture(running))}
    assert numbers["frames"] == "112 of 201 frames"
