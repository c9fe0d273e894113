"""What a second reader of the detector leaves is told from what losses leave."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.gap_pattern import SEEN, GapPattern, warning


def told(indices: list[int]) -> list[int]:
    """What is found, in the order of the frames."""
    pattern = GapPattern()
    return [readers for index in indices if (readers := pattern.take(index)) is not None]


@pytest.mark.parametrize("readers", [2, 3, 4])
def test_frames_dealt_out_among_readers_are_recognised_once(readers: int) -> None:
    """After nine frames in the same step it is told, with the number of readers, and not again."""
    indices = list(range(1, 200, readers))
    assert told(indices[: SEEN - 1]) == []
    assert told(indices) == [readers]


def test_it_is_recognised_in_the_middle_of_a_scan() -> None:
    """A reader that connects while a series runs is noticed."""
    assert told([*range(50), *range(51, 100, 2)]) == [2]


@given(st.sets(st.integers(0, 200), max_size=20))
def test_losses_are_not_taken_for_a_reader(lost: set[int]) -> None:
    """Up to one frame in ten missing here and there never shows the pattern, unless they are lost in step."""
    indices = [index for index in range(201) if index not in lost]
    in_step = any(all(first + 2 * k + 1 in lost for k in range(SEEN - 1)) for first in range(201))
    assert told(indices) == ([2] if in_step else [])


def test_the_warning_says_what_to_do() -> None:
    """Plain words for people, with the number of readers."""
    assert "every other frame" in warning("A", 2)
    assert "one frame in 3" in warning("A", 3)
