"""Which holds can still have their refined volume in time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from contract.messages import Scan
from reconstructor.deadlines import Claim, met, room

times = st.integers(0, 40).map(float)
claims = st.lists(st.tuples(times, times, st.integers(1, 10).map(float)), max_size=5).map(
    lambda found: [Claim(Scan(f"s{k}"), ready, until, least) for k, (ready, until, least) in enumerate(found)]
)


def claim(name: str, ready: float, until: float, least: float) -> Claim:
    """A claim of a scan."""
    return Claim(Scan(name), ready, until, least)


def test_claims_are_met_in_the_order_of_their_ends() -> None:
    """The one that ends first is done first; one that would come too late is left out and delays nobody."""
    found = met([claim("late", 0, 20, 5), claim("soon", 0, 6, 5), claim("never", 0, 7, 5)], [0.0])
    assert found == {Scan("soon"): 5.0, Scan("late"): 10.0}


def test_what_waits_for_an_unfinished_scan_is_used_by_others() -> None:
    """A scan that still grows claims the time after its last frame; a short job finds room before that."""
    growing, waiting = claim("growing", 10, 14, 4), claim("waiting", 0, 30, 9)
    assert met([growing, waiting], [0.0]) == {Scan("growing"): 14.0, Scan("waiting"): 9.0}
    assert met([growing, claim("waiting", 0, 30, 11)], [0.0])[Scan("waiting")] == 25.0


@given(claims, times, st.integers(1, 3))
def test_what_is_met_is_in_time_and_never_overlaps(found: list[Claim], free: float, devices: int) -> None:
    """Every claim met ends in time, begins when it can, and no more jobs are in flight than there are devices."""
    ends = met(found, [free] * devices)
    spans = [(ends[c.scan] - c.least_s, ends[c.scan], c) for c in found if c.scan in ends]
    assert all(end <= c.until and begin >= max(free, c.ready_at) for begin, end, c in spans)
    for begin, _, _ in spans:
        assert sum(start <= begin < end for start, end, _ in spans) <= devices


@given(claims, st.integers(1, 30).map(float), st.integers(1, 3))
def test_the_claim_that_ends_first_is_met_if_it_can_be_alone(found: list[Claim], until: float, devices: int) -> None:
    """No other claim takes the place of the one whose hold ends first."""
    first = claim("first", 0.0, 0.5, 0.5)
    assert Scan("first") in met([*found, first], [0.0] * devices)


@given(claims, st.floats(1.0, 40.0))
def test_room_takes_nothing_from_others(found: list[Claim], least: float) -> None:
    """A job as long as the room there is leaves every claim met that could be met beside the least one."""
    own = claim("own", 0.0, 60.0, min(least, 60.0))
    length = room(own, found, [0.0])
    beside = met([own, *found], [0.0]).keys() - {own.scan}
    after = met([c for c in found if c.scan in beside], [length]).keys()
    assert own.least_s <= length <= 60.0
    before = {c.scan for c in found if c.scan in beside and met([own, *found], [0.0])[c.scan] <= length}
    assert beside - after <= before or length == own.least_s
