"""Arrays are declared where they stand, and names tell their units."""

from __future__ import annotations

import typing

import pytest

from contract.codec import kinds
from contract.fields import declaration, unit_of
from contract.messages import ScanStarted


def test_a_declaration_is_found_also_on_an_optional_array() -> None:
    """Axes, dtype and unit are read from the annotation; what is no array has none."""
    hints = typing.get_type_hints(ScanStarted, include_extras=True)
    flat_field = declaration(hints["flat_field"])
    assert flat_field is not None
    assert (flat_field.axes, flat_field.dtype, flat_field.unit) == (("row", "column"), "<f4", "1")
    assert declaration(hints["geometry"]) is None


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("q_inv_a", "1/Å"),
        ("displacement_a", "Å"),
        ("crystal_volume_um3", "µm³"),
        ("pixel_um", "µm"),
        ("frames_used", None),
    ],
)
def test_the_longest_ending_that_fits_tells_the_unit(name: str, unit: str | None) -> None:
    """Units are read from the endings of names."""
    assert unit_of(name) == unit


def test_every_declared_dtype_is_little_endian_or_of_single_bytes() -> None:
    """Bytes mean the same on every machine."""
    for kind in kinds().values():
        for name, array in kind.arrays.items():
            assert array.dtype[0] in "<|", name
            assert len(array.axes) == len(set(array.axes)), name
