"""The soak of the streamer: a process, a detector that sends it what fault plans say, listeners, and the checker.

Real processes and sockets: the streamer is killed, stopped and started again, its disk refuses to grow, bits flip in
its files, strangers call at its ports, one listener reads nothing. After each run a further series tells that
everything before it was taken.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import zmq

from contract.messages import AnyMessage, Confirmed, FrameBlock, Notice, Scan, ScanAborted, ScanEnded, ScanStarted
from contract.stream import Received, ask, open_subscriber
from streamer.archive import FRAMES
from streamer.archive_checksums import damaged
from streamer.bit_rot import flip_in_archive, flip_in_journal
from streamer.checker import Account, Heard, SentSeries, account, out_of_order, put_together
from streamer.detectors.bslz4 import use_one_thread
from streamer.fault_plan import Run, Step, sentinel
from streamer.fault_report import Result
from streamer.fault_report import rows as rows
from streamer.fault_report import show as show
from streamer.fault_report import targets as targets
from streamer.fault_victim import GRACE_S as GRACE_S
from streamer.fault_victim import PATIENCE_S, SoakError, Victim
from streamer.fault_victim import STALL_S as STALL_S
from streamer.journals import Journals

AGAIN_S = 2.0
"""A sentinel that was lost with a killed process is sent again after this time."""
MARK = "records of its journal are damaged"
"""What the streamer's notice says of a scan in whose journal a bit has flipped."""


