"""Where each crystal was last: what the windows of new scans are taken from. Kept in a file beside the journals.

The file may be lost at any time: then peaks are found anew, nothing else. Journals and archives hold the full frames.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from contract.messages import Crystal, Geometry, Scan, Window
from streamer.region import Follow, Followed, Region, detector_stayed

FILE = "regions.json"
KEPT = 100
"""Crystals that are remembered."""


class Regions:
    """The newest region of each crystal on each detector."""

    def __init__(self, folder: Path, follow: Follow | None, window: Window | None) -> None:
        """`window` is that of the settings, for what is neither followed nor set at the control desk."""
        self.follow = follow
        self._window = window
        self._path = folder / FILE
        self._known: dict[tuple[str, str], Followed] | None = None

    def begin(
        self, source: str, crystal: Crystal | None, geometry: Geometry | None
    ) -> tuple[Window | None, Region | None]:
        """The window of a scan that begins (None: the whole image), and how it was chosen (None: by the settings)."""
        before = self._read().get((source, crystal or ""))
        if before is not None and not detector_stayed(before.geometry, geometry):
            before = None
        if before is not None and before.by_hand:
            return before.window, Region(chosen="set", before=before, reason="it was set at the control desk")
        if self.follow is None:
            return self._window, None
        if before is None:
            return self._window, Region(chosen="searched", reason="the crystal's peak is not known yet")
        return before.window, Region(chosen="followed", before=before, reason=f"the peak was there in {before.scan}")

    def remember(self, followed: Followed) -> None:
        """A scan is over, or a window was set. OSError: it is known, but not beyond this process."""
        known = self._read()
        key = (followed.source, followed.crystal)
        known.pop(key, None)
        known[key] = followed
        while len(known) > KEPT:
            del known[next(iter(known))]
        self._write(known)

    def forget(self, source: str, crystal: Crystal | None) -> None:
        """The crystal's peak is to be found anew. OSError: as above."""
        known = self._read()
        if known.pop((source, crystal or ""), None) is not None:
            self._write(known)

    def of(self, source: str, crystal: Crystal | None, but: Scan) -> Followed | None:
        """The crystal as its last scan left it, if that was not the scan `but`."""
        found = self._read().get((source, crystal or ""))
        return None if found is None or found.scan == but else found

    def _read(self) -> dict[tuple[str, str], Followed]:
        if self._known is None:
            try:
                listed = msgspec.json.decode(self._path.read_bytes(), type=list[Followed])
            except (OSError, msgspec.MsgspecError):  # not there, or not ours: found anew
                listed = []
            self._known = {(one.source, one.crystal): one for one in listed}
        return self._known

    def _write(self, known: dict[tuple[str, str], Followed]) -> None:
        new = self._path.with_name(f".{self._path.name}.part")
        new.write_bytes(msgspec.json.format(msgspec.json.encode(list(known.values())), indent=1))
        os.replace(new, self._path)
