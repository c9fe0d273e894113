"""What a growing curve tells: each finding on a pattern of which it is known."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from contract.messages import FrameBlock, ScanStarted
from reconstructor.advice import Findings, advice
from reconstructor.curve import Curve, Reading
from reconstructor.early import expected_end, peak_passed, saturation, window_cuts
from reconstructor.peak import Peak, find_peak

Make = Callable[..., ScanStarted]
Block = Callable[..., FrameBlock]
Counts = NDArray[np.uint32]


def expected(
    sizes: tuple[int, int, int], place: tuple[float, float, float], over: float, counts: float
) -> NDArray[np.float64]:
    """Expected counts of a box-shaped crystal whose fringes are `over` voxels apart, with `counts` at the peak."""
    pattern = np.ones(sizes)
    for axis, (n, at) in enumerate(zip(sizes, place, strict=True)):
        line = np.sinc((np.arange(n) - at) / over) ** 2
        pattern = pattern * np.expand_dims(line, tuple(a for a in range(3) if a != axis))
    found: NDArray[np.float64] = counts * pattern / pattern.max()
    return found


def block_of(sizes: tuple[int, int, int], place: tuple[float, float, float], over: float, counts: float) -> Counts:
    """Poisson counts of that, over a weak background."""
    found: Counts = np.random.default_rng(3).poisson(expected(sizes, place, over, counts) + 0.01).astype(np.uint32)
    return found


@pytest.fixture
def curve(scan_started: Make, frame_block: Block) -> Callable[..., tuple[Reading, Peak]]:
    """The reading and the peak of some counts, of which the first `frames` have come."""

    def make(counts: Counts, frames: int | None = None, **fields: object) -> tuple[Reading, Peak]:
        growing = Curve(scan_started(*counts.shape, **fields))
        come = len(counts) if frames is None else frames
        growing.add(frame_block(list(range(come)), counts[:come]))
        reading = growing.reading()
        peak = find_peak(reading)
        assert peak is not None
        return reading, peak

    return make


def test_the_peak_is_told_once_it_has_passed(curve: Callable[..., tuple[Reading, Peak]]) -> None:
    """Not while the curve rises; then with its frame and angle."""
    counts = block_of((60, 40, 40), (30, 20, 20), 3.0, 1000)
    assert peak_passed(*curve(counts, 29)) is None
    told = peak_passed(*curve(counts, 40))
    assert told is not None
    assert (told.frame, told.angle_deg) == (30, pytest.approx(0.3))
    assert "frame 30 (0.3000°)" in told.text()


def test_the_end_is_expected_by_the_time_a_frame_takes(curve: Callable[..., tuple[Reading, Peak]]) -> None:
    """Frames to come times the time of one, less what passed since the last; nothing once all have come."""
    counts = block_of((60, 40, 40), (30, 20, 20), 3.0, 1000)
    told = expected_end(curve(counts, 40)[0], 0.5, 0.3)
    assert told is not None
    assert (told.frames, told.left_s) == (20, pytest.approx(9.7))
    assert expected_end(curve(counts)[0], 0.5, 0.3) is None
    assert expected_end(curve(counts, 40)[0], None, 0.3) is None


def test_a_window_wide_enough_cuts_nothing(curve: Callable[..., tuple[Reading, Peak]]) -> None:
    """A peak in the middle of many fringes is told of on no side, whole or half measured."""
    counts = block_of((96, 96, 96), (48, 48, 48), 2.2, 3000)
    assert window_cuts(*curve(counts)) == ()
    assert window_cuts(*curve(counts, 60)) == ()


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("last", [False, True])
def test_fringes_beyond_a_side_are_counted(curve: Callable[..., tuple[Reading, Peak]], axis: int, last: bool) -> None:
    """A window off the centre cuts on one side; what is beyond is told within a factor of two and a half."""
    whole = block_of((128, 128, 128), (64, 64, 64), 2.2, 3000)
    near, keep = 9, [slice(32, 96)] * 3
    keep[axis] = slice(16, 64 + near) if last else slice(64 - near, 112)
    rest = [slice(32, 96)] * 3
    rest[axis] = slice(64 + near, None) if last else slice(0, 64 - near)
    (cut,) = window_cuts(*curve(np.ascontiguousarray(whole[tuple(keep)])))
    assert cut.side == ("last " if last else "first ") + ("frames", "rows", "columns")[axis]
    assert cut.what == "fringes"
    beyond = float(expected((128, 128, 128), (64, 64, 64), 2.2, 3000)[tuple(rest)].sum())
    assert beyond / 2.5 < cut.beyond_counts < 2.5 * beyond


def test_a_peak_at_the_edge_is_cut_itself(curve: Callable[..., tuple[Reading, Peak]]) -> None:
    """Not only its fringes, where the maximum is at the window's side."""
    counts = block_of((64, 48, 48), (32, 24, 47), 4.0, 3000)
    cuts = {cut.side: cut.what for cut in window_cuts(*curve(counts))}
    assert cuts["last columns"] == "peak"
    assert "first columns" not in cuts


def test_frames_still_to_come_are_no_cut(curve: Callable[..., tuple[Reading, Peak]]) -> None:
    """A curve that has just passed its peak is not said to be cut at its end."""
    counts = block_of((64, 48, 48), (32, 24, 24), 2.2, 3000)
    assert not any(cut.side == "last frames" for cut in window_cuts(*curve(counts, 40)))


def test_saturated_voxels_are_counted(curve: Callable[..., tuple[Reading, Peak]]) -> None:
    """Pixels, frames and voxels at the limit; masked ones and those below it are none, and no limit means none."""
    counts = np.minimum(block_of((20, 16, 16), (10, 8, 8), 3.0, 1000), 90)
    counts[9:12, 8, 8], counts[10, 8, 9], counts[10, 0, 0] = 200, 150, 99
    told = saturation(curve(counts, saturation_counts=100)[0])
    assert told is not None
    assert (told.pixels, told.frames, told.voxels) == (2, (9, 10, 11), 4)
    assert "frames 9–11" in told.text()
    assert saturation(curve(counts)[0]) is None
    assert saturation(curve(counts, saturation_counts=201)[0]) is None


def test_findings_become_one_message_a_kind(curve: Callable[..., tuple[Reading, Peak]]) -> None:
    """Each says the scan, the frames it rests on, a sentence and its numbers; only what asks for action warns."""
    counts = block_of((64, 48, 48), (32, 24, 47), 4.0, 3000)
    reading, peak = curve(counts, 60, saturation_counts=2500)
    found = Findings(
        peak=peak_passed(reading, peak),
        end=expected_end(reading, 0.5, 0.0),
        cuts=window_cuts(reading, peak),
        saturation=saturation(reading),
    )
    told = {message.kind: message for message in advice(reading, found)}
    assert list(told) == ["peak_passed", "expected_end", "window_cut", "saturation"]
    assert {kind for kind, message in told.items() if message.level == "warning"} == {"window_cut", "saturation"}
    assert all(message.frames_used == 60 and message.text.endswith(".") for message in told.values())
    assert all(np.isfinite(value) for message in told.values() for _, value in message.numbers)
    assert msgspec.to_builtins(told["expected_end"])["numbers"] == (("frames", 4.0), ("left_s", 2.0))
    assert advice(reading, Findings()) == ()