class Soak:
    """One streamer and all who talk to it. `open` first, `close` last; in between one `run` after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sentinels = 0
        self._received: list[Received] = []
        self._recovery_s: list[float] = []
        self._before_crash: set[tuple[Scan, int]] = set()
        self._rotten: set[tuple[Scan, int]] = set()
        """Frames in the journal of which a bit was flipped"""

    def open(self) -> None:
        """Bind the detector and start the streamer."""
        use_one_thread()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._detector = self._context.socket(zmq.PUSH)
        self._detector.setsockopt(zmq.LINGER, 0)
        self._detector.bind("tcp://127.0.0.1:0")
        self._victim = Victim(self.folder, self._detector.getsockopt_string(zmq.LAST_ENDPOINT))
        self._victim.start()

    def close(self) -> None:
        """End everything."""
        self._victim.end(signal.SIGTERM)
        self._context.destroy(0)

    def run(self, seed: int, one: Run) -> Result:
        """Do what the plan says, then look what became of it."""
        began_s = time.monotonic()
        self._received, self._recovery_s, self._before_crash, self._rotten = [], [], set(), set()
        self._random = np.random.default_rng([seed, 4])
        for step in one.steps:
            self._do(step, one)
            self._listen(0.0)
        closing_s = self._await_silence(one) if one.silent else None
        self._await_sentinel()
        final = {series.scan: self._final(series) for series in one.series}
        accounts = [self._account(series, final[series.scan]) for series in one.series]
        wrong = sum(not self._archived(scan, heard) for scan, heard in final.items())
        rotten = [self._rot(heard) for heard in final.values() if heard.ended is not None]
        for series in one.series:
            ask(self._victim.addresses, Confirmed(scan=series.scan, revision=1), PATIENCE_S)
        return Result(
            seed=seed,
            faults=(*one.faults, *["flipped bit in the archive"] * sum(found is not None for found in rotten)),
            account=sum(accounts, Account()),
            out_of_order=out_of_order(self._received),
            archives_wrong=wrong,
            flips_unnoticed=self._untold() + rotten.count(False),
            recovery_s=tuple(self._recovery_s),
            closing_s=closing_s,
            closing_limit_s=STALL_S + GRACE_S + 1.0,
            peak_memory_mib=self._victim.peak_memory_mib(),
            took_s=time.monotonic() - began_s,
        )

    def _do(self, step: Step, one: Run) -> None:
        match step.deed:
            case "send":
                self._send(step.message)
            case "kill" | "rot":
                self._kill(one, step.seconds, rot=step.deed == "rot")
            case "stop":
                self._victim.pause(step.seconds)
            case "disk":
                self._victim.starve(step.seconds)
            case "abort":
                ask(self._victim.addresses, ScanAborted(scan=Scan("")), PATIENCE_S)
            case "strangers":
                self._victim.strangers()
            case "pause":
                time.sleep(step.seconds)

    def _send(self, message: bytes) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not self._detector.poll(200, zmq.POLLOUT):
            self._victim.check()
            if time.monotonic() > deadline_s:
                raise SoakError(f"the streamer took nothing for {PATIENCE_S:g} s; see {self.folder}")
        self._detector.send(message)

    def _kill(self, one: Run, seconds: float, rot: bool) -> None:
        """kill −9 at some moment after the scan began; then a torn tail on what it was writing, or a bit that flips in
        its journal; then start again.
        """
        first = one.series[0].scan
        self._listen_until(lambda: any(isinstance(m, ScanStarted) and m.scan == first for m in self._messages()))
        time.sleep(seconds * 0.2)
        self._listen(0.0)
        began_s = time.monotonic()
        self._victim.end(signal.SIGKILL)
        self._before_crash |= self._published()
        journals = Journals(self._victim.data / "journal")
        if rot:
            index = flip_in_journal(journals.path(first), self._random)
            self._rotten |= set() if index is None else {(first, index)}
        for log in journals.folder.glob("*-wal"):
            with log.open("ab") as file:
                file.write(os.urandom(5000))
        self._victim.start()
        self._recovery_s.append(time.monotonic() - began_s)

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
                    ask(self._victim.addresses, Confirmed(scan=name, revision=1), PATIENCE_S)
                    return
        raise SoakError(f"the streamer took nothing for {PATIENCE_S:g} s")

    def _final(self, series: SentSeries) -> Heard:
        """What somebody gets of a scan who joins now."""
        late = open_subscriber(self._victim.addresses)
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

    def _account(self, series: SentSeries, heard: Heard) -> Account:
        def of(places: set[tuple[Scan, int]]) -> set[int]:
            return {index for scan, index in places if scan == series.scan}

        return account(series, heard, of(self._before_crash), of(self._published()), of(self._rotten))

    def _archived(self, scan: Scan, heard: Heard) -> bool:
        """Whether the archive of a scan has just its frames. One that was whole before a bit flipped in the journal
        keeps what the journal has lost.
        """
        if heard.ended is None:
            return not heard.started
        path = Path(heard.ended.archive)
        self._listen_until(path.exists)
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:  # a late frame has the archive written once more
            with h5py.File(path) as file:
                missing = set(file["entry/bragglive/missing"][...].tolist())
                frames = file[FRAMES] if FRAMES in file else np.empty(0)
                there = set(range(len(frames))) - missing
                unlike = (missing ^ set(heard.ended.missing)) | (there ^ heard.frames.keys())
                if unlike <= {index for place, index in self._rotten if place == scan}:
                    return all(np.array_equal(frames[index], counts) for index, counts in heard.frames.items())
            self._listen(0.1)
        return False

    def _rot(self, heard: Heard) -> bool | None:
        """Have a bit flip in the archive; whether just its frame is found damaged. None: there is no frame in it."""
        path = Path(heard.ended.archive if heard.ended is not None else "")
        if damaged(path):
            return False
        index = flip_in_archive(path, self._random)
        return None if index is None else damaged(path) == (index,)

    def _untold(self) -> int:
        """Flipped bits in journals of which nothing was said."""
        told = {m.scan for m in self._messages() if isinstance(m, Notice) and MARK in m.text}
        return sum(scan not in told for scan, _ in self._rotten)

    def _published(self) -> set[tuple[Scan, int]]:
        blocks = [message for message in self._messages() if isinstance(message, FrameBlock)]
        return {(block.scan, index) for block in blocks for index in block.index.tolist()}

    def _messages(self) -> list[AnyMessage]:
        return [one.message for one in self._received]

    def _listen(self, timeout_s: float) -> None:
        self._received += self._victim.subscriber.receive(timeout_s)

    def _listen_until(self, test: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not test():
            if time.monotonic() > deadline_s:
                raise SoakError(f"what was waited for did not happen within {PATIENCE_S:g} s; see {self.folder}")
            self._listen(0.05)
