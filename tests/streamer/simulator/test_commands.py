"""`simulate` and `replay` as processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cbor2
import h5py
import pytest
import zmq

COMMAND = [sys.executable, "-m", "streamer.simulator"]
SMALL = ["--frames", "21", "--rows", "16", "--columns", "16", "--rate", "500", "--hold-margin", "0.05", "--events"]


@pytest.fixture
def pull() -> Iterator[zmq.Socket[bytes]]:
    context = zmq.Context()
    socket = context.socket(zmq.PULL)
    yield socket
    socket.close(0)
    context.term()


def drain(socket: zmq.Socket[bytes], messages: int) -> list[dict[str, object]]:
    out = []
    for _ in range(messages):
        assert socket.poll(60_000), f"only {len(out)} of {messages} messages came"
        out.append(cbor2.loads(socket.recv()[3:]))
    return out


def test_simulate_sends_its_holds_and_tells_events(tmp_path: Path, pull: zmq.Socket[bytes]) -> None:
    """Two holds are computed, written as truth, sent whole and told of as JSON lines; the command exits with 0."""
    address, truth = f"ipc://{tmp_path}/detector", tmp_path / "truth.h5"
    arguments = ["simulate", "--bind", address, "--voltages", "4.1,3.9", "--truth", str(truth), *SMALL]
    pull.connect(address)
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True) as process:
        messages = drain(pull, 2 * 23)
        assert process.stdout is not None
        events = [json.loads(line) for line in process.stdout]
    assert process.returncode == 0
    assert [m["type"] for m in messages] == ["start", *["image"] * 21, "end"] * 2
    one_hold = ["hold_started", "scan", "first_frame", "last_frame", "hold_ended"]
    assert [e["event"] for e in events] == ["computed", "computed", "truth", "bound", *one_hold, *one_hold, "done"]
    with h5py.File(truth) as file:
        scans = [group.attrs["scan"] for group in file["holds"].values()]
        assert file["holds/1/amplitude"].shape == (21, 16, 16)
    assert scans == [messages[0]["series_unique_id"], messages[23]["series_unique_id"]]


def test_sigterm_stops_the_sender(tmp_path: Path, pull: zmq.Socket[bytes]) -> None:
    """In the middle of a slow scan SIGTERM ends the process at once, with exit code 130 and one line."""
    address = f"ipc://{tmp_path}/detector"
    arguments = ["simulate", "--bind", address, "--voltages", "4.1", *SMALL, "--rate", "2"]
    pull.connect(address)
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        drain(pull, 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10.0) == 130
        assert process.stderr is not None
        assert process.stderr.read() == b"stopped before everything was sent\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["replay", "nowhere.h5"], "error: nowhere.h5 cannot be read as HDF5"),
        (["simulate", "--crystal", "IX", *SMALL], "error: no crystal 'IX' to simulate, only IV, V"),
        (["simulate", "--rate", "0"], "error: a rate of 0 frames/s, wanted more than 0"),
        (["simulate", "--voltages", "4.1", *SMALL, "--bind", "tcp://256.0.0.1:1"], "error: cannot bind"),
    ],
)
def test_what_cannot_work_is_explained_in_one_line(arguments: list[str], says: str, tmp_path: Path) -> None:
    """A wrong file, crystal, rate or address ends with exit code 1 and a line that names it."""
    ended = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(says)
    assert ended.stderr.count("\n") == 1


def test_replay_sends_scan_54(scan54: Path, tmp_path: Path, pull: zmq.Socket[bytes]) -> None:
    """The recorded scan leaves as start with mask and goniometer, 201 images with angle and monitor, and end."""
    address = f"ipc://{tmp_path}/detector"
    arguments = ["replay", str(scan54), "--bind", address, "--rate", "2000", "--crystal", "Au", "--for", "0.1"]
    pull.connect(address)
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL) as process:
        messages = drain(pull, 203)
    assert process.returncode == 0
    start, image = messages[0], messages[100]
    assert start["goniometer"] == {"omega": {"start": pytest.approx(-0.28), "increment": pytest.approx(0.005)}}
    assert set(start) >= {"pixel_mask", "flatfield"}
    assert (start["image_size_y"], start["image_size_x"], start["beam_center_x"]) == (256, 256, 256.0)
    assert start["user_data"]["bragglive"]["crystal"] == "Au"  # type: ignore[index]
    assert image["image_id"] == 99
    beside = image["user_data"]["bragglive"]  # type: ignore[index]
    assert beside["angle_deg"] == pytest.approx(0.215)
    assert beside["monitor"] == pytest.approx(1.0, abs=0.06)
