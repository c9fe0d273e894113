"""One run of `bragglive bench live`: simulator, streamer and reconstructor as processes, then the scans played back."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from compose import demo, live_rows
from compose.demo import DemoPlan
from compose.demo_state import DemoState, ScanSeen
from compose.live_plan import planned, sender_arguments
from compose.live_rows import Row
from compose.local import LocalProcessError
from contract.record import Target

AROUND_S = 120.0
"""Longest that starting the services, computing the scans and ending may take."""


def run(seed: int, folder: Path, show: Callable[[DemoState, str], None]) -> list[Row]:
    """A row a hold, calling `show(state, phase)` meanwhile. LocalProcessError: something did not run as it should."""
    holds, truth = planned(seed), folder / "truth.h5"
    plan = DemoPlan(
        folder=folder,
        scans=sum(hold.role != "impossible" for hold in holds),
        sender=sender_arguments(holds, seed, truth),
        truth=truth,
        screen="none",
        time_limit_s=sum(hold.hold_s for hold in holds) + AROUND_S,
    )
    ran = demo.run(plan, show)
    if len(ran.state.scans) != len(holds):
        raise LocalProcessError(f"{len(ran.state.scans)} scans were seen; wanted {len(holds)} (folder: {folder})")
    unclean = sorted(name for name, code in ran.exit_codes.items() if code)
    show(ran.state, "playing the scans back")
    with ThreadPoolExecutor() as waiting:
        played = list(waiting.map(lambda scan: _played(plan, ran.state, scan), ran.state.scans))
    return [
        {"seed": seed, "unclean_exits": unclean, **live_rows.row(ran.state, scan, hold, back)}
        for scan, hold, back in zip(ran.state.scans, holds, played, strict=True)
    ]


def stopping(stops: int) -> list[Target]:
    """How soon a newer curve stops a refinement, as `bragglive bench stopping` measures it; LocalProcessError: not."""
    with TemporaryDirectory(prefix="bragglive-") as work:
        arguments = ["bench", "stopping", "--stops", str(stops), "--json", str(Path(work) / "stopping.json")]
        return msgspec.convert(_command(arguments)["targets"], list[Target])


def _played(plan: DemoPlan, state: DemoState, scan: ScanSeen) -> Row:
    """What `bragglive playback` says of a scan; of one in a changed crystal also what could have been shown."""
    kept = [volume.archive for volume in scan.volumes if volume.archive]
    out = plan.folder / f"playback-{scan.scan}.json"
    arguments = ["playback", scan.raw_archive, str(plan.truth), "--threads", "1", "--json", str(out)]
    for archive in kept:
        arguments += ["--volume", archive]
    first, second, *_ = state.scans
    if scan is second and first.refined:
        arguments += ["--last", first.refined[-1].archive]
    return _command(arguments)


def _command(arguments: list[str]) -> Row:
    """What a command wrote. LocalProcessError: the last line of what it said instead."""
    try:
        return demo.command_json(arguments)
    except subprocess.CalledProcessError as fault:
        said = fault.stderr.decode(errors="replace").strip().splitlines()
        raise LocalProcessError(f"bragglive {arguments[0]}: {said[-1] if said else fault}") from fault
