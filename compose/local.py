"""Run the services as processes of this machine: start, wait until ready, stop in order, keep their logs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STOP_GRACE_S = 8.0


class LocalProcessError(RuntimeError):
    """A process ended or stayed silent where it should run; the message names it, its exit code and its log."""


@dataclass
class Running:
    """One process we started, and where it writes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    ready_file: Path | None

    def check(self) -> None:
        """Raise `LocalProcessError` if the process has ended with a fault."""
        code = self.process.poll()
        if code not in (None, 0):
            raise LocalProcessError(f"{self.name} ended with exit code {code}: {last_line(self.log)} (log: {self.log})")


class LocalProcesses:
    """Processes started together and stopped together, in reverse order, whatever happens in between."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[Running] = []

    def __enter__(self) -> LocalProcesses:
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        *,
        service: bool = True,
        niceness: int = 0,
        display: str | None = None,
    ) -> Running:
        """Start `python -m module arguments…`; a service also gets a ready file to announce its addresses in."""
        ready = self.folder / f"{name}.ready.json" if service else None
        command = ["nice", "-n", str(niceness)] if niceness else []
        command += [sys.executable, "-m", module, *arguments]
        if ready is not None:
            ready.unlink(missing_ok=True)
            command += ["--ready-file", str(ready)]
        environment = os.environ if display is None else {**os.environ, "DISPLAY": display}
        log = self.folder / "logs" / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
        running = Running(name, process, log, ready)
        self.running.append(running)
        return running

    def start_screen(self, size: str = "1600x1000x24") -> str:
        """Start a virtual screen (Xvfb) and return its display, e.g. ":1"."""
        log = self.folder / "logs" / "xvfb.log"
        command = ["Xvfb", "-displayfd", "1", "-screen", "0", size, "-nolisten", "tcp"]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=output)
        self.running.append(Running("xvfb", process, log, None))
        if process.stdout is None:
            raise ValueError("Xvfb was started without a pipe to say its display on")
        number = process.stdout.readline().decode().strip()
        if not number:
            raise LocalProcessError(f"Xvfb gave no display: {last_line(log)} (log: {log})")
        return f":{number}"

    def wait_ready(self, running: Running, timeout_s: float) -> dict[str, Any]:
        """What the service announced about itself once it was ready."""
        if running.ready_file is None:
            raise ValueError(f"{running.name} is not a service: it announces nothing to wait for")
        deadline = time.monotonic() + timeout_s
        while not running.ready_file.exists():
            running.check()
            if running.process.poll() is not None or time.monotonic() > deadline:
                said = last_line(running.log)
                raise LocalProcessError(
                    f"{running.name} was not ready after {timeout_s:.0f} s: {said} (log: {running.log})"
                )
            time.sleep(0.05)
        announced: dict[str, Any] = json.loads(running.ready_file.read_text())
        return announced

    def check(self) -> None:
        """Raise if any process has ended with a fault."""
        for running in self.running:
            running.check()

    def stop(self) -> dict[str, int]:
        """Ask every process to stop (SIGTERM, newest first), end those that do not; exit codes by name."""
        codes = {}
        for running in reversed(self.running):
            if running.process.poll() is None:
                running.process.send_signal(signal.SIGTERM)
            try:
                codes[running.name] = running.process.wait(STOP_GRACE_S)
            except subprocess.TimeoutExpired:
                running.process.kill()
                codes[running.name] = running.process.wait()
        self.running.clear()
        return codes


def last_line(log: Path) -> str:
    """The last line a process wrote, or a sentence that says it wrote none."""
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "it wrote nothing"


def free_tcp_address() -> str:
    """A loopback address whose port was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"
