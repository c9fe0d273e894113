"""The recorded scan: a gold crystal of 0.02 to 0.03 µm³.

A single quick run is no measurement. Of 80 (40 seeds, two versions of the kernels whose rounding differs) R was 0.0073
to 0.0084, the volume 0.025 to 0.035 µm³, one in five above 0.033, and mean over maximum 0.25 to 0.42, one in eleven
below 0.3. So here are five: the best by free log-likelihood is judged, as in the service, and the median of what
scatters. Of the 16 groups of five among those 80, 15 have both medians within the limits below, and one 0.0332.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median

import h5py
import numpy as np
import pytest
from PIL import Image

from reconstructor.phasing import engine, population, quality
from reconstructor.phasing.kernels import cpu
from reconstructor.phasing.notation import parse
from reconstructor.phasing.population import Member
from reconstructor.phasing.problem import Estimate, Problem, Start, free_pixels

PEAK, SIDE = (99, 126, 127), 96
VOXEL_UM3 = 2338e-9 * (128 / SIDE) ** 3
RUNS, BLIND_RUNS = 5, 2
QUICK = parse(
    "Crop(0.5) * Tries(2) * Sup(threshold=0.15) * HIO**300 * RAAR**80 * ER**20"
    " | Sup(threshold=0.15, sigma=1..0.5) * RAAR**60 * ER**40"
)

BLURRED = parse("Start(grow=1) * Sup(threshold=0.15, sigma=1..0.7) * Coherent(at=0, every=10) * RAAR**30 * ER**10")


@pytest.fixture(scope="module")
def gold(scan54: Path) -> Problem:
    """The central 96³ with the detector's flat field and the monitor in the model."""
    box = tuple(slice(p - SIDE // 2, p + SIDE // 2) for p in PEAK)
    with h5py.File(scan54) as file:
        counts = file["entry/frames"][box].astype(np.float32)
        monitor = file["entry/scan_columns/Monitor"][...]
    flat = np.asarray(Image.open(scan54.with_name("whitefield.tif")))[box[1], box[2]]
    trusted = np.broadcast_to(flat > 0.2 * np.median(flat), counts.shape)
    response = (monitor / monitor.mean())[box[0], None, None] * np.maximum(flat / np.median(flat), 0.1)
    free = free_pixels(counts.shape, trusted, 54)
    return Problem(counts, trusted & ~free, free, response.astype(np.float32))


@pytest.fixture(scope="module")
def runs(gold: Problem) -> list[Member]:
    """Some quick runs."""
    return phased(gold, RUNS)


@pytest.fixture(scope="module")
def best(runs: list[Member]) -> Member:
    """The one of them that a volume would be made of."""
    return runs[population.choose(runs).best]


def phased(problem: Problem, number: int) -> list[Member]:
    """So many quick runs."""
    kernel = cpu.choose(problem.shape)
    found = []
    for seed in range(number):
        *_, last = engine.run(QUICK, problem, None, kernel, seed)
        found.append(Member(last, seed))
    return found


def volume_um3(found: Estimate) -> float:
    """Of the voxels above a tenth of the bulk's amplitude."""
    size = np.abs(found.obj)
    return float(np.count_nonzero(size > 0.1 * np.percentile(size[found.support], 95))) * VOXEL_UM3


@pytest.mark.scan54
def test_the_gold_crystal_is_found(runs: list[Member], best: Member) -> None:
    """R not far from its floor of 0.0057, a plausible volume, a flat core."""
    assert best.estimate.misfit is not None
    assert best.estimate.misfit.r_factor < 0.0095
    assert 0.018 < median(volume_um3(run.estimate) for run in runs) < 0.033
    assert median(quality.mean_to_max(run.estimate.obj, run.estimate.support) for run in runs) > 0.3


@pytest.mark.scan54
def test_the_flat_field_is_real(gold: Problem, best: Member) -> None:
    """Pixels differ by a fifth in what they count: with that left out of the model the free pixels are told much
    worse."""
    blind = phased(Problem(gold.counts, gold.known, gold.free), BLIND_RUNS)
    assert min(run.free_llk for run in blind) > 1.15 * best.free_llk


@pytest.mark.scan54
def test_the_beam_was_not_fully_coherent(gold: Problem, best: Member) -> None:
    """A blur of the fringes that is found with the object tells the free pixels better than the object alone."""
    start = Start(obj=best.estimate.obj, support=best.estimate.support)
    *_, last = engine.run(BLURRED, gold, start, cpu.choose(gold.shape), 0)
    assert last.psf is not None
    assert last.psf.max() < 0.9
    assert Member(last, 0).free_llk < 0.92 * best.free_llk
