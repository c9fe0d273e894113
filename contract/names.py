"""What everything is called by, and what all messages have in common."""

from __future__ import annotations

from typing import Literal, NewType

import msgspec

Scan = NewType("Scan", str)
"""Names one rocking scan for ever, e.g. the detector's `series_unique_id`."""
Crystal = NewType("Crystal", str)
"""The experimenters' name of a crystal, e.g. "IV"."""
Hold = NewType("Hold", str)
"""Names one voltage hold of one crystal, e.g. "IV-4.100V-20261123T031500"."""

Completion = Literal["complete", "incomplete", "aborted"]
Stage = Literal["provisional", "refined"]


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """What all messages have in common: they are values."""
