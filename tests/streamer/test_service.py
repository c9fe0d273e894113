"""The streamer as a process of its own, on real sockets: signals, crashes, recovery, and a recorded scan."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zmq
from numpy.typing import NDArray

from contract.messages import AnyMessage, Confirmed, FrameBlock, Scan, ScanEnded, ScanStarted
from contract.stream import Addresses, ask, open_subscriber
from streamer.archive import raw_stack_sha256
from streamer.journal import Journal
from streamer.journals import Journals

WAIT_S = 60.0
SCAN54_SHA256 = "533949c358d9f50ae3850ea0e609fd76a092d0ee31d888ca0f49f8b374726544"


class Process:
    """A detector that binds a PUSH socket, a streamer process that connects to it, and a subscriber."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.detector = self.context.socket(zmq.PUSH)
        self.detector.setsockopt(zmq.LINGER, 0)
        self.detector.setsockopt(zmq.SNDTIMEO, int(1000 * WAIT_S))
        self.detector.bind("tcp://127.0.0.1:0")
        self.address = str(self.detector.getsockopt_string(zmq.LAST_ENDPOINT))
        self.messages: list[AnyMessage] = []
        self.start()

    def start(self, *flags: str) -> None:
        """Start the streamer and wait until it is ready."""
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "streamer", "--detector", self.address, "--folder", str(self.folder / "data")]
        command += ["--live", "tcp://127.0.0.1:0", "--control", "tcp://127.0.0.1:0", "--metrics-port", "0"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*command, "--ready-file", str(ready), *flags], stderr=log)
        wait_until(lambda: ready.exists() or self.process.poll() is not None)
        assert ready.exists(), (self.folder / "log").read_text()
        self.ready = json.loads(ready.read_text())
        self.addresses = Addresses(**self.ready["addresses"])
        self.subscriber = open_subscriber(self.addresses)

    def send(self, *messages: bytes) -> None:
        for message in messages:
            self.detector.send(message)

    def receive(self, until: Callable[[list[AnyMessage]], bool]) -> list[AnyMessage]:
        """What this streamer process has published, as soon as `until` holds."""
        messages: list[AnyMessage] = []
        end_s = time.monotonic() + WAIT_S
        while not until(messages):
            assert time.monotonic() < end_s, f"{messages}\n{(self.folder / 'log').read_text()}"
            messages += [received.message for received in self.subscriber.receive(0.2)]
        return messages

    def kill(self, number: int) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(WAIT_S)
        self.subscriber.close()
        return code

    def journal(self, scan: str) -> Journal:
        return Journal.open(Journals(self.folder / "data" / "journal").path(scan))

    def page(self, name: str) -> str:
        url = f"http://127.0.0.1:{self.ready['metrics_port']}/{name}"
        with urllib.request.urlopen(url, timeout=WAIT_S) as answer:
            return str(answer.read().decode())

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill(signal.SIGKILL)
        self.context.destroy(0)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    one = Process(tmp_path)
    yield one
    one.close()


def wait_until(test: Callable[[], bool]) -> None:
    end_s = time.monotonic() + WAIT_S
    pause = threading.Event()
    while not test() and time.monotonic() < end_s:
        pause.wait(0.02)


def frames(messages: list[AnyMessage]) -> dict[int, NDArray[np.uint32]]:
    found: dict[int, NDArray[np.uint32]] = {}
    for block in messages:
        if isinstance(block, FrameBlock):
            found.update(zip(block.index.tolist(), block.counts, strict=True))
    return found


def ended(messages: list[AnyMessage]) -> list[ScanEnded]:
    return [message for message in messages if isinstance(message, ScanEnded)]


@pytest.mark.scan54
def test_a_recorded_scan_is_archived_bit_by_bit(process: Process, scan54: Path, series: Callable[..., Any]) -> None:
    """All 201 frames of the recorded scan arrive, and the archive has the sha256 of the recording."""
    with h5py.File(scan54) as file:
        counts = file["entry/frames"][...]
    sent = series("scan54", shape=counts.shape[1:], dtype="uint32", counts=counts)
    sender = threading.Thread(target=process.send, args=sent.messages)
    sender.start()
    messages = process.receive(lambda messages: bool(ended(messages)))
    sender.join(WAIT_S)
    end = ended(messages)[0]
    assert (end.status, end.frames_received) == ("complete", 201)
    assert sent.is_in(frames(messages), list(range(201)))
    wait_until(lambda: Path(end.archive).exists())
    assert raw_stack_sha256(Path(end.archive)) == SCAN54_SHA256


