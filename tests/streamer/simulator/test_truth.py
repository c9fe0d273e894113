"""The truth file."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from streamer.simulator.campaign import state
from streamer.simulator.truth import HoldTruth, laboratory_fields, write_truth


def test_truth_names_its_holds(tmp_path: Path) -> None:
    """Every hold is there in order with its amplitude, names, voltage and Q, and no half-written file stays."""
    rng = np.random.default_rng(1)
    wave = (rng.normal(size=(3, 4, 5)) + 1j * rng.normal(size=(3, 4, 5))).astype(np.complex64)
    crystals = [state("IV", voltage, (1.3, 0.0, -0.15), 1) for voltage in (4.1, 3.9)]
    write_truth(tmp_path / "truth.h5", [HoldTruth(f"h{i}", f"s{i}", s, wave * (i + 1)) for i, s in enumerate(crystals)])
    with h5py.File(tmp_path / "truth.h5") as file:
        assert list(file["holds"]) == ["0", "1"]
        last = file["holds/1"]
        np.testing.assert_array_equal(last["amplitude"], 2 * wave)
        assert last["amplitude"].dtype == np.complex64
        assert (last.attrs["hold"], last.attrs["scan"], last.attrs["crystal"]) == ("h1", "s1", "IV")
        assert last.attrs["voltage_v"] == 3.9
        np.testing.assert_allclose(last.attrs["q_inv_a"], crystals[1].q_inv_a)
        assert last["density"].shape == last["displacement_a"].shape == (61, 61, 61)
    assert [path.name for path in tmp_path.iterdir()] == ["truth.h5"]


def test_laboratory_fields_are_z_y_x() -> None:
    """From the centre the density ends at the facet that bounds the crystal along z, y and x, the last axis."""
    crystal = state("IV", 4.1, (1.3, 0.0, -0.15), 1)
    density, displacement = laboratory_fields(crystal)
    assert density[30, 30, 30] == 1.0
    assert np.isfinite(displacement[density > 0.5]).all()
    assert np.isnan(displacement[density < 0.01]).all()
    normals, distances = np.array(crystal.shape.normals), np.array(crystal.shape.distances_nm)
    for axis, line in enumerate((density[30, 30, 30:], density[30, 30:, 30], density[30:, 30, 30])):
        slopes = normals[:, axis]
        reach_nm = (distances[slopes > 0] / slopes[slopes > 0]).min()
        assert 10.0 * np.flatnonzero(line > 0.2).max() == pytest.approx(reach_nm, abs=12.0)
