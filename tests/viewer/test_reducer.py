"""What is known does not depend on the order or the repetition of messages, and stays bounded."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.messages import Angles, Confirmed, Hold, HoldEnded, Notice, Scan
from tests.viewer.campaign import Maker
from viewer.picture import Slot, draw_picture
from viewer.reducer import MOST_HOLDS, MOST_NOTICES, SCANS_WITH_FRAMES, reduce, with_link, with_picture
from viewer.state import LinkKnown, State

NOW_S = 1000.0


def take(state: State, *messages: object, at_s: float = NOW_S) -> State:
    for message in messages:
        state = reduce(state, message, at_s)  # type: ignore[arg-type]
    return state


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(order=st.permutations(range(6)))
def test_blocks_in_any_order_and_twice_give_the_same_curve(make: Maker, order: list[int]) -> None:
    """Frames by identity: a replay changes nothing, and so does their order."""
    blocks = [make.frame_block(0, 10 * k, 10 * k + 10) for k in range(6)]
    state = take(State(), make.scan_started(0), *(blocks[k] for k in order), *(blocks[k] for k in order[:3]))
    scan = state.scans[make.scan_name(0)]
    assert scan.curve.index.tolist() == list(range(60))
    assert scan.brightest is not None
    assert scan.brightest.total_counts == max(block.total_counts.max() for block in blocks)


def test_a_new_window_starts_the_pictures_anew_but_keeps_the_curve(make: Maker) -> None:
    """With another window, frames kept for the screen go; late blocks of the old window are ignored."""
    state = take(State(), make.scan_started(0), make.frame_block(0, 0, 20), make.scan_started(0, revision=1))
    scan = state.scans[make.scan_name(0)]
    assert (scan.newest, scan.window_revision, len(scan.curve.index)) == (None, 1, 20)
    late = take(state, make.frame_block(0, 20, 30, revision=0), make.scan_started(0, revision=0))
    assert late.scans[make.scan_name(0)].window_revision == 1
    assert len(late.scans[make.scan_name(0)].curve.index) == 20


def test_frames_without_beam_are_not_a_point_on_the_curve(make: Maker) -> None:
    """A monitor of zero gives an unknown, not an infinite, count."""
    block = msgspec.structs.replace(make.frame_block(0, 0, 3), monitor=np.array([1.0, 0.0, 2.0]))
    counts = take(State(), block).scans[make.scan_name(0)].curve.counts
    assert np.isnan(counts[1])
    assert counts[2] == block.total_counts[2] / 2


def test_angles_that_come_later_complete_the_curve(make: Maker) -> None:
    """An Angles message sets the angles of frames that came without."""
    block = msgspec.structs.replace(make.frame_block(0, 0, 3), angle_deg=np.full(3, np.nan))
    angles = Angles(scan=make.scan_name(0), index=np.array([2], np.int32), angle_deg=np.array([7.5]))
    curve = take(State(), block, angles).scans[make.scan_name(0)].curve
    assert curve.angle_deg[2] == 7.5
    assert np.isnan(curve.angle_deg[0])


def test_scan_end_keeps_what_is_missing(make: Maker) -> None:
    """Missing frames are listed, never hidden."""
    state = take(State(), make.scan_started(0), make.scan_ended(0, missing=(3, 4)))
    scan = state.scans[make.scan_name(0)]
    assert (scan.status, scan.missing) == ("incomplete", (3, 4))


def test_hold_times_count_from_its_real_beginning(make: Maker) -> None:
    """A hold announced late began `elapsed_s` before its message, and a repetition moves nothing."""
    message = msgspec.structs.replace(make.hold_started(0), elapsed_s=20.0)
    state = take(State(), message)
    assert state.holds[make.hold_name(0)].began_s == NOW_S - 20.0
    ended = take(state, HoldEnded(hold=make.hold_name(0), crystal=message.crystal), message, at_s=NOW_S)
    assert ended.holds[make.hold_name(0)].ended_s == NOW_S


def test_the_next_hold_of_a_crystal_ends_the_one_before(make: Maker) -> None:
    """A crystal is held at one voltage at a time, also if the end was never told."""
    state = reduce(take(State(), make.hold_started(0)), make.hold_started(1), NOW_S + 60)
    assert state.holds[make.hold_name(0)].ended_s == NOW_S + 60
    assert state.holds[make.hold_name(1)].ended_s is None


def test_an_end_without_a_beginning_is_taken(make: Maker) -> None:
    """A late joiner may hear of a hold's end only."""
    state = take(State(), HoldEnded(hold=Hold("h"), crystal=make.hold_started(0).crystal))
    assert state.holds[Hold("h")].ended_s == NOW_S


