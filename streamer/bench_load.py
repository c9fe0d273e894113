"""What `bragglive bench ingest` sends: the messages of a fast detector, and the process that sends them.

Frames are made once and sent with their own index each, so that the sender costs the measurement little: the index is
written into the bytes of a ready message, in the four places that CBOR's longer form of a number leaves for it.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import cbor2
import msgspec
import numpy as np
import zmq

from streamer.detectors.bslz4 import use_one_thread
from streamer.simulator.dectris_v2 import Goniometer, SeriesStart, encode_end, encode_image, encode_start

SHAPE = (514, 1030)
"""(rows, columns) of an EIGER2 500K"""
VARIANTS = 8
"""Different pictures that are sent in turn."""
SPARSE_COUNTS, PEAK_COUNTS, PEAK_PX = 0.06, 2000.0, 12.0
"""Mean counts of a pixel, and a Bragg peak in the middle: the frame then has about 73 kB, compressed 14 times."""
HIGH_WATER = 64
LARGE_INDEX = 1 << 16
"""The smallest index that CBOR writes in its four-byte form, whose place the others are written to."""
PATIENCE_S = 60.0


class Keyring(msgspec.Struct, frozen=True, kw_only=True):
    """CURVE keys (Z85 text) of the two ends of one measurement."""

    server_public: str
    server_secret: str
    client_public: str
    client_secret: str

    @classmethod
    def new(cls) -> Keyring:
        """Fresh ones."""
        server, client = zmq.curve_keypair(), zmq.curve_keypair()
        return cls(
            server_public=server[0].decode(),
            server_secret=server[1].decode(),
            client_public=client[0].decode(),
            client_secret=client[1].decode(),
        )


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a sending process is told, as JSON in its only argument."""

    series: str
    frames: int
    shape: tuple[int, int] = SHAPE
    rate_hz: float | None = None
    """Frames a second; None: as fast as they are taken."""
    seed: int = 0
    keys: Keyring | None = None


class Load(NamedTuple):
    """A series ready to be sent."""

    start: bytes
    images: tuple[bytes, ...]
    """The different pictures, each with the index `LARGE_INDEX`"""
    end: bytes

    def image(self, index: int) -> bytes:
        """The message of one frame."""
        message = self.images[index % len(self.images)]
        place = message.index(_INDEX_FIELD) + len(_INDEX_FIELD)
        return message[:place] + _NUMBER.pack(index) + message[place + _NUMBER.size :]

    @property
    def image_bytes(self) -> float:
        """Mean size of an image message."""
        return sum(len(image) for image in self.images) / len(self.images)


_NUMBER = struct.Struct(">I")
_INDEX_FIELD = cbor2.dumps("image_id") + cbor2.dumps(LARGE_INDEX)[:1]


def load(plan: Plan) -> Load:
    """The messages of a plan."""
    random = np.random.default_rng(plan.seed)
    row, column = (np.arange(length) - length // 2 for length in plan.shape)
    peak = PEAK_COUNTS * np.exp(-(row[:, None] ** 2 + column**2) / (2 * PEAK_PX**2))
    start = SeriesStart(
        series_id=1,
        series_unique_id=plan.series,
        number_of_images=plan.frames,
        image_shape=plan.shape,
        image_dtype="uint16",
        energy_kev=11.0,
        pixel_um=(75.0, 75.0),
        distance_mm=2000.0,
        beam_centre_px=(257.0, 515.0),
        frame_time_s=1e-3,
        count_time_s=1e-3,
        saturation_value=60_000,
        goniometer={"omega": Goniometer(start=0.0, increment=1e-3)},
        arm_date="2026-11-23T03:15:00+00:00",
    )
    pictures = [random.poisson(SPARSE_COUNTS + peak).astype(np.uint16) for _ in range(VARIANTS)]
    images = tuple(encode_image(start, LARGE_INDEX, picture) for picture in pictures)
    return Load(encode_start(start), images, encode_end(start))


@contextmanager
def sending(plan: Plan) -> Iterator[str]:
    """While the block runs, another process sends; the address it is bound to. It sends once somebody connects."""
    command = [sys.executable, "-m", "streamer.bench_load", msgspec.json.encode(plan).decode()]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout is not None else ""
        if not line:
            raise RuntimeError(f"the sending process ended with exit code {process.wait()} before it sent anything")
        yield json.loads(line)["address"]
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def send(plan: Plan) -> None:
    """Bind a PUSH socket, say where on standard output, send the series, wait until all has left."""
    use_one_thread()
    messages = load(plan)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    push = context.socket(zmq.PUSH)
    push.setsockopt(zmq.SNDHWM, HIGH_WATER)
    push.setsockopt(zmq.SNDTIMEO, int(1000 * PATIENCE_S))
    if plan.keys is not None:
        push.curve_server = True
        push.curve_publickey, push.curve_secretkey = (
            plan.keys.server_public.encode(),
            plan.keys.server_secret.encode(),
        )
    push.bind("tcp://127.0.0.1:0")
    sys.stdout.write(json.dumps({"address": push.getsockopt_string(zmq.LAST_ENDPOINT)}) + "\n")
    sys.stdout.flush()
    push.send(messages.start)
    began_s = time.monotonic()
    for index in range(plan.frames):
        if plan.rate_hz is not None:
            time.sleep(max(0.0, began_s + index / plan.rate_hz - time.monotonic()))
        push.send(messages.image(index), copy=False)
    push.send(messages.end)
    push.close(int(1000 * PATIENCE_S))
    context.term()


if __name__ == "__main__":
    send(msgspec.json.decode(sys.argv[1], type=Plan))
