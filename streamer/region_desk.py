"""Regions of interest at the control desk: set or found anew, also for scans that are over."""

from __future__ import annotations

from contract.messages import RegionSet, Scan, Window
from streamer.corrections import fitted
from streamer.ingest import Ingest
from streamer.journal import At
from streamer.measured_scan import MeasuredScan
from streamer.open_scan import Identity
from streamer.region import Followed, Region
from streamer.scan_region import Move
from streamer.taken_again import moved
from streamer.taken_back import taken_back

BY_HAND = "it was set at the control desk"
ANEW = "the peak is to be found anew"


def region_set(ingest: Ingest, message: RegionSet, at: At) -> tuple[bool, str]:
    """Do what a peer said of a region: whether it was done, and one sentence. JournalError: not made durable."""
    name = message.scan or next(reversed(ingest.scans), Scan(""))
    scan = ingest.scans.get(name)
    if message.window is None and ingest.regions.follow is None:
        return False, "windows follow no peak: the streamer's setting `follow` says how large they shall be"
    if scan is None:
        return _let_go(ingest, name, message.window, at)
    if scan.state.confirmed is not None:
        return False, f"scan {name} is just being archived, ask again in a moment"
    found = scan.region.anew() if message.window is None else None
    move = found or _move(ingest, scan.open.identity, message.window)
    refusal = _refusal(name, message.window, scan.open.series.shape)
    if refusal or not scan.move(move, at.monotonic_s):
        return False, refusal or f"scan {name} cannot be cut anew while its journal cannot be written"
    _remember(ingest, scan, message.window)
    return True, _done(name, message.window)


def _let_go(ingest: Ingest, name: Scan, window: Window | None, at: At) -> tuple[bool, str]:
    """A scan that is over and done with: taken up again from its journal, while that is kept."""
    scan = taken_back(ingest, name, at, lambda identity: moved(identity, _move(ingest, identity, window)))
    if scan is None:
        return False, f"scan {name} is not known, or its journal is gone: replay its archive".replace("  ", " ")
    _remember(ingest, scan, window)
    return True, _done(name, window)


def _move(ingest: Ingest, identity: Identity, window: Window | None) -> Move:
    before = ingest.regions.of(identity.source, identity.crystal, identity.scan)
    if window is not None:
        return Move(window, Region(chosen="set", before=before, reason=BY_HAND))
    return Move(ingest.policy.rules.window, Region(chosen="searched", before=None, reason=ANEW))


def _refusal(name: Scan, window: Window | None, shape: tuple[int, int]) -> str:
    if window is None or (min(window.rows, window.columns) >= 1 and fitted(window, shape) == window):
        return ""
    return f"the window does not fit the image of scan {name}, which has {shape[0]} rows and {shape[1]} columns"


def _remember(ingest: Ingest, scan: MeasuredScan, window: Window | None) -> None:
    identity = scan.open.identity
    if window is None:
        ingest.regions.forget(identity.source, identity.crystal)
        return
    ingest.regions.remember(
        Followed(
            source=identity.source,
            crystal=identity.crystal or "",
            scan=identity.scan,
            window=window,
            by_hand=True,
            geometry=scan.open.geometry,
        )
    )


def _done(name: Scan, window: Window | None) -> str:
    if window is None:
        return f"the peak of scan {name} is found anew, and followed from there"
    return f"scan {name} is cut anew, and the next scans of its crystal are cut alike"
