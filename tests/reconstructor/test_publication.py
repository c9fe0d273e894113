"""What is told about a volume when it is published."""

from __future__ import annotations

import msgspec
import pytest

from contract.messages import Geometry, Quality
from reconstructor.publication import Occasion, improves, published
from tests.reconstructor.forecast.conftest import crystal
from tests.reconstructor.remembered import archived, beginning


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


def test_a_wait_is_counted_once_and_only_by_whom_it_was_for(coarse: Geometry) -> None:
    """How long people waited for a first, a full-curve and a refined volume, by the volumes they waited for."""
    volume = archived(crystal(0, "nothing", beginning(coarse, "x")), coarse, "x").volume
    volume = msgspec.structs.replace(volume, first_frame_to_volume_s=9.0, last_frame_to_volume_s=2.0)
    occasion = Occasion(1, "complete", None, 0.0, 0.0, "", "", first_of=frozenset({"full"}))
    told = published(volume, occasion)
    assert (told.first_volume_s, told.full_curve_volume_s, told.refined_volume_s) == (None, 2.0, None)
