"""Volumes that cannot be drawn are told and left out; those that are merely strange are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.viewer.campaign import Maker
from viewer.captions import volume_numbers
from viewer.drawable import undrawable
from viewer.intake import Intake

NAN, INFINITE = float("nan"), float("inf")
NOTHING = np.zeros((0, 4, 4), np.float32)
IMPOSSIBLE: dict[str, dict[str, Any]] = {
    "voxel 0": {"voxel_nm": (5.0, 0.0, 5.0)},
    "voxel NaN": {"voxel_nm": (NAN, 5.0, 5.0)},
    "voxel negative": {"voxel_nm": (5.0, 5.0, -5.0)},
    "voxel infinite": {"voxel_nm": (5.0, 5.0, INFINITE)},
    "origin NaN": {"origin_nm": (0.0, NAN, 0.0)},
    "origin far": {"origin_nm": (1e300, 0.0, 0.0)},
    "Q 0": {"q_norm_inv_a": 0.0},
    "Q NaN": {"q_norm_inv_a": NAN},
    "empty": {
        "density": NOTHING,
        "displacement_a": NOTHING,
        "strain": NOTHING,
        "support": NOTHING.astype(np.uint8),
    },
}


@pytest.mark.parametrize("fields", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_cannot_be_drawn_is_told_and_left_out(make: Maker, fields: dict[str, Any]) -> None:
    """The volume shown before stays, a notice says what was wrong, and the next volume is drawn."""
    intake = Intake(maximum_faces=10_000)
    intake.take(make.volume(0, size=16, revision=1), 1000.0)
    assert intake.work()
    intake.take(make.volume(0, size=16, revision=2, **fields), 1001.0)
    assert not intake.work()
    assert [known.picture.facts.revision for known in intake.state.pictures.values()] == [1]
    ((at_s, notice),) = intake.state.notices
    assert at_s == 1001.0
    assert "cannot be drawn and is left out" in notice.text
    assert "wanted" in notice.text
    intake.take(make.volume(0, size=16, revision=3), 1002.0)
    assert intake.work()
    assert [known.picture.facts.revision for known in intake.state.pictures.values()] == [3]


STRANGE: dict[str, dict[str, Any]] = {
    "all NaN": {"density": np.full((16, 16, 16), NAN, np.float32)},
    "all zero": {"density": np.zeros((16, 16, 16), np.float32)},
    "level NaN": {"isosurface": NAN},
    "Q without direction": {"q_inv_a": (0.0, 0.0, 0.0)},
    "displaced infinitely": {"displacement_a": np.full((16, 16, 16), INFINITE, np.float32)},
}


@pytest.mark.parametrize("fields", STRANGE.values(), ids=STRANGE)
def test_what_is_merely_strange_is_drawn(make: Maker, fields: dict[str, Any]) -> None:
    """Numbers that say nothing raise nothing, neither in the picture nor in its captions."""
    strange = make.volume(0, size=16, **fields)
    assert undrawable(strange) == ""
    intake = Intake(maximum_faces=10_000)
    intake.take(strange, 1000.0)
    assert intake.work()
    (known,) = intake.state.pictures.values()
    assert any(number.label == "|Q|" for number in volume_numbers(known.picture))
