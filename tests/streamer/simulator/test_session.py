"""Holds and scans in time, with a real stream to be told of the holds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from contract.messages import AnyMessage, Crystal, Hold, HoldEnded, HoldStarted
from contract.stream import Addresses, Publisher, open_publisher
from streamer.simulator.faults import Faults
from streamer.simulator.geometries import i13_1
from streamer.simulator.sender import Sender, SenderError
from streamer.simulator.series import HoldPlan, ScanToSend
from streamer.simulator.session import ControlDesk, perform


def scan(hold: HoldPlan | None) -> ScanToSend:
    return ScanToSend(
        name="s1",
        number=1,
        image=lambda index: np.full((6, 5), index, np.uint32),
        shape=(6, 5),
        angles_deg=np.linspace(6.0, 6.2, 3),
        monitor=np.ones(3),
        geometry=i13_1(6, 5),
        crystal=Crystal("IV"),
        hold=hold,
        frame_time_s=1e-3,
        count_time_s=1e-3,
        saturation=1000,
        arm_date="2026-11-23T03:15:00Z",
    )


HOLD = HoldPlan(hold=Hold("IV-4.100V-1"), crystal=Crystal("IV"), voltage_v=4.1, planned_s=0.1)


@pytest.fixture
def pull() -> Iterator[zmq.Socket[bytes]]:
    context = zmq.Context()
    socket = context.socket(zmq.PULL)
    yield socket
    socket.close(0)
    context.term()


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[Publisher]:
    publisher = open_publisher(Addresses(f"ipc://{tmp_path}/live", f"ipc://{tmp_path}/control"))
    yield publisher
    publisher.close()


def answering(publisher: Publisher, ok: bool, done: threading.Event) -> tuple[threading.Thread, list[AnyMessage]]:
    """A thread that answers all that is said to `publisher` until `done`, and what was said."""
    heard: list[AnyMessage] = []

    def answer() -> None:
        while not done.wait(0.01):
            for said in publisher.said():
                heard.append(said.message)
                said.answer(ok, "noted" if ok else "another hold is running")

    thread = threading.Thread(target=answer)
    thread.start()
    return thread, heard


def performed(scans: list[ScanToSend], control: str | None, tmp_path: Path, pull: zmq.Socket[bytes]) -> list[Any]:
    events: list[Any] = []

    def emit(event: str, **fields: Any) -> None:
        events.append((event, fields))

    sender = Sender(f"ipc://{tmp_path}/detector")
    pull.connect(sender.open())
    try:
        sender.wait_for_peer(10.0)
        perform(sender, ControlDesk(control, emit), scans, Faults(drop=frozenset({1})), emit)
    finally:
        sender.close()
    return events


def test_a_hold_is_told_before_its_scan_and_after_it(
    tmp_path: Path, pull: zmq.Socket[bytes], stream: Publisher
) -> None:
    """The streamer hears of the hold's start and end; events follow one another; the dropped image is not counted."""
    done = threading.Event()
    thread, heard = answering(stream, True, done)
    events = performed([scan(HOLD)], stream.addresses.control, tmp_path, pull)
    done.set()
    thread.join()
    assert [event for event, _ in events] == ["hold_started", "scan", "first_frame", "last_frame", "hold_ended"]
    assert events[3][1] == {"scan": "s1", "images_sent": 2}
    started, ended = heard
    assert isinstance(started, HoldStarted)
    assert (started.hold, started.crystal, started.voltage_v, started.planned_s) == ("IV-4.100V-1", "IV", 4.1, 0.1)
    assert ended == HoldEnded(hold=HOLD.hold, crystal=HOLD.crystal)
    received = []
    while pull.poll(200):
        received.append(pull.recv())
    assert len(received) == 4


def test_a_refused_hold_stops_the_session(tmp_path: Path, pull: zmq.Socket[bytes], stream: Publisher) -> None:
    """When the streamer does not take a hold nothing is sent, and its reason is passed on."""
    done = threading.Event()
    thread, _ = answering(stream, False, done)
    with pytest.raises(SenderError, match=r"start of hold IV-4\.100V-1: another hold is running"):
        performed([scan(HOLD)], stream.addresses.control, tmp_path, pull)
    done.set()
    thread.join()
    assert not pull.poll(50)


def test_an_interrupted_hold_is_ended(tmp_path: Path, pull: zmq.Socket[bytes], stream: Publisher) -> None:
    """If sending fails half way the streamer is told that the hold is over."""
    done = threading.Event()
    thread, heard = answering(stream, True, done)

    def broken(index: int) -> np.ndarray:
        raise KeyboardInterrupt

    lost = scan(HOLD)
    object.__setattr__(lost, "image", broken)
    with pytest.raises(KeyboardInterrupt):
        performed([lost], stream.addresses.control, tmp_path, pull)
    done.set()
    thread.join()
    assert [type(message) for message in heard] == [HoldStarted, HoldEnded]


def test_without_a_hold_nobody_is_told(tmp_path: Path, pull: zmq.Socket[bytes]) -> None:
    """A scan outside any hold is sent and waits for nothing."""
    events = performed([scan(None)], None, tmp_path, pull)
    assert [event for event, _ in events] == ["scan", "first_frame", "last_frame"]