def test_a_streamer_killed_in_the_middle_of_a_scan_completes_it(process: Process, series: Callable[..., Any]) -> None:
    """After kill −9 and a restart the scan is complete, with every frame as it was sent."""
    sent = series(frames=30)
    process.send(sent.start, *sent.images[:14])
    process.receive(lambda messages: len(frames(messages)) == 14)
    assert process.kill(signal.SIGKILL) == -signal.SIGKILL
    process.start()
    process.send(*sent.images[14:], sent.end)
    messages = process.receive(lambda messages: bool(ended(messages)))
    assert sent.is_in(frames(messages), list(range(30)))
    assert (ended(messages)[0].status, ended(messages)[0].missing) == ("complete", ())


def test_what_was_accepted_is_recovered_and_the_rest_is_listed(process: Process, series: Callable[..., Any]) -> None:
    """Killed while frames pour in, the streamer comes back with all it had accepted; sent = accepted + missing."""
    sent = series(frames=400)
    sender = threading.Thread(target=process.send, args=[sent.start, *sent.images])
    sender.start()
    process.receive(lambda messages: len(frames(messages)) >= 40)
    process.kill(signal.SIGKILL)
    journal = process.journal(sent.name)
    accepted = {entry.frame for entry in journal.entries("frame")}
    journal.close()
    process.start("--stall", "1")
    sender.join(WAIT_S)
    process.send(sent.end)
    messages = process.receive(lambda messages: bool(ended(messages)))
    found, end = frames(messages), ended(messages)[-1]
    assert len(accepted) >= 40
    assert accepted <= set(found)
    assert sorted([*found, *end.missing]) == list(range(400))
    assert all(np.array_equal(found[index], sent.counts[index]) for index in found)


def test_sigterm_ends_it_with_zero_and_the_scan_goes_on_after(process: Process, series: Callable[..., Any]) -> None:
    """Stopped in the middle of a scan it ends within seconds with exit code 0; started again it completes the scan."""
    sent = series(frames=20)
    process.send(sent.start, *sent.images[:7])
    process.receive(lambda messages: len(frames(messages)) == 7)
    begun_s = time.monotonic()
    assert process.kill(signal.SIGTERM) == 0
    assert time.monotonic() - begun_s < 5.0
    assert not (process.folder / "ready.json").exists()
    process.start()
    process.send(*sent.images[7:], sent.end)
    messages = process.receive(lambda messages: bool(ended(messages)))
    assert ended(messages)[0].status == "complete"
    assert process.kill(signal.SIGINT) == 0


def test_it_survives_garbage_and_tells_so_on_its_pages(process: Process, series: Callable[..., Any]) -> None:
    """Bad messages are counted by reason, the scan is complete, and health and readiness say so."""
    sent = series()
    process.send(b"GET / HTTP/1.1", sent.start, sent.images[0][:-9], os.urandom(300), *sent.images)
    messages = process.receive(lambda messages: bool(ended(messages)))
    assert ended(messages)[0].status == "complete"
    metrics = process.page("metrics")
    source = f'source="{process.address}"'
    assert f'bragglive_frames_rejected_total{{reason="garbage",{source}}} 2.0' in metrics
    assert f'bragglive_frames_rejected_total{{reason="decode",{source}}} 1.0' in metrics
    assert f"bragglive_frames_received_total{{{source}}} 9.0" in metrics
    assert process.page("readyz") == "ready\n"
    assert process.page("healthz").startswith("ok")


def test_a_late_subscriber_gets_the_scan_and_a_confirmed_one_is_let_go(
    process: Process, series: Callable[..., Any]
) -> None:
    """Whoever joins after the end gets all of it, until the reconstructor has confirmed the scan."""
    sent = series()
    process.send(*sent.messages)
    end = ended(process.receive(lambda messages: bool(ended(messages))))[0]
    late = open_subscriber(process.addresses)
    process.subscriber.close()
    process.subscriber = late
    messages = process.receive(lambda messages: bool(ended(messages)))
    assert isinstance(messages[0], ScanStarted)
    assert sent.is_in(frames(messages), list(range(9)))
    wait_until(lambda: Path(end.archive).exists())
    answer = ask(process.addresses, Confirmed(scan=Scan(sent.name), revision=1), WAIT_S)
    assert answer == (True, "scan series-A is let go")


def test_a_second_streamer_on_the_same_folder_is_refused(process: Process) -> None:
    """It ends with exit code 1 and one line that says why, and the first goes on."""
    command = [sys.executable, "-m", "streamer", "--folder", str(process.folder / "data"), "--metrics-port", "0"]
    command += ["--live", "tcp://127.0.0.1:0", "--control", "tcp://127.0.0.1:0"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert second.returncode == 1
    assert "in use by another streamer" in second.stderr
    assert process.process.poll() is None
