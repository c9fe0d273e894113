"""Scans of one hold, as the newest of them sees the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contract.messages import Geometry
from reconstructor.curve import Reading
from reconstructor.joining import joined
from tests.reconstructor.forecast.conftest import Held, crystal
from tests.reconstructor.remembered import beginning, named


@pytest.fixture
def held(coarse: Geometry) -> Held:
    """A crystal that loses a domain."""
    return crystal(2, "a domain lost", beginning(coarse, "x"))


@pytest.fixture
def scans(held: Held, coarse: Geometry) -> list[Reading]:
    """The same crystal twice, then the changed one."""
    made = (held.scan("before", seed=1), held.scan("before", (62.0, 24.0, 24.0), seed=2), held.scan("after", seed=3))
    return [named(scan.reading, beginning(coarse, name)) for name, scan in zip("abc", made, strict=True)]


def test_what_agrees_is_added_on_the_newest_grid(scans: list[Reading]) -> None:
    """Counts of both, under the newer scan's name, the older moved to where the newer has its peak."""
    first, second, _ = scans
    found = joined(second, [first])
    assert found.evolution is not None
    assert (found.evolution.scan, found.evolution.summed) == ("b", True)
    assert found.reading.started.scan == "b"
    assert np.array_equal(found.reading.counts[40], second.counts[40] + first.counts[38])


def test_what_differs_stands_alone(scans: list[Reading]) -> None:
    """The changed crystal's counts stay its own, and the evolution says so."""
    found = joined(scans[2], scans[:2])
    assert found.reading is scans[2]
    assert found.evolution is not None
    assert not found.evolution.summed
    assert found.assumptions == ()


def test_what_cannot_be_compared_says_why(scans: list[Reading]) -> None:
    """A scan with other steps is left as it is, in a sentence; a lone scan needs none."""
    other = replace(scans[0], angle_deg=2 * scans[0].angle_deg)
    found = joined(scans[1], [other])
    assert found.reading is scans[1]
    assert found.evolution is None
    assert "steps" in found.assumptions[0]
    assert joined(scans[1], []).assumptions == ()
