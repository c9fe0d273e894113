"""The process that writes one archive: `python -m streamer.archive_worker PARENT`, an order on its standard input.

HDF5 does not survive a disk that refuses it in the middle of a file: what it cannot write when it closes the file it
goes on trying to write, in the end from memory that is no longer there. Here that ends nothing but this process. It
says on its standard output, a line each, that it goes on, and how it ended.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from typing import BinaryIO

import msgspec

from streamer.archive import ArchiveError
from streamer.archive_job import FAULTS, carry_out, words
from streamer.archive_order import unpacked
from streamer.detectors.bslz4 import use_one_thread

GOING_ON, DONE, FAULT = b"going on", b"done", b"fault "
TELL_S = 0.5
"""How often it says that it goes on."""
_SET_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)"""


def main(parent: int) -> None:
    """Carry out the one order, then end without HDF5's own last words."""
    told = _apart()
    sys.excepthook = lambda kind, fault, where: _say(told, FAULT + msgspec.json.encode(words(fault)))
    _die_with(parent)
    use_one_thread()
    last_s = 0.0

    def going_on() -> None:
        nonlocal last_s
        if os.getppid() != parent:
            raise ArchiveError("the streamer that wanted it has ended")
        if time.monotonic() - last_s >= TELL_S:
            last_s = time.monotonic()
            _say(told, GOING_ON)

    try:
        carry_out(unpacked(sys.stdin.buffer.read()), going_on)
    except FAULTS as error:
        _say(told, FAULT + msgspec.json.encode(words(error)))
    else:
        _say(told, DONE)
    os._exit(0)


def _apart() -> BinaryIO:
    """Standard output for what is told alone; whatever else is printed goes where errors go."""
    told = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return told


def _say(told: BinaryIO, line: bytes) -> None:
    told.write(line + b"\n")


def _die_with(parent: int) -> None:
    """Be killed with the streamer, where the system can do that: two must not write the same archive."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit("the streamer that wanted an archive has ended")


if __name__ == "__main__":
    main(int(sys.argv[1]))
