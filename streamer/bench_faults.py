"""The soak: a streamer process, a detector that sends it what fault plans say, listeners, and the checker.

Real processes and sockets: the streamer is killed, stopped and started again, its disk refuses to grow, strangers call
at its ports, one listener reads nothing. After each run a further series tells that everything before it was taken.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import zmq

from contract.messages import AnyMessage, Confirmed, FrameBlock, Scan, ScanAborted, ScanEnded, ScanStarted
from contract.stream import Addresses, Received, Subscriber, ask, open_subscriber
from streamer.archive import FRAMES
from streamer.checker import Account, Heard, SentSeries, account, out_of_order, put_together
from streamer.detectors.bslz4 import use_one_thread
from streamer.fault_plan import Run, Step, sentinel
from streamer.fault_report import Result
from streamer.fault_report import rows as rows
from streamer.fault_report import show as show
from streamer.fault_report import targets as targets

STALL_S, GRACE_S = 1.0, 0.3
PATIENCE_S = 60.0
"""What does not come within this time does not come."""
AGAIN_S = 2.0
"""A sentinel that was lost with a killed process is sent again after this time."""
CURVE_GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"CURVE".ljust(20, b"\0") + bytes(32)
"""How a ZMTP 3.0 connection begins that wants CURVE"""
FILE_BYTES = 4096
"""Up to which a file may grow on the full disk."""


class SoakError(RuntimeError):
    """The streamer did not do what it must do for the soak to go on."""


class Soak:
    """One streamer and all who talk to it. `open` first, `close` last; in between one `run` after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sentinels = 0
        self._received: list[Received] = []
        self._recovery_s: list[float] = []
        self._before_crash: set[tuple[Scan, int]] = set()

    def open(self) -> None:
        """Bind the detector and start the streamer."""
        use_one_thread()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._detector = self._context.socket(zmq.PUSH)
        self._detector.setsockopt(zmq.LINGER, 0)
        self._detector.bind("tcp://127.0.0.1:0")
        self._start()

    def close(self) -> None:
        """End everything."""
        self._end(signal.SIGTERM)
        self._context.destroy(0)

    def run(self, seed: int, one: Run) -> Result:
        """Do what the plan says, then look what became of it."""
        began_s = time.monotonic()
        self._received, self._recovery_s, self._before_crash = [], [], set()
        for step in one.steps:
            self._do(step, one)
            self._listen(0.0)
        closing_s = self._await_silence(one) if one.silent else None
        self._await_sentinel()
        final = {series.scan: self._final(series) for series in one.series}
        published = self._published()
        accounts = [
            account(
                series,
                final[series.scan],
                {index for scan, index in self._before_crash if scan == series.scan},
                {index for scan, index in published if scan == series.scan},
            )
            for series in one.series
        ]
        wrong = sum(not self._archived(heard) for heard in final.values())
        for series in one.series:
            ask(self._addresses, Confirmed(scan=series.scan, revision=1), PATIENCE_S)
        return Result(
            seed=seed,
            faults=one.faults,
            account=sum(accounts, Account()),
            out_of_order=out_of_order(self._received),
            archives_wrong=wrong,
            recovery_s=tuple(self._recovery_s),
            closing_s=closing_s,
            closing_limit_s=STALL_S + GRACE_S + 1.0,
            peak_memory_mib=self._peak_memory_mib(),
            took_s=time.monotonic() - began_s,
        )

    def _do(self, step: Step, one: Run) -> None:
        match step.deed:
            case "send":
                self._send(step.message)
            case "kill":
                self._kill(one, step.seconds)
            case "stop":
                self._process.send_signal(signal.SIGSTOP)
                time.sleep(step.seconds)
                self._process.send_signal(signal.SIGCONT)
            case "disk":
                self._fill_disk(step.seconds)
            case "abort":
                ask(self._addresses, ScanAborted(scan=Scan("")), PATIENCE_S)
            case "strangers":
                self._strangers()
            case "pause":
                time.sleep(step.seconds)

    def _send(self, message: bytes) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not self._detector.poll(200, zmq.POLLOUT):
            if self._process.poll() is not None:
                raise SoakError(f"the streamer ended with exit code {self._process.returncode}; see {self.folder}")
            if time.monotonic() > deadline_s:
                raise SoakError(f"the streamer took nothing for {PATIENCE_S:g} s; see {self.folder}")
        self._detector.send(message)

    def _kill(self, one: Run, seconds: float) -> None:
        """kill −9 at some moment after the scan began, and a torn tail on what it was writing; then start again."""
        first = one.series[0].scan
        self._listen_until(lambda: any(isinstance(m, ScanStarted) and m.scan == first for m in self._messages()))
        time.sleep(seconds * 0.2)
        self._listen(0.0)
        began_s = time.monotonic()
        self._end(signal.SIGKILL)
        self._before_crash |= self._published()
        for log in (self.folder / "data" / "journal").glob("*-wal"):
            with log.open("ab") as file:
                file.write(os.urandom(5000))
        self._start()
        self._recovery_s.append(time.monotonic() - began_s)

    def _fill_disk(self, seconds: float) -> None:
        """No file may grow for some time; not while an archive is written, which HDF5 would not survive."""
        archives = self.folder / "data" / "scans"
        self._listen_until(lambda: not list(archives.glob(".*.part")))
        hard = resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (FILE_BYTES, hard))
        time.sleep(seconds)
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (hard, hard))

    def _strangers(self) -> None:
        """A port scanner, and somebody who begins to speak CURVE where nobody does, at every port."""
        for address in (*self._addresses, f"tcp://127.0.0.1:{self._metrics_port}"):
            host, port = address.removeprefix("tcp://").split(":")
            for said in (b"GET / HTTP/1.0\r\n\r\n" + bytes(100), CURVE_GREETING):
                with socket.create_connection((host, int(port)), PATIENCE_S) as stranger:
                    stranger.sendall(said)

    def _await_silence(self, one: Run) -> float:
        """Wait until the scan is closed for want of frames; how long that took."""
        began_s, scan = time.monotonic(), one.series[0].scan
        heard = put_together(self._messages(), scan)
        deadline_s = began_s + STALL_S + GRACE_S + 2.0
        while (heard.ended is None or not heard.started) and time.monotonic() < deadline_s:
            self._listen(0.05)
            heard = put_together(self._messages(), scan)
        return time.monotonic() - began_s

    def _await_sentinel(self) -> None:
        """Send a series of one frame until it comes out: everything before it was taken then."""
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            self._sentinels += 1
            name = Scan(f"sentinel-{os.getpid()}-{self._sentinels}")
            for message in sentinel(name):
                self._send(message)
            again_s = time.monotonic() + AGAIN_S
            while time.monotonic() < again_s:
                self._listen(0.05)
                if any(isinstance(m, ScanEnded) and m.scan == name for m in self._messages()):
                    ask(self._addresses, Confirmed(scan=name, revision=1), PATIENCE_S)
                    return
        raise SoakError(f"the streamer took nothing for {PATIENCE_S:g} s")

    def _final(self, series: SentSeries) -> Heard:
        """What somebody gets of a scan who joins now."""
        late = open_subscriber(self._addresses)
        messages: list[AnyMessage] = []
        deadline_s = time.monotonic() + PATIENCE_S
        try:
            while time.monotonic() < deadline_s:
                messages += [one.message for one in late.receive(0.1)]
                link = late.link()
                if link.epoch and link.connected and messages:
                    messages += [one.message for one in late.receive(0.1)]
                    break
        finally:
            late.close()
        return put_together(messages, series.scan)

    def _archived(self, heard: Heard) -> bool:
        """Whether the archive of a scan has just its frames."""
        if heard.ended is None:
            return not heard.started
        path = Path(heard.ended.archive)
        self._listen_until(path.exists)
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:  # a late frame has the archive written once more
            with h5py.File(path) as file:
                missing = tuple(file["entry/bragglive/missing"][...].tolist())
                frames = file[FRAMES] if FRAMES in file else np.empty(0)
                if missing == heard.ended.missing:
                    return all(np.array_equal(frames[index], counts) for index, counts in heard.frames.items())
            self._listen(0.1)
        return False

    def _published(self) -> set[tuple[Scan, int]]:
        blocks = [message for message in self._messages() if isinstance(message, FrameBlock)]
        return {(block.scan, index) for block in blocks for index in block.index.tolist()}

    def _messages(self) -> list[AnyMessage]:
        return [one.message for one in self._received]

    def _listen(self, timeout_s: float) -> None:
        self._received += self._subscriber.receive(timeout_s)

    def _listen_until(self, test: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not test():
            if time.monotonic() > deadline_s:
                raise SoakError(f"what was waited for did not happen within {PATIENCE_S:g} s; see {self.folder}")
            self._listen(0.05)

    def _start(self) -> None:
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        detector = self._detector.getsockopt_string(zmq.LAST_ENDPOINT)
        command = [sys.executable, "-m", "streamer", "--detector", detector, "--folder", str(self.folder / "data")]
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
        self._addresses, self._metrics_port = Addresses(**told["addresses"]), int(told["metrics_port"])
        self._subscriber: Subscriber = open_subscriber(self._addresses)
        self._deaf: Subscriber = open_subscriber(self._addresses)
        """A listener that reads nothing"""

    def _keep_log(self, process: subprocess.Popen[bytes]) -> None:
        """What the streamer says, by a pipe: on its full disk it could not say what is wrong."""
        with process, (self.folder / "streamer.log").open("ab") as log:
            if process.stderr is not None:
                shutil.copyfileobj(process.stderr, log)

    def _end(self, number: int) -> None:
        self._process.send_signal(number)
        self._process.wait(PATIENCE_S)
        self._subscriber.close()
        self._deaf.close()

    def _peak_memory_mib(self) -> float:
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return float("nan")
