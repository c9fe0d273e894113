"""The badge never lets something old, unfinished or incomplete look like a live refined volume."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from contract.messages import ForecastScored, JobProgress
from tests.viewer.campaign import Maker
from viewer.badge import COLOUR, ago, choose_picture, duration, judge
from viewer.reducer import reduce, with_link
from viewer.state import LinkKnown, State

NOW_S = 1000.0


def trust(state: State, now_s: float = NOW_S) -> str:
    return judge(state, choose_picture(state), now_s).trust


def heard(state: State, at_s: float) -> State:
    for name in ("streamer", "reconstructor"):
        state = with_link(state, name, LinkKnown(f"tcp://{name}", heard_s=at_s))
    return state


def test_waiting_says_for_what(make: Maker) -> None:
    """Before there is a volume the badge waits, and says for whom or what."""
    alone = with_link(State(), "streamer", LinkKnown("tcp://127.0.0.1:5610"))
    assert judge(alone, None, NOW_S).trust == "WAITING"
    assert judge(alone, None, NOW_S).reason == "waiting for the streamer at tcp://127.0.0.1:5610"
    assert judge(heard(State(), NOW_S), None, NOW_S).reason == "waiting for a scan"
    running = make.known(make.situation("first frames"))
    assert "waiting for its first volume" in judge(running, choose_picture(running), NOW_S).reason


def test_provisional_then_refined(make: Maker) -> None:
    """A running scan's volume is provisional, a complete scan's refined one is refined."""
    assert trust(make.known(make.situation("provisional"))) == "PROVISIONAL"
    assert trust(make.known(make.situation("refined"))) == "REFINED"


def scored(make: Maker, last_hold: bool) -> ForecastScored:
    return ForecastScored(
        scan=make.scan_name(0),
        revision=1,
        frames_used=60,
        frames_scored=81,
        residual=0.1 if last_hold else 0.02,
        baseline=0.05,
        last_hold=last_hold,
    )


def test_last_hold_is_never_called_provisional(make: Maker) -> None:
    """A volume begun from the last hold is captioned so until one of its scan has foretold better; the last hold's
    crystal itself always is."""
    begun = make.known([(make.volume(0, "provisional", size=16, last_hold=True, runs=2), 1.0)])
    assert trust(begun) == "LAST HOLD"
    assert trust(reduce(begun, scored(make, True), NOW_S)) == "LAST HOLD"
    assert trust(reduce(begun, scored(make, False), NOW_S)) == "PROVISIONAL"
    shown = make.known([(make.volume(0, "provisional", size=16, last_hold=True, runs=0), 1.0)])
    assert trust(reduce(shown, scored(make, False), NOW_S)) == "LAST HOLD"


@pytest.mark.parametrize("completion", ["incomplete", "aborted"])
def test_refined_from_an_incomplete_scan_is_not_simply_green(make: Maker, completion: str) -> None:
    """Missing frames are said in the badge."""
    refined = make.volume(0, frames_used=198, completion=completion)
    state = make.known([(refined, 1.0)])
    assert trust(state) == "INCOMPLETE"
    assert "198 of 201" in judge(state, choose_picture(state), NOW_S).reason


def test_stale_when_older_than_twice_the_expected_interval(make: Maker) -> None:
    """Volumes came every 6 s; 12 s after the last the next is overdue."""
    volumes = [(make.volume(0, "provisional", revision=k, size=16), 12.0 - 6 * k) for k in (1, 2)]
    state = make.known([(make.scan_started(0), 12.0), *volumes])
    assert trust(heard(state, NOW_S + 11.9), NOW_S + 11.9) == "PROVISIONAL"
    assert trust(heard(state, NOW_S + 12.1), NOW_S + 12.1) == "STALE"


def test_a_finished_refined_volume_does_not_grow_stale(make: Maker) -> None:
    """Nothing newer is awaited after the last scan's refined volume, so it stays green as long as the link is alive."""
    state = make.known(make.situation("refined"))
    assert trust(heard(state, NOW_S + 3600), NOW_S + 3600) == "REFINED"


def test_stale_when_the_reconstructor_falls_silent(make: Maker) -> None:
    """Without a heartbeat even a refined volume is stale, and the badge says why."""
    state = make.known(make.situation("refined"))
    badge = judge(state, choose_picture(state), NOW_S + 6)
    assert badge.trust == "STALE"
    assert "reconstructor has not been heard for 6 s" in badge.reason


def test_stale_when_a_newer_scan_gives_no_volume(make: Maker) -> None:
    """A refined volume of the hold before is not passed off as the present one."""
    state = make.known([*make.finished_hold(0, 5.0), (make.hold_started(1), 4.0), (make.scan_started(1), 4.0)])
    assert trust(heard(state, NOW_S + 10), NOW_S + 10) == "REFINED"
    assert trust(heard(state, NOW_S + 30), NOW_S + 30) == "STALE"


