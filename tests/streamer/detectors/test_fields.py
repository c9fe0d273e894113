"""Fields of a message: the right type and range, or an error that names all three of field, found and wanted."""

from __future__ import annotations

from typing import Any

import pytest

from streamer.detectors.decode_error import DecodeError
from streamer.detectors.fields import Fields

CONTENT = {"n": 3, "x": 2.5, "t": "abc", "m": {}, "nan": float("nan"), "true": True, "bad": "a\nb", "null": None}


@pytest.mark.parametrize(
    ("reader", "arguments", "value"),
    [
        ("whole", ("n", 0, 3), 3),
        ("number", ("x",), 2.5),
        ("number", ("n",), 3.0),
        ("text", ("t", 1, 3), "abc"),
        ("mapping", ("m",), {}),
    ],
)
def test_reads_what_is_right(reader: str, arguments: tuple[Any, ...], value: Any) -> None:
    """A field of the right type and range is returned."""
    assert getattr(Fields("image", CONTENT), reader)(*arguments) == value


@pytest.mark.parametrize(
    ("reader", "arguments", "why"),
    [
        ("whole", ("n", 0, 2), "image: field 'n' is 3, wanted a whole number from 0 to 2"),
        ("whole", ("true", 0, 2), "field 'true' is True"),
        ("whole", ("absent", 0, 2), "field 'absent' is missing"),
        ("number", ("nan",), "field 'nan' is nan, wanted a finite number"),
        ("number", ("t",), "wanted a finite number"),
        ("text", ("bad", 1, 9), "wanted a printable text of 1 to 9"),
        ("text", ("t", 4, 9), "wanted a printable text of 4 to 9"),
        ("mapping", ("t",), "wanted a map"),
    ],
)
def test_names_what_is_wrong(reader: str, arguments: tuple[Any, ...], why: str) -> None:
    """A field of the wrong type, out of range or missing raises with field, value found and value wanted."""
    with pytest.raises(DecodeError, match=why):
        getattr(Fields("image", CONTENT), reader)(*arguments)


def test_an_optional_field_that_is_wrong_leaves_a_remark() -> None:
    """What is only said beside a frame is left out with a remark, and nothing is remarked where nothing was said."""
    fields = Fields("start", CONTENT)
    assert fields.optional("absent", fields.number) is None
    assert fields.optional("null", fields.number) is None
    assert fields.remarks == []
    assert fields.optional("t", fields.number) is None
    assert fields.remarks == ["start: field 't' is 'abc', wanted a finite number"]
