"""What peers say to the streamer (holds, angles, confirmations, aborts, regions), and what it answers."""

from __future__ import annotations

from contract.messages import Angles, AnyMessage, Confirmed, HoldEnded, HoldStarted, RegionSet, ScanAborted
from streamer.ingest import Ingest
from streamer.journal import At
from streamer.region_desk import region_set

MAX_NAME = 200
MAX_REASON = 500
MOST_FRAMES = 1 << 16
"""Of a scan whose start was missed: angles of later ones are refused."""


def hear(ingest: Ingest, message: AnyMessage, at: At) -> tuple[bool, str]:
    """Do what a peer said: whether it was done, and one sentence. JournalError: it could not be made durable."""
    if isinstance(message, HoldStarted):
        if not (0 < len(message.hold) <= MAX_NAME and 0 < len(message.crystal) <= MAX_NAME):
            return False, f"a hold needs a name and a crystal, of at most {MAX_NAME} characters each"
        return True, ingest.holds.start(message, at)
    if isinstance(message, HoldEnded):
        return ingest.holds.end(message, at)
    if isinstance(message, Confirmed):
        return _confirmed(ingest, message)
    if isinstance(message, Angles):
        return _angles(ingest, message, at)
    if isinstance(message, ScanAborted):
        return _aborted(ingest, message, at)
    if isinstance(message, RegionSet):
        return region_set(ingest, message, at)
    return False, f"the streamer takes no {type(message).__name__}"


def _confirmed(ingest: Ingest, message: Confirmed) -> tuple[bool, str]:
    scan = ingest.scans.get(message.scan)
    if scan is None:
        return True, f"scan {message.scan} is not known, or was let go already"
    if not scan.closed:
        return False, f"scan {message.scan} is still being measured"
    ingest.confirm(scan, message.revision)
    return True, f"scan {message.scan} is let go"


def _angles(ingest: Ingest, message: Angles, at: At) -> tuple[bool, str]:
    scan = ingest.scans.get(message.scan)
    if scan is None or scan.state.confirmed is not None:
        return False, f"scan {message.scan} is not known, or was let go already"
    frames = scan.open.series.frames_expected or MOST_FRAMES
    if len(outside := [index for index in message.index if not 0 <= index < frames]) > 0:
        return False, f"scan {message.scan} has no frame {outside[0]}, wanted 0 to {frames - 1}; no angle was taken"
    scan.angles(message, at)
    return True, f"{len(message.index)} angles of scan {message.scan} taken"


def _aborted(ingest: Ingest, message: ScanAborted, at: At) -> tuple[bool, str]:
    running = [scan for scan in ingest.scans.values() if not scan.closed and message.scan in ("", scan.open.scan)]
    if not running:
        return False, f"no scan {message.scan} is being measured".replace("  ", " ")
    reason = message.reason[:MAX_REASON] or "it was given up at the control desk"
    ingest.abort(running[-1], reason, at.monotonic_s)
    return True, f"scan {running[-1].open.scan} is aborted"
