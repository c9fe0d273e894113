"""Everything that can go wrong on the wire, one thing at a time and in pairs, through ingest with a real journal."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest

from contract.messages import FrameBlock, ScanAborted
from streamer.bench_faults import Soak
from streamer.checker import Account, account, put_together
from streamer.fault_plan import DEEDS, SPOILERS, Run, plan
from streamer.fault_report import targets

PAIRS = [*((name,) for name in SPOILERS), *combinations(SPOILERS, 2)]


def performed(one: Any, run: Run) -> Account:
    """Send a run to a bench, with a crash in the middle where there is a kill, and account for what came of it."""
    before: set[tuple[str, int]] = set()
    heard: set[tuple[str, int]] = set()
    for step in run.steps:
        if step.deed == "send":
            one.send(step.message)
        elif step.deed in ("kill", "rot"):
            before |= heard
            one.crash()
        elif step.deed == "abort":
            one.tell(ScanAborted(scan=""))  # type: ignore[arg-type]
        elif step.deed == "pause":
            one.wait(step.seconds * 10)
        blocks = one.received().of(FrameBlock)
        heard |= {(block.scan, index) for block in blocks for index in block.index.tolist()}
    one.wait(30.1)
    one.wait(2.1)
    final = one.heard_by(one.stream.subscriber())
    return sum(
        (
            account(
                series,
                put_together(final, series.scan),
                {index for scan, index in before if scan == series.scan},
                {index for scan, index in heard if scan == series.scan},
            )
            for series in run.series
        ),
        Account(),
    )


@pytest.mark.parametrize("spoilers", PAIRS, ids=" + ".join)
def test_no_fault_of_the_wire_loses_a_frame(bench: Callable[..., Any], spoilers: tuple[str, ...]) -> None:
    """Whatever one or two things go wrong, all frames are in the scan or listed, nothing else is, and it is closed."""
    run = plan(PAIRS.index(spoilers), spoilers, ())
    found = performed(bench(unwritten_bytes=1 << 20), run)
    assert found.faults == 0
    assert found.sent > 0 or "start" in " ".join(spoilers) or "stops" in " ".join(spoilers)


@pytest.mark.parametrize("seed", range(12))
def test_crashes_between_faults_lose_nothing(bench: Callable[..., Any], seed: int) -> None:
    """The process ends and starts anew in the middle of a faulty scan, and goes on where it stood."""
    run = plan(seed, ("drop", "duplicate", "reorder", "garbage"), ("kill -9", "pause", "abort"))
    found = performed(bench(unwritten_bytes=1 << 20), run)
    assert found.faults == 0
    assert found.kept > 0


def test_plans_are_their_seeds() -> None:
    """A seed makes the same run each time, different seeds different ones, and every fault is drawn some time."""
    assert plan(7).steps == plan(7).steps
    assert plan(7).steps != plan(8).steps
    drawn = {name for seed in range(300) for name in plan(seed).faults}
    assert drawn == {*SPOILERS, *DEEDS, "interleaved series"}


def test_a_streamer_process_is_killed_stopped_and_starved_and_loses_nothing(tmp_path: Any) -> None:
    """On real sockets and files: kill −9, SIGSTOP, a disk that takes nothing, strangers, and an operator's abort."""
    soak = Soak(tmp_path)
    soak.open()
    try:
        results = [soak.run(seed, plan(seed, ("drop", "reorder"), (deed,))) for seed, deed in enumerate(DEEDS)]
    finally:
        soak.close()
    assert [target.name for target in targets(results) if not target.met] == []
    assert sum(len(result.recovery_s) for result in results) == 2
    assert sum(result.account.rotten for result in results) == 1
