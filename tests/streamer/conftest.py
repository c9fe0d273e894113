"""What the streamer's tests share: a small detector series to send, and an ingest to send it to."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from contract.messages import AnyMessage, FrameBlock, Geometry
from contract.stream import MemoryStream, Subscriber
from contract.telemetry import FrameRejected, Happened
from streamer.archive_job import Job, carry_out
from streamer.archivist import Archived, Archivist
from streamer.detectors.bslz4 import use_one_thread
from streamer.detectors.dialects import checked
from streamer.frame_queue import Message
from streamer.ingest import Ingest, Policy
from streamer.journal import At
from streamer.journals import Journals
from streamer.open_scan import Rules
from streamer.recovery import recover
from streamer.retention import Retention
from streamer.rocking_curve import Waits
from streamer.said import hear
from streamer.scan_journal import Writer
from streamer.simulator.dectris_v2 import Goniometer, SeriesStart, encode_end, encode_image, encode_start
from streamer.unwritten import Unwritten

GEOMETRY = Geometry(
    instrument="test bench",
    energy_kev=11.0,
    distance_mm=2900.0,
    pixel_um=(55.0, 55.0),
    sample_axes=("y+",),
    sample_angles_deg=(0.0,),
    rocking_axis=0,
    detector_axes=("y+",),
    detector_angles_deg=(13.7,),
    pixel_directions=("y-", "x+"),
    beam_centre_px=(30.0, 25.0),
)


MAX_MESSAGE_BYTES = 1 << 20
WATERMARK_BYTES = 1000


class Series:
    """One series of `frames` frames: what is sent, and the counts that must come out."""

    def __init__(
        self,
        name: str = "series-A",
        frames: int = 9,
        shape: tuple[int, int] = (60, 50),
        dtype: str = "uint16",
        notes: dict[str, Any] | None = None,
        counts: NDArray[np.uint32] | None = None,
        step_deg: float = 0.005,
    ) -> None:
        self.name = name
        random = np.random.default_rng(len(name) + frames)
        self.counts = random.poisson(0.4, (frames, *shape)).astype(np.uint32) if counts is None else counts
        if counts is None:
            self.counts[frames // 2, shape[0] // 2, shape[1] // 2] = 5000
        self.mask = np.zeros(shape, np.uint32)
        self.mask[3, 4:9] = 1
        ours = {"geometry": msgspec.to_builtins(GEOMETRY)} if notes is None else notes
        self.description = SeriesStart(
            series_id=7,
            series_unique_id=name,
            number_of_images=len(self.counts),
            image_shape=shape,
            image_dtype=dtype,
            energy_kev=11.0,
            pixel_um=(55.0, 55.0),
            distance_mm=2900.0,
            beam_centre_px=(30.0, 25.0),
            frame_time_s=0.1,
            count_time_s=0.09,
            saturation_value=60000,
            goniometer={"omega": Goniometer(start=6.0, increment=step_deg)},
            arm_date="2026-11-23T03:15:00+00:00",
            user_data={"bragglive": ours},
        )
        self.start = encode_start(self.description, self.mask)
        self.images = [encode_image(self.description, index, image) for index, image in enumerate(self.counts)]
        self.end = encode_end(self.description)

    @property
    def messages(self) -> list[bytes]:
        """All of them, as a detector sends them."""
        return [self.start, *self.images, self.end]

    def is_in(self, frames: dict[int, NDArray[np.uint32]], indices: list[int]) -> bool:
        """Whether just the frames of these indices came, with the counts that were sent."""
        equal = all(np.array_equal(counts, self.counts[index]) for index, counts in frames.items())
        return equal and sorted(frames) == sorted(indices)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Packing and unpacking frames does not wait for other cores, which other tests may be using."""
    use_one_thread()


@pytest.fixture
def series() -> Callable[..., Series]:
    """Makes a `Series`."""
    return Series


class Heard(list[AnyMessage]):
    """Messages that a subscriber got."""

    def of(self, kind: type[Any]) -> list[Any]:
        """Those of one kind."""
        return [message for message in self if isinstance(message, kind)]

    def about(self, scan: str) -> Heard:
        """Those of one scan."""
        return Heard(message for message in self if getattr(message, "scan", None) == scan)

    def frames(self, revision: int = 1) -> dict[int, NDArray[np.uint32]]:
        """Frames by index from the blocks of one window revision, each of which may come once."""
        frames: dict[int, NDArray[np.uint32]] = {}
        for block in self.of(FrameBlock):
            if block.window_revision == revision:
                for index, counts in zip(block.index.tolist(), block.counts, strict=True):
                    assert index not in frames
                    frames[index] = counts
        return frames


def write_here(job: Job, stopping: threading.Event) -> None:
    """Write an archive in this process, which takes a tenth of the time of a new one."""
    carry_out(job, lambda: None)


