"""The services as processes that speak over real sockets, from the sender's frames to volumes and exit codes."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from compose.demo_state import DemoState, observe
from compose.local import LocalProcessError, LocalProcesses, free_tcp_address
from contract.messages import Volume
from contract.stream import Addresses, Subscriber, open_subscriber

ANYWHERE = ["--metrics-port", "0", "--live", "tcp://127.0.0.1:0", "--control", "tcp://127.0.0.1:0"]
DEADLINE_S = 150.0
FRAMES = 101


class Chain:
    """Streamer and reconstructor, running."""

    def __init__(self, processes: LocalProcesses, folder: Path) -> None:
        self.processes = processes
        self.folder = folder
        self.detector = free_tcp_address()
        self.streamer, self.streamer_port = self.start("streamer", "--detector", self.detector)
        follow = ["--streamer-live", self.streamer.live, "--streamer-control", self.streamer.control]
        self.reconstructor, self.reconstructor_port = self.start("reconstructor", *follow)

    def start(self, name: str, *arguments: str) -> tuple[Addresses, int]:
        running = self.processes.start(name, name, [*arguments, "--folder", str(self.folder), *ANYWHERE])
        told = self.processes.wait_ready(running, DEADLINE_S)
        return Addresses(told["addresses"]["live"], told["addresses"]["control"]), told["metrics_port"]

    def send(self, *arguments: str) -> None:
        where = ["--bind", self.detector, "--streamer-control", self.streamer.control]
        scan = ["--voltages", "4.1", "--frames", str(FRAMES), "--rate", "50", "--hold-margin", "20"]
        self.processes.start("sender", "streamer.simulator", ["simulate", *scan, *where, *arguments], service=False)


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    with LocalProcesses(tmp_path) as processes:
        yield Chain(processes, tmp_path / "data")


def follow(feeds: list[Subscriber], until: Callable[[DemoState], bool], check: Callable[[], None]) -> DemoState:
    """The state once `until` holds; fails after the deadline or when a process ends with a fault."""
    state, deadline = DemoState(), time.monotonic() + DEADLINE_S
    while not until(state):
        assert time.monotonic() < deadline, f"not reached in {DEADLINE_S:.0f} s: {state}"
        check()
        for feed in feeds:
            for received in feed.receive(0.1):
                state = observe(state, received.message, time.monotonic())
    return state


def page(port: int, name: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=5) as reply:
        text: str = reply.read().decode()
        return text


def test_frames_become_a_refined_volume_and_everybody_ends_cleanly(chain: Chain) -> None:
    """Simulated frames go in; all are accounted for, a refined volume comes out, SIGTERM ends each service with 0."""
    feeds = [open_subscriber(chain.streamer), open_subscriber(chain.reconstructor)]
    chain.send()
    state = follow(feeds, lambda seen: seen.finished(1), chain.processes.check)
    scan = state.scans[0]
    assert (scan.status, len(scan.indices), scan.missing) == ("complete", FRAMES, ())
    assert Path(scan.refined[-1].archive).exists()
    assert [v.revision for v in scan.volumes] == sorted({v.revision for v in scan.volumes})
    for port in (chain.streamer_port, chain.reconstructor_port):
        assert page(port, "healthz")
        assert page(port, "readyz")
    assert f'bragglive_frames_received_total{{source="{chain.detector}"}} {FRAMES}.0' in page(
        chain.streamer_port, "metrics"
    )
    assert 'bragglive_volumes_published_total{stage="refined"}' in page(chain.reconstructor_port, "metrics")
    late = open_subscriber(chain.reconstructor)
    volumes = [r.message for r in late.receive(10.0) if isinstance(r.message, Volume)]
    assert any(volume.stage == "refined" for volume in volumes), "a late joiner must get the refined volume"
    for feed in (*feeds, late):
        feed.close()
    chain.processes.running = [r for r in chain.processes.running if r.name != "sender" or r.process.poll() is None]
    codes = chain.processes.stop()
    assert (codes["streamer"], codes["reconstructor"]) == (0, 0)


def test_a_fault_is_one_clear_line_and_a_non_zero_exit(tmp_path: Path) -> None:
    """A service that cannot bind its address says which one, in its last line, and does not exit with 0."""
    with LocalProcesses(tmp_path) as processes:
        arguments = ["--folder", str(tmp_path / "data"), "--metrics-port", "0", "--live", "tcp://203.0.113.7:1"]
        running = processes.start("streamer", "streamer", [*arguments, "--control", "tcp://127.0.0.1:0"])
        with pytest.raises(LocalProcessError, match=r"203\.0\.113\.7"):
            processes.wait_ready(running, DEADLINE_S)
        assert running.process.wait(10) not in (0, None)
