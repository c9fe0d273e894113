"""When a stage does what."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pytest

from reconstructor.phasing.notation import parse
from reconstructor.phasing.recipe import Stage
from reconstructor.phasing.schedule import Chunk, chunks


def stage(line: str) -> Stage:
    """The first stage of a line."""
    return parse(line).stages[0]


def ends(found: list[Chunk]) -> list[int]:
    """After how many iterations each chunk ends."""
    return list(accumulate(chunk.iterations for chunk in found))


@pytest.mark.parametrize(
    "line",
    [
        "ER",
        "HIO**45 * ER**7",
        "Sup(every=7) * HIO**50 * RAAR**33 * ER**9",
        "Sup(every=10) * Twin(at=0.25, iterations=10) * HIO**100 * ER**20",
        "Sup(every=3) * Twin(at=0.9, iterations=50) * HIO**30",
        "Sup(every=9) * Twin() * Coherent(at=0.2, every=7) * HIO**30 * ML**5 * ER**3 * ML**9",
    ],
)
def test_all_iterations_are_done_and_told_in_time(line: str) -> None:
    """Chunks add up to each step's iterations, in order, with a report at least every 20 and at the end."""
    plan = stage(line)
    found = list(chunks(plan, 20))
    done = [chunk.step for chunk in found for _ in range(chunk.iterations)]
    assert done == [step for step in plan.steps for _ in range(step.iterations)]
    assert min(chunk.iterations for chunk in found) >= 1
    told = [0, *(end for end, chunk in zip(ends(found), found, strict=True) if chunk.report)]
    assert max(b - a for a, b in pairwise(told)) <= 20
    assert [chunk.end for chunk in found] == [False] * (len(found) - 1) + [True]
    assert found[-1].report


def test_the_support_is_updated_until_the_closing_er() -> None:
    """Every so many iterations while anything but the closing ER goes on, the smoothing falling from end to end."""
    found = list(chunks(stage("Sup(every=10, sigma=2..0.5) * ER**15 * HIO**45 * ER**40"), 20))
    updates = {end: chunk.sigma_voxels for end, chunk in zip(ends(found), found, strict=True) if chunk.sigma_voxels}
    assert list(updates) == [10, 20, 30, 40, 50, 60]
    widths = list(updates.values())
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == pytest.approx(0.5)
    assert widths[2] == pytest.approx(1.0)


def test_coherence_is_updated_from_its_share_of_the_search_on() -> None:
    """First where it begins, then every so many iterations until the closing ER and ML; never in half a support."""
    found = list(chunks(stage("Coherent(at=0.5, every=15) * HIO**100 * ER**10 * ML**20"), 20))
    assert [end for end, chunk in zip(ends(found), found, strict=True) if chunk.coherence] == [50, 65, 80, 95]
    found = list(chunks(stage("Coherent(at=0, every=5) * Twin(at=0.2, iterations=10) * HIO**50"), 20))
    updates = [end for end, chunk in zip(ends(found), found, strict=True) if chunk.coherence]
    assert updates == [1, 6, 21, 26, 31, 36, 41, 46]


def test_twin_removal_halves_once_and_restores() -> None:
    """Half of the support for the iterations asked for, begun at its share of the search, and no update meanwhile."""
    found = list(chunks(stage("Sup(every=5) * Twin(at=0.25, iterations=12) * HIO**80 * ER**20"), 20))
    stops = ends(found)
    begin = [stop - chunk.iterations for stop, chunk in zip(stops, found, strict=True) if chunk.halve]
    end = [stop for stop, chunk in zip(stops, found, strict=True) if chunk.restore]
    assert (begin, end) == ([20], [32])
    between = [chunk for stop, chunk in zip(stops, found, strict=True) if 20 < stop < 32]
    assert not [chunk for chunk in between if chunk.sigma_voxels]


def test_twin_removal_ends_with_its_stage() -> None:
    """Where more iterations are asked for than are left, the whole support comes back at the end."""
    found = list(chunks(stage("Twin(at=0.9, iterations=50) * HIO**20"), 20))
    assert sum(chunk.halve for chunk in found) == 1
    assert found[-1].restore
