"""Windows: which raw voxels a voxel covers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconstructor.window import Window3, around

triples = st.tuples(*[st.integers(1, 5)] * 3)
shapes = st.tuples(*[st.integers(1, 40)] * 3)
places = st.tuples(*[st.floats(-50, 250)] * 3)


@given(start=st.tuples(*[st.integers(-9, 99)] * 3), binning=triples, shape=shapes, voxel=places)
def test_place_and_voxel_are_inverse(
    start: tuple[int, int, int],
    binning: tuple[int, int, int],
    shape: tuple[int, int, int],
    voxel: tuple[float, float, float],
) -> None:
    """A voxel's place on the curve leads back to the voxel."""
    window = Window3(start, binning, shape)
    assert window.voxel(window.place(voxel)) == pytest.approx(voxel, abs=1e-6)


@given(place=places, binning=triples, shape=shapes)
def test_a_window_about_a_place_has_it_in_its_middle_voxel(
    place: tuple[float, float, float], binning: tuple[int, int, int], shape: tuple[int, int, int]
) -> None:
    """The centre of voxel n // 2 is nearest to the place asked for: at most half a raw voxel away."""
    centre = around(place, binning, shape).centre
    assert all(abs(c - p) <= 0.5 + 1e-6 for c, p in zip(centre, place, strict=True))


def test_a_voxel_covers_its_bin() -> None:
    """Voxel 2 of a window that begins at raw index 10 with bins of 3 has its middle at raw index 17."""
    assert Window3((10, 0, 0), (3, 1, 1), (4, 4, 4)).place((2, 0, 0)) == (17.0, 0.0, 0.0)
    assert Window3((10, 0, 0), (3, 1, 1), (4, 4, 4)).stop == (22, 4, 4)


def test_a_window_of_nothing_is_refused() -> None:
    """Bins and axes have at least one member."""
    with pytest.raises(ValueError, match="at least 1"):
        Window3((0, 0, 0), (0, 1, 1), (4, 4, 4))
