"""The reference kernel against formulas written out."""

from __future__ import annotations

import numpy as np
import pytest

from reconstructor.phasing.kernels.reference import ReferenceKernel
from reconstructor.phasing.problem import PhasingError, amplitude
from reconstructor.phasing.support import bounding_box, shrunk


@pytest.fixture
def loaded(small) -> ReferenceKernel:
    """The small crystal, at its truth."""
    kernel = ReferenceKernel()
    kernel.load(amplitude(small.problem))
    kernel.put(small.truth, small.core)
    return kernel


def test_the_sums_are_their_definitions(loaded: ReferenceKernel, small) -> None:
    """Σ(|Fg| − A)² of the object before, Σ|P|² inside the support and everywhere."""
    sums = loaded.iterate("HIO", 0.9, 1)
    data = amplitude(small.problem)
    wave = np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(small.truth.astype(np.complex128))))
    known = data >= 0
    assert sums.misfit == pytest.approx(np.sum((np.abs(wave) - data)[known] ** 2), rel=1e-4)
    wave[known] *= data[known] / np.abs(wave)[known]
    power = np.abs(np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(wave)))) ** 2
    assert sums.total == pytest.approx(power.sum(), rel=1e-4)
    assert sums.inside == pytest.approx(power[small.core].sum(), rel=1e-4)


def test_iterations_in_a_row_are_iterations_one_by_one(loaded: ReferenceKernel, small) -> None:
    """Four at once are four times one."""
    last = loaded.iterate("RAAR", 0.8, 4)
    wanted = loaded.obj()
    loaded.put(small.truth, small.core)
    for _ in range(4):
        sums = loaded.iterate("RAAR", 0.8, 1)
    assert (loaded.obj() == wanted).all()
    assert sums == last


def test_what_comes_out_is_a_copy(loaded: ReferenceKernel, small) -> None:
    """Writing into object, support or snapshot changes nothing inside."""
    loaded.obj()[:] = 0
    loaded.support()[:] = False
    snapshot = loaded.snapshot()
    snapshot.block[:] = 0
    assert (loaded.obj() == small.truth).all()
    assert (loaded.support() == small.core).all()
    assert loaded.snapshot().block.any()


def test_the_snapshot_is_the_object_inside_its_support(loaded: ReferenceKernel, small) -> None:
    """Cut to the bounding box, at its corner."""
    corner, block, inside = loaded.snapshot()
    box = bounding_box(small.core)
    assert corner == tuple(s.start for s in box)
    assert (inside == small.core[box]).all()
    assert (block == np.where(small.core, small.truth, 0)[box]).all()


def test_shrinking_is_shrinkwrap_on_its_object(loaded: ReferenceKernel, small) -> None:
    """Count, threshold and support are those of `support.shrunk`."""
    found = loaded.shrink(1.0, 0.3, (1e-4, 0.7))
    wanted = shrunk(small.truth, small.core, bounding_box(small.core), 1.0, 0.3, (1e-4, 0.7))
    assert (found.voxels, found.threshold) == (wanted.voxels, wanted.threshold)
    assert (loaded.support()[wanted.box] == wanted.inside).all()
    assert loaded.support().sum() == wanted.voxels
    assert (loaded.obj() == small.truth).all()


def test_wrong_shapes_and_empty_supports_are_told(loaded: ReferenceKernel, small) -> None:
    """Object and support must have the shape of the data, and the support a voxel."""
    with pytest.raises(PhasingError, match=r"the object has shape \(32, 32, 16\); wanted that of the data, \(32"):
        loaded.put(small.truth[:, :, :16], small.core)
    with pytest.raises(PhasingError, match=r"the support has shape \(32, 32, 16\); wanted that of the object, \(32"):
        loaded.restrict(small.core[:, :, :16])
    with pytest.raises(PhasingError, match="the support is empty: 0 of 32768 voxels; wanted at least one"):
        loaded.restrict(small.core & False)
