"""A Bragg peak is found among hot pixels, gaps, rings and other crystals' peaks, because it rocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.detectors.records import Channel
from streamer.region import Peak
from streamer.region_looks import Looks, beside_others
from streamer.simulator.recorded import open_recorded
from tests.streamer.rocked import SHAPE, rocked

OVERLOAD = 65535


def seen(counts: NDArray[np.uint32], mask: NDArray[np.uint32] | None = None, saturation: int = 60000) -> list[Peak]:
    looks = Looks(counts.shape[1:], np.dtype(np.uint16), Channel(mask=mask), saturation)
    for index, image in enumerate(counts.astype(np.uint16)):
        looks.add(index, image, None)
    return looks.peaks()


def is_at(peak: Peak, row: float, column: float, within_px: float = 1.5) -> bool:
    return abs(peak.row - row) < within_px and abs(peak.column - column) < within_px


@given(
    st.floats(3, SHAPE[0] - 4), st.floats(3, SHAPE[1] - 4), st.floats(20, 2000), st.floats(4, 12), st.integers(0, 99)
)
@settings(max_examples=20, deadline=None)
def test_the_peak_is_found_wherever_it_is(row: float, column: float, counts: float, frame: float, seed: int) -> None:
    """Its centre is found to within 1.5 pixels, at the edges of the image and of the blocks too."""
    (found, *_) = seen(rocked((row, column, counts), at_frame=frame, seed=seed))
    assert is_at(found, row, column)
    assert abs(found.frame - frame) <= 1.5


def test_what_does_not_rock_is_no_peak() -> None:
    """Hot pixels, a cluster of them, hot lines, a powder ring, dead gaps are no peaks; the crystal's is found."""
    counts = rocked((60, 90, 60.0), background=0.5)
    row, column = np.indices(SHAPE)
    ring = np.exp(-((np.hypot(row - 100, column - 130) - 70) ** 2) / 8)
    counts += np.random.default_rng(1).poisson(40 * ring[None].repeat(len(counts), 0)).astype(np.uint32)
    counts[:, 20, 30] = 50000
    counts[:, 150:152, 200:202] = 30000
    counts[:, 120] = 8000
    counts[:, :, 131:134] = OVERLOAD
    peaks = seen(counts)
    assert is_at(peaks[0], 60, 90)
    assert len(peaks) == 1
    assert seen(np.concatenate([counts[:1]] * 16)) == []


def test_a_flash_of_one_pixel_is_no_peak() -> None:
    """A cosmic ray, and a pixel that is hot now and then, count no more than their neighbours."""
    counts = rocked((60, 90, 30.0))
    counts[3, 150, 200] = 60000
    counts[::2, 20, 200] = 60000
    assert [is_at(peak, 60, 90) for peak in seen(counts)] == [True]


def test_masked_pixels_do_not_count() -> None:
    """A bright peak under the mask is not found."""
    mask = np.zeros(SHAPE, np.uint32)
    mask[40:80, 70:110] = 1
    peaks = seen(rocked((60, 90, 500.0), (150, 200, 50.0)), mask)
    assert [is_at(peak, 150, 200) for peak in peaks] == [True]


def test_an_overflowed_peak_is_still_the_brightest() -> None:
    """Pixels that give no count because they had too many have the most there can be."""
    counts = rocked((60, 90, 90000.0), (150, 200, 5000.0))
    counts[counts > 60000] = OVERLOAD
    first, second = seen(counts)
    assert is_at(first, 60, 90)
    assert is_at(second, 150, 200)


def test_two_crystals_are_two_peaks_brightest_first() -> None:
    """Both are told, for the one that is followed may be the weaker."""
    first, second = seen(rocked((60, 90, 400.0), (150, 200, 100.0)))
    assert is_at(first, 60, 90)
    assert is_at(second, 150, 200)
    assert first.counts == pytest.approx(4 * second.counts, rel=0.1)


def test_a_peak_has_passed_when_it_has_fallen() -> None:
    """Until frames on the far side have come nobody knows how bright it gets."""
    counts = rocked((60, 90, 400.0))
    assert not seen(counts[:9])[0].passed
    assert seen(counts)[0].passed


def test_looking_twice_changes_nothing() -> None:
    """A frame that is tried again after the disk refused it is looked at once."""
    counts = rocked((60, 90, 400.0)).astype(np.uint16)
    looks = Looks(SHAPE, np.dtype(np.uint16), Channel(), None)
    for index in [*range(16), 8, 8]:
        looks.add(index, counts[index], 1.0)
    assert (len(looks), looks.peaks()) == (16, seen(counts.astype(np.uint32), saturation=65534))


def test_the_monitor_makes_frames_comparable() -> None:
    """A ring under a beam that flickers does not rock."""
    monitor = np.random.default_rng(0).uniform(0.5, 1.5, 16)
    counts = np.random.default_rng(1).poisson(50 * monitor[:, None, None], (16, 64, 64)).astype(np.uint16)
    looks = Looks((64, 64), np.dtype(np.uint16), Channel(), None)
    for index, image in enumerate(counts):
        looks.add(index, image, float(monitor[index]))
    assert all(peak.counts < 1500 for peak in looks.peaks())


def test_lone_pixels_fall_to_their_neighbours() -> None:
    """A pixel is as bright as the brighter neighbour on its row, and on its column, at most."""
    image = np.array([[1, 1, 1, 1], [1, 99, 2, 1], [1, 3, 1, 1]], np.uint16)
    assert beside_others(image)[1].tolist() == [1, 2, 1, 1]


@pytest.mark.scan54
def test_the_recorded_crystals_peak_is_found_without_a_mask(scan54: Path) -> None:
    """Among the recorded scan's fringes and bad pixels its peak is the brightest by far, and in its place."""
    with open_recorded(scan54) as scan:
        looks = Looks(scan.frames.shape[1:], np.dtype(np.uint32), Channel(), None)
        for index in range(0, len(scan.frames), 7):
            looks.add(index, np.asarray(scan.frames[index], np.uint32), float(scan.monitor[index]))
    first, second, *_ = looks.peaks()
    assert is_at(first, 127, 127.5)
    assert (first.frame, first.passed) == (98, True)
    assert first.counts > 100 * second.counts
