"""When first refined volumes can be out, and what is told of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contract.messages import Deadline, Scan
from reconstructor.agenda import Agenda
from reconstructor.jobs import Offer, Outlook
from reconstructor.lateness import Expected, news
from reconstructor.phasing.notation import parse
from reconstructor.sizing import PUBLISH_S, Machine, least_s
from reconstructor.speed import Speed
from reconstructor.window import Window3

SHAPE = (64, 64, 64)
OFFERS = (Offer(Window3((0, 0, 0), (1, 1, 1), SHAPE), parse("Runs(cold=4, least=2) * HIO**500", "refined")),)
AGENDA = Agenda(2, Speed({SHAPE: 0.01}, {SHAPE: 0.5}))
GROWING = Outlook(
    Scan("a"), 1, 0.0, 1, 101, False, False, False, 0.0, frame_time_s=0.1, hold_ends_at=11.0, likely=OFFERS
)
LEAST_S = least_s(Machine(2, AGENDA.speed), GROWING) or 0.0


def told(met: bool, outlook: Outlook = GROWING) -> dict[Scan, Deadline]:
    """What was said of a scan before."""
    return {outlook.scan: Deadline(scan=outlook.scan, met=met, ready_s=9.0, hold_left_s=3.0, text="")}


def test_the_first_frame_tells_that_a_hold_is_too_short() -> None:
    """Hold's end, rate and the quickest job are enough, long before the peak; the estimate tells when it is out."""
    found = AGENDA.expected_out(0.0, [GROWING], [])[GROWING.scan]
    assert found.ready_at == pytest.approx(10.0 + LEAST_S + PUBLISH_S)
    assert not found.in_time
    (late,) = news(0.0, [GROWING], {GROWING.scan: found}, {})
    assert (late.met, late.hold_left_s, late.ready_s) == (False, 11.0, pytest.approx(found.ready_at))
    assert "its last frame is due in 10 s" in late.text


def test_a_scan_that_others_make_late_is_reckoned_after_them() -> None:
    """Two scans need the machine at once: the later end gives way, and its estimate says until when."""
    ends = 10.0 + LEAST_S + PUBLISH_S + 0.1
    first = replace(GROWING, hold_ends_at=ends)
    second = replace(GROWING, scan=Scan("b"), hold_ends_at=ends + 0.2)
    found = AGENDA.expected_out(0.0, [first, second], [])
    assert found[first.scan].in_time
    assert found[second.scan].ready_at == pytest.approx(10.0 + 2 * LEAST_S + PUBLISH_S)
    assert not found[second.scan].in_time


def test_what_may_be_in_time_is_not_told() -> None:
    """Nothing is said of a scan that is expected in time, nor the same twice."""
    ready = {GROWING.scan: Expected(10.0, 11.0)}
    assert news(0.0, [GROWING], ready, {}) == []
    assert news(0.0, [GROWING], {GROWING.scan: Expected(12.0, 11.0)}, told(met=False)) == []
    assert len(news(0.0, [GROWING], {GROWING.scan: Expected(12.0, 11.0)}, told(met=True))) == 1


def test_what_was_said_is_taken_back_only_when_it_is_sure() -> None:
    """An estimate at the edge of the hold's end does not change the word; one that leaves room does."""
    assert news(0.0, [GROWING], {GROWING.scan: Expected(10.9, 11.0)}, told(met=False)) == []
    (again,) = news(0.0, [GROWING], {GROWING.scan: Expected(5.0, 11.0)}, told(met=False))
    assert (again.met, again.ready_s) == (True, 5.0)


def test_a_volume_that_is_there_is_not_late() -> None:
    """A refined volume that came in time all the same ends the warning; after the hold nothing is taken back."""
    there = replace(GROWING, refined_frames=101)
    (again,) = news(9.0, [there], {}, told(met=False))
    assert (again.met, again.ready_s) == (True, 0.0)
    assert news(11.5, [there], {}, told(met=False)) == []
