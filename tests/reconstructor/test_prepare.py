"""The laws of preparing a phasing problem: what is summed, what is known, what is free, what the model answers for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.messages import FrameBlock, ScanStarted
from reconstructor.curve import Curve, Reading
from reconstructor.prepare import prepare
from reconstructor.window import Window3

Make = Callable[..., ScanStarted]
Block = Callable[..., FrameBlock]
SIZES = (12, 10, 8)
NONE_FREE = np.zeros(SIZES, np.bool_)


def read(scan_started: Make, frame_block: Block, frames: list[int], block: dict[str, Any], **fields: Any) -> Reading:
    """A reading of a small curve with random counts."""
    counts = np.random.default_rng(0).poisson(30, SIZES)
    curve = Curve(scan_started(*SIZES, **fields))
    if frames:
        few = {name: values[frames] for name, values in block.items()}
        curve.add(frame_block(frames, counts[frames], **few))
    return curve.reading()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    start=st.tuples(st.integers(-6, 8), st.integers(-6, 8), st.integers(-6, 8)),
    binning=st.tuples(*[st.integers(1, 3)] * 3),
    shape=st.tuples(*[st.integers(1, 6)] * 3),
    measured=st.sets(st.integers(0, 11)),
    masked=st.sets(st.tuples(st.integers(0, 9), st.integers(0, 7)), max_size=5),
)
def test_a_voxel_is_the_sum_of_its_bin_and_unknown_with_any_unknown_member(
    start: tuple[int, int, int],
    binning: tuple[int, int, int],
    shape: tuple[int, int, int],
    measured: set[int],
    masked: set[tuple[int, int]],
    scan_started: Make,
    frame_block: Block,
) -> None:
    """Voxel by voxel, by the definition, for any window and any frames and pixels missing."""
    mask = np.zeros(SIZES[1:], np.uint32)
    for pixel in masked:
        mask[pixel] = 2
    reading = read(scan_started, frame_block, sorted(measured), {}, mask=mask)
    window = Window3(start, binning, shape)
    found = prepare(reading, window, NONE_FREE).problem
    for voxel in np.ndindex(*shape):
        ranges = [range(s + k * b, s + k * b + b) for s, k, b in zip(start, voxel, binning, strict=True)]
        members = [(j, r, c) for j in ranges[0] for r in ranges[1] for c in ranges[2]]
        inside = [all(0 <= i < n for i, n in zip(member, SIZES, strict=True)) for member in members]
        known = all(inside) and all(j in measured and (r, c) not in masked for j, r, c in members)
        assert found.known[voxel] == known
        if known:
            assert found.counts[voxel] == sum(int(reading.counts[member]) for member in members)


def test_saturated_voxels_are_unknown(scan_started: Make, frame_block: Block) -> None:
    """Counts from the saturation limit on are not believed."""
    reading = read(scan_started, frame_block, list(range(12)), {}, saturation_counts=36)
    found = prepare(reading, Window3((0, 0, 0), (1, 1, 1), SIZES), NONE_FREE).problem
    assert np.array_equal(found.known, reading.counts < 36)
    assert 0 < found.known.mean() < 1


def test_free_and_known_never_meet_and_make_up_what_is_measured(scan_started: Make, frame_block: Block) -> None:
    """A bin is free as soon as one member is free, and is then not known; a free voxel that is not measured is none."""
    free = np.zeros(SIZES, np.bool_)
    free[0:6, 3, 4] = True
    reading = read(scan_started, frame_block, list(range(9)), {})
    found = prepare(reading, Window3((0, 0, 0), (2, 2, 2), (6, 5, 4)), free).problem
    assert not (found.known & found.free).any()
    assert np.array_equal(np.argwhere(found.free), [(0, 1, 2), (1, 1, 2), (2, 1, 2)])
    assert np.array_equal(found.measured[:4], np.ones((4, 5, 4)))
    assert not found.measured[4:].any()


def test_every_window_keeps_the_same_raw_voxels_free(scan_started: Make, frame_block: Block) -> None:
    """No raw voxel that is free on one window is fitted on another, whatever its start and binning."""
    free = np.random.default_rng(3).random(SIZES) < 0.1
    reading = read(scan_started, frame_block, list(range(12)), {})
    for window in (Window3((0, 0, 0), (1, 1, 1), SIZES), Window3((1, 0, 2), (3, 2, 1), (3, 4, 5))):
        fitted = np.zeros(SIZES, np.bool_)
        for voxel in np.argwhere(prepare(reading, window, free).problem.known):
            box = [slice(s + k * b, s + k * b + b) for s, k, b in zip(window.start, voxel, window.binning, strict=True)]
            fitted[tuple(box)] = True
        assert fitted.any()
        assert not (fitted & free).any()


def test_monitor_and_flat_field_answer_for_the_counts(scan_started: Make, frame_block: Block) -> None:
    """Counts stay raw; the response of a bin is the mean of monitor × flat field of its members."""
    monitor = 1 + 0.1 * np.arange(12)
    flat = (0.5 + np.arange(80).reshape(10, 8) / 80).astype(np.float32)
    reading = read(scan_started, frame_block, list(range(12)), {"monitor": monitor}, flat_field=flat)
    found = prepare(reading, Window3((2, 0, 1), (2, 1, 3), (4, 10, 2)), NONE_FREE).problem
    assert found.response is not None
    wanted = np.mean(monitor[4:6]) * np.mean(flat[3, 4:7])
    assert found.response[1, 3, 1] == pytest.approx(wanted, rel=1e-6)
    assert found.counts[1, 3, 1] == reading.counts[4:6, 3, 4:7].sum()


def test_nothing_is_modelled_that_was_not_sent(scan_started: Make, frame_block: Block) -> None:
    """Without monitor and flat field there is no response, and that is said."""
    made = prepare(read(scan_started, frame_block, [0, 1], {}), Window3((0, 0, 0), (1, 1, 1), SIZES), NONE_FREE)
    assert made.problem.response is None
    assert len(made.assumptions) == 2


def test_a_neighbour_and_a_background_are_found_and_said(played: Callable[..., Any]) -> None:
    """Another grain's peak is unknown, known and free alike; the background goes into the model; both are told."""
    source = played()
    shape = source.counts.shape
    distance = [np.square(np.arange(n) - at) for n, at in zip(shape, (40, 40, 40), strict=True)]
    spot = 3000 * np.exp(-np.add.outer(np.add.outer(distance[0], distance[1]), distance[2]) / 8)
    counts = np.random.default_rng(1).poisson(source.counts + spot + 4.0)
    free = np.zeros(shape, np.bool_)
    free[38:42, 18:42, 38:42] = True
    curve = Curve(source.started)
    curve.add(replace(source, counts=counts.astype(np.uint32)).block(0, 48))
    made = prepare(curve.reading(), Window3((0, 0, 0), (1, 1, 1), shape), free)
    assert not made.problem.measured[40, 40, 40]
    assert made.problem.free[40, 20, 40]
    assert made.problem.background == pytest.approx(4.0, rel=0.1)
    strange = int(np.count_nonzero(~made.problem.measured))
    assert (
        f"{strange} voxels of the window show a neighbouring grain's peak: taken as not measured." in made.assumptions
    )
    assert any("constant background of" in sentence for sentence in made.assumptions)
    plain = Curve(source.started)
    plain.add(source.block(0, 48))
    clean = prepare(plain.reading(), made.window, free)
    assert clean.problem.measured.all()
    assert clean.problem.background == 0
    assert len(clean.assumptions) == len(made.assumptions) - 2
