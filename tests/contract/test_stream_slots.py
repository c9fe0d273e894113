"""Which message takes the place of which in the present state."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from contract.messages import Angles, Scan, Volume
from contract.stream_slots import default_slot, scan_prefix
from tests.contract.examples import EXAMPLES, SCAN, block

SLOTS = {
    "hold_started": "hold/IV",
    "hold_ended": "hold/IV",
    "scan_started": "scan/s0054/started/0",
    "frame_block": "scan/s0054/block/0/5-6-2",
    "angles": "scan/s0054/angles/5-6-2",
    "scan_ended": "scan/s0054/ended",
    "volume": "volume/IV/IV-4.100V-20261123T031500/refined",
    "job_progress": "job/s0054",
    "confirmed": "confirmed/s0054",
    "notice": None,
    "advice": "advice/s0054/window_cut",
    "forecast_scored": "forecast/s0054",
    "deadline": "deadline/s0054",
    "scan_aborted": None,
    "region_chosen": "scan/s0054/region",
    "region_set": None,
}


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_every_kind_has_its_slot(kind: str) -> None:
    """A message takes the place of an earlier one about the same thing; a notice is only for those who listen."""
    assert default_slot(EXAMPLES[kind]) == SLOTS[kind]


def test_blocks_of_different_frames_stand_beside_each_other() -> None:
    """No block of frames takes the place of another."""
    assert len({default_slot(block(index)) for index in range(20)}) == 20


def test_angles_of_no_frames_have_a_slot() -> None:
    """An empty message is no reason to fail."""
    empty = Angles(scan=SCAN, index=np.zeros(0, "<i4"), angle_deg=np.zeros(0))
    assert default_slot(empty) == "scan/s0054/angles/none"


def test_a_volume_of_an_unknown_crystal_is_that_of_its_scan() -> None:
    """Without a crystal's name two scans do not take each other's place."""
    volume = EXAMPLES["volume"]
    assert isinstance(volume, Volume)
    unknown = msgspec.structs.replace(volume, crystal=None, hold=None)
    assert default_slot(unknown) == "volume/s0054/-/refined"


def test_a_scan_is_not_forgotten_with_one_that_its_name_begins_with() -> None:
    """Names with slashes do not reach into each other's slots."""
    slot = default_slot(block(scan="a/b"))
    assert slot is not None
    assert slot.startswith(scan_prefix("a/b"))
    assert not slot.startswith(scan_prefix("a"))
    assert not (default_slot(block(scan="a%2Fb")) or "").startswith(scan_prefix("a/b"))
    assert Scan("a/b") == "a/b"
