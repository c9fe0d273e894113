"""The services of the soak as processes of this machine, at addresses that stay, so that they find each other again."""

from __future__ import annotations

import itertools
import os
import signal
import time
from pathlib import Path

from compose.chain_plan import Service
from compose.local import LocalProcessError, LocalProcesses, Running, free_tcp_address
from contract.stream import Addresses

READY_S = 60.0
STALL_S, GRACE_S = 4.0, 0.5


class ChainServices:
    """Streamer, reconstructor and a listener: started, killed, stopped, started again."""

    def __init__(self, processes: LocalProcesses) -> None:
        self._processes = processes
        self._numbers = itertools.count(1)
        self._running: dict[Service, Running] = {}
        self.folder = processes.folder
        self.data = processes.folder / "data"
        self.detector = free_tcp_address()
        self.scans = Addresses(free_tcp_address(), free_tcp_address())
        self.volumes = Addresses(free_tcp_address(), free_tcp_address())
        self.records = processes.folder / "heard"
        self.records.mkdir()
        arguments = ["--folder", str(self.data), "--metrics-port", "0"]
        self._arguments: dict[Service, list[str]] = {
            "streamer": [*arguments, "--detector", self.detector, *_listening(self.scans)],
            "reconstructor": [*arguments, *_listening(self.volumes)],
        }
        self._arguments["streamer"] += ["--stall", str(STALL_S), "--grace", str(GRACE_S)]
        follow = ["--streamer-live", self.scans.live, "--streamer-control", self.scans.control]
        self._arguments["reconstructor"] += follow

    def start(self, service: Service) -> None:
        """Start it, without waiting for it."""
        number = next(self._numbers)
        arguments, module = self._arguments.get(service, []), str(service)
        if service == "listener":
            arguments = [str(self.records / f"{number:04d}.jsonl"), *self.scans, *self.volumes]
            module = "compose.chain_listener"
        self._running[service] = self._processes.start(f"{service}-{number}", module, arguments)

    def wait_ready(self, service: Service) -> None:
        """Wait until it is. LocalProcessError: it is not."""
        self._processes.wait_ready(self._running[service], READY_S)

    def kill(self, service: Service) -> None:
        """kill −9, and wait until it is gone."""
        running = self._running.pop(service)
        running.process.kill()
        running.process.wait()
        self._processes.running.remove(running)

    def replace(self, service: Service) -> float:
        """Start it again and wait until it is ready; how long that took, in seconds."""
        began_s = time.monotonic()
        self.start(service)
        self.wait_ready(service)
        return time.monotonic() - began_s

    def signal(self, service: Service, number: signal.Signals) -> None:
        """Send it a signal."""
        self._running[service].process.send_signal(number)

    def check(self) -> None:
        """LocalProcessError: one has ended by itself."""
        for running in self._running.values():
            running.check()
            if running.process.poll() is not None:
                raise LocalProcessError(f"{running.name} has ended (log: {running.log})")

    def send(self, arguments: list[str]) -> Running:
        """Start the sender of one scan."""
        where = ["--bind", self.detector, "--streamer-control", self.scans.control]
        name = f"sender-{next(self._numbers)}"
        return self._processes.start(name, "streamer.simulator", [*arguments, *where], service=False)

    def end_sender(self, running: Running) -> None:
        """Have it end before its hold does."""
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGTERM)
        running.process.wait()
        self._processes.running.remove(running)

    def memory_mib(self, service: Service) -> float:
        """The most memory it has had at a time since it was started."""
        status = Path(f"/proc/{self._running[service].process.pid}/status").read_text()
        lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(lines[0].split()[1]) / 1024 if lines else float("nan")

    def journal_bytes(self) -> int:
        """Size of what the journals have been told since they were last folded: it grows with each commit."""
        return sum(_size(path) for path in (self.data / "journal").glob("*-wal"))


def _listening(addresses: Addresses) -> list[str]:
    return ["--live", addresses.live, "--control", addresses.control]


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
