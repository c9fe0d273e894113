"""A picture holds what is drawn of a volume and not the volume itself."""

from __future__ import annotations

import numpy as np
import pytest

from tests.viewer.campaign import Maker
from viewer.picture import draw_picture, slot_of


def test_a_picture_keeps_no_volume(make: Maker) -> None:
    """The facts stay, the arrays go: memory is bounded by surfaces and slices."""
    volume = make.volume(0)
    picture = draw_picture(volume)
    assert picture.facts.density.size == picture.facts.support.size == 0
    assert picture.facts.quality == volume.quality
    assert picture.surface is not None
    assert len(picture.slices) == 3


def test_a_large_provisional_volume_is_meshed_coarsely(make: Maker) -> None:
    """A large provisional volume gets a mesh of double steps, a refined one the full one, both within the limit."""
    coarse, fine = (draw_picture(make.volume(0, stage, size=96)) for stage in ("provisional", "refined"))
    limited = draw_picture(make.volume(0), maximum_faces=2000)
    assert coarse.surface is not None
    assert fine.surface is not None
    assert limited.surface is not None
    assert len(coarse.surface.faces) < 0.5 * len(fine.surface.faces)
    assert len(limited.surface.faces) <= 2000 < len(fine.surface.faces)


def test_extent_and_strain_are_taken_inside_the_support(make: Maker) -> None:
    """The displacement's extent and the strain's rms do not count what lies outside."""
    volume = make.volume(0)
    picture = draw_picture(volume)
    inside = np.abs(volume.displacement_a[volume.support > 0])
    assert inside.min() <= picture.displacement_extent_a <= inside.max()
    assert picture.strain_rms == pytest.approx(float(np.nanstd(volume.strain)), rel=0.3)


def test_an_empty_support_is_drawn_as_nothing(make: Maker) -> None:
    """A failed reconstruction without any support still makes a picture, without a surface."""
    volume = make.volume(0, size=16)
    empty = {name: np.full_like(getattr(volume, name), np.nan) for name in ("displacement_a", "strain")}
    picture = draw_picture(make.volume(0, size=16, density=np.zeros_like(volume.density), **empty))
    assert picture.surface is None
    assert picture.displacement_extent_a == 0.0
    assert np.isnan(picture.strain_rms)


def test_without_crystal_or_hold_the_scan_stands_for_both(make: Maker) -> None:
    """Volumes of different scans without hold do not share a slot."""
    one, other = (make.volume(number, size=16, crystal=None, hold=None) for number in (0, 1))
    assert slot_of(one) != slot_of(other)
    assert slot_of(one).hold == slot_of(one).crystal == one.scan


def test_a_crumb_does_not_make_the_crystal_small(make: Maker) -> None:
    """A few voxels far from the crystal leave the size it is framed with nearly as it was."""
    volume = make.volume(0)
    far = np.pad(volume.density, ((0, 40), (0, 0), (0, 0)))
    far[-3:-1, 2:4, 2:4] = 1.0
    fields = {
        name: np.pad(getattr(volume, name), ((0, 40), (0, 0), (0, 0)), constant_values=np.nan)
        for name in ("displacement_a", "strain")
    }
    crumbled = draw_picture(make.volume(0, density=far, **fields))
    assert crumbled.surface is not None
    assert crumbled.surface.vertices_nm[:, 0].max() > 500
    assert crumbled.radius_nm == pytest.approx(draw_picture(volume).radius_nm, rel=0.1)
