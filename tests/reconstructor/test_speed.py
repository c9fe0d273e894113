"""How long jobs take is remembered by shape and guessed for others."""

from __future__ import annotations

import pytest

from reconstructor.phasing.notation import parse
from reconstructor.speed import Speed

SMALL, LARGE = (64, 64, 64), (128, 128, 128)


def test_a_measured_shape_is_remembered() -> None:
    """What was measured is told again; a second measurement counts half."""
    speed = Speed().learnt(SMALL, 0.002, 0.5)
    assert speed.iteration(SMALL) == 0.002
    assert speed.around(SMALL) == 0.5
    assert speed.learnt(SMALL, 0.004, None).iteration(SMALL) == pytest.approx(0.003)
    assert speed.learnt(SMALL, None, 1.0).iteration(SMALL) == 0.002


def test_another_shape_is_guessed_from_the_nearest() -> None:
    """Eight times the voxels take a little more than eight times as long."""
    speed = Speed().learnt(SMALL, 0.002, None)
    assert 0.016 < speed.iteration(LARGE) < 0.025
    assert speed.iteration((64, 64, 32)) < 0.001
    assert Speed().iteration(LARGE) > Speed().iteration(SMALL) > 0


def test_a_job_takes_its_rounds() -> None:
    """Runs beyond the workers wait for a second round; a cropped stage counts by its voxels."""
    speed = Speed().learnt(SMALL, 0.01, 1.0)
    recipe = parse("HIO**80 * ER**20")
    assert speed.job(recipe, SMALL, runs=2, workers=2) == pytest.approx(2.0)
    assert speed.job(recipe, SMALL, runs=3, workers=2) == pytest.approx(3.0)
    assert speed.job(parse("Crop(0.5) * HIO**80 | ER**20"), SMALL, runs=1, workers=1) == pytest.approx(1.3)


def test_a_rehearsal_counts_until_a_job_tells_better() -> None:
    """A rehearsal's speed is used at first, replaced by the first job's, and never replaces a job's."""
    speed = Speed().prepared(SMALL, 0.02)
    assert speed.iteration(SMALL) == 0.02
    told = speed.learnt(SMALL, 0.002, None)
    assert told.iteration(SMALL) == 0.002
    assert told.prepared(SMALL, 0.02).iteration(SMALL) == 0.002
    assert told.learnt(SMALL, 0.004, None).iteration(SMALL) == pytest.approx(0.003)


def test_a_disturbed_rehearsal_is_not_believed_against_a_job_on_another_shape() -> None:
    """Of a rehearsal and what jobs on other shapes let expect, the quicker one is taken."""
    disturbed = Speed().prepared(LARGE, 0.2).learnt(SMALL, 0.002, None)
    assert disturbed.iteration(LARGE) == pytest.approx(0.002 * 8**1.1)
    calm = Speed().prepared(LARGE, 0.012).learnt(SMALL, 0.002, None)
    assert calm.iteration(LARGE) == 0.012
