"""The growing curve: any order of the same frames gives the same curve, and nothing is taken twice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.messages import Angles, FrameBlock, Scan, ScanEnded, ScanStarted
from reconstructor.curve import Curve, CurveError, contiguous, rocking

Make = Callable[..., ScanStarted]
Block = Callable[..., FrameBlock]
COUNTS = np.arange(12 * 10 * 8, dtype=np.uint32).reshape(12, 10, 8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(order=st.permutations(range(12)), size=st.integers(1, 5), again=st.lists(st.integers(0, 11), max_size=4))
def test_any_order_of_the_same_frames_gives_the_same_curve(
    order: list[int], size: int, again: list[int], scan_started: Make, frame_block: Block
) -> None:
    """Frames in any order, in blocks of any size, some twice, give the counts, angles and image of the scan."""
    curve = Curve(scan_started())
    indices = [*order, *again]
    blocks = [indices[k : k + size] for k in range(0, len(indices), size)]
    new = sum(curve.add(frame_block(block, COUNTS[block])) for block in blocks)
    reading = curve.reading()
    assert new == 12 == reading.frames
    assert np.array_equal(reading.counts, COUNTS)
    assert np.array_equal(reading.image, COUNTS.sum(axis=0))
    assert np.allclose(reading.angle_deg, 0.01 * np.arange(12))


def test_a_frame_that_comes_again_changed_is_not_believed(scan_started: Make, frame_block: Block) -> None:
    """The first copy of a frame stays: nothing is overwritten while a job may be reading it."""
    curve = Curve(scan_started())
    curve.add(frame_block([3], COUNTS[3:4]))
    assert curve.add(frame_block([3], COUNTS[3:4] + 7)) == 0
    assert np.array_equal(curve.reading().counts[3], COUNTS[3])


def test_a_reading_does_not_change_when_frames_come(scan_started: Make, frame_block: Block) -> None:
    """What is measured in a reading stays what it was, though the array is shared with the growing curve."""
    curve = Curve(scan_started())
    curve.add(frame_block([0], COUNTS[:1]))
    before = curve.reading()
    curve.add(frame_block([1, 2], COUNTS[1:3]))
    assert before.frames == 1
    assert before.missing == tuple(range(1, 12))
    assert not before.located


def test_masked_pixels_and_those_without_response_are_not_trusted(scan_started: Make, frame_block: Block) -> None:
    """A masked pixel, and one whose flat field is no positive number, are left out of the image."""
    mask = np.zeros((10, 8), np.uint32)
    mask[0, 0] = 1
    flat = np.ones((10, 8), np.float32)
    flat[1, 1], flat[2, 2] = 0, np.nan
    curve = Curve(scan_started(mask=mask, flat_field=flat))
    curve.add(frame_block([0], np.full((1, 10, 8), 5)))
    image = curve.reading().image
    assert image[0, 0] == image[1, 1] == image[2, 2] == 0
    assert image.sum() == 5 * 77


def test_angles_may_come_after_their_frames(scan_started: Make, frame_block: Block) -> None:
    """A curve is located once each measured frame has an angle, whoever brought it."""
    curve = Curve(scan_started())
    curve.add(frame_block([0, 4], COUNTS[[0, 4]], angle_deg=np.array([1.0, np.nan])))
    assert not curve.reading().located
    curve.locate(Angles(scan=Scan("scan-1"), index=np.array([4], np.int32), angle_deg=np.array([1.8])))
    assert curve.reading().located
    line = rocking(curve.reading())
    assert line.step_deg == pytest.approx(0.2)
    assert line.angle(2) == pytest.approx(1.4)


def test_uneven_angles_are_measured(scan_started: Make, frame_block: Block) -> None:
    """The largest deviation from even angles is told in steps."""
    curve = Curve(scan_started())
    angles = 0.01 * np.arange(12)
    angles[6] += 0.004
    curve.add(frame_block(list(range(12)), COUNTS, angle_deg=angles))
    assert rocking(curve.reading()).worst_steps == pytest.approx(0.4, abs=0.05)


def test_a_monitor_that_is_no_intensity_counts_as_one(scan_started: Make, frame_block: Block) -> None:
    """A dead monitor does not lose the frame."""
    curve = Curve(scan_started())
    curve.add(frame_block([0, 1, 2], COUNTS[:3], monitor=np.array([0.9, 0.0, np.nan])))
    assert list(curve.reading().monitor[:3]) == [0.9, 1.0, 1.0]


def test_an_ended_scan_says_so(scan_started: Make) -> None:
    """The end of a scan travels with its readings."""
    curve = Curve(scan_started())
    curve.end(
        ScanEnded(scan=Scan("scan-1"), window_revision=1, status="aborted", frames_received=0, frames_expected=12)
    )
    ended = curve.reading().ended
    assert ended is not None
    assert ended.status == "aborted"


@pytest.mark.parametrize("index", [[-1], [12], [3, 99]])
def test_frames_beyond_the_scan_are_refused(index: list[int], scan_started: Make, frame_block: Block) -> None:
    """An index outside the scan names itself and what was wanted, and changes nothing."""
    curve = Curve(scan_started())
    with pytest.raises(CurveError, match="wanted 0 to 11"):
        curve.add(frame_block(index, np.zeros((len(index), 10, 8))))
    assert curve.frames == 0


def test_frames_of_another_size_are_refused(scan_started: Make, frame_block: Block) -> None:
    """A block with frames of another shape than the window's is refused."""
    with pytest.raises(CurveError, match=r"\(1, 10, 9\); wanted \(1, 10, 8\)"):
        Curve(scan_started()).add(frame_block([0], np.zeros((1, 10, 9))))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"frames": 0}, "nobody told"),
        ({"frames": -3}, "at least 1"),
        ({"frames": 10**9}, "GiB"),
        ({"mask": np.zeros((3, 3), np.uint32)}, "mask"),
        ({"flat_field": np.zeros((3, 3), np.float32)}, "flat field"),
    ],
)
def test_a_scan_that_cannot_be_is_refused(fields: dict[str, object], named: str, scan_started: Make) -> None:
    """A scan of no or absurd size, or with arrays that do not fit, is refused before memory is taken for it."""
    with pytest.raises(CurveError, match=named):
        Curve(scan_started(**fields))


def test_indices_are_written_as_people_do() -> None:
    """Runs of indices are joined."""
    assert contiguous([9, 3, 8, 7]) == "3, 7–9"
    assert contiguous([]) == ""
