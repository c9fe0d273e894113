"""From a crystal's far field to its displacement and strain in the laboratory, with their signs.

The far field is summed over a lattice with the geometry written out in the tests; it shares no code with ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from contract.messages import Geometry
from reconstructor.geometry import direct_steps, steps_at
from reconstructor.phasing.alignment import twin
from reconstructor.volume import Crystal3, crystal, isosurface, oversampling

KAPPA = 2.0e-6
"""Strain a nm."""
SHAPE = (24, 24, 24)
STEP_DEG = 0.02
SIZE_NM = 620.0


class Seen(NamedTuple):
    """A reconstructed crystal and the strain along its Q axis: ε = offset + slope · x_Q."""

    found: Crystal3
    slope_per_nm: float
    skew: float
    """Third moment of the density along Q, in units of its radius."""


def reconstruct(lattice: Any, angle: float) -> Seen:
    """Window about the Bragg condition → true amplitude → object → crystal; measure along Q."""
    row, column = lattice.pixel
    offsets = [np.arange(n) - n // 2 for n in SHAPE]
    far = lattice.amplitude(angle + STEP_DEG * offsets[0], row + offsets[1], column + offsets[2])
    obj = np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(far))).astype(np.complex64)
    size = np.abs(obj)
    support = size > 0.35 * size.max()
    steps = steps_at(lattice.geometry, STEP_DEG, (angle, row, column))
    found = crystal(obj, support, direct_steps(steps.reciprocal_inv_nm, SHAPE), steps.q_inv_a)
    q_hat = (steps.q_inv_a / np.linalg.norm(steps.q_inv_a))[::-1]
    shape = found.density.shape
    place = np.stack(np.meshgrid(*[np.arange(n) * found.voxel_nm for n in shape], indexing="ij"), axis=-1)
    along = (place + np.array(found.origin_nm)) @ q_hat
    inside = found.density > 0.6
    good = np.isfinite(found.strain) & inside
    slope = np.polyfit(along[good], found.strain[good], 1)[0]
    weight = np.where(found.support, found.density, 0)
    x = along - np.average(along, weights=weight)
    skew = np.average(x**3, weights=weight) / np.average(x**2, weights=weight) ** 1.5
    return Seen(found, float(slope), float(skew))


@pytest.mark.parametrize("out_of_plane_deg", [0.0, 9.0])
def test_strain_comes_out_with_its_sign_and_size_in_the_right_place(
    out_of_plane_deg: float, coarse: Geometry, lopsided: Callable[..., Any]
) -> None:
    """ε = ε₀ + κx along Q of an asymmetric crystal: κ is found within 10 %, with the sign that belongs to its hand."""
    geometry = _tilted(coarse, out_of_plane_deg)
    lattice = lopsided(geometry, 0.4, (12.0, 12.0), SIZE_NM, strain0=2e-4, kappa_per_nm=KAPPA)
    seen = reconstruct(lattice, 0.4)
    true_skew = _skew(lattice)
    assert abs(true_skew) > 0.15
    hand = np.sign(seen.skew) * np.sign(true_skew)
    assert hand == (-1 if seen.found.twinned else 1)
    assert hand * seen.slope_per_nm == pytest.approx(KAPPA, rel=0.1)


def test_the_opposite_gradient_gives_the_opposite_strain(coarse: Geometry, lopsided: Callable[..., Any]) -> None:
    """Turning κ round turns the measured gradient round, the crystal's shape staying where it is."""
    slopes = []
    for kappa in (KAPPA, -KAPPA):
        seen = reconstruct(lopsided(coarse, 0.4, (12.0, 12.0), SIZE_NM, kappa_per_nm=kappa), 0.4)
        slopes.append(seen.slope_per_nm * np.sign(seen.skew))
    assert slopes[0] == pytest.approx(-slopes[1], rel=0.05)


