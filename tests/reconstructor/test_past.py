"""The last refined object of a crystal, on the grid of its next scan."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from contract.messages import Geometry, ScanStarted, Window
from reconstructor.curve import Rocking
from reconstructor.forecast.pattern import Pattern
from reconstructor.past import Past, extent_sampling, past
from tests.reconstructor.forecast.conftest import SIDE, crystal
from tests.reconstructor.remembered import STEP_DEG, beginning, remembered

LINE = Rocking(0.0, STEP_DEG, 0.0)


@pytest.fixture
def before(coarse: Geometry) -> Past:
    """The first hold of crystal 0."""
    return remembered(crystal(0, "nothing", beginning(coarse, "x")), coarse)


def test_equal_angles_and_pixels_are_equal_places(before: Past, coarse: Geometry) -> None:
    """A scan that begins 0.1 degrees later, on a detector window three rows further down, has the peak so much
    earlier and higher."""
    window = Window(row0=3, column0=0, rows=SIDE, columns=SIDE)
    laid = before.laid(beginning(coarse, "next", window=window), replace(LINE, start_deg=0.1))
    assert laid is not None
    moved = np.subtract(laid.pattern.window.centre, before.record.window.centre)
    assert moved == pytest.approx([-10.0, -3.0, 0.0])
    assert laid.pattern.window.binning == before.record.window.binning


@pytest.mark.parametrize("ratio", [0.5, 1.5, 4.0])
def test_other_steps_keep_the_pattern_at_its_angles(before: Past, coarse: Geometry, ratio: float) -> None:
    """Whatever the new steps are, at equal angles the object scatters what it did."""
    laid = before.laid(beginning(coarse, "next"), replace(LINE, step_deg=ratio * STEP_DEG))
    assert laid is not None
    assert laid.pattern.window.binning[0] == 1
    frames = np.arange(50.0, 71.0, 2)
    rows = columns = np.arange(20.0, 29.0)
    own = on_its_own_grid(before).intensity((frames, rows, columns))
    # the origin is put at the nearest frame: the fit finds the rest
    off = float(laid.pattern.centre[0] * ratio - before.record.window.centre[0])
    shifted = laid.pattern.intensity(((frames + off) / ratio, rows, columns))
    assert abs(off) <= ratio
    assert np.corrcoef(own.ravel(), shifted.ravel())[0, 1] > 0.999


def test_another_instrument_or_direction_has_no_past(before: Past, coarse: Geometry) -> None:
    """Nothing is foretold where a pixel or an angle means something else."""
    fits: ScanStarted = beginning(coarse, "next")
    assert before.laid(fits, LINE) is not None
    assert before.laid(fits, replace(LINE, step_deg=-STEP_DEG)) is None
    for changed in (
        {"energy_kev": 1.1 * coarse.energy_kev},
        {"distance_mm": 0.5 * coarse.distance_mm},
        {"detector_angles_deg": tuple(a + 0.1 for a in coarse.detector_angles_deg)},
        {"pixel_um": (55.0, 55.0)},
    ):
        other = msgspec.structs.replace(fits, geometry=msgspec.structs.replace(coarse, **changed))
        assert before.laid(other, LINE) is None, changed


def test_a_window_of_another_grid_is_not_remembered(before: Past, coarse: Geometry) -> None:
    """An archive whose voxels are not those of the curve it is read beside gives no past."""
    record = replace(before.record, reciprocal_inv_nm=3 * before.record.reciprocal_inv_nm)
    reading = crystal(0, "nothing", beginning(coarse, "before")).scan("before").reading
    assert past(before.record, reading, before.peak) is not None
    assert past(record, reading, before.peak) is None


def test_the_support_tells_how_far_bins_may_go(before: Past) -> None:
    """A crystal of a third of the field of view in a window binned by two is sampled six times before binning."""
    support = np.zeros(before.record.window.shape, np.bool_)
    support[16:32, 16:32, 16:32] = True
    assert extent_sampling(support, before.record.window) == (6.0, 3.0, 3.0)


def on_its_own_grid(before: Past) -> Pattern:
    """The object as it was refined."""
    return Pattern(before.record.obj, before.record.window)
