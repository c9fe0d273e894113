"""The checker finds what it is there to find."""

from __future__ import annotations

import numpy as np
import pytest

from contract.messages import FrameBlock, Scan, ScanEnded, ScanStarted, Window
from contract.stream import Received
from streamer.checker import Account, Frames, Heard, SentSeries, account, out_of_order, put_together

SCAN = Scan("A")
COUNTS: Frames = {index: np.full((2, 3), index, np.uint32) for index in range(6)}


def ended(*missing: int) -> ScanEnded:
    return ScanEnded(
        scan=SCAN, window_revision=1, status="incomplete", frames_received=0, frames_expected=6, missing=missing
    )


def found(frames: Frames, *missing: int, published: set[int] | None = None, announced: int = 6) -> Account:
    series = SentSeries(SCAN, announced, {index: COUNTS[index] for index in (0, 1, 2, 3, 5)})
    return account(series, Heard(frames, ended(*missing), True), set(), published or set())


def test_what_is_there_or_listed_is_accounted_for() -> None:
    """All frames that were sent are in the scan, or missing by index: no faults."""
    one = found({index: COUNTS[index] for index in (0, 1, 2)}, 3, 4, 5)
    assert (one.sent, one.kept, one.listed, one.faults) == (5, 3, 2, 0)


@pytest.mark.parametrize(
    ("frames", "missing", "published", "fault"),
    [
        ({0: COUNTS[0], 1: COUNTS[1], 2: COUNTS[2]}, (3, 4), set(), "unaccounted"),
        ({0: COUNTS[0], 1: COUNTS[1], 2: COUNTS[2]}, (3, 4, 5), {3}, "lost"),
        ({0: COUNTS[0], 1: COUNTS[2], 2: COUNTS[2]}, (3, 4, 5), set(), "wrong"),
        ({0: COUNTS[0], 1: COUNTS[1], 4: COUNTS[4]}, (2, 3, 5), set(), "wrong"),
        ({0: COUNTS[0], 1: COUNTS[1], 2: COUNTS[2]}, (2, 3, 4, 5), set(), "wrong"),
    ],
)
def test_each_fault_is_found_and_named(
    frames: Frames, missing: tuple[int, ...], published: set[int], fault: str
) -> None:
    """A frame that vanished, was taken back, has other counts, was never sent, or is there and missing at once."""
    one = found(frames, *missing, published=published)
    assert (getattr(one, fault), one.faults) == (1, 1)


def test_a_scan_without_an_end_or_a_beginning_is_a_fault() -> None:
    """A scan must be closed, and one of which whole frames were sent must exist."""
    series = SentSeries(SCAN, 6, COUNTS)
    assert account(series, Heard(dict(COUNTS), None, True), set(), set()).unfinished == 1
    assert account(series, Heard(), set(), set()).unaccounted == 6


def test_without_its_start_a_series_reaches_to_the_last_frame_that_came() -> None:
    """What nobody could know of is not asked for."""
    assert found({0: COUNTS[0], 1: COUNTS[1]}, announced=0).faults == 0
    assert found({0: COUNTS[0], 2: COUNTS[2]}, announced=0).unaccounted == 1


def test_blocks_of_the_newest_window_revision_count() -> None:
    """A scan that was announced anew is what its newest revision says."""

    def block(revision: int, index: int) -> FrameBlock:
        return FrameBlock(
            scan=SCAN,
            window_revision=revision,
            index=np.array([index], np.int32),
            angle_deg=np.ones(1),
            monitor=np.ones(1),
            total_counts=np.ones(1),
            counts=COUNTS[index][None],
        )

    def start(revision: int) -> ScanStarted:
        window = Window(row0=0, column0=0, rows=2, columns=3)
        return ScanStarted(
            scan=SCAN,
            source="",
            frames_expected=6,
            window_revision=revision,
            window=window,
            detector_shape=(2, 3),
            mask=np.zeros((2, 3), np.uint32),
        )

    heard = put_together([start(1), block(1, 0), start(2), block(2, 1), block(1, 2), ended(0)], SCAN)
    assert list(heard.frames) == [1]
    assert heard.ended is not None


def test_messages_twice_or_out_of_order_are_counted() -> None:
    """Seq grows within an epoch; an epoch that was over does not come back."""

    def places(*places: tuple[str, int]) -> list[Received]:
        return [Received(ended(), epoch, seq, 0.0) for epoch, seq in places]

    assert out_of_order(places(("a", 1), ("a", 5), ("b", 1), ("b", 2))) == 0
    assert out_of_order(places(("a", 1), ("a", 1))) == 1
    assert out_of_order(places(("a", 2), ("a", 1), ("a", 3))) == 1
    assert out_of_order(places(("a", 1), ("b", 1), ("a", 2))) == 1


def test_accounts_add_up() -> None:
    """The account of many runs is the sum of theirs."""
    total = found({0: COUNTS[0]}, 1, 2, 3, 4, 5) + found({0: COUNTS[0]}, 1, 2, 3, 4)
    assert (total.sent, total.kept, total.unaccounted) == (10, 2, 1)
