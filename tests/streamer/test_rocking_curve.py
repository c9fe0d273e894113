"""The rocking curve: any order gives the same curve, and the first reason to close it holds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.rocking_curve import Assembly, Closing, Point, RockingCurve, Waits

WAITS = Waits(stall_s=30.0, grace_s=2.0)


def point(index: int) -> Point:
    return Point(angle_deg=0.005 * index, monitor=1.0, total_counts=10.0 * index)


def assembled(order: list[int], expected: int) -> RockingCurve:
    assembly = Assembly(expected, WAITS, 0.0)
    for index in order:
        if assembly.look(index) != "duplicate":
            assembly.take(index, point(index), 0.0)
    return assembly.curve()


def grown(expected: int, indices: list[int]) -> Assembly:
    assembly = Assembly(expected, WAITS, 0.0)
    for step, index in enumerate(indices):
        assembly.take(index, point(index), float(step))
    return assembly


@given(st.lists(st.integers(0, 19), max_size=40), st.randoms())
def test_any_order_of_the_same_frames_gives_the_same_curve(indices: list[int], random: object) -> None:
    """Frames in any order, some more than once, give the curve that they give sorted and once."""
    shuffled = indices.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    curve = assembled(shuffled, 20)
    assert curve == assembled(sorted(set(indices)), 20)
    assert list(curve.points) == sorted(set(indices))
    assert sorted({*curve.points, *curve.missing}) == list(range(20))


def test_a_curve_with_all_its_frames_is_complete_without_an_end() -> None:
    """Completion is a matter of count, not of the end marker, and is told once."""
    assembly = grown(3, [2, 0])
    assert assembly.close(1.0) is None
    assembly.take(1, point(1), 2.0)
    assert assembly.close(2.0) == Closing("complete", "all frames came")
    assert assembly.close(3.0) is None
    assert assembly.curve().missing == ()


def test_frames_that_the_end_overtook_have_a_grace() -> None:
    """The end marker closes nothing until the grace is over; then what is missing is listed."""
    assembly = grown(5, [0, 1])
    assembly.end(10.0)
    assert assembly.close(11.0) is None
    assembly.take(3, point(3), 11.5)
    assembly.end(11.9)
    closing = assembly.close(12.0)
    assert closing == Closing("incomplete", "the end marker came before all frames did")
    assert assembly.curve().missing == (2, 4)


def test_a_frame_within_the_grace_completes_the_curve() -> None:
    """The last frame after the end marker makes the curve complete, at once."""
    assembly = grown(3, [0, 1])
    assembly.end(2.0)
    assembly.take(2, point(2), 2.5)
    closing = assembly.close(2.5)
    assert closing is not None
    assert closing.status == "complete"


def test_silence_closes_a_curve_by_our_clock() -> None:
    """Without an end the curve is closed when nothing came for the stall time."""
    assembly = grown(5, [0, 1])
    assert assembly.close(30.9) is None
    assert assembly.close(31.0) == Closing("incomplete", "nothing came for 30 s")


def test_the_next_series_closes_the_curve_at_once() -> None:
    """A start of another series ends the waiting."""
    assembly = grown(5, [0, 1])
    assembly.supersede("B")
    assert assembly.close(1.0) == Closing("incomplete", "the series B began before it was complete")


def test_an_abort_closes_the_curve_as_aborted() -> None:
    """What an operator aborted is called aborted; what was still on its way is taken together, and it stays aborted."""
    assembly = grown(5, [0, 1])
    assembly.abort("the shutter was closed")
    assert assembly.close(1.0) == Closing("aborted", "the shutter was closed")
    assert assembly.look(2) == "late"
    assembly.take(2, point(2), 2.0)
    assert assembly.close(2.0) is None
    assert assembly.close(4.0) == Closing("aborted", "the shutter was closed")
    assert assembly.curve().missing == (3, 4)


def test_a_complete_curve_is_complete_even_when_superseded() -> None:
    """All frames present comes first among the reasons to close."""
    assembly = grown(2, [0, 1])
    assembly.supersede("B")
    closing = assembly.close(1.0)
    assert closing is not None
    assert closing.status == "complete"


def test_late_frames_open_a_closed_curve_again() -> None:
    """A frame after the closing is late; it is taken, waited on for the grace, and the curve closed anew."""
    assembly = grown(4, [0, 1])
    assembly.end(2.0)
    assert assembly.close(5.0) is not None
    assert assembly.look(2) == "late"
    assembly.take(2, point(2), 10.0)
    assert assembly.close(11.0) is None
    assert assembly.close(12.0) == Closing("incomplete", "the end marker came before all frames did")
    assembly.take(3, point(3), 13.0)
    assert assembly.close(13.0) == Closing("complete", "all frames came")
    assert (assembly.late, assembly.curve().missing) == (2, ())


def test_a_curve_of_unknown_length_is_never_complete() -> None:
    """Without a start nobody knows how many frames there are: gaps are listed and the curve is incomplete."""
    assembly = grown(0, [1, 3])
    assembly.end(2.0)
    closing = assembly.close(4.0)
    assert closing is not None
    assert closing.status == "incomplete"
    assert "how many frames" in closing.reason
    curve = assembly.curve()
    assert (curve.missing, curve.length) == ((0, 2), 4)


def test_order_is_told() -> None:
    """A frame with a lower index than one before it came out of order."""
    assembly = Assembly(5, WAITS, 0.0)
    assert [assembly.take(i, point(i), 0.0) for i in (0, 2, 1, 3)] == [True, True, False, True]


def test_angles_may_follow_their_frames() -> None:
    """An angle told later takes the place of the unknown one; of frames that did not come it is ignored."""
    assembly = Assembly(5, WAITS, 0.0)
    assembly.take(1, Point(math.nan, 1.0, 5.0), 0.0)
    assembly.angles([(1, 0.25), (2, 0.5), (1, math.nan)])
    assert assembly.curve().points == {1: Point(0.25, 1.0, 5.0)}


@pytest.mark.parametrize("state", ["open", "closed"])
def test_duplicates_are_known_as_such(state: str) -> None:
    """A frame that is there is a duplicate, whether the curve is open or closed."""
    assembly = grown(1 if state == "closed" else 5, [0])
    assembly.close(0.0)
    assert assembly.look(0) == "duplicate"
