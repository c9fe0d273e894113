"""What is told about a volume when it is published."""

from __future__ import annotations

import pytest

from contract.messages import Quality
from reconstructor.publication import improves


@pytest.mark.parametrize(
    ("old", "new", "better"),
    [
        (None, Quality(free_llk=2.0), True),
        (Quality(free_llk=2.0), Quality(free_llk=1.9), True),
        (Quality(free_llk=2.0), Quality(free_llk=2.0), False),
        (Quality(free_llk=2.0), Quality(free_llk=2.0, mode_weight=0.9), True),
        (Quality(free_llk=2.0, mode_weight=0.9), Quality(free_llk=2.0, mode_weight=0.95), False),
        (Quality(), Quality(free_llk=9.0), True),
    ],
)
def test_a_better_revision_tells_the_free_pixels_better_or_says_more(
    old: Quality | None, new: Quality, better: bool
) -> None:
    """More runs that change nothing are no new revision."""
    assert improves(new, old) == better
