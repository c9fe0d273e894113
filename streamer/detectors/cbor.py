"""The part of CBOR (RFC 8949) that detectors use, read without copying and within stated bounds.

Byte strings come out as views of the message and tags as `Tagged`, uninterpreted, so that hostile input meets
no regular expression, big number, date or shared reference, and a message that is nothing but empty lists (70
times its size as Python objects) ends at `MAX_ITEMS`. Memory: the views cost nothing, the rest at most
`MAX_ITEMS` × about 150 bytes = 30 MB, whatever the message claims.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

MAX_ITEMS = 200_000
"""Data items a message may hold; a list of 100 000 angles is the longest thing known."""
MAX_DEPTH = 32

_ARGUMENT = {24: struct.Struct(">B"), 25: struct.Struct(">H"), 26: struct.Struct(">I"), 27: struct.Struct(">Q")}
_FLOAT = {25: struct.Struct(">e"), 26: struct.Struct(">f"), 27: struct.Struct(">d")}
_SIMPLE = {20: False, 21: True, 22: None, 23: None}
_INDEFINITE = -1
_BREAK = 0xFF


class CborError(ValueError):
    """The bytes are not one well-formed data item of the part of CBOR that is read here."""


class Tagged(NamedTuple):
    """A tag and what it was put on, neither interpreted."""

    tag: int
    value: Any


def read(message: memoryview) -> Any:
    """The one data item that `message` (bytes, contiguous) holds: int, float, str, bool, None, `memoryview` for
    a byte string, list, dict with text keys, `Tagged`. Raises `CborError` for anything else, trailing bytes too.
    """
    reader = _Reader(message)
    try:
        value = reader.item(0)
    except (IndexError, struct.error) as error:
        raise CborError(f"the message ends within a data item ({len(message)} bytes)") from error
    except UnicodeDecodeError as error:
        raise CborError(f"a text string is not UTF-8: {error.reason}") from error
    if reader.at != len(message):
        raise CborError(f"{len(message) - reader.at} bytes follow the data item, wanted none")
    return value


class _Reader:
    """A place in a message, moved on by each data item."""

    def __init__(self, message: memoryview) -> None:
        self.message = message
        self.at = 0
        self.items_left = MAX_ITEMS

    def item(self, depth: int) -> Any:
        """The next data item."""
        self.items_left -= 1
        if self.items_left < 0:
            raise CborError(f"more than {MAX_ITEMS} data items in one message")
        initial = self.message[self.at]
        self.at += 1
        major, argument = initial >> 5, initial & 31
        if major == 7:
            return self._simple(argument)
        if argument > 23:
            argument = self._argument(major, argument)
        if major == 3:
            return str(self._bytes(argument), "utf-8")
        if major == 0:
            return argument
        if major == 2:
            return self._bytes(argument)
        if major == 1:
            return -1 - argument
        if depth == MAX_DEPTH:
            raise CborError(f"data items nested more than {MAX_DEPTH} deep")
        if major == 4:
            return self._list(argument, depth + 1)
        return self._map(argument, depth + 1) if major == 5 else Tagged(argument, self.item(depth + 1))

    def _argument(self, major: int, info: int) -> int:
        layout = _ARGUMENT.get(info)
        if layout is not None:
            value: int = layout.unpack_from(self.message, self.at)[0]
            self.at += layout.size
            return value
        if info == 31 and major in (4, 5):
            return _INDEFINITE
        raise CborError(f"length code {info} on major type {major} is not used by detectors")

    def _bytes(self, length: int) -> memoryview:
        end = self.at + length
        if end > len(self.message):
            raise CborError(f"a string claims {length} bytes, {len(self.message) - self.at} are left")
        view = self.message[self.at : end]
        self.at = end
        return view

    def _simple(self, info: int) -> Any:
        layout = _FLOAT.get(info)
        if layout is not None:
            value: float = layout.unpack_from(self.message, self.at)[0]
            self.at += layout.size
            return value
        if info in _SIMPLE:
            return _SIMPLE[info]
        raise CborError(f"simple value {info} is not used by detectors")

    def _ended(self) -> bool:
        """Whether a list or map that does not say how long it is ends here."""
        if self.message[self.at] != _BREAK:
            return False
        self.at += 1
        return True

    def _list(self, count: int, depth: int) -> list[Any]:
        """Its elements are `depth` deep."""
        if count != _INDEFINITE:
            return [self.item(depth) for _ in range(count)]
        values: list[Any] = []
        while not self._ended():
            values.append(self.item(depth))
        return values

    def _map(self, count: int, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        left = count
        while left and (left > 0 or not self._ended()):
            left -= 1
            key = self.item(depth)
            if not isinstance(key, str):
                raise CborError(f"a map key is a {type(key).__name__}, wanted a text")
            if key in values:
                raise CborError(f"the map key {key[:40]!r} comes twice")
            values[key] = self.item(depth)
        return values