def test_a_slow_scan_may_take_longer_to_its_first_volume(make: Maker) -> None:
    """With one frame a second the first volume is awaited for longer."""
    slow = msgspec.structs.replace(make.scan_started(1), frame_time_s=1.0)
    state = make.known([*make.finished_hold(0, 5.0), (slow, 4.0)])
    assert trust(heard(state, NOW_S + 30), NOW_S + 30) == "REFINED"


def test_a_job_that_reports_keeps_the_picture_alive(make: Maker) -> None:
    """While the reconstructor counts iterations on this scan, its last volume is not stale."""
    volumes = [(make.volume(0, "provisional", revision=k, size=16), 12.0 - 6 * k) for k in (1, 2)]
    state = make.known([(make.scan_started(0), 12.0), *volumes])
    job = JobProgress(scan=make.scan_name(0), stage="refined", state="running", iteration=10)
    working = reduce(state, job, NOW_S + 20)
    assert trust(heard(working, NOW_S + 25), NOW_S + 25) == "PROVISIONAL"
    assert trust(heard(state, NOW_S + 25), NOW_S + 25) == "STALE"


def test_an_aborted_scan_awaits_nothing(make: Maker) -> None:
    """After an abort without a volume the volume of the hold before is simply what there is."""
    aborted = msgspec.structs.replace(make.scan_ended(1, missing=(5,)), status="aborted")
    state = make.known([*make.finished_hold(0, 5.0), (make.scan_started(1), 4.0), (aborted, 3.0)])
    assert trust(heard(state, NOW_S + 60), NOW_S + 60) == "REFINED"


def test_refined_is_not_replaced_by_a_provisional_of_the_same_scan(make: Maker) -> None:
    """A late provisional of the same scan stays behind its refined volume; one of a newer scan comes in front."""
    late = make.volume(0, "provisional", revision=99, size=16)
    state = make.known([(make.scan_started(0), 30.0), (make.volume(0, size=16), 2.0), (late, 1.0)])
    shown = choose_picture(state)
    assert shown is not None
    assert shown.picture.facts.stage == "refined"
    newer = make.known([*make.finished_hold(0, 30.0), *make.running_scan(1, 60)])
    shown = choose_picture(newer)
    assert shown is not None
    assert (shown.picture.facts.stage, shown.picture.scan) == ("provisional", make.scan_name(1))


def test_a_second_scan_in_the_same_hold_shows_its_own_volume(make: Maker) -> None:
    """Scans of one hold share slots; the newer scan's provisional volume is shown beside the older one's refined."""
    second = msgspec.structs.replace(make.scan_started(1), hold=make.hold_name(0))
    volume = make.volume(1, "provisional", revision=1, size=16, hold=make.hold_name(0))
    state = make.known([*make.finished_hold(0, 5.0), (second, 3.0), (volume, 1.0)])
    shown = choose_picture(state, make.hold_name(0))
    assert shown is not None
    assert shown.picture.scan == make.scan_name(1)


def test_a_hold_that_is_asked_for_is_shown(make: Maker) -> None:
    """An earlier hold can be looked at while newer volumes come."""
    state = make.known(make.situation("provisional"))
    shown = choose_picture(state, make.hold_name(0))
    assert shown is not None
    assert shown.picture.facts.hold == make.hold_name(0)
    assert choose_picture(state, "nowhere") is None  # type: ignore[arg-type]


def test_every_badge_has_its_own_colour() -> None:
    """Amber, green, grey and the rest are never mixed up."""
    assert len(set(COLOUR.values())) == len(COLOUR) == 6


def test_a_stream_that_cannot_be_read_is_not_waited_for(make: Maker) -> None:
    """A peer of another version is named as the problem."""
    link = replace(LinkKnown("tcp://x", heard_s=NOW_S), problem="speaks version 9, wanted 1")
    state = with_link(make.known(make.situation("refined")), "reconstructor", link)
    assert "speaks version 9" in judge(state, choose_picture(state), NOW_S).reason


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4 s"), (9.94, "9.9 s"), (12.4, "12 s"), (-3.0, "−3.0 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    """Lengths of time are written with the precision that matters."""
    assert duration(seconds) == text


def test_ages_are_whole_and_never_negative() -> None:
    """An age does not flicker with tenths, and clocks that disagree a little give 0."""
    assert (ago(3.9), ago(-0.2), ago(65)) == ("3 s ago", "0 s ago", "1 min 05 s ago")
