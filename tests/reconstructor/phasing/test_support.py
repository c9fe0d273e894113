"""Supports found, grown, shrunk and lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from reconstructor.phasing.problem import PhasingError, amplitude
from reconstructor.phasing.support import (
    Level,
    bounding_box,
    box,
    ellipsoid,
    extent_voxels,
    from_autocorrelation,
    grown,
    grown_box,
    halved,
    reach,
    shrunk,
    smoothed,
)

SHAPE = (24, 26, 28)
WHOLE = (1e-4, 0.7)


def block(low: int = 8, high: int = 16) -> np.ndarray:
    """A cube of ones."""
    out = np.zeros(SHAPE, np.bool_)
    out[low:high, low:high, low:high] = True
    return out


def test_the_bounding_box_is_tight() -> None:
    """Every face of the box touches the support, and nothing lies outside; bytes will do as well."""
    support = np.zeros(SHAPE, np.bool_)
    support[3, 5, 7] = support[10, 6, 20] = True
    assert bounding_box(support) == (slice(3, 11), slice(5, 7), slice(7, 21))
    assert bounding_box(support.view(np.uint8)) == bounding_box(support)


def test_an_empty_support_has_no_box() -> None:
    """The error names the voxels found and wanted."""
    with pytest.raises(PhasingError, match="the support is empty: 0 of 17472 voxels; wanted at least one"):
        bounding_box(np.zeros(SHAPE, np.bool_))
    with pytest.raises(PhasingError, match="the support is empty"):
        halved(np.zeros(SHAPE, np.bool_))


def test_a_box_grows_as_far_as_the_volume_goes() -> None:
    """Three voxels more on each side, cut at the faces."""
    box = (slice(0, 4), slice(10, 12), slice(26, 28))
    assert grown_box(box, 3, SHAPE) == (slice(0, 7), slice(7, 15), slice(23, 28))


def test_shrinkwrap_equals_its_definition_on_the_whole_volume() -> None:
    """Looking at the support's box and margin only gives what smoothing the whole volume gives."""
    rng = np.random.default_rng(1)
    support = block()
    obj = (support * (0.2 + rng.random(SHAPE)) * np.exp(1j)).astype(np.complex64)
    for sigma in (2.0, 0.7):
        found = shrunk(obj, support, bounding_box(support), sigma, 0.4, WHOLE)
        soft = smoothed(obj, np.ones(obj.shape, np.bool_), sigma)
        wanted = soft > 0.4 * np.sqrt(np.mean(np.square(soft[support]), dtype=np.float64))
        out = np.zeros(SHAPE, np.bool_)
        out[found.box] = found.inside
        assert (out != wanted).sum() <= 2  # rounding may put a voxel on either side
        assert found.voxels == out.sum()
        assert found.threshold == 0.4


def test_smoothing_is_a_gaussian_cut_at_three_sigma() -> None:
    """A point becomes a Gaussian of unit sum whose half width is the reach."""
    point = np.zeros((31, 31, 31), np.float32)
    point[15, 15, 15] = 1
    soft = smoothed(point, np.ones(point.shape, np.bool_), 2.0)
    assert soft.sum() == pytest.approx(1.0, rel=1e-5)
    assert soft[15, 15, 17] / soft[15, 15, 15] == pytest.approx(np.exp(-0.5), rel=1e-4)
    along = np.flatnonzero(soft[15, 15])
    assert (along[0], along[-1]) == (15 - reach(2.0), 15 + reach(2.0))


def test_shrinkwrap_ignores_what_lies_outside_the_present_support() -> None:
    """Amplitude outside neither enters the level nor pulls the support towards it."""
    support = block()
    obj = support.astype(np.complex64)
    plain = shrunk(obj, support, bounding_box(support), 1.0, 0.5, WHOLE)
    obj[~support] = 1e4
    loud = shrunk(obj, support, bounding_box(support), 1.0, 0.5, WHOLE)
    assert loud.box == plain.box
    assert (loud.inside == plain.inside).all()


def test_one_bright_voxel_does_not_decide() -> None:
    """The level is the RMS: a voxel five times brighter than the rest leaves the support as it is."""
    support = block()
    obj = support.astype(np.complex64)
    obj[12, 12, 12] = 5
    kept = shrunk(obj, support, bounding_box(support), 0.5, 0.3, WHOLE)
    assert kept.voxels >= support.sum()


def test_the_support_can_grow_and_shrink() -> None:
    """A low threshold lets it grow beyond the present one, a high one takes its rim."""
    support = block()
    obj = support.astype(np.complex64)
    wide = shrunk(obj, support, bounding_box(support), 2.0, 0.05, WHOLE)
    tight = shrunk(obj, support, bounding_box(support), 2.0, 1.2, WHOLE)
    assert tight.voxels < support.sum() < wide.voxels


@pytest.mark.parametrize(("by", "level"), [("rms", np.sqrt(7 / 3)), ("mean", 13 / 9), ("max", 2.0)])
def test_the_level_is_what_is_asked_for(by: Level, level: float) -> None:
    """A voxel at just over its threshold stays, one at just under goes, for RMS, mean and maximum."""
    support = block(9, 12)
    obj = np.where(support, 1.0, 0.0).astype(np.complex64)
    # 15 voxels of 1, 12 of 2
    obj[9:12, 9:11, 10:12] = 2
    assert (np.abs(obj[support]) == 2).sum() == 12
    kept = [shrunk(obj, support, bounding_box(support), 0.1, t / level, WHOLE, by=by).voxels for t in (0.99, 1.01)]
    assert kept == [27, 12]


