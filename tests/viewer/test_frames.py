"""A frame is shown with its marks in pixels of the full detector, and what is masked is not trusted."""

from __future__ import annotations

import numpy as np
import pytest

from contract.messages import Scan, Window
from viewer.frames import WIDEST_PX, Frame, view_frame

WINDOW = Window(row0=100, column0=200, rows=8, columns=6)


def frame(counts: np.ndarray) -> Frame:
    return Frame(Scan("s"), 3, 12.5, float(counts.sum()), counts.astype(np.uint32))


def test_marks_are_in_pixels_of_the_full_detector() -> None:
    """Maximum and centre of mass are found inside the window and told in full-detector pixels."""
    counts = np.zeros((8, 6))
    counts[2, 1], counts[4, 3] = 30, 10
    seen = view_frame(frame(counts), WINDOW, None, None)
    assert seen.maximum_at == (102, 201)
    assert seen.maximum_counts == 30
    assert seen.centre_of_mass == pytest.approx((102.5, 201.5))


def test_masked_pixels_do_not_count() -> None:
    """A hot pixel under the mask is neither maximum nor mass, and shows as a hole."""
    counts = np.zeros((8, 6))
    counts[2, 1], counts[0, 0] = 9, 4_000_000_000
    mask = np.zeros((8, 6), np.uint32)
    mask[0, 0] = 16
    seen = view_frame(frame(counts), WINDOW, mask, 1000)
    assert seen.maximum_at == (102, 201)
    assert (seen.masked, seen.saturated) == (1, 0)
    assert np.isnan(seen.log_counts[0, 0])
    assert seen.log_counts[2, 1] == pytest.approx(1.0)


def test_saturated_pixels_are_counted() -> None:
    """Pixels at or above the limit of trust are counted."""
    counts = np.array([[999, 1000], [1001, 0]])
    window = Window(row0=0, column0=0, rows=2, columns=2)
    assert view_frame(frame(counts), window, None, 1000).saturated == 2


def test_an_empty_frame_has_no_centre() -> None:
    """No counts, no centre of mass."""
    seen = view_frame(frame(np.zeros((8, 6))), WINDOW, None, None)
    assert seen.centre_of_mass is None
    assert seen.maximum_counts == 0


def test_a_mask_of_another_window_is_not_applied() -> None:
    """A mask that does not fit the frame is left aside instead of failing."""
    seen = view_frame(frame(np.ones((8, 6))), WINDOW, np.ones((4, 4), np.uint32), None)
    assert seen.masked == 0


def test_a_large_frame_is_thinned_without_losing_its_peak() -> None:
    """A frame of many pixels is shown coarser; a single bright pixel stays visible."""
    counts = np.zeros((3 * WIDEST_PX - 5, 2 * WIDEST_PX))
    counts[777, 555] = 999
    window = Window(row0=0, column0=0, rows=counts.shape[0], columns=counts.shape[1])
    seen = view_frame(frame(counts), window, None, None)
    assert max(seen.log_counts.shape) <= WIDEST_PX
    assert np.nanmax(seen.log_counts) == pytest.approx(3.0)
    assert seen.maximum_at == (777, 555)
