"""Fuzz what reads bytes of strangers, guided by coverage: an optional, longer run beside the tests. It needs atheris.

    pip install atheris
    python tests/fuzz/decoders.py detector -max_total_time=60        (or: contract, stream)

A decoder may refuse anything, by its one error; it may raise nothing else, and a pixel it gives must have been asked
for. What is found is written to crash-… in the working directory; the same command with that file repeats it.
"""

from __future__ import annotations

import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["streamer", "contract"]):
    from contract.codec import ContractError, decode, encode
    from contract.stream_wire import Pull, Say, pack, unpack_live, unpack_reply, unpack_request
    from streamer.detectors import dectris_v2
    from streamer.detectors.bslz4 import use_one_thread
    from streamer.detectors.decode_error import DecodeError
    from streamer.detectors.records import Frame

from streamer.simulator.dectris_v2 import Goniometer, SeriesStart, encode_end, encode_image, encode_start

RSS_LIMIT_MIB = 1024
"""A forged header of twelve bytes must not allocate."""


def detector(data: bytes) -> None:
    """A message of a detector, and the pixels of its frame."""
    try:
        record = dectris_v2.read([memoryview(data)])
        if isinstance(record, Frame):
            for name, picture in record.channels.items():
                rows = dectris_v2.pixels(record, name, 0, min(picture.shape[0], 64))
                assert rows.shape[1] == picture.shape[1]
    except DecodeError:
        return


def contract(data: bytes) -> None:
    """A message of the contract: its parts, each behind its length."""
    try:
        decode(list(_parts(data)))
    except ContractError:
        return


def stream(data: bytes) -> None:
    """An envelope of the stream, whichever end reads it."""
    for unpack in (unpack_live, unpack_request, unpack_reply):
        try:
            unpack(data)
        except ContractError:
            continue


def _parts(data: bytes) -> Iterator[bytes]:
    place = 0
    while place + 4 <= len(data):
        (length,) = struct.unpack_from("<I", data, place)
        yield data[place + 4 : place + 4 + length]
        place += 4 + length


def detector_seeds() -> Iterator[bytes]:
    """A small series of each dtype."""
    for dtype in ("uint8", "uint16", "uint32"):
        series = SeriesStart(
            series_id=1,
            series_unique_id="fuzz",
            number_of_images=2,
            image_shape=(24, 20),
            image_dtype=dtype,
            energy_kev=11.0,
            pixel_um=(55.0, 55.0),
            distance_mm=2900.0,
            beam_centre_px=(12.0, 10.0),
            frame_time_s=0.01,
            count_time_s=0.01,
            saturation_value=60_000,
            goniometer={"omega": Goniometer(start=6.0, increment=0.005)},
            arm_date="2026-11-23T03:15:00+00:00",
        )
        yield encode_start(series, np.zeros((24, 20), np.uint32))
        yield encode_image(series, 1, np.random.default_rng(1).poisson(0.5, (24, 20)).astype(np.uint32))
        yield encode_end(series)


def contract_seeds() -> Iterator[bytes]:
    """One message of each kind."""
    from tests.contract.examples import EXAMPLES

    for message in EXAMPLES.values():
        parts = [bytes(part) for part in encode(message)]
        yield b"".join(struct.pack("<I", len(part)) + part for part in parts)


def stream_seeds() -> Iterator[bytes]:
    """Requests that subscribers make."""
    yield pack(Say(token="fuzz"))
    yield pack(Pull(what="replay", epoch="e", after=3, through=9))


TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], Iterator[bytes]]]] = {
    "detector": (detector, detector_seeds),
    "contract": (contract, contract_seeds),
    "stream": (stream, stream_seeds),
}


def main() -> None:
    """Fuzz the named target, from seeds of its own; other arguments go to libFuzzer."""
    sys.path.insert(0, str(Path(__file__).parents[2]))
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        raise SystemExit(f"wanted one of {', '.join(TARGETS)}, and then options of libFuzzer")
    target, seeds = TARGETS[sys.argv.pop(1)]
    use_one_thread()
    given = any(not argument.startswith("-") for argument in sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="bragglive-") as folder:
        for number, seed in enumerate([] if given else seeds()):
            Path(folder, f"seed-{number}").write_bytes(seed)
        corpus = [] if given else [folder]
        atheris.Setup([*sys.argv, f"-rss_limit_mb={RSS_LIMIT_MIB}", "-max_len=65536", *corpus], target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
