"""The made-up crystal keeps to what the contract says of a volume."""

from __future__ import annotations

import numpy as np

from contract.codec import decode, encode
from contract.messages import Volume
from viewer.sample import sample_volume


def test_it_is_a_volume_of_the_contract() -> None:
    """It can be encoded, which checks every field, and comes back the same."""
    volume = sample_volume(size=24)
    back = decode([bytes(part) for part in encode(volume)])
    assert isinstance(back, Volume)
    assert np.array_equal(back.density, volume.density)


def test_fields_are_unknown_outside_the_support() -> None:
    """Displacement and strain are NaN exactly outside the support; the density has its maximum at 1."""
    volume = sample_volume(size=24)
    outside = volume.support == 0
    assert np.isnan(volume.displacement_a[outside]).all()
    assert np.isfinite(volume.displacement_a[~outside]).all()
    assert np.isfinite(volume.strain[~outside]).all()
    assert volume.density.max() == 1.0


def test_origin_is_the_centre_of_mass_of_the_support() -> None:
    """Positions count from the centre of mass of the support."""
    volume = sample_volume(size=24)
    where = np.argwhere(volume.support) * np.array(volume.voxel_nm) + np.array(volume.origin_nm)
    assert np.abs(where.mean(axis=0)).max() < 1e-6


def test_a_provisional_one_is_noisier_and_repeatable() -> None:
    """The same seed gives the same provisional crystal, another seed another."""
    one, same, other = (sample_volume(size=24, provisional=True, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.density, same.density)
    assert not np.array_equal(one.density, other.density)
    assert one.stage == "provisional"
