"""The committed schema is that of the messages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import contract
from contract.messages import FrameBlock, Volume
from contract.schema import describe, meanings, schema, type_text

COMMITTED = Path(contract.__file__).with_name("schema.json")


def test_committed_schema_is_up_to_date() -> None:
    """A change of the contract shows as a change of schema.json: `python -m contract.schema > contract/schema.json`."""
    printed = subprocess.run([sys.executable, "-m", "contract.schema"], capture_output=True, check=True)
    assert printed.stdout.decode() == COMMITTED.read_text()


def test_arrays_tell_axes_dtype_and_unit() -> None:
    """Whoever reads the schema can make sense of the raw bytes of an array."""
    arrays = describe(FrameBlock)["arrays"]
    assert arrays["counts"] == {
        "axes": ["frame", "row", "column"],
        "dtype": "<u4",
        "unit": "counts",
        "required": True,
    }
    assert arrays["angle_deg"]["unit"] == "°"
    assert describe(Volume)["arrays"]["displacement_a"]["unit"] == "Å"


def test_stream_parts_are_part_of_the_schema() -> None:
    """The envelope is described beside the messages."""
    assert schema()["stream"]["Envelope"]["fields"]["seq"]["type"] == "integer"


def test_types_are_told_in_words() -> None:
    """Types read the same on every version of Python."""
    assert type_text(tuple[float, ...] | None) == "[number, …] | null"


def test_meanings_come_from_the_source() -> None:
    """What stands below a field in the source is its meaning."""
    assert meanings(FrameBlock)["index"] == "Place of each frame in the rocking curve, from 0."
