"""Has an archive written by a process of its own, which may crash, hang or be killed without harm to the streamer."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import msgspec

from streamer.archive import ArchiveError, temporary_of
from streamer.archive_job import Job
from streamer.archive_order import packed
from streamer.archive_worker import DONE, FAULT

SILENCE_S = 60.0
"""A process that has said nothing for so long is ended; it speaks twice a second, and once a frame at least."""
LOOK_S = 0.1
PIPE_BYTES = 1 << 16


def write_apart(job: Job, stopping: threading.Event, silence_s: float = SILENCE_S) -> None:
    """Write and verify the archive in a new process and wait for it. When `stopping` is set, it is given up.

    ArchiveError: there is no archive, and no part of one either. OSError: no process could be started.
    """
    command = [sys.executable, "-m", "streamer.archive_worker", str(os.getpid())]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # HDF5 has much to say there, and none of it in the service's form of log
        start_new_session=True,  # an interrupt at the terminal is for the streamer, which then gives it up
    )
    try:
        said = _conversation(process, packed(job), stopping, silence_s)
    finally:
        process.kill()
        process.wait()
        temporary_of(job.target).unlink(missing_ok=True)
    if stopping.is_set() and said != DONE:
        raise ArchiveError(f"{job.target} was given up: the service closes")
    if said.startswith(FAULT):
        raise ArchiveError(msgspec.json.decode(said[len(FAULT) :], type=str))
    if said != DONE:
        raise ArchiveError(f"{job.target}: the process that was to write it {_ending(process, silence_s)}")


def _conversation(process: subprocess.Popen[bytes], order: bytes, stopping: threading.Event, silence_s: float) -> bytes:
    """Tell it the order and listen until it ends, is silent too long, or is given up; the last line it said."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("the process that writes archives was started without pipes")
    left, heard = memoryview(order), b""
    heard_s = time.monotonic()
    with process.stdin as to, process.stdout as back, selectors.DefaultSelector() as pipes:
        os.set_blocking(to.fileno(), False)
        pipes.register(to, selectors.EVENT_WRITE)
        pipes.register(back, selectors.EVENT_READ)
        while not stopping.is_set() and time.monotonic() - heard_s < silence_s:
            ready = {key.fd for key, _ in pipes.select(LOOK_S)}
            if left and to.fileno() in ready:
                left = _told(to.fileno(), left)
                if not left:
                    pipes.unregister(to)
                    to.close()
            if back.fileno() in ready:
                more = os.read(back.fileno(), PIPE_BYTES)
                if not more:
                    break
                heard, heard_s = heard + more, time.monotonic()
        # What the pipe still holds goes nowhere: the process is ended, or has ended.
        with suppress(BrokenPipeError):
            to.close()
    return heard.rstrip(b"\n").rpartition(b"\n")[2]


def _told(descriptor: int, left: memoryview) -> memoryview:
    """What is left of the order after some of it was told; nothing if nobody listens any more."""
    try:
        return left[os.write(descriptor, left[:PIPE_BYTES]) :]
    except BrokenPipeError:
        return memoryview(b"")


def _ending(process: subprocess.Popen[bytes], silence_s: float) -> str:
    """How it ended without a word of how it went."""
    code = process.returncode
    if code == -signal.SIGKILL:
        return f"was killed, or said nothing for {silence_s:g} s"
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
