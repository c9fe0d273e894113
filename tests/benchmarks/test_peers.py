"""The parts of the peers' benchmark that are ours: data, scores, and our engine as a worker."""

import sys
from pathlib import Path

import numpy as np
import pytest

from reconstructor.phasing.alignment import moved, twin

PEERS = Path(__file__).resolve().parent / "peers"


@pytest.fixture(autouse=True)
def _scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(PEERS))


@pytest.fixture
def case():
    import crystals

    return crystals.make(0, 32, 5e6)


def test_counts_are_poisson_of_the_truth(case):
    """The mean of the counts is the intensity of the truth, photon for photon."""
    power = np.abs(np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(case.truth)))) ** 2
    bright = power > 20
    deviations = (case.counts[bright] - power[bright]) / np.sqrt(power[bright])
    assert power.sum() == pytest.approx(5e6 / 8, rel=1e-3)
    assert deviations.std() == pytest.approx(1, abs=0.1)


def test_no_support_contains_the_truth(case):
    """The window cuts the far field off, so the truth leaks out of the crystal a little, but only a little."""
    size = np.abs(case.truth)
    outside = np.square(size[size < 0.1 * size.max()]).sum() / np.square(size).sum()
    assert 1e-4 < outside < 2e-2


@pytest.mark.parametrize("seed", range(4))
def test_kinds_take_turns(seed):
    """Each kind has the phase range it promises, and every crystal its extents."""
    import crystals

    made = crystals.make(seed, 32, 5e6)
    low, high = crystals.RANGES_RAD[made.kind]
    assert made.kind == crystals.KINDS[seed]
    assert all(9.5 <= extent <= 15.5 for extent in made.extent_voxels)
    assert np.isnan(made.phase_range_rad) if made.kind == "dislocation" else low <= made.phase_range_rad <= high


def test_strong_crystals_turn_more_than_once():
    """The kind "strong" promises a phase range above 2π."""
    import crystals

    assert crystals.RANGES_RAD["strong"][0] > 2 * np.pi


def test_score_ignores_hand_shift_and_phase(case):
    """The truth itself, inverted, moved by parts of a voxel and turned in phase, has overlap 1."""
    from score import score

    other = moved(twin(case.truth), (1.3, -2.4, 0.7)) * np.complex64(1j)
    _, overlap = score(other, case)
    assert overlap > 0.999


def test_score_keeps_the_ramp(case):
    """A ramp is a shift of the measured pattern: it costs overlap."""
    from score import score

    ramp = np.exp(2j * np.pi * np.arange(32) / 32 * 1.0).astype(np.complex64)
    _, overlap = score(case.truth * ramp, case)
    assert overlap < 0.95


def test_our_engine_answers_as_a_worker(case, tmp_path):
    """Our side of the benchmark times iterations and phases by both recipes."""
    from score import score
    from workers import Worker

    np.save(tmp_path / "counts.npy", case.counts)
    worker = Worker("ours", "", Path(sys.executable), "run_bragglive.py", 1, "plain", tmp_path)
    try:
        worker.load(tmp_path / "counts.npy")
        assert worker.ask({"do": "seconds", "algorithm": "HIO", "iterations": 3})["seconds"] > 0
        for recipe, seeds in (("short", [0]), ("own", [0, 1])):
            to = tmp_path / f"{recipe}.npy"
            reply = worker.ask({"do": "phase", "recipe": recipe, "seeds": seeds, "to": str(to)})
            r_factor, _ = score(np.load(to), case)
            assert reply["seconds"] > 0
            assert r_factor < 0.2
    finally:
        worker.close()


def test_an_engine_that_gives_up_leaves_its_last_word(tmp_path):
    """A worker that dies is told with what it said, not waited for."""
    from workers import Worker, WorkerFailed

    worker = Worker("ours", "", Path(sys.executable), "run_bragglive.py", 1, "plain", tmp_path)
    with pytest.raises(WorkerFailed, match=r"ours: .*missing\.npy"):
        worker.load(tmp_path / "missing.npy")
    assert worker.process is None


def test_targets_are_ratios_to_the_best_peer():
    """The best peer counts, and each round is compared with itself."""
    import speed
    from workers import Worker

    def engine(script, hio, seconds):
        worker = Worker(script, "", Path(), script, 1, "", Path())
        return speed.Figures(worker, {"HIO": hio, "ER": hio}, seconds, [0.1] * 3, [0.9] * 3)

    figures = [
        engine("run_bragglive.py", [400.0, 100.0, 410.0], [1.0, 4.0, 1.0]),
        engine("run_slow.py", [50.0, 13.0, 50.0], [9.0, 30.0, 9.0]),
        engine("run_best.py", [100.0, 25.0, 100.0], [2.0, 8.0, 2.0]),
    ]
    hio, _, recipe = speed.targets(figures, 64)
    assert (hio.value, hio.met) == (4.0, True)
    assert (recipe.value, recipe.met) == (2.0, False)


def test_what_is_published_tells_the_free_pixels_best(case):
    """Of best run, polished run and polished mode the one of lowest free LLK is published; two runs have no weight."""
    import own
    from published import published

    from reconstructor.phasing import engine, notation
    from reconstructor.phasing.kernels import cpu
    from reconstructor.phasing.population import Member
    from reconstructor.phasing.problem import free_llk, free_pixels

    brief = notation.parse("Sup(every=10, threshold=0.2) * HIO**60 * ER**10")
    free = free_pixels(case.counts.shape, np.ones(case.counts.shape, np.bool_), 0)
    problem = own.Problem(case.counts, ~free, free)
    kernel = cpu.choose(problem.shape)
    runs = [Member(list(engine.run(brief, problem, None, kernel, seed))[-1], seed) for seed in (0, 1)]
    found = published(runs, problem, kernel)
    assert free_llk(found.chosen.estimate) == min(free_llk(each.estimate) for each in found.candidates)
    assert [each.origin for each in found.candidates][:2] == ["best run", "polished run"]
    assert found.weight is None


def test_own_targets_are_those_of_the_crystals_and_of_the_scan():
    """Median and worst overlap are taken over the crystals alone, weight and R of the recorded scan alone; a weight
    that is not determined meets no target."""
    import own

    rows = [{"case": str(k), "published": value} for k, value in enumerate([0.99, 0.94, 0.98])]
    rows.append({"case": own.SCAN54, "published": None, "weight": None, "r_factor": 0.007})
    median, worst, weight, r_factor = own.targets(rows)
    assert (median.value, median.met) == (0.98, False)
    assert (worst.value, worst.met) == (0.94, False)
    assert (weight.value, weight.met) == (None, False)
    assert (r_factor.value, r_factor.met) == (0.007, True)
