"""Laboratory geometry against published numbers and against the words of `Geometry`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from contract.messages import Geometry
from reconstructor.geometry import GeometryError, direct_steps, steps_at

SCAN_54_PEAK = (-0.28 + 0.005 * 99, 126.0, 127.0)


def test_scan_54_has_the_reciprocal_steps_two_others_found(aps: Geometry) -> None:
    """Frame, row and column steps agree with two independent implementations within 0.5 %."""
    found = steps_at(aps, 0.005, SCAN_54_PEAK).reciprocal_inv_nm
    wanted = np.array([(0.000673, 0.0, 0.002012), (0.000622, -0.004877, 0.000990), (0.004283, 0.000017, -0.002610)])
    for mine, theirs in zip(found, wanted, strict=True):
        assert np.linalg.norm(mine - theirs) <= 0.005 * np.linalg.norm(theirs)


def test_scan_54_has_its_q(aps: Geometry) -> None:
    """|Q| at the measured peak of scan 54 is 2.654 ± 0.01 per Å."""
    q = steps_at(aps, 0.005, SCAN_54_PEAK).q_inv_a
    assert abs(np.linalg.norm(q) - 2.654) < 0.01


def test_scan_54_has_its_voxels(aps: Geometry) -> None:
    """A 128³ window of scan 54 has voxels with edges 24.40, 10.06 and 10.05 nm and 2338 nm³."""
    steps = direct_steps(steps_at(aps, 0.005, SCAN_54_PEAK).reciprocal_inv_nm, (128, 128, 128))
    assert np.allclose(np.linalg.norm(steps, axis=1), (24.40, 10.06, 10.05), rtol=5e-3)
    assert abs(np.linalg.det(steps)) == pytest.approx(2338, rel=5e-3)


def test_i13_has_the_003_of_nmc(i13: Geometry) -> None:
    """At 2θ = 13.68° and 11 keV |Q| is 1.327 per Å and the steps are those of the experiment's table."""
    steps = steps_at(i13, 0.005, (0.0, 128.0, 128.0))
    assert np.linalg.norm(steps.q_inv_a) == pytest.approx(1.327, abs=2e-3)
    lengths = np.linalg.norm(steps.reciprocal_inv_nm, axis=1) / 10
    assert np.allclose(lengths, (1.1585e-4, 1.0572e-4, 1.0572e-4), rtol=2e-3)


@pytest.mark.parametrize(
    ("sample", "angles", "rocking", "detector", "pixels"),
    [
        (("y+", "z-", "y+"), (0.0, 90.0, -5.0), 0, ("y+", "x-"), ("y-", "x+")),
        (("x-", "y+"), (15.0, 3.0), 0, ("y+", "x-"), ("x+", "y-")),
        (("y-", "x+", "z+"), (4.0, 20.0, -30.0), 2, ("x-", "y-"), ("y+", "x-")),
    ],
)
def test_q_and_steps_are_those_of_the_words_of_geometry(
    sample: Any, angles: Any, rocking: int, detector: Any, pixels: Any, aps: Geometry, words: Callable[..., Any]
) -> None:
    """Whatever the circles, Q and the three steps equal those written out from the definition."""
    geometry = msgspec.structs.replace(
        aps,
        sample_axes=sample,
        sample_angles_deg=angles,
        rocking_axis=rocking,
        detector_axes=detector,
        detector_angles_deg=(28.0, 9.0),
        pixel_directions=pixels,
    )
    here, found = (1.3, 140.0, 90.0), steps_at(geometry, 0.01, (1.3, 140.0, 90.0))
    q, steps = words(geometry, 0.01, *here)
    assert np.allclose(found.q_inv_a, q, atol=1e-9)
    assert np.allclose(found.reciprocal_inv_nm, steps, rtol=1e-4, atol=1e-9)


def test_direct_and_reciprocal_steps_are_dual(aps: Geometry) -> None:
    """A·A* = 2π and A·B* = 0, for a binned window, with the field of view as N steps."""
    reciprocal = steps_at(aps, 0.005, SCAN_54_PEAK).binned((3, 1, 2))
    shape = (64, 96, 80)
    field = direct_steps(reciprocal, shape) * np.array(shape)[:, None]
    assert np.allclose(field @ reciprocal.T, 2 * np.pi * np.eye(3), atol=1e-9)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"distance_mm": 0.0}, "distance_mm"),
        ({"energy_kev": -1.0}, "energy_kev"),
        ({"sample_axes": ("q+",)}, "q+"),
        ({"detector_axes": ("y+",)}, "arguments"),
        ({"rocking_axis": 3}, "rocking axis 3"),
        ({"pixel_directions": ("z-", "x+")}, "no volume"),
        ({"detector_angles_deg": (0.0, 0.0)}, "no volume"),
    ],
)
def test_a_geometry_that_cannot_be_is_refused(change: dict[str, Any], named: str, i13: Geometry) -> None:
    """What is wrong with a geometry is named, instead of becoming a number."""
    with pytest.raises(GeometryError, match=named.replace("+", r"\+")):
        steps_at(msgspec.structs.replace(i13, **change), 0.005, (0.0, 128.0, 128.0))
