"""Which crystal is held at which voltage, and which hold a scan belongs to. No I/O; time is an argument.

A hold is told by a message (`bragglive hold start`), or by the notes a sender puts into its start message. What a
message says counts until `bragglive hold end`; the notes fill in where no message says anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from contract.messages import Crystal, Hold, HoldEnded, HoldStarted
from streamer.detectors.records import SenderNotes


class Belongs(NamedTuple):
    """What a scan is a scan of."""

    crystal: Crystal | None
    hold: Hold | None
    remark: str = ""
    """What two sources contradict each other in, one sentence; "" if they agree."""


@dataclass(frozen=True, slots=True)
class _Running:
    message: HoldStarted
    began_s: float
    """When it began, by our monotonic clock."""
    noted: bool
    """Told by a sender's notes, not by a message."""


class Holds:
    """The holds that are running, at most one a crystal."""

    def __init__(self) -> None:
        self._running: dict[Crystal, _Running] = {}

    def start(self, message: HoldStarted, now_s: float, *, noted: bool = False) -> None:
        """A hold runs from now (less its `elapsed_s`) on, in place of the crystal's last one."""
        self._running.pop(message.crystal, None)
        self._running[message.crystal] = _Running(message, now_s - message.elapsed_s, noted)

    def end(self, message: HoldEnded) -> bool:
        """A hold is over; False if it was not running."""
        running = self._running.get(message.crystal)
        if running is None or running.message.hold != message.hold:
            return False
        del self._running[message.crystal]
        return True

    def running(self, now_s: float) -> list[HoldStarted]:
        """The holds that are running, the newest last, with the time they have lasted by now."""
        return [
            msgspec.structs.replace(running.message, elapsed_s=now_s - running.began_s)
            for running in self._running.values()
        ]

    def only(self) -> HoldStarted | None:
        """The hold that is meant when none is named: the newest."""
        return [*self._running.values()][-1].message if self._running else None

    def of(self, hold: Hold | None) -> HoldStarted | None:
        """The running hold of this name."""
        return next((one.message for one in self._running.values() if one.message.hold == hold), None)

    def noted(self, notes: SenderNotes, started_at: str) -> HoldStarted | None:
        """The hold that only a sender's notes tell of; None if there is none, or a message has told of one."""
        if notes.crystal is None or notes.hold is None:
            return None
        running = self._running.get(notes.crystal)
        told = any(not one.noted for one in self._running.values())
        if told or (running is not None and running.message.hold == notes.hold):
            return None
        return HoldStarted(
            hold=notes.hold,
            crystal=notes.crystal,
            voltage_v=notes.voltage_v,
            planned_s=notes.planned_s,
            started_at=started_at,
        )

    def belongs(self, notes: SenderNotes) -> Belongs:
        """Crystal and hold of a scan that begins now: of the notes' crystal if it is held, else the newest hold a
        message told of, else what the notes say.
        """
        told = [one.message for one in self._running.values() if not one.noted]
        match = next((message for message in told if message.crystal == notes.crystal), told[-1] if told else None)
        if match is None:
            return Belongs(notes.crystal, notes.hold)
        if notes.crystal not in (None, match.crystal):
            remark = f"the scan's sender says crystal {notes.crystal}, the hold {match.hold} is of {match.crystal}"
            return Belongs(match.crystal, match.hold, remark + ", which was taken")
        if notes.hold not in (None, match.hold):
            return Belongs(match.crystal, match.hold, f"the scan's sender says hold {notes.hold}, {match.hold} runs")
        return Belongs(match.crystal, match.hold)
