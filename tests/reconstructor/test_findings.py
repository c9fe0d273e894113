"""What is said of a scan, and what of it is news."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from contract.messages import Advice, Geometry, Scan
from reconstructor.advice import advice
from reconstructor.curve import Curve
from reconstructor.findings import findings, news
from reconstructor.followed import FollowedScan
from reconstructor.offers import Recipes
from reconstructor.phasing.notation import parse
from tests.reconstructor.conftest import PlayedScan
from tests.reconstructor.forecast.conftest import FRAMES, crystal
from tests.reconstructor.remembered import beginning, remembered

RECIPES = Recipes(parse("HIO**10", "provisional"), (parse("HIO**20", "refined"),))
SAID = Advice(scan=Scan("a"), kind="counts", level="info", frames_used=9, text="1.0", numbers=(("ratio", 1.0),))


@pytest.mark.parametrize(
    ("changed", "over", "wanted"),
    [
        ({}, False, False),
        ({"text": "1.1", "numbers": (("ratio", 1.1),)}, False, False),
        ({"text": "1.5", "numbers": (("ratio", 1.5),)}, False, True),
        ({"text": "1.1", "numbers": (("ratio", 1.1),)}, True, True),
        ({"frames_used": 12}, True, False),
        ({"level": "warning"}, False, True),
        ({"numbers": (("error", 1.0),)}, False, True),
    ],
)
def test_news_is_what_changed_by_a_quarter_or_at_the_end(changed: dict[str, Any], over: bool, wanted: bool) -> None:
    """Numbers that creep are not told at every look; when the scan is over the last state is."""
    assert news(msgspec.structs.replace(SAID, **changed), SAID, over) is wanted
    assert news(SAID, None, over)


def test_findings_follow_the_scan(coarse: Geometry) -> None:
    """First only its end and, once the past lies surely, its brightness; behind the peak all the rest."""
    held = crystal(0, "strained", beginning(coarse, "after"))
    past, truth = remembered(held, coarse), held.scan("after", (55.0, 25.3, 23.1), brightness=1.4)
    source = PlayedScan(beginning(coarse, "after"), truth.reading.counts, truth.amplitude)
    scan, told = FollowedScan(Curve(source.started), RECIPES, 0.0), {}
    for first in range(0, FRAMES, 20):
        for j in range(first, first + 20):
            scan.add(source.block(j, j + 1), 0.1 * j)
        scan.look(None, past)
        assert scan.measured is not None
        told[first + 20] = {one.kind: one for one in advice(scan.measured, findings(scan, past, 0.1 * first + 2))}
    assert set(told[20]) == {"expected_end"}
    assert "peak_passed" not in told[40]
    assert {"peak_passed", "drift", "counts", "expected_end"} <= set(told[80])
    assert dict(told[80]["counts"].numbers)["ratio"] == pytest.approx(1.4, rel=0.15)
    assert dict(told[80]["peak_passed"].numbers)["frame"] == pytest.approx(55, abs=2)
    assert "expected_end" not in told[FRAMES]


def test_an_unmeasured_scan_says_nothing(played: Callable[..., Any]) -> None:
    """Before its first look."""
    assert findings(FollowedScan(Curve(played().started), RECIPES, 0.0), None, 1.0).peak is None