def test_a_support_told_not_to_grow_stays_within_the_old_one() -> None:
    """It is the growing one's part inside the old support."""
    support = block()
    obj = support.astype(np.complex64)
    bounds = bounding_box(support)
    wide = shrunk(obj, support, bounds, 2.0, 0.3, WHOLE)
    held = shrunk(obj, support, bounds, 2.0, 0.3, WHOLE, grows=False)
    found, wanted = np.zeros(SHAPE, np.bool_), np.zeros(SHAPE, np.bool_)
    found[held.box], wanted[wide.box] = held.inside, wide.inside
    assert wide.voxels > support.sum()
    assert (found == wanted & support).all()
    assert held.voxels == found.sum()


def test_shapes_stand_in_the_middle_with_the_widths_asked_for() -> None:
    """A box and the ellipsoid in it, about n // 2, half of the field wide along each axis."""
    cuboid, round_one = box((32, 48, 64), 0.5), ellipsoid((32, 48, 64), 0.5)
    assert [(s.start, s.stop) for s in bounding_box(cuboid)] == [(8, 25), (12, 37), (16, 49)]
    assert bounding_box(round_one) == bounding_box(cuboid)
    assert cuboid.sum() == 17 * 25 * 33
    assert round_one.sum() == pytest.approx(4 / 3 * np.pi * 8 * 12 * 16, rel=0.02)
    assert not (round_one & ~cuboid).any()


def test_the_fraction_guard_moves_the_threshold() -> None:
    """Too small a support lowers the threshold, too large a one raises it, and the one used is told."""
    support = block()
    obj = (support * np.random.default_rng(2).random(SHAPE)).astype(np.complex64)
    box = bounding_box(support)
    lower = shrunk(obj, support, box, 1.0, 5.0, (0.01, 0.7))
    assert lower.voxels >= 0.01 * obj.size
    assert lower.threshold < 5.0
    higher = shrunk(obj, support, box, 1.0, 0.1, (1e-4, 0.03))
    assert higher.voxels <= 0.03 * obj.size
    assert higher.threshold > 0.1


def test_a_vanished_support_is_told() -> None:
    """A threshold nothing reaches ends in an error that names voxels, threshold and share, not in an empty support."""
    support = block()
    obj = support.astype(np.complex64)
    with pytest.raises(PhasingError, match=r"the support is 0 of 17472 voxels at threshold .* × RMS; wanted a share"):
        shrunk(obj, support, bounding_box(support), 1.0, 1e6, WHOLE)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_an_object_without_finite_amplitude_is_told(value: float) -> None:
    """Nothing, NaN or infinity inside the support is refused before it is compared with a threshold."""
    support = block()
    obj = support.astype(np.complex64) * np.complex64(0)
    obj[10, 10, 10] = value
    with pytest.raises(PhasingError, match=r"RMS inside its support is .*; wanted a finite number above 0"):
        shrunk(obj, support, bounding_box(support), 1.0, 0.3, WHOLE)


def test_the_autocorrelation_support_holds_the_crystal(small) -> None:
    """It is its own inverse about n // 2, covers the crystal, and shrinks as the threshold rises."""
    data = amplitude(small.problem)
    wide, tight = (from_autocorrelation(data, threshold) for threshold in (0.05, 0.3))
    assert (small.core & ~wide).sum() < 0.01 * small.core.sum()
    assert tight.sum() < wide.sum() < 0.5 * wide.size
    inner = wide[1:, 1:, 1:]
    assert (inner == inner[::-1, ::-1, ::-1]).mean() > 0.999
    assert wide[16, 16, 16]


def test_the_autocorrelation_reads_known_voxels_only(small) -> None:
    """Unknown voxels count as no intensity, whatever marks them."""
    data = amplitude(small.problem)
    other = np.where(data < 0, np.float32(-50), data)
    assert (from_autocorrelation(data, 0.1) == from_autocorrelation(other, 0.1)).all()


def test_growing_adds_all_neighbours_within_so_many_steps() -> None:
    """Two steps of face neighbours; no step leaves the support as it is."""
    wanted = ndimage.distance_transform_cdt(~block(), "taxicab") <= 2
    assert (grown(block(), 2) == wanted).all()
    assert (grown(block(), 0) == block()).all()


def test_half_of_a_support_is_half_of_it() -> None:
    """The half below the centre of mass, not its inverse; one plane alone stays."""
    half = halved(block())
    assert half.sum() == block().sum() / 2
    assert (half <= block()).all()
    plane = np.zeros(SHAPE, np.bool_)
    plane[5, 3:6, 3:6] = True
    assert (halved(plane) == plane).all()


@pytest.mark.parametrize("kind", ["gentle", "strained", "screw"])
def test_the_width_of_a_crystal_is_told_by_its_autocorrelation(kind: str, grown_crystal: Callable[..., Any]) -> None:
    """Within some 10 % along each axis; strain beyond 2π can make it up to 30 % too small."""
    crystal = grown_crystal(6, n=48, extent=16, kind=kind)
    voxels = np.argwhere(crystal.core)
    found = np.array(extent_voxels(amplitude(crystal.problem)))
    assert np.abs(found / (np.ptp(voxels, axis=0) + 1) - 1).max() < 0.3
