"""Each quantity has one table, the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from viewer.colours import Quantity, table


@pytest.mark.parametrize("quantity", ["density", "displacement", "strain", "detector"])
def test_tables_are_complete(quantity: Quantity) -> None:
    """A table has 256 opaque colours."""
    rgba = table(quantity)
    assert rgba.shape == (256, 4)
    assert rgba.dtype == np.uint8
    assert (rgba[:, 3] == 255).all()


@pytest.mark.parametrize("quantity", ["displacement", "strain"])
def test_diverging_tables_are_light_in_the_middle(quantity: Quantity) -> None:
    """Zero is the lightest colour, both ends are darker and differ in hue."""
    light = table(quantity)[:, :3].astype(float).sum(axis=1)
    assert 110 <= int(light.argmax()) <= 145
    assert np.abs(table(quantity)[0, :3].astype(int) - table(quantity)[-1, :3]).max() > 60


@pytest.mark.parametrize("quantity", ["density", "detector"])
def test_sequential_tables_grow_lighter(quantity: Quantity) -> None:
    """More is lighter, so that the order can be read without colour vision."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    luminance = table(quantity)[:, :3] @ weights
    assert (np.diff(luminance) > -1.5).all()
    assert luminance[-1] - luminance[0] > 200
