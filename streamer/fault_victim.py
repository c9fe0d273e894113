"""The streamer process of the soak: started, killed, stopped and starved of disk, with its log and its memory."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from contract.stream import Addresses, Subscriber, open_subscriber

STALL_S, GRACE_S = 1.0, 0.3
PATIENCE_S = 60.0
"""What does not come within this time does not come."""
FILE_BYTES = 4096
"""Up to which a file may grow on the full disk."""
CURVE_GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"CURVE".ljust(20, b"\0") + bytes(32)
"""How a ZMTP 3.0 connection begins that wants CURVE"""


class SoakError(RuntimeError):
    """The streamer did not do what it must do for the soak to go on."""


class Victim:
    """A streamer that takes frames from `detector`. One listener hears what it says, another one reads nothing."""

    def __init__(self, folder: Path, detector: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._detector = detector

    def start(self) -> None:
        """Start the process and wait until it receives frames."""
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "streamer", "--detector", self._detector, "--folder", str(self.data)]
        command += ["--live", "tcp://127.0.0.1:0", "--control", "tcp://127.0.0.1:0", "--metrics-port", "0"]
        command += ["--stall", str(STALL_S), "--grace", str(GRACE_S), "--ready-file", str(ready)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        threading.Thread(target=self._keep_log, args=(self._process,), daemon=True).start()
        deadline_s = time.monotonic() + PATIENCE_S
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                raise SoakError(f"the streamer did not become ready; see {self.folder / 'streamer.log'}")
            time.sleep(0.02)
        told: dict[str, Any] = json.loads(ready.read_text())
        self.addresses, self._metrics_port = Addresses(**told["addresses"]), int(told["metrics_port"])
        self.subscriber: Subscriber = open_subscriber(self.addresses)
        self._deaf: Subscriber = open_subscriber(self.addresses)

    def check(self) -> None:
        """SoakError: the process has ended."""
        if self._process.poll() is not None:
            raise SoakError(f"the streamer ended with exit code {self._process.returncode}; see {self.folder}")

    def end(self, number: int) -> None:
        """End the process by a signal, and wait until it is gone."""
        self._process.send_signal(number)
        self._process.wait(PATIENCE_S)
        self.subscriber.close()
        self._deaf.close()

    def pause(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after a while."""
        self._process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)

    def starve(self, seconds: float) -> None:
        """For some time no file of the streamer may grow, an archive that is being written included."""
        hard = resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE)[1]
        self._limit_files(FILE_BYTES, hard)
        time.sleep(seconds)
        self._limit_files(hard, hard)

    def strangers(self) -> None:
        """A port scanner, and somebody who begins to speak CURVE where nobody does, at every port."""
        for address in (*self.addresses, f"tcp://127.0.0.1:{self._metrics_port}"):
            host, port = address.removeprefix("tcp://").split(":")
            for said in (b"GET / HTTP/1.0\r\n\r\n" + bytes(100), CURVE_GREETING):
                with socket.create_connection((host, int(port)), PATIENCE_S) as stranger:
                    stranger.sendall(said)

    def peak_memory_mib(self) -> float:
        """The most memory the process has had at a time; the archive's process comes on top of it."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return float("nan")

    def _limit_files(self, soft: int, hard: int) -> None:
        tasks = Path(f"/proc/{self._process.pid}/task").glob("*/children")
        for pid in [self._process.pid, *(int(one) for task in tasks for one in task.read_text().split())]:
            try:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
            except ProcessLookupError:
                continue  # an archive that was finished meanwhile

    def _keep_log(self, process: subprocess.Popen[bytes]) -> None:
        """What the streamer says, by a pipe: on its full disk it could not say what is wrong."""
        with process, (self.folder / "streamer.log").open("ab") as log:
            if process.stderr is not None:
                shutil.copyfileobj(process.stderr, log)
