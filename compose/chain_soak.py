"""The soak of all services: real processes are hit at moments that can be seen from outside.

A run is one scan through sender, streamer, reconstructor and a listener. It is over when a refined volume of all its
frames was told and its archive is there; then what was heard, what is in the archive and the truth are compared.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np

from compose.chain_check import Heard, account, heard
from compose.chain_frames import archived_as_told
from compose.chain_listener import lives
from compose.chain_plan import MOMENTS, ChainRun, Deed, Moment
from compose.chain_report import ChainResult
from compose.chain_services import ChainServices
from contract.messages import AnyMessage, FrameBlock, JobProgress, ScanEnded, ScanStarted, Volume
from contract.stream import Received, open_subscriber

PATIENCE_S = 60.0
"""What does not come within this time does not come."""
SETTLE_S = 1.0
"""Messages may still come for so long after a run."""
LOOK_S = 0.01


class ChainSoak:
    """All services, and one `run` after the other."""

    def __init__(self, services: ChainServices) -> None:
        self._services = services
        self._streams = {"scans": open_subscriber(services.scans), "volumes": open_subscriber(services.volumes)}
        self._heard: list[Heard] = []
        """By the soak itself, which is never hit"""
        self._messages: list[AnyMessage] = []
        self._before: set[str] = set()
        """Scans of earlier runs"""

    def open(self) -> None:
        """Start the services."""
        for service in MOMENTS:
            self._services.start(service)
        for service in MOMENTS:
            self._services.wait_ready(service)

    def close(self) -> None:
        """Listen no more."""
        for stream in self._streams.values():
            stream.close()

    def run(self, seed: int, one: ChainRun) -> ChainResult:
        """Send the scan, hit whom the plan says, wait for the end, judge."""
        began_s = time.monotonic()
        self._heard, self._messages, self._scan = [], [], ""
        self._volumes = self._archived_volumes()
        self._journal_bytes = self._services.journal_bytes()
        truth = self._services.folder / f"truth-{seed}.h5"
        sender = self._services.send(one.sender_arguments(seed, str(truth)))
        done, recovery_s = self._follow(one, began_s)
        self._services.end_sender(sender)
        self._listen(SETTLE_S)
        found = account([self._heard, *lives(self._services.records)], self._scan)
        refined = self._refined()
        return ChainResult(
            seed=seed,
            faults=(*one.faults, *(deed.name for deed in done)),
            account=found,
            finished=refined is not None,
            archive_wrong=not self._raw_right(),
            overlap=None if refined is None else self._overlap(refined, truth),
            frames_missing=0 if refined is None else len(refined.missing),
            recovery_s=tuple(recovery_s),
            peak_memory_mib=max(self._services.memory_mib(name) for name in ("streamer", "reconstructor")),
            took_s=time.monotonic() - began_s,
        )

    def _follow(self, one: ChainRun, began_s: float) -> tuple[list[Deed], list[float]]:
        """Until the run is over; what was done, and how long services took to come back."""
        left, done, recovery_s = list(one.deeds), list[Deed](), list[float]()
        while time.monotonic() - began_s < PATIENCE_S:
            self._listen(LOOK_S)
            self._services.check()
            for deed in [deed for deed in left if self._is(deed.moment)]:
                left.remove(deed)
                done.append(deed)
                recovery_s += self._do(deed)
            if self._refined() is not None and self._raw_archive().exists():
                break  # a moment that has not come by now does not come in this run
        return done, recovery_s

    def _do(self, deed: Deed) -> list[float]:
        """Hit a service; how long it took to come back, each time it was killed."""
        self._listen(deed.after_s if deed.moment == "frames come" else 0.0)
        if deed.act == "SIGSTOP":
            self._services.signal(deed.service, signal.SIGSTOP)
            self._listen(deed.stopped_s)
            self._services.signal(deed.service, signal.SIGCONT)
            return []
        self._services.kill(deed.service)
        recovery_s = [self._services.replace(deed.service)]
        if deed.moment == "it takes over":
            self._services.kill(deed.service)
            recovery_s.append(self._services.replace(deed.service))
        return recovery_s

    def _is(self, moment: Moment) -> bool:
        """Whether it is now."""
        match moment:
            case "frames come" | "it takes over":
                return self._any(FrameBlock)
            case "a commit is made":
                return bool(self._scan) and self._services.journal_bytes() > self._journal_bytes
            case "the scan has ended":
                return self._any(ScanEnded)
            case "its archive is being written":
                return any((self._services.data / "scans").glob(".*.part"))
            case "a job runs":
                return any(isinstance(one, JobProgress) and one.state == "running" for one in self._messages)
            case "a volume is in its archive":
                return self._archived_volumes() > self._volumes
            case "a volume is told":
                return self._any(Volume)

    def _any(self, kind: type[AnyMessage]) -> bool:
        return any(isinstance(one, kind) for one in self._messages)

    def _archived_volumes(self) -> int:
        return sum(1 for _ in (self._services.data / "volumes").glob("*/*.cxi"))

    def _listen(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while True:
            for name, stream in self._streams.items():
                for received in stream.receive(LOOK_S / 2):
                    self._take(name, received)
            if time.monotonic() >= until_s:
                return

    def _take(self, name: str, received: Received) -> None:
        """Everything is kept for the account; of this run's scan also the messages."""
        self._heard.append(heard(name, received))
        message = received.message
        scan = str(getattr(message, "scan", None) or "")
        if isinstance(message, ScanStarted) and not self._scan and scan not in self._before:
            self._scan = scan
            self._before.add(scan)
        if scan and scan == self._scan:
            self._messages.append(message)

    def _refined(self) -> Volume | None:
        """The newest refined volume, if it is of all frames that came."""
        ended = [one for one in self._messages if isinstance(one, ScanEnded)]
        volumes = [one for one in self._messages if isinstance(one, Volume) and one.stage == "refined"]
        if not ended or not volumes or volumes[-1].frames_used != ended[-1].frames_received:
            return None
        return volumes[-1]

    def _raw_archive(self) -> Path:
        ended = [one for one in self._messages if isinstance(one, ScanEnded)]
        return Path(ended[-1].archive) if ended else self._services.folder / "absent"

    def _raw_right(self) -> bool:
        """Whether the archive of the scan has just the frames that were told, and lists the others."""
        ended = [one for one in self._messages if isinstance(one, ScanEnded)]
        frames: dict[int, np.ndarray[tuple[int, ...], np.dtype[np.uint32]]] = {}
        for one in self._messages:
            if isinstance(one, FrameBlock):
                frames |= dict(zip(one.index.tolist(), one.counts, strict=True))
        return bool(ended) and archived_as_told(Path(ended[-1].archive), frames, ended[-1].missing)

    def _overlap(self, volume: Volume, truth: Path) -> float | None:
        """Of an archived volume with the truth; None if it cannot be scored."""
        scored = self._services.folder / "score.json"
        command = [sys.executable, "-m", "compose", "score", volume.archive, str(truth), "--json", str(scored)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return None
        return float(msgspec.json.decode(scored.read_bytes())["complex_overlap"])
