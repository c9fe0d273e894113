"""Newest wins within a slot, and no provisional volume costs a refined one."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from contract.messages import Crystal, Hold, Scan, Volume
from viewer.backlog import Backlog, Waiting
from viewer.picture import slot_of, without_arrays
from viewer.sample import sample_volume

BLANK = without_arrays(sample_volume(size=8))

volumes = st.builds(
    lambda hold, stage: {"hold": Hold(f"h{hold}"), "scan": Scan(f"s{hold}"), "stage": stage},
    st.integers(0, 2),
    st.sampled_from(["provisional", "refined"]),
)


def numbered(fields: dict[str, str], number: int) -> Volume:
    return msgspec.structs.replace(BLANK, crystal=Crystal("IV"), revision=number, **fields)


@given(st.lists(st.one_of(volumes, st.just("take")), max_size=60))
def test_the_newest_of_every_slot_is_drawn(steps: list[dict[str, str] | str]) -> None:
    """However adding and taking interleave, the last volume drawn of each slot is the newest that came in it."""
    backlog, drawn, newest, most = Backlog(), {}, {}, 0
    for number, step in enumerate(steps):
        if step == "take":
            waiting = backlog.pop()
            if waiting is not None:
                drawn[slot_of(waiting.volume)] = waiting.volume.revision
        else:
            volume = numbered(step, number)
            backlog.add(volume, float(number))
            newest[slot_of(volume)] = number
        most = max(most, len(backlog))
    while (left := backlog.pop()) is not None:
        drawn[slot_of(left.volume)] = left.volume.revision
    assert drawn == newest
    assert most <= 6


@given(st.lists(volumes, min_size=1, max_size=20))
def test_refined_volumes_are_drawn_first(all_fields: list[dict[str, str]]) -> None:
    """No provisional volume is drawn while a refined one waits; within a stage the newest comes first."""
    backlog = Backlog()
    for number, fields in enumerate(all_fields):
        backlog.add(numbered(fields, number), float(number))
    order: list[Waiting] = []
    while (waiting := backlog.pop()) is not None:
        order.append(waiting)
    ranks = [(one.volume.stage == "refined", one.published_s) for one in order]
    assert ranks == sorted(ranks, reverse=True)
    assert len(order) + backlog.replaced == len(all_fields)


def test_an_older_revision_that_comes_late_is_not_drawn() -> None:
    """A replayed older revision of the same scan does not displace the newer one that waits."""
    backlog = Backlog()
    fields = {"hold": Hold("h"), "scan": Scan("s"), "stage": "refined"}
    backlog.add(numbered(fields, 5), 10.0)
    backlog.add(numbered(fields, 4), 11.0)
    waiting = backlog.pop()
    assert waiting is not None
    assert waiting.volume.revision == 5
    assert backlog.replaced == 1
