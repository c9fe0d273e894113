"""Corrections: what is not trusted is named, the window is the window, counts stay as they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.messages import Window
from streamer import corrections as corrections_of
from streamer.corrections import corrections, cropped, fitted, total_counts, untrusted_from
from streamer.detectors.records import Channel

SHAPE = (40, 30)
WINDOW = Window(row0=5, column0=10, rows=20, columns=12)


@pytest.mark.parametrize(
    ("dtype", "saturation", "level"),
    [("u1", None, 254), ("u2", None, 65534), ("u4", None, 2**32 - 2), ("u2", 60000, 60000), ("u1", 60000, 254)],
)
def test_the_two_largest_values_and_saturated_ones_are_not_trusted(
    dtype: str, saturation: int | None, level: int
) -> None:
    """Counts are trusted below the detector's saturation and below 2ⁿ − 2, whichever comes first."""
    assert untrusted_from(np.dtype(dtype), saturation) == level


def test_only_trusted_pixels_are_summed() -> None:
    """Masked pixels and overloads of the dtype stay in the counts but out of the sum."""
    mask = np.zeros(SHAPE, np.uint32)
    mask[6, 11] = 2
    known = corrections(Channel(mask=mask), WINDOW, SHAPE, np.dtype("u2"), None)
    image = np.ones(SHAPE, np.uint16)
    image[6, 11], image[7, 12], image[8, 13], image[0, 0] = 1000, 65535, 65534, 500
    counts = cropped(image[5:25], WINDOW)
    assert counts.dtype == np.uint32
    assert (counts[1, 1], counts[2, 2], counts[3, 3]) == (1000, 65535, 65534)
    assert total_counts(counts, known) == 20 * 12 - 3


def test_a_flat_field_that_is_no_positive_number_masks_its_pixel() -> None:
    """Zero, negative, infinite and undefined responses are masked, the others kept."""
    flat = np.full(SHAPE, 1.1, np.float32)
    flat[5, 10:14] = [0.0, -1.0, np.nan, np.inf]
    known = corrections(Channel(flat_field=flat), WINDOW, SHAPE, np.dtype("u2"), None)
    assert known.flat_field is not None
    assert np.count_nonzero(known.mask) == 4
    assert (known.mask[0, :4] == corrections_of.UNUSABLE_FLAT_FIELD).all()
    assert np.isfinite(known.flat_field).all()
    assert known.flat_field[1, 1] == np.float32(1.1)


ranges = st.integers(-50, 60)


@given(ranges, ranges, st.integers(1, 60), st.integers(1, 60))
def test_a_fitted_window_lies_inside_the_image_and_inside_what_was_wanted(
    row0: int, column0: int, rows: int, columns: int
) -> None:
    """A window is cut to the image; one that misses it altogether becomes the whole image."""
    wanted = Window(row0=row0, column0=column0, rows=rows, columns=columns)
    window = fitted(wanted, SHAPE)
    chosen = np.zeros((200, 200), bool)
    chosen[row0 + 50 : row0 + 50 + rows, column0 + 50 : column0 + 50 + columns] = True
    inside = chosen[50 : 50 + SHAPE[0], 50 : 50 + SHAPE[1]]
    if not inside.any():
        assert window == fitted(None, SHAPE)
    else:
        image = np.zeros(SHAPE, bool)
        image[window.row0 : window.row0 + window.rows, window.column0 : window.column0 + window.columns] = True
        assert np.array_equal(image, inside)
