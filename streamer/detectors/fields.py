"""The fields of a decoded message, read one by one with their types and ranges checked."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

from streamer.detectors.decode_error import DecodeError

T = TypeVar("T")


class Fields:
    """A message's map. Each reader raises `DecodeError` naming the field, what was found and what was wanted."""

    def __init__(self, kind: str, content: dict[str, Any]) -> None:
        self.kind = kind
        self.content = content
        self.remarks: list[str] = []
        """What was there but unusable, one sentence each."""

    def whole(self, name: str, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        value = self.content.get(name)
        if type(value) is int and low <= value <= high:
            return value
        raise self._wrong(name, value, f"a whole number from {low} to {high}")

    def number(self, name: str) -> float:
        """A finite number."""
        value = self.content.get(name)
        if type(value) in (int, float) and math.isfinite(value):  # type: ignore[arg-type]
            return float(value)  # type: ignore[arg-type]
        raise self._wrong(name, value, "a finite number")

    def text(self, name: str, shortest: int, longest: int) -> str:
        """A printable text of `shortest` to `longest` characters."""
        value = self.content.get(name)
        if isinstance(value, str) and shortest <= len(value) <= longest and value.isprintable():
            return value
        raise self._wrong(name, value, f"a printable text of {shortest} to {longest} characters")

    def mapping(self, name: str) -> dict[str, Any]:
        """A map."""
        value = self.content.get(name)
        if isinstance(value, dict):
            return value
        raise self._wrong(name, value, "a map")

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        """What `read` makes of the field; None if it is absent, null or, with a remark, wrong."""
        if self.content.get(name) is None:
            return None
        return self.remarked(lambda: read(name))

    def remarked(self, read: Callable[[], T]) -> T | None:
        """What `read` returns, or None and a remark that says why not."""
        try:
            return read()
        except DecodeError as error:
            self.remarks.append(str(error))
            return None

    def _wrong(self, name: str, value: Any, wanted: str) -> DecodeError:
        found = "missing" if name not in self.content else repr(value)[:40]
        return DecodeError("decode", f"{self.kind}: field {name!r} is {found}, wanted {wanted}")