def test_a_volume_puts_its_scan_at_its_first_frame(make: Maker) -> None:
    """A late joiner that hears of a scan by its volume alone still orders the scans by their beginnings."""
    old = draw_picture(make.volume(0, size=16, first_frame_to_volume_s=300.0))
    state = with_picture(take(State(), make.scan_started(1), at_s=NOW_S - 100), old, NOW_S)
    newest = state.newest_scan()
    assert newest is not None
    assert newest.scan == make.scan_name(1)


def test_an_older_revision_does_not_replace_a_newer(make: Maker) -> None:
    """Within a scan and stage the highest revision stays, whatever comes last."""
    state = State()
    for revision in (2, 3, 1):
        state = with_picture(state, draw_picture(make.volume(0, "provisional", revision=revision, size=16)), NOW_S)
    slot = Slot("IV", make.hold_name(0), "provisional")
    assert state.pictures[slot].picture.facts.revision == 3


def test_what_is_known_is_bounded(make: Maker) -> None:
    """After many holds only the newest are kept, and frames of the last scans alone."""
    state = State()
    for number in range(MOST_HOLDS + 6):
        scan = Scan(f"many-{number}")
        hold = msgspec.structs.replace(make.hold_started(0), hold=Hold(f"h{number}"))
        started = msgspec.structs.replace(make.scan_started(0), scan=scan, hold=hold.hold)
        block = msgspec.structs.replace(make.frame_block(0, 0, 2), scan=scan)
        state = take(state, hold, started, block, at_s=NOW_S + number)
        state = take(state, *(Notice(level="info", text=f"{k}") for k in range(3)), at_s=NOW_S + number)
    assert len(state.holds) == len(state.scans) == MOST_HOLDS
    assert sum(scan.newest is not None for scan in state.scans.values()) == SCANS_WITH_FRAMES
    assert len(state.notices) == MOST_NOTICES
    assert Scan("many-0") not in state.scans


def test_pictures_are_bounded(make: Maker) -> None:
    """No more than two pictures a hold and the newest holds' pictures are kept."""
    picture = draw_picture(make.volume(0, size=16))
    state = State()
    for number in range(3 * MOST_HOLDS):
        facts = msgspec.structs.replace(picture.facts, hold=Hold(f"h{number}"), scan=Scan(f"s{number}"))
        state = with_picture(state, type(picture)(**{**vars(picture), "facts": facts}), NOW_S + number)
    assert len(state.pictures) == 2 * MOST_HOLDS
    assert Slot("IV", f"h{3 * MOST_HOLDS - 1}", "refined") in state.pictures


def test_what_says_nothing_to_the_screen_changes_nothing(make: Maker) -> None:
    """A confirmation leaves the state as it was, the very same object."""
    state = take(State(), make.hold_started(0))
    assert take(state, Confirmed(scan=make.scan_name(0), revision=1)) is state


def test_an_unchanged_link_is_no_news() -> None:
    """Hearing the same about a link again gives the same object."""
    state = with_link(State(), "streamer", LinkKnown("tcp://x", heard_s=1.0))
    assert with_link(state, "streamer", LinkKnown("tcp://x", heard_s=1.0)) is state


def test_an_empty_block_changes_no_curve(make: Maker) -> None:
    """A block without frames is no frame."""
    empty = make.frame_block(0, 5, 5)
    state = take(State(), make.scan_started(0), empty)
    assert len(state.scans[make.scan_name(0)].curve.index) == 0
    assert state.scans[make.scan_name(0)].newest is None
    assert pytest.approx(NOW_S) == state.scans[make.scan_name(0)].began_s