def test_a_uniform_strain_moves_q(coarse: Geometry, lopsided: Callable[..., Any]) -> None:
    """A uniform strain ε₀ leaves no strain in the volume: it is in |Q| at the peak, which falls by ε₀."""
    strain0 = 6e-4
    lattice = lopsided(coarse, 0.4, (12.0, 12.0), SIZE_NM, strain0=strain0)
    offsets = [np.arange(n) - n // 2 for n in SHAPE]
    power = np.abs(lattice.amplitude(0.4 + STEP_DEG * offsets[0], 12 + offsets[1], 12 + offsets[2])) ** 2
    j, r, c = (float(np.average(o, weights=power.sum(axis=_others(a)))) for a, o in enumerate(offsets))
    q = steps_at(coarse, STEP_DEG, (0.4 + STEP_DEG * j, 12 + r, 12 + c)).q_inv_a
    q0 = np.linalg.norm(lattice.q_inv_a)
    assert (q0 - np.linalg.norm(q)) / q0 == pytest.approx(strain0, rel=0.15)
    seen = reconstruct(lattice, 0.4)
    assert abs(np.nanmean(seen.found.strain)) < 0.1 * strain0


def test_position_and_size_are_those_of_the_crystal(coarse: Geometry, lopsided: Callable[..., Any]) -> None:
    """The volume within 10 %, and the second moments along x, y and z within 10 %."""
    lattice = lopsided(coarse, 0.4, (12.0, 12.0), SIZE_NM)
    found = reconstruct(lattice, 0.4).found
    d_nm = 2 * np.pi / np.linalg.norm(lattice.q_inv_a) / 10
    pitch = SIZE_NM / 18
    cell = pitch**2 * d_nm * max(1, round(pitch / d_nm))
    assert found.isosurface_volume_um3 == pytest.approx(len(lattice.points_nm) * cell * 1e-9, rel=0.1)
    assert found.outer_volume_um3 > found.isosurface_volume_um3
    shape = found.density.shape
    place = np.stack(np.meshgrid(*[np.arange(n) * found.voxel_nm for n in shape], indexing="ij"), axis=-1)
    inside = found.density > found.isosurface
    assert np.allclose(place[inside].std(axis=0), lattice.points_nm.std(axis=0)[::-1], rtol=0.1)


def test_the_volume_of_the_twin_is_the_same(coarse: Geometry, lopsided: Callable[..., Any]) -> None:
    """Object, twin, a shifted one and one with another phase give the same crystal, up to the stated hand."""
    lattice = lopsided(coarse, 0.4, (12.0, 12.0), SIZE_NM, kappa_per_nm=KAPPA)
    offsets = [np.arange(n) - n // 2 for n in SHAPE]
    far = lattice.amplitude(0.4 + STEP_DEG * offsets[0], 12 + offsets[1], 12 + offsets[2])
    obj = np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(far))).astype(np.complex64)
    support = np.abs(obj) > 0.35 * np.abs(obj).max()
    steps = steps_at(coarse, STEP_DEG, (0.4, 12.0, 12.0))
    direct = direct_steps(steps.reciprocal_inv_nm, SHAPE)
    first = crystal(obj, support, direct, steps.q_inv_a)
    moved = np.roll(twin(obj), (3, -2, 5), (0, 1, 2)) * np.complex64(np.exp(2j))
    mirror = np.roll(support[::-1, ::-1, ::-1], (4, -1, 6), (0, 1, 2))
    second = crystal(moved, mirror, direct, steps.q_inv_a)
    assert second.twinned != first.twinned
    for name in ("density", "displacement_a", "strain"):
        assert np.allclose(getattr(first, name), getattr(second, name), atol=1e-3, equal_nan=True), name
    assert second.outer_volume_um3 == first.outer_volume_um3


def test_the_fringe_of_the_support_has_no_displacement_and_no_strain(
    coarse: Geometry, lopsided: Callable[..., Any]
) -> None:
    """Both are told inside isosurface and support alone; in a support twice as wide, whose fringe is noise, the strain
    stays what it was, and density and support stay whole."""
    lattice = lopsided(coarse, 0.4, (12.0, 12.0), SIZE_NM, kappa_per_nm=KAPPA)
    offsets = [np.arange(n) - n // 2 for n in SHAPE]
    far = lattice.amplitude(0.4 + STEP_DEG * offsets[0], 12 + offsets[1], 12 + offsets[2])
    obj = np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(far))).astype(np.complex64)
    size = np.abs(obj)
    steps = steps_at(lattice.geometry, STEP_DEG, (0.4, 12.0, 12.0))
    direct = direct_steps(steps.reciprocal_inv_nm, SHAPE)
    tight, loose = (crystal(obj, size > share * size.max(), direct, steps.q_inv_a) for share in (0.35, 0.05))
    spreads = []
    for found in (tight, loose):
        solid = (found.support == 1) & (found.density >= found.isosurface)
        assert np.array_equal(np.isfinite(found.displacement_a), solid)
        assert not np.isfinite(found.strain[~solid]).any()
        assert np.isfinite(found.density).all()
        spreads.append(np.nanstd(found.strain))
    assert loose.support.sum() > 1.5 * tight.support.sum()
    assert spreads[1] == pytest.approx(spreads[0], rel=0.1)


def test_the_isosurface_is_half_of_the_bulk() -> None:
    """A homogeneous body with one bright voxel is bounded at half of its bulk's density, not of the bright voxel's."""
    density = np.zeros((20, 20, 20), np.float32)
    density[4:16, 4:16, 4:16] = 0.7
    density[3, 4:16, 4:16] = 0.2
    density[8, 8, 8] = 1.0
    assert isosurface(density, density > 0.1) == pytest.approx(0.35, abs=0.02)


def test_oversampling_is_field_over_extent() -> None:
    """Along each axis of the array frame."""
    support = np.zeros((64, 48, 40), np.bool_)
    support[10:26, 5:21, 5:25] = True
    assert oversampling(support) == (4.0, 3.0, 2.0)


def test_an_empty_support_is_no_crystal() -> None:
    """Nothing to show is said, not shown."""
    nothing = np.zeros((8, 8, 8), np.complex64)
    with pytest.raises(ValueError, match="empty"):
        crystal(nothing, nothing != 0, np.eye(3), np.array([1.0, 0.0, 0.0]))


def _tilted(geometry: Geometry, out_of_plane_deg: float) -> Geometry:
    angles = (geometry.detector_angles_deg[0], out_of_plane_deg)
    return type(geometry)(
        **{name: getattr(geometry, name) for name in geometry.__struct_fields__ if name != "detector_angles_deg"},
        detector_angles_deg=angles,
    )


def _skew(lattice: Any) -> float:
    along = lattice.points_nm @ (lattice.q_inv_a / np.linalg.norm(lattice.q_inv_a))
    along = along - along.mean()
    return float(np.mean(along**3) / np.mean(along**2) ** 1.5)


def _others(axis: int) -> tuple[int, ...]:
    return tuple(a for a in range(3) if a != axis)
