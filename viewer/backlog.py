"""Volumes that wait to be drawn: the newest of each slot, refined before provisional."""

from __future__ import annotations

from typing import NamedTuple

from contract.messages import Volume
from viewer.picture import Slot, slot_of


class Waiting(NamedTuple):
    """A volume and when it was published, in seconds of the viewer's clock."""

    volume: Volume
    published_s: float


class Backlog:
    """Newest wins within (crystal or scan, hold, stage), so a provisional volume never displaces a refined one.

    Bounded by the number of slots: two a hold.
    """

    def __init__(self) -> None:
        self._waiting: dict[Slot, Waiting] = {}
        self.replaced = 0
        """Volumes that were never drawn because a newer one of their slot came first."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, volume: Volume, published_s: float) -> None:
        """Keep `volume` unless what waits in its slot is a later revision of the same scan."""
        slot = slot_of(volume)
        there = self._waiting.get(slot)
        if there is not None:
            self.replaced += 1
            if there.volume.scan == volume.scan and there.volume.revision > volume.revision:
                return
        self._waiting[slot] = Waiting(volume, published_s)

    def pop(self) -> Waiting | None:
        """Take the next to be drawn, the newest refined volume first; None if nothing waits."""
        if not self._waiting:
            return None
        slot = max(self._waiting, key=lambda one: (one.stage == "refined", self._waiting[one].published_s))
        return self._waiting.pop(slot)