class Bench:
    """An `Ingest` with real journals and archives on disk and the stream in memory; time is what the test says."""

    def __init__(self, folder: Path, unwritten_bytes: int = 0, **policy: Any) -> None:
        self.folder = folder
        self.unwritten_bytes = unwritten_bytes
        self.policy = policy
        self.now_s = 1000.0
        self.free_bytes = WATERMARK_BYTES
        self.happenings: list[Happened] = []
        self.stream = MemoryStream()
        self.subscriber = self.stream.subscriber()
        self.open()

    def open(self) -> None:
        """Start the ingest, as a new process would."""
        rules = Rules(waits=Waits(stall_s=30.0, grace_s=2.0), block_frames=4, block_s=0.25)
        rules = rules._replace(**{name: self.policy.pop(name) for name in list(self.policy) if name in Rules._fields})
        policy = Policy("dectris-stream-v2", rules, self.folder / "scans", 8)
        self.journals = Journals(self.folder / "journal")
        self.unwritten = Unwritten(self.unwritten_bytes)
        self.retention = Retention(self.journals.folder, WATERMARK_BYTES, lambda folder: self.free_bytes)
        self.writer = Writer(self.unwritten, self.happenings.append)
        self.journals.lock()
        self.publisher = self.stream.publisher()
        self.subscriber.receive(0.0)  # it has joined: what is for those present, it hears
        self.archivist = Archivist(write_here)
        self.archivist.open()
        self.ingest = Ingest(
            policy._replace(**self.policy),
            self.journals,
            self.writer,
            self.retention,
            self.publisher,
            self.archivist,
            self.happenings.append,
        )
        for _ in recover(self.ingest, self.publisher, self.happenings.append, self.at):
            continue

    def crash(self) -> None:
        """Start anew from what is on the disk; what was in memory is gone."""
        self.archivist.close()
        self.writer.close()
        self.journals.unlock()
        self.open()

    def at(self) -> At:
        return At(wall_ns=int(1.7e18 + self.now_s * 1e9), monotonic_ns=int(self.now_s * 1e9))

    def send(self, *messages: bytes, source: str = "tcp://detector") -> None:
        """Messages come, a millisecond apart."""
        for message in messages:
            self.now_s += 0.001
            self.ingest.take([self.message(message, source)], self.now_s)

    def send_at_once(self, *messages: bytes, source: str = "tcp://detector") -> list[Message]:
        """Messages that all wait when ingest looks; those it left."""
        waiting = [self.message(message, source) for message in messages]
        self.ingest.take(waiting, self.now_s)
        return waiting

    def message(self, message: bytes, source: str = "tcp://detector") -> Message:
        """What the receiver makes of it."""
        parts = (memoryview(message),)
        return Message(source, parts, self.at(), checked("dectris-stream-v2", parts, MAX_MESSAGE_BYTES))

    def wait(self, seconds: float = 0.0) -> None:
        """Time passes."""
        self.now_s += seconds
        self.ingest.tick(self.now_s)

    def tell(self, message: AnyMessage) -> tuple[bool, str]:
        """A peer says something."""
        return hear(self.ingest, message, self.at())

    def archived(self) -> list[Archived]:
        """Wait for the archives that were asked for."""
        results = self.archivist.wait()
        for result in results:
            self.ingest.archived(result, self.now_s)
        return results

    def received(self) -> Heard:
        """What a subscriber got since it last looked."""
        return self.heard_by(self.subscriber)

    def heard_by(self, subscriber: Subscriber) -> Heard:
        """What this subscriber got since it last looked."""
        return Heard(one.message for one in subscriber.receive(0.0))

    def happened(self, kind: type[Any]) -> list[Any]:
        """What was told to telemetry, of one kind."""
        return [record for record in self.happenings if isinstance(record, kind)]

    def rejected(self) -> list[str]:
        """Reasons for which something was refused."""
        return [record.reason for record in self.happened(FrameRejected)]

    def close(self) -> None:
        self.archivist.close()
        self.ingest.close(self.now_s)
        self.writer.close()
        self.journals.unlock()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Makes a `Bench`, with other settings if any are given."""
    made: list[Bench] = []

    def make(**policy: Any) -> Bench:
        made.append(Bench(tmp_path / f"bench-{len(made)}", **policy))
        return made[-1]

    yield make
    for one in made:
        one.close()


@contextmanager
def mounted(folder: Path, size_bytes: int) -> Iterator[Path]:
    """A file system in memory of this size; the test is skipped where mounting is not allowed."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
    if subprocess.run(["mount", *options], capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs privileges")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 6 MiB."""
    with mounted(tmp_path / "small disk", 6 << 20) as folder:
        yield folder
