"""The holds lie on the time axis as they were planned and as they turned out."""

from __future__ import annotations

from tests.viewer.campaign import Maker
from viewer.state import State
from viewer.timeline import HOLDS_SHOWN, draw_timeline

NOW_S = 1000.0


def test_outcomes_of_holds(make: Maker) -> None:
    """Two refined holds and a running one with a provisional volume, oldest first."""
    timeline = draw_timeline(make.known(make.situation("provisional")), NOW_S)
    assert [bar.outcome for bar in timeline.bars] == ["refined", "refined", "provisional"]
    assert [bar.label for bar in timeline.bars] == ["4.100 V", "4.000 V", "3.900 V"]
    assert "time left" in timeline.title


def test_a_running_hold_reaches_into_the_future(make: Maker) -> None:
    """The bar goes from the hold's beginning to its planned end, now at 0."""
    bar = draw_timeline(make.known([(make.hold_started(0, planned_s=60.0), 20.0)]), NOW_S).bars[0]
    assert (bar.begin_s, bar.done_s, bar.end_s) == (-20.0, 0.0, 40.0)
    assert bar.outcome == "waiting"


def test_a_scan_without_volume_is_scanning(make: Maker) -> None:
    """As long as frames come and no volume is there, the hold is scanning."""
    bars = draw_timeline(make.known(make.situation("first frames")), NOW_S).bars
    assert [bar.outcome for bar in bars] == ["scanning"]


def test_incomplete_is_not_refined(make: Maker) -> None:
    """A refined volume of an incomplete scan is marked as such."""
    bars = draw_timeline(make.known(make.situation("incomplete")), NOW_S).bars
    assert [bar.outcome for bar in bars] == ["incomplete"]


def test_nothing_moves_within_a_second(make: Maker) -> None:
    """The timeline is the same value within a second, so that it is not drawn again."""
    state = make.known(make.situation("refined"))
    assert draw_timeline(state, NOW_S + 0.1) == draw_timeline(state, NOW_S + 0.9)


def test_no_hold_and_many_holds(make: Maker) -> None:
    """Without a hold it says so; of many only the newest are shown."""
    assert draw_timeline(State(), NOW_S).title == "no hold announced"
    many = [(make.hold_started(number), 300.0 - 10 * number) for number in range(HOLDS_SHOWN + 5)]
    assert len(draw_timeline(make.known(many), NOW_S).bars) == HOLDS_SHOWN
