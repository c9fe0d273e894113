"""Run the whole chain on this machine: a sender, the streamer, the reconstructor and, where it can, the viewer."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from compose.demo_state import DemoState, observe
from compose.local import LocalProcesses, Running, free_tcp_address
from contract.stream import Addresses, open_subscriber

READY_TIMEOUT_S = 120.0
POLL_S = 0.1
Screen = Literal["window", "xvfb", "none"]


@dataclass(frozen=True)
class DemoPlan:
    """What to run: a simulated campaign, or the recorded scan in `replay`."""

    folder: Path
    scans: int
    sender: tuple[str, ...]
    """Arguments of `python -m streamer.simulator`."""
    truth: Path | None
    screen: Screen
    time_limit_s: float
    grace_s: float = 2.0
    """How long to wait for better revisions after the last refined volume is out and its hold has ended."""


@dataclass(frozen=True)
class DemoRun:
    """What was seen, when it began and how the processes ended."""

    state: DemoState
    began_s: float
    """On the monotonic clock."""
    exit_codes: dict[str, int]
    screenshot: Path | None


def choose_screen(wanted: bool) -> tuple[Screen, str]:
    """Where the viewer can be shown on this machine, and a sentence that says why."""
    if not wanted:
        return "none", "no viewer, as asked; pictures are written without a GUI"
    if not importlib.util.find_spec("napari"):
        return "none", "no viewer: the extra 'viewer' is not installed; pictures are written without a GUI"
    probe = subprocess.run([sys.executable, "-c", "import PyQt6.QtGui"], capture_output=True, check=False)
    if probe.returncode:
        return "none", "no viewer: the system libraries of Qt are missing; pictures are written without a GUI"
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return "window", "the viewer opens on this screen"
    if shutil.which("Xvfb"):
        return "xvfb", "no screen: the viewer runs under Xvfb and its picture is kept"
    return "none", "no viewer: no screen and no Xvfb; pictures are written without a GUI"


def run(plan: DemoPlan, show: Callable[[DemoState, str], None]) -> DemoRun:
    """Run `plan` to its end, calling `show(state, phase)` about ten times a second; raises `LocalProcessError`."""
    began = time.monotonic()
    screenshot = plan.folder / "viewer.png" if plan.screen != "none" else None
    with LocalProcesses(plan.folder) as processes:
        detector = free_tcp_address()
        show(DemoState(), "starting the services")
        streamer, reconstructor = _start_services(processes, plan, detector)
        show(DemoState(), "opening the viewer")
        viewer = _start_viewer(processes, plan, streamer, reconstructor, screenshot)
        show(DemoState(), "the sender prepares its scans")
        sender = _start_sender(processes, plan, detector, streamer)
        state = DemoState()
        for state in _follow(processes, plan, sender, streamer, reconstructor):
            show(state, "running")
            if time.monotonic() - began > plan.time_limit_s:
                break
        show(state, "finishing")
        _take_picture(viewer, screenshot)
        codes = processes.stop()
    taken = screenshot if screenshot is not None and screenshot.exists() else None
    return DemoRun(state, began, codes, taken)


def _start_services(processes: LocalProcesses, plan: DemoPlan, detector: str) -> tuple[Addresses, Addresses]:
    anywhere = "tcp://127.0.0.1:0"
    listening = ["--metrics-port", "0", "--live", anywhere, "--control", anywhere]
    data = plan.folder / "data"
    streamer = processes.start("streamer", "streamer", ["--detector", detector, "--folder", str(data), *listening])
    stream = _addresses(processes, streamer)
    reconstructor = processes.start(
        "reconstructor",
        "reconstructor",
        ["--streamer-live", stream.live, "--streamer-control", stream.control, "--folder", str(data), *listening],
    )
    return stream, _addresses(processes, reconstructor)


def _addresses(processes: LocalProcesses, service: Running) -> Addresses:
    announced = processes.wait_ready(service, READY_TIMEOUT_S)["addresses"]
    return Addresses(live=announced["live"], control=announced["control"])


def _start_viewer(
    processes: LocalProcesses, plan: DemoPlan, streamer: Addresses, volumes: Addresses, screenshot: Path | None
) -> Running | None:
    if plan.screen == "none":
        return None
    display = processes.start_screen() if plan.screen == "xvfb" else None
    arguments = ["--streamer-live", streamer.live, "--streamer-control", streamer.control]
    arguments += ["--reconstructor-live", volumes.live, "--reconstructor-control", volumes.control]
    arguments += ["--metrics-port", "0", "--screenshot", str(screenshot)]
    # The reconstructor must not lose its time to software rendering on a small machine.
    viewer = processes.start("viewer", "viewer", arguments, niceness=5, display=display)
    processes.wait_ready(viewer, READY_TIMEOUT_S)
    return viewer


def _start_sender(processes: LocalProcesses, plan: DemoPlan, detector: str, streamer: Addresses) -> Running:
    control = ["--bind", detector, "--streamer-control", streamer.control]
    return processes.start("sender", "streamer.simulator", [*plan.sender, *control], service=False)


def _follow(
    processes: LocalProcesses, plan: DemoPlan, sender: Running, streamer: Addresses, volumes: Addresses
) -> Iterator[DemoState]:
    state = DemoState()
    feeds = [open_subscriber(streamer), open_subscriber(volumes)]
    quiet_since: float | None = None
    try:
        while quiet_since is None or time.monotonic() - quiet_since < plan.grace_s:
            for feed in feeds:
                for received in feed.receive(POLL_S / len(feeds)):
                    state = observe(state, received.message, time.monotonic() - received.age_s)
            processes.check()
            if quiet_since is None and sender.process.poll() == 0 and state.finished(plan.scans):
                quiet_since = time.monotonic()
            yield state
    finally:
        for feed in feeds:
            feed.close()


def _take_picture(viewer: Running | None, screenshot: Path | None) -> None:
    """Ask the viewer to end; it writes its window as it goes."""
    if viewer is None or screenshot is None:
        return
    viewer.process.terminate()
    try:
        viewer.process.wait(15.0)
    except subprocess.TimeoutExpired:
        viewer.process.kill()


def command_json(arguments: list[str]) -> dict[str, object]:
    """Run a `bragglive` command that writes `--json FILE` and return what it wrote."""
    target = Path(arguments[arguments.index("--json") + 1])
    subprocess.run([sys.executable, "-m", "compose", *arguments], check=True, capture_output=True)
    written: dict[str, object] = json.loads(target.read_text())
    return written
