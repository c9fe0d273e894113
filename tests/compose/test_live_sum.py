"""What all runs of the live benchmark come to together."""

from __future__ import annotations

from typing import Any

import pytest

from compose.live_rows import Row
from compose.live_sum import after_the_peak, overlaps, played_pairs, published_pairs, rank, targets


def way(way: str, share: float, overlap: float, residual: float | None = None) -> Row:
    scored = None if residual is None else {"value": residual, "arrived": 1}
    return {"way": way, "share": share, "overlap": overlap, "residual": scored}


def published(overlap: float | None, residual: float | None, **fields: Any) -> Row:
    forecast = None if residual is None else {"residual": residual}
    return {"runs": 2, "stage": "provisional", "overlap": overlap, "forecast": forecast, **fields}


def hold(role: str, **fields: Any) -> Row:
    plain: Row = {
        "seed": 1,
        "unclean_exits": [],
        "role": role,
        "refined_before_hold_ended": role != "impossible",
        "last_frame_to_provisional_s": 1.5,
        "called_impossible_s": 1.0 if role == "impossible" else None,
        "called_impossible_after_s": 0.1 if role == "impossible" else None,
        "volumes_before_hold_ended": 2,
        "warm_cold_overlap": 0.99 if role == "after" else None,
        "first_volume_share": 0.1,
        "first_own_volume_share": 0.6,
        "beats_last_hold_share": 0.62,
        "peak_share": 0.55,
        "volumes": [published(1 - error, error / 2) for error in (0.3, 0.2, 0.1, 0.05, 0.02)],
        "ways": [way("warm", s, o, 1 - o) for s, o in ((0.5, 0.8), (0.6, 0.92), (0.7, 0.96), (0.8, 0.97), (0.9, 0.98))],
    }
    return plain | fields


RUN = [hold("before", ways=[]), hold("after"), hold("impossible", ways=[])]


def missed(rows: list[Row]) -> set[str]:
    return {target.name for target in targets(rows) if not target.met}


def test_a_good_run_meets_every_target() -> None:
    """Refined in time, quick, honest and near the truth."""
    assert missed(RUN) == set()


@pytest.mark.parametrize(
    ("place", "changes", "name"),
    [
        (1, {"refined_before_hold_ended": False}, "refined before the hold ended"),
        (0, {"last_frame_to_provisional_s": 2.1}, "last frame → full-curve provisional, longest"),
        (1, {"last_frame_to_provisional_s": None}, "last frame → full-curve provisional, longest"),
        (2, {"called_impossible_s": None}, "impossible holds called so before they ended"),
        (2, {"called_impossible_s": -0.5}, "impossible holds called so before they ended"),
        (2, {"volumes_before_hold_ended": 0}, "volumes out when they ended, fewest"),
        (2, {"called_impossible_after_s": 1.5}, "the same, after they began, longest"),
        (1, {"refined_before_hold_ended": False}, "holds without a refined volume that nobody called so"),
        (1, {"called_impossible_s": 12.0}, "holds called impossible that were not"),
        (1, {"warm_cold_overlap": 0.97}, "refined warm and cold runs, overlap where both are accepted (1), least"),
        (1, {"warm_cold_overlap": None}, "refined warm and cold runs, overlap where both are accepted (0), median"),
        (1, {"ways": [way("warm", 0.6, 0.89)]}, "the same, least of 1"),
        (1, {"first_volume_share": 0.55}, "frames in when LAST HOLD was first shown"),
        (1, {"beats_last_hold_share": 0.7}, "first volume nearer the truth, after the peak"),
        (1, {"beats_last_hold_share": None}, "first volume nearer the truth, after the peak"),
        (0, {"first_own_volume_share": 0.7}, "frames in the first cold volume"),
        (1, {"unclean_exits": ["streamer"]}, "processes that did not end cleanly"),
        (1, {"ways": [way("warm", 0.7, 0.96)]}, "warm overlap at 60% of the frames, median"),
    ],
)
def test_what_went_wrong_misses_its_target(place: int, changes: Row, name: str) -> None:
    """One hold that is late, silent, far from the truth or not determined is enough."""
    rows = list(RUN)
    rows[place] = rows[place] | changes
    assert name in missed(rows)


def test_the_slowest_run_counts_after_the_peak() -> None:
    """In shares of the scan."""
    rows = [hold("after"), hold("after", beats_last_hold_share=0.64)]
    assert after_the_peak(rows) == pytest.approx(0.09)


def test_overlaps_are_collected_by_way_and_share() -> None:
    """Of all runs that have them."""
    rows = [hold("after"), hold("after", ways=[way("warm", 0.6, 0.5), way("cold", 0.6, 0.4)])]
    assert overlaps(rows, "warm", 0.6) == [0.92, 0.5]
    assert overlaps(rows, "cold", 0.6) == [0.4]


def test_only_phased_volumes_that_were_scored_are_ranked() -> None:
    """Not the last hold's object, nor refined volumes, nor those without residual or truth."""
    volumes = [
        published(0.9, 0.1),
        published(0.9, 0.1, runs=0),
        published(0.9, 0.1, stage="refined"),
        published(None, 0.1),
        published(0.9, None),
    ]
    assert published_pairs([hold("after", volumes=volumes)]) == [(0.1, pytest.approx(0.1))]
    ways = [way("last", 0.6, 0.9, 0.1), way("cold", 0.6, 0.9, 0.2), way("warm", 1.0, 0.9)]
    assert played_pairs([hold("after", ways=ways)]) == [(0.2, pytest.approx(0.1))]


def test_ranks_are_of_order_alone() -> None:
    """A rising curve has rank correlation 1, however bent; too few pairs have none."""
    assert rank([(x, x**5) for x in (0.1, 0.2, 0.3, 0.4, 0.5)]) == pytest.approx(1.0)
    assert rank([(x, -x) for x in (0.1, 0.2, 0.3, 0.4, 0.5)]) == pytest.approx(-1.0)
    assert rank([(0.1, 0.2)] * 4) is None
