"""The thread between real sockets and the mailbox: survives restarts, tells its own faults."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from contract.stream import Addresses, Publisher, Subscriber, open_publisher, open_subscriber
from tests.viewer.campaign import Maker
from viewer.inbox import Inbox, Source
from viewer.intake import Intake
from viewer.mailbox import Mailbox
from viewer.state import State

TIMEOUT_S = 20.0


class Post:
    """A mailbox that a test can wait on."""

    def __init__(self) -> None:
        self._woken = threading.Semaphore(0)
        self.mailbox: Mailbox[State] = Mailbox(self._woken.release)
        self.state = State()

    def until(self, enough: Callable[[State], bool]) -> State:
        deadline_s = time.monotonic() + TIMEOUT_S
        while not enough(self.state):
            assert self._woken.acquire(timeout=max(0.0, deadline_s - time.monotonic())), "not in time"
            self.state = self.mailbox.take() or self.state
        return self.state


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def addresses(folder: Path, name: str) -> Addresses:
    return Addresses(f"ipc://{folder}/{name}-live", f"ipc://{folder}/{name}-control")


def source(folder: Path, name: str) -> Source:
    where = addresses(folder, name)
    return Source(name, where.live, lambda: open_subscriber(where, name=name))


def publisher(folder: Path, name: str, closing: ExitStack) -> Publisher:
    opened = open_publisher(addresses(folder, name))
    closing.callback(opened.close)
    return opened


def inbox(folder: Path, closing: ExitStack) -> Post:
    post = Post()
    both = (source(folder, "streamer"), source(folder, "reconstructor"))
    listening = Inbox(both, Intake(maximum_faces=10_000), post.mailbox)
    listening.open()
    closing.callback(listening.close)
    return post


def test_volumes_and_frames_arrive_over_sockets(tmp_path: Path, closing: ExitStack, make: Maker) -> None:
    """Frames of one stream and a volume of the other become one state with a picture and a fit."""
    frames, volumes = (publisher(tmp_path, name, closing) for name in ("streamer", "reconstructor"))
    post = inbox(tmp_path, closing)
    frames.publish(make.scan_started(0))
    frames.publish(make.frame_block(0, 0, 201))
    volumes.publish(make.volume(0))
    state = post.until(lambda state: bool(state.pictures) and any(scan.fit for scan in state.scans.values()))
    assert state.scans[make.scan_name(0)].curve.index.tolist() == list(range(201))
    assert {name for name, link in state.links.items() if link.heard_s is not None} == {"streamer", "reconstructor"}


def test_it_starts_before_the_services_and_survives_their_restart(
    tmp_path: Path, closing: ExitStack, make: Maker
) -> None:
    """Opened first it waits; a publisher that comes, goes and comes again is heard each time."""
    post = inbox(tmp_path, closing)
    waiting = post.until(lambda state: len(state.links) == 2)
    assert [link.heard_s for link in waiting.links.values()] == [None, None]
    first = open_publisher(addresses(tmp_path, "reconstructor"))
    first.publish(make.volume(0, size=16))
    post.until(lambda state: len(state.pictures) == 1)
    first.close()
    publisher(tmp_path, "reconstructor", closing).publish(make.volume(1, size=16))
    state = post.until(lambda state: len(state.pictures) == 2)
    assert {known.picture.scan for known in state.pictures.values()} == {make.scan_name(0), make.scan_name(1)}


def test_a_late_joiner_gets_the_present_state(tmp_path: Path, closing: ExitStack, make: Maker) -> None:
    """What was published before the inbox opened comes with the snapshot."""
    frames = publisher(tmp_path, "streamer", closing)
    for message in (make.hold_started(0), make.scan_started(0), make.frame_block(0, 0, 60)):
        frames.publish(message)
    state = inbox(tmp_path, closing).until(lambda state: any(len(s.curve.index) == 60 for s in state.scans.values()))
    assert state.holds[make.hold_name(0)].voltage_v == 4.1


def test_what_ends_the_thread_is_raised_where_it_is_asked_for(tmp_path: Path) -> None:
    """A fault on the inbox's thread is not swallowed: `check` raises it on the caller's."""
    failed = threading.Event()

    def refuse() -> Subscriber:
        failed.set()
        raise OSError("no room for a socket")

    broken = Inbox((Source("streamer", "tcp://x", refuse),), Intake(1000), Mailbox(lambda: None))
    broken.open()
    assert failed.wait(TIMEOUT_S)
    broken.close()
    with pytest.raises(OSError, match="no room"):
        broken.check()
