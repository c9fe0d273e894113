"""Slices go through the centre, lie the right way round and know where they are."""

from __future__ import annotations

import numpy as np
import pytest

from viewer.slices import PLANES, central_slices

VOXEL_NM = (2.0, 3.0, 5.0)
SHAPE = (9, 7, 5)
AT = (4, 3, 2)
ORIGIN_NM = (-8.0, -9.0, -10.0)


def coordinates() -> list[np.ndarray]:
    axes = [start + step * np.arange(n) for start, step, n in zip(ORIGIN_NM, VOXEL_NM, SHAPE, strict=True)]
    return [field.astype(np.float32) for field in np.meshgrid(*axes, indexing="ij")]


def test_each_plane_shows_its_two_axes_right_and_up() -> None:
    """Along the columns the first letter's coordinate grows, along the rows the second's, and the third is 0."""
    z, y, x = coordinates()
    named = {"z": z, "y": y, "x": x}
    for plane in PLANES:
        third = next(letter for letter in "xyz" if letter not in plane)
        fields = (named[plane[0]], named[plane[1]], named[third])
        cut = next(one for one in central_slices(*fields, VOXEL_NM, ORIGIN_NM) if one.plane == plane)
        assert (np.diff(cut.density, axis=1) > 0).all()
        assert (np.diff(cut.density, axis=0) == 0).all()
        assert (np.diff(cut.displacement_a, axis=0) > 0).all()
        assert np.all(cut.strain == 0)
        assert cut.at_nm == 0.0


def test_rectangle_covers_whole_voxels() -> None:
    """The rectangle of a slice runs from the outer edge of the first voxel to that of the last."""
    cut = central_slices(*coordinates(), VOXEL_NM, ORIGIN_NM)[0]
    assert cut.plane == "xy"
    assert cut.rectangle_nm == pytest.approx((-12.5, -10.5, 25.0, 21.0))
    assert cut.density.shape == (7, 5)


def test_a_centre_outside_the_box_is_cut_at_its_border() -> None:
    """A centre of mass beyond the volume gives the outermost slice, not an error."""
    cut = central_slices(*coordinates(), VOXEL_NM, (50.0, -9.0, -10.0))[0]
    assert cut.at_nm == 50.0
