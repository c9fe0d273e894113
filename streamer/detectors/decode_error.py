"""The one error of all detector dialects."""

from __future__ import annotations

from typing import Literal

Reason = Literal["garbage", "decode", "size", "series", "crc"]
"""Why a message is refused: not this dialect at all; malformed; wrong or forged sizes; of no series we know or
outside it; damaged since it was received."""


class DecodeError(ValueError):
    """A message that cannot be used: the peer's fault, to be counted by `reason` and survived."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason: Reason = reason
