"""Repeated scans of one hold: summed when they agree, told apart when not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from contract.messages import FrameBlock, Scan, ScanStarted
from reconstructor.curve import Curve, CurveError, Reading
from reconstructor.registration import known_voxels
from reconstructor.repeated import repeated, summed
from tests.reconstructor.test_registration import expected

Make = Callable[..., Reading]


@pytest.fixture
def scan(scan_started: Callable[..., ScanStarted], frame_block: Callable[..., FrameBlock]) -> Make:
    """Poisson counts of expected ones as a scan: scan(expected, seed, frames=[…], monitor=…, **fields)."""

    def make(
        counts: NDArray[np.float64],
        seed: int = 0,
        frames: list[int] | None = None,
        monitor: float = 1.0,
        **fields: object,
    ) -> Reading:
        curve = Curve(scan_started(*counts.shape, **{"scan": Scan(f"scan-{seed}"), **fields}))
        index = list(range(len(counts))) if frames is None else frames
        drawn = np.random.default_rng(seed).poisson(counts[index] * monitor).astype(np.uint32)
        block = frame_block(index, drawn, scan=curve.started.scan, monitor=np.full(len(index), monitor))
        curve.add(block)
        return curve.reading()

    return make


def test_scans_that_agree_are_summed(scan: Make) -> None:
    """Two and a third, moved by whole voxels and a little more, add their counts and monitors; nothing is lost."""
    readings = [
        scan(expected(), 1),
        scan(expected((2.1, -1.0, 0.1)), 2, monitor=0.7),
        scan(expected((0, 0.9, 3.1)), 3),
    ]
    found = repeated(readings)
    assert [evolution.summed for evolution in found.evolutions] == [True, True]
    assert found.reading.monitor[20] == pytest.approx(2.7)
    inner = slice(8, 40)
    total = found.reading.counts[inner, inner, inner].sum() / 2.7
    assert total == pytest.approx(expected()[inner, inner, inner].sum(), rel=0.02)
    assert len(found.assumptions) == 2
    assert "whole voxels" in found.assumptions[0]


def test_the_sum_is_as_good_as_one_longer_scan(scan: Make) -> None:
    """Counts of the sum stray from the truth as Poisson's do: nothing was interpolated."""
    found = repeated([scan(expected(), 1), scan(expected((3, 0, -2)), 2)]).reading
    inner = (slice(4, 40), slice(None), slice(4, 40))
    truth = 2 * expected()[inner]
    deviance = (found.counts[inner] - truth) ** 2 / np.maximum(truth, 1e-9)
    assert float(deviance[truth > 1].mean()) == pytest.approx(1.0, abs=0.05)


def test_a_crystal_that_changed_is_not_summed_but_told(scan: Make) -> None:
    """The first scan stays as it is, and the sentence says how far the peak moved and how much brighter it is."""
    first = scan(expected(), 1)
    found = repeated([first, scan(np.flip(expected((0, 2, 0), scale=1e7, seed=3), axis=0), 2)])
    assert found.reading is first
    (told,) = found.evolutions
    assert not told.summed
    assert "not summed" in told.text()
    assert told.counts_ratio > 1.5


def test_a_frame_that_only_one_scan_has_is_that_ones(scan: Make) -> None:
    """Its monitor says so; a frame that none has stays unmeasured."""
    counts = np.full((12, 10, 8), 40.0)
    one, other = scan(counts, 1, frames=[0, 1, 2, 3, 4, 5]), scan(counts, 2, frames=[4, 5, 6, 7], monitor=0.5)
    found = summed(one, other, (0, 0, 0))
    assert np.flatnonzero(found.measured).tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert found.monitor[[0, 4, 6]] == pytest.approx([1.0, 1.5, 0.5])
    assert np.array_equal(found.counts[4], one.counts[4] + other.counts[4])
    assert np.array_equal(found.counts[6], other.counts[6])
    assert found.angle_deg[6] == pytest.approx(0.06)
    assert found.located


def test_what_is_known_is_known_in_both(scan: Make) -> None:
    """A pixel masked in either scan is masked in the sum, where it lies after the shift; so is the edge none covers."""
    counts = np.full((12, 10, 8), 40.0)
    mask_a, mask_b = np.zeros((10, 8), np.uint32), np.zeros((10, 8), np.uint32)
    mask_a[2, 3], mask_b[5, 6] = 1, 1
    found = summed(scan(counts, 1, mask=mask_a), scan(counts, 2, mask=mask_b), (0, 1, 2))
    untrusted = {(int(r), int(c)) for r, c in zip(*np.nonzero(~found.trusted[:9, :6]), strict=True)}
    assert untrusted == {(2, 3), (4, 4)}
    assert not found.trusted[9].any()
    assert not found.trusted[:, 6:].any()


def test_a_saturated_voxel_stays_saturated(scan: Make) -> None:
    """Whichever scan it is saturated in; and no sum of two good counts reaches the limit."""
    counts = np.full((12, 10, 8), 99.0)
    one, other = scan(counts, 1, saturation_counts=120), scan(counts, 2, saturation_counts=130)
    found = summed(one, other, (1, 0, 0))
    assert found.started.saturation_counts == 250
    good = known_voxels(one)[:-1] & known_voxels(other)[1:]
    assert np.array_equal(known_voxels(found)[:-1], good)
    assert not good.all()


def test_flat_fields_are_averaged_where_they_meet(scan: Make) -> None:
    """Weighted by the monitor: what one pixel of the sum has counted through two pixels of the detector."""
    counts = np.full((12, 10, 8), 40.0)
    flat = np.ones((10, 8), np.float32)
    flat[5, 4] = 0.7
    found = summed(scan(counts, 1), scan(counts, 2, monitor=2.0, flat_field=flat), (0, 1, 0))
    assert found.started.flat_field is not None
    assert found.started.flat_field[4, 4] == pytest.approx((1 + 2 * 0.7) / 3)


def test_other_steps_are_refused(scan: Make) -> None:
    """Scans with other rocking steps cannot be laid over each other voxel by voxel."""
    first, other = scan(expected(), 1), scan(expected(), 2)
    other.angle_deg[:] *= 2
    with pytest.raises(CurveError, match=r"rocking steps of 0\.02000 deg; wanted 0\.01000"):
        repeated([first, other])
