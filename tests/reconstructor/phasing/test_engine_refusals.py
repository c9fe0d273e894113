"""What a run refuses, with what was found and what is wanted; a value that is not finite never comes out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reconstructor.phasing import engine
from reconstructor.phasing.kernel import Kernel
from reconstructor.phasing.kernels.reference import ReferenceKernel
from reconstructor.phasing.notation import parse
from reconstructor.phasing.problem import PhasingError, Problem, Start

SHORT = parse("Sup(every=10, threshold=0.2, sigma=2..1) * Twin(iterations=7) * HIO**45 * RAAR**25 * DM**10 * ER**15")


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_start_object_without_finite_energy_is_told(small, kernel: Kernel, value: float) -> None:
    """One NaN, one infinity, or nothing at all: refused with what was found and wanted, on every kernel."""
    obj = small.truth * np.complex64(0)
    obj[16, 16, 16] = value
    with pytest.raises(PhasingError, match=r"the start object .*; wanted a finite one above 0"):
        next(engine.run(SHORT, small.problem, Start(obj, small.core), kernel, 1))


def test_a_slow_shape_is_told(small) -> None:
    """A prime axis is refused before anything is transformed."""
    counts = np.ones((31, 32, 32), np.float32)
    everywhere = np.ones(counts.shape, np.bool_)
    with pytest.raises(PhasingError, match="the rocking axis has 31 voxels"):
        next(engine.run(SHORT, Problem(counts, everywhere, ~everywhere), None, ReferenceKernel(), 1))


def test_nothing_to_phase_is_told(small, kernel: Kernel) -> None:
    """All-zero data and a curve without known voxels are refused by the run itself."""
    problem = small.problem
    with pytest.raises(PhasingError, match="hold zero counts above background; wanted at least one photon"):
        next(engine.run(SHORT, replace(problem, counts=problem.counts * 0), None, kernel, 1))
    with pytest.raises(PhasingError, match="0 of the voxels are known; wanted"):
        next(engine.run(SHORT, replace(problem, known=problem.known & False), None, kernel, 1))


def test_a_support_that_vanishes_is_told(small, kernel: Kernel) -> None:
    """A shrinkwrap that leaves no allowed share of the volume ends the run with what it found and wanted."""
    recipe = parse("Sup(every=5, threshold=5, fraction=0.999..1) * HIO**20")
    with pytest.raises(PhasingError, match=r"the support is .* at threshold .*; wanted a share of 0\.999 to 1"):
        list(engine.run(recipe, small.problem, None, kernel, 1))


def test_an_empty_support_to_begin_with_is_told(small) -> None:
    """The error names the voxels found and wanted."""
    line, start = "HIO**5", Start(support=np.zeros(small.core.shape, np.bool_))
    with pytest.raises(PhasingError, match=r"support .* 0 of 32768 voxels; wanted"):
        next(engine.run(parse(line), small.problem, start, ReferenceKernel(), 1))


def test_a_start_of_another_shape_is_told(small) -> None:
    """A plane instead of a volume, another volume, a support unlike its object: refused before anything is done."""
    plane, line = small.truth[16], parse("HIO**5")
    with pytest.raises(PhasingError, match=r"the start object has shape \(32, 32\); wanted three axes"):
        Start(plane)
    with pytest.raises(PhasingError, match=r"the start support has shape \(32, 32\); wanted three axes"):
        Start(support=small.core[16])
    with pytest.raises(PhasingError, match=r"the start support has .* wanted that of the start object, \(32, 32, 32\)"):
        Start(small.truth, small.core[:16])
    with pytest.raises(PhasingError, match=r"the start object has shape \(16, 32, 32\); wanted that of the data, \(32"):
        next(engine.run(line, small.problem, Start(small.truth[:16]), ReferenceKernel(), 1))


def test_estimates_every_nothing_are_refused(small) -> None:
    """Asking for one every 0 iterations names what was found and wanted."""
    with pytest.raises(PhasingError, match="an estimate every 0 iterations; wanted every 1 or more"):
        next(engine.run(SHORT, small.problem, None, ReferenceKernel(), 1, every=0))


class Broken(ReferenceKernel):
    """A kernel whose object turns to NaN on its way."""

    def iterate(self, *arguments: Any) -> Any:
        sums = super().iterate(*arguments)
        self._g[16, 16, 16] = np.nan
        return sums


def test_nan_on_the_way_is_told(small) -> None:
    """A value that is not finite ends the run, it never comes out as a volume."""
    with pytest.raises(PhasingError, match="finite"):
        list(engine.run(parse("HIO**60"), small.problem, None, Broken(), 1))
