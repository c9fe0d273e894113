"""How fast frames go through each part of the streamer alone, and through the whole, in frames a second.

All of it in one run on one machine, because only ratios hold: what limits the whole is its slowest part, measured next
to it. Frames come from another process over loopback TCP.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import zmq
import zmq.auth

from contract.settings import ServiceSettings
from contract.telemetry import Telemetry
from streamer.bench_load import SHAPE as SHAPE
from streamer.bench_load import Keyring, Load, Plan, load, sending
from streamer.detectors import dectris_v2
from streamer.detectors.bslz4 import use_one_thread
from streamer.detectors.records import Frame
from streamer.journal import At, Journal, Record
from streamer.service import StreamerService
from streamer.settings import StreamerSettings

SERIES = "ingest"
WINDOW = (193, 451, 128, 128)
"""Region of interest: first row, first column, rows, columns; around the middle of the image."""
SILENCE_S = 30.0
"""A measurement in which nothing comes for so long is given up."""

Row = dict[str, Any]


class BenchError(RuntimeError):
    """A measurement did not come to its end."""


class Case(NamedTuple):
    """What is measured."""

    folder: Path
    """Where journals and archives go, on the disk that counts"""
    frames: int
    shape: tuple[int, int]
    window: tuple[int, int, int, int]


class Measurement(NamedTuple):
    """One thing to be measured."""

    name: str
    run: Callable[[], Row]


def measurements(case: Case, rate_hz: float, sustain_s: float) -> list[Measurement]:
    """The parts, the whole, both again with CURVE, and the whole at a steady pace."""
    use_one_thread()
    made = load(_plan(case, None))
    group = StreamerSettings().commit_frames
    found = [
        Measurement("bare receiver", lambda: receiver(case)),
        Measurement("journal, a commit each", lambda: journal(case, made, 1)),
        Measurement(f"journal, {group} a commit", lambda: journal(case, made, group)),
        Measurement("decoder", lambda: decode(case, made)),
        Measurement("streamer", lambda: whole(case)),
        Measurement("bare receiver, CURVE", lambda: receiver(case, curve=True)),
        Measurement("streamer, CURVE", lambda: whole(case, curve=True)),
    ]
    if sustain_s > 0:
        steady = case._replace(frames=round(rate_hz * sustain_s))
        found.append(Measurement("streamer at a steady pace", lambda: whole(steady, rate_hz=rate_hz)))
    return found


def receiver(case: Case, *, curve: bool = False) -> Row:
    """A PULL socket and a loop that counts: what nobody can do without."""
    keys = Keyring.new() if curve else None
    with sending(_plan(case, keys)) as address, zmq.Context() as context, context.socket(zmq.PULL) as pull:
        pull.setsockopt(zmq.RCVHWM, StreamerSettings().high_water_frames)
        pull.setsockopt(zmq.RCVTIMEO, int(1000 * SILENCE_S))
        pull.setsockopt(zmq.LINGER, 0)
        if keys is not None:
            pull.curve_publickey, pull.curve_secretkey = keys.client_public.encode(), keys.client_secret.encode()
            pull.curve_serverkey = keys.server_public.encode()
        pull.connect(address)
        pull.recv()
        began_s = time.perf_counter()
        size = sum(len(pull.recv(copy=False).buffer) for _ in range(case.frames))
        return _row("receiver", case.frames, size, time.perf_counter() - began_s, curve=curve)


def journal(case: Case, made: Load, group: int) -> Row:
    """The journal with so many frames a commit; closing it, which folds in the write-ahead log, included."""
    frames = -(-min(case.frames, 200 * group) // group) * group
    views = [memoryview(image) for image in made.images]
    with tempfile.TemporaryDirectory(dir=case.folder) as folder:
        one = Journal.create(Path(folder) / "ingest.sqlite")
        began_s = time.perf_counter()
        for first in range(0, frames, group):
            one.write([Record("frame", i, (views[i % len(views)],), At.now()) for i in range(first, first + group)])
        one.close()
        took_s = time.perf_counter() - began_s
    return _row("journal", frames, round(frames * made.image_bytes), took_s, group=group)


def decode(case: Case, made: Load) -> Row:
    """Reading the message and unpacking the blocks under the region of interest."""
    views = [memoryview(image) for image in made.images]
    row0, rows = case.window[0], case.window[2]
    frames = min(case.frames, 2000)
    began_s = time.perf_counter()
    for index in range(frames):
        frame = dectris_v2.read((views[index % len(views)],))
        if not isinstance(frame, Frame):
            raise BenchError("an image message was not read as a frame")
        dectris_v2.pixels(frame, "threshold_1", row0, row0 + rows)
    return _row("decode", frames, round(frames * made.image_bytes), time.perf_counter() - began_s)


def whole(case: Case, *, curve: bool = False, rate_hz: float | None = None) -> Row:
    """The service as it is, but for its health pages: from the first frame accepted to the last."""
    with tempfile.TemporaryDirectory(dir=case.folder) as name:
        folder = Path(name)
        keys, certificates = _certificates(folder) if curve else (None, {})
        with sending(_plan(case, keys, rate_hz)) as address:
            settings = StreamerSettings(
                detectors=(address,),
                folder=folder,
                window=case.window,
                live="tcp://127.0.0.1:0",
                control="tcp://127.0.0.1:0",
                stall_s=SILENCE_S,
                **certificates,
            )
            telemetry = Telemetry("streamer")
            service = StreamerService(settings, telemetry)
            service.open()
            try:
                took_s = _ingest(service, telemetry, address, case.frames)
            finally:
                service.close()
        kept = _kept(folder, settings)
    return _row(
        "whole",
        case.frames,
        round(telemetry.value("frame_bytes_received_total", source=address) or 0),
        took_s,
        curve=curve,
        rate_hz=rate_hz,
        lost=case.frames - kept,
        commits=round(telemetry.value("journal_fsync_seconds_count") or 0),
        backpressure_s=telemetry.value("backpressure_seconds_total", queue="frames") or 0.0,
        peak_memory_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def _ingest(service: StreamerService, telemetry: Telemetry, address: str, frames: int) -> float:
    """Step the service until all frames are accepted; how long that took from the first on."""

    def accepted() -> float:
        return telemetry.value("frames_received_total", source=address) or 0.0

    _step_until(service, accepted, 1)
    began_s, before = time.perf_counter(), accepted()
    _step_until(service, accepted, frames)
    return (time.perf_counter() - began_s) * frames / max(1.0, frames - before)


def _step_until(service: StreamerService, accepted: Callable[[], float], frames: int) -> None:
    heard_s, last = time.monotonic(), 0.0
    while (found := accepted()) < frames:
        service.step(0.05)
        now_s = time.monotonic()
        if found != last:
            heard_s, last = now_s, found
        elif now_s - heard_s > SILENCE_S:
            raise BenchError(f"{found:.0f} of {frames} frames were accepted, then none for {SILENCE_S:g} s")


def _kept(folder: Path, settings: ServiceSettings) -> int:
    """Different frames that the journal gives back, each compared with its CRC32C."""
    found: set[int | None] = set()
    for path in (folder / "journal").glob(f"{SERIES}*.sqlite"):
        one = Journal.open(path, read_only=True)
        found |= {entry.frame for entry in one.entries("frame")}
        one.close()
    return len(found)


def _plan(case: Case, keys: Keyring | None, rate_hz: float | None = None) -> Plan:
    return Plan(series=SERIES, frames=case.frames, shape=case.shape, rate_hz=rate_hz, keys=keys)


def _certificates(folder: Path) -> tuple[Keyring, dict[str, Any]]:
    """Keys for the detector's end and for the streamer's, and the settings with which the streamer uses its own."""
    allowed = folder / "allowed"
    allowed.mkdir()
    server_public, server_secret = zmq.auth.create_certificates(folder, "detector")
    _, client_secret = zmq.auth.create_certificates(folder, "streamer")
    pairs = [zmq.auth.load_certificate(secret) for secret in (server_secret, client_secret)]
    (server, server_key), (client, client_key) = pairs
    keys = Keyring(
        server_public=server.decode(),
        server_secret=(server_key or b"").decode(),
        client_public=client.decode(),
        client_secret=(client_key or b"").decode(),
    )
    settings = {
        "detector_curve": True,
        "curve_own_key": Path(client_secret),
        "curve_server_key": Path(server_public),
        "curve_allowed_keys": allowed,
    }
    return keys, settings


def _row(part: str, frames: int, size: int, took_s: float, **more: Any) -> Row:
    rate = frames / took_s
    return {
        "measured": part,
        "frames": frames,
        "took_s": took_s,
        "frames_per_s": rate,
        "mb_per_s": 1e-6 * size / took_s,
        **more,
    }
