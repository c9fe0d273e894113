"""Windows are laid about a peak, stay while its margin is kept, and know one crystal's peak from another's."""

from __future__ import annotations

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from contract.messages import Scan, Window
from streamer.region import (
    Follow,
    Followed,
    Peak,
    around,
    detector_stayed,
    holds,
    keeps,
    of_crystal,
    shift_px,
    unlikeness,
)
from tests.streamer.conftest import GEOMETRY

SHAPES = st.tuples(st.integers(20, 600), st.integers(20, 600))
FOLLOWS = st.builds(Follow, st.integers(16, 256), st.integers(16, 256), st.none() | st.integers(0, 100))


def peak(row: float, column: float, counts: float = 1000.0) -> Peak:
    return Peak(row=row, column=column, counts=counts, frame=5)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Peak, Follow, tuple[int, int]]:
    shape = draw(SHAPES)
    rows, columns = (draw(st.floats(0, n - 1)) for n in shape)
    return peak(rows, columns), draw(FOLLOWS), shape


@given(cases())
def test_a_window_lies_inside_the_image_and_holds_its_peak(case: tuple[Peak, Follow, tuple[int, int]]) -> None:
    """Wherever the peak is, the window has the size wanted, or the image's, and does not leave the image."""
    at, follow, shape = case
    window = around(at, follow, shape)
    assert (window.rows, window.columns) == (min(follow.rows, shape[0]), min(follow.columns, shape[1]))
    assert 0 <= window.row0 <= shape[0] - window.rows
    assert 0 <= window.column0 <= shape[1] - window.columns
    assert holds(window, at)


@given(cases())
@example((peak(0.0, 8.5), Follow(16, 16, 7), (20, 20)))
def test_a_window_just_laid_need_not_move(case: tuple[Peak, Follow, tuple[int, int]]) -> None:
    """About the same peak there is no second move: the window does not tremble."""
    at, follow, shape = case
    assert keeps(around(at, follow, shape), at, follow, shape)


@given(cases(), st.integers(-8, 8), st.integers(-8, 8))
def test_small_movements_of_the_peak_leave_the_window_where_it_is(
    case: tuple[Peak, Follow, tuple[int, int]], rows: int, columns: int
) -> None:
    """A window of 128 pixels stays as long as its peak is within 8 of where it was found."""
    at, _, shape = case
    follow = Follow(128, 128)
    moved = peak(min(max(at.row + rows, 0), shape[0] - 1), min(max(at.column + columns, 0), shape[1] - 1))
    assert keeps(around(at, follow, shape), moved, follow, shape)


def test_a_window_moves_when_the_margin_is_gone() -> None:
    """Of 128 pixels with a margin of 48, the peak may go 15 from the middle and no further."""
    follow, window = Follow(128, 128), Window(row0=100, column0=100, rows=128, columns=128)
    assert keeps(window, peak(164 + 15, 164), follow, (1000, 1000))
    assert not keeps(window, peak(164 + 17, 164), follow, (1000, 1000))
    assert not keeps(window, peak(164, 164 - 17), follow, (1000, 1000))


def test_at_the_images_edge_no_margin_can_be_kept() -> None:
    """A peak near the edge of the detector does not make the window move for ever."""
    follow = Follow(128, 128)
    window = around(peak(5, 500), follow, (1000, 1000))
    assert (window.row0, window.column0) == (0, 436)
    assert keeps(window, peak(5, 500), follow, (1000, 1000))


def test_a_crystal_that_moved_is_told_from_a_brighter_neighbour() -> None:
    """70 pixels and some brightness less are likelier than 5 times the brightness far away."""
    last, moved, other = peak(100, 100), peak(100, 170, 700.0), peak(400, 300, 5000.0)
    assert of_crystal([other, moved], last) == moved
    assert of_crystal([other, moved], None) == other
    assert of_crystal([other], last) is None
    assert of_crystal([], last) is None


@given(st.lists(st.builds(peak, st.floats(0, 500), st.floats(0, 500), st.floats(60, 1e6)), max_size=6))
def test_the_order_of_peaks_does_not_matter(peaks: list[Peak]) -> None:
    """Whichever way they are listed, the peak chosen is as likely the crystal's."""
    last = peak(250, 250)
    one, other = of_crystal(peaks, last), of_crystal(peaks[::-1], last)
    assert (one is None) == (other is None)
    assert one is None or other is None or unlikeness(one, last) == unlikeness(other, last)


def test_the_shift_is_from_middle_to_middle() -> None:
    """Also where the window's size has changed."""
    last = Window(row0=10, column0=20, rows=64, columns=64)
    before = Followed(source="a", crystal="IV", scan=Scan("s"), window=last)
    assert shift_px(last, before) == (0, 0)
    assert shift_px(Window(row0=80, column0=18, rows=64, columns=64), before) == (70, -2)
    assert shift_px(Window(row0=0, column0=0, rows=128, columns=128), before) == (22, 12)
    assert shift_px(last, None) == (0, 0)


def test_a_detector_arm_that_was_moved_is_noticed() -> None:
    """Then the old pixel says nothing of the new one."""
    assert detector_stayed(GEOMETRY, msgspec.structs.replace(GEOMETRY, sample_angles_deg=(3.0,)))
    assert detector_stayed(GEOMETRY, None)
    assert not detector_stayed(GEOMETRY, msgspec.structs.replace(GEOMETRY, detector_angles_deg=(13.9,)))
    assert not detector_stayed(GEOMETRY, msgspec.structs.replace(GEOMETRY, distance_mm=2000.0))
