"""The frames so far as a window sums them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from contract.messages import ScanStarted
from reconstructor.curve import Reading
from reconstructor.forecast.planes import planes
from reconstructor.window import Window3

WINDOW = Window3((1, -1, 0), (3, 2, 1), (4, 4, 6))


@pytest.fixture
def reading(scan_started: Callable[..., ScanStarted]) -> Reading:
    """12 frames of 9 × 6 pixels; in those not measured stands what must not be read."""
    counts = np.random.default_rng(0).integers(0, 50, (12, 9, 6)).astype(np.uint32)
    measured = np.ones(12, np.bool_)
    measured[[2, 8, 9, 10, 11]] = False
    counts[~measured] = 999999
    return Reading(
        started=scan_started(12, 9, 6),
        counts=counts,
        measured=measured,
        angle_deg=np.zeros(12),
        monitor=np.linspace(0.9, 1.1, 12),
        image=np.zeros((9, 6)),
        trusted=np.ones((9, 6), np.bool_),
    )


def test_bins_lie_where_the_windows_do(reading: Reading) -> None:
    """Frames by threes from 1, rows by twos from 1, and only whole bins of the detector."""
    found = planes(reading, WINDOW)
    assert [p.tolist() for p in found.at] == [[0, 2, 5, 7], [1.5, 3.5, 5.5, 7.5], [0, 1, 2, 3, 4, 5]]
    members = reading.counts[[1, 3]].sum(axis=0)
    np.testing.assert_array_equal(found.counts[1], members[1:].reshape(4, 2, 6).sum(axis=1))


def test_a_group_counts_for_the_frames_it_has(reading: Reading) -> None:
    """Exposure is the monitor over the measured members, for whole groups about 1."""
    found = planes(reading, WINDOW)
    np.testing.assert_allclose(found.exposure[1], reading.monitor[[1, 3]].sum() / 3)
    np.testing.assert_allclose(found.exposure[2], reading.monitor[[4, 5, 6]].sum() / 3)
    np.testing.assert_allclose(found.response[2], found.exposure[2])


def test_only_the_frames_asked_for_are_taken(reading: Reading) -> None:
    """A mask of frames leaves the others out as if they were not measured."""
    wanted = np.arange(12) == 5
    found = planes(reading, WINDOW, wanted)
    assert found.at[0].tolist() == [5]
    np.testing.assert_array_equal(found.counts[0], reading.counts[5, 1:].reshape(4, 2, 6).sum(axis=1))


def test_masked_and_saturated_voxels_are_not_known(reading: Reading) -> None:
    """A bin with a masked pixel is unknown in all planes and counts nothing; one with a saturated pixel in its own."""
    trusted = reading.trusted.copy()
    trusted[3, 2] = False
    started = msgspec.structs.replace(reading.started, saturation_counts=5000)
    counts = reading.counts.copy()
    counts[5, 1, 0] = 5000
    found = planes(replace(reading, trusted=trusted, started=started, counts=counts), WINDOW)
    assert not found.known[:, 1, 2].any()
    assert not found.counts[:, 1, 2].any()
    assert not found.response[:, 1, 2].any()
    assert found.known[:, 0, 0].tolist() == [True, True, False, True]
    assert int((~found.known).sum()) == 5


def test_the_flat_field_is_in_the_response(reading: Reading) -> None:
    """A cell's response is the mean of its pixels' flat field."""
    flat = np.linspace(0.8, 1.2, 54, dtype=np.float32).reshape(9, 6)
    found = planes(replace(reading, started=msgspec.structs.replace(reading.started, flat_field=flat)), WINDOW)
    np.testing.assert_allclose(found.cell, flat[1:].reshape(4, 2, 6).mean(axis=1), rtol=1e-6)


def test_a_window_with_bins_larger_than_the_detector_is_refused(reading: Reading) -> None:
    """No whole bin is nothing to compare with."""
    with pytest.raises(ValueError, match="an axis of 6 pixels has no whole bin of 7"):
        planes(reading, Window3((0, 0, 0), (3, 1, 7), (4, 9, 1)))
