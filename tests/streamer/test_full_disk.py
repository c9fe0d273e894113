"""A real disk that is full, or read-only: the scan goes on, and nothing is lost when there is room again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.messages import ScanEnded
from streamer.archive import raw_stack_sha256
from streamer.journal import At, Journal, JournalError, Record
from tests.streamer.conftest import mounted
from tests.streamer.loop import Loop

DISK_BYTES = 16 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB in memory; skipped where mounting is not allowed."""
    with mounted(tmp_path / "disk", DISK_BYTES) as folder:
        yield folder


def fill(folder: Path) -> Path:
    """Fill the disk to its last byte; the file that did it."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        block = bytes(64 << 10)
        try:
            while True:
                file.write(block)
        except OSError:
            return ballast


@pytest.mark.parametrize("before", [0, 4])
def test_a_scan_goes_on_while_the_disk_is_full(
    disk: Path, tmp_path: Path, series: Callable[..., Any], before: int
) -> None:
    """From its start or from its fourth frame on, a scan is completed in memory; later it is durable and archived."""
    sent, loop = series(frames=9), Loop(disk, tmp_path)
    telemetry = loop.telemetry
    try:
        loop.step_until(loop.service.ready)
        for message in sent.messages[:before]:
            loop.detector.send(message)
        loop.step_until(lambda: (telemetry.value("journal_appends_total") or 0) == before)
        ballast = fill(disk)
        for message in sent.messages[before:]:
            loop.detector.send(message)
        loop.step_until(lambda: any(isinstance(message, ScanEnded) for message in loop.heard))
        loop.step_until(lambda: (telemetry.value("journal_errors_total", kind="write") or 0) >= 2)
        assert not loop.service.ready()
        assert telemetry.value("frames_received_total", source=loop.source) in (None, max(0, before - 1))
        ballast.unlink()
        (ended,) = [message for message in loop.heard if isinstance(message, ScanEnded)]
        loop.step_until(lambda: Path(ended.archive).exists())
        assert loop.service.ready()
        assert (ended.status, ended.missing) == ("complete", ())
        assert telemetry.value("frames_received_total", source=loop.source) == 9
        sha256 = hashlib.sha256(sent.counts.astype("<u4").tobytes()).hexdigest()
        assert raw_stack_sha256(Path(ended.archive)) == sha256
    finally:
        loop.close()


def test_one_journal_that_turns_read_only_holds_up_no_other(tmp_path: Path, series: Callable[..., Any]) -> None:
    """While one scan's journal takes nothing, the next scan is durable and archived as ever."""
    first, second, loop = series("A"), series("B"), Loop(tmp_path)
    try:
        loop.step_until(loop.service.ready)
        for message in first.messages[:5]:
            loop.detector.send(message)
        loop.step_until(lambda: loop.telemetry.value("journal_appends_total") == 5)
        connection = loop.service._ingest.scans["A"].journal._journal._connection  # type: ignore[index, union-attr]
        connection.execute("PRAGMA query_only = ON")
        for message in [*first.messages[5:], *second.messages]:
            loop.detector.send(message)
        loop.step_until(lambda: sum(isinstance(message, ScanEnded) for message in loop.heard) == 2)
        ended = {message.scan: message for message in loop.heard if isinstance(message, ScanEnded)}
        assert {message.status for message in ended.values()} == {"complete"}
        loop.step_until(lambda: Path(ended["B"].archive).exists())
        assert not Path(ended["A"].archive).exists()
        connection.execute("PRAGMA query_only = OFF")
        loop.step_until(lambda: Path(ended["A"].archive).exists())
    finally:
        loop.close()


def test_when_memory_is_full_too_the_detector_waits(disk: Path, tmp_path: Path, series: Callable[..., Any]) -> None:
    """Disk and memory full, messages wait in the queue; with room again every frame is accepted, in one archive."""
    sent, loop = series(frames=60), Loop(disk, tmp_path, unwritten_bytes=20_000, queue_frames=16)
    try:
        loop.step_until(loop.service.ready)
        ballast = fill(disk)
        for message in sent.messages:
            loop.detector.send(message)
        loop.step_until(lambda: (loop.telemetry.value("journal_errors_total", kind="write") or 0) >= 3)
        loop.step_until(lambda: len(loop.service._queue) == 16)
        assert not any(isinstance(message, ScanEnded) for message in loop.heard)
        ballast.unlink()
        loop.step_until(lambda: any(isinstance(message, ScanEnded) for message in loop.heard))
        assert loop.telemetry.value("frames_received_total", source=loop.source) == 60
        assert not loop.telemetry.value("messages_dropped_total", stage="frames", reason="journal")
    finally:
        loop.close()


def test_a_journal_that_may_not_grow_refuses_whole_groups(tmp_path: Path) -> None:
    """SQLite says "full" in the middle of a group: none of it is durable, what was before is, and all is in the end."""
    journal = Journal.create(tmp_path / "scan.sqlite")
    at = At(0, 0)
    journal.write([Record("frame", 0, [bytes(50_000)], at)])
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count = {pages + 5}")
    group = [Record("frame", index, [bytes(50_000)], at) for index in range(1, 5)]
    with pytest.raises(JournalError, match="full"):
        journal.write(group, {"state": "never"})
    assert [entry.frame for entry in journal.entries()] == [0]
    assert journal.get("state", str) is None
    journal._connection.execute("PRAGMA max_page_count = 4294967294")
    journal.write(group)
    assert [entry.frame for entry in journal.entries()] == [0, 1, 2, 3, 4]


def test_a_journal_that_cannot_be_made_leaves_nothing_behind(disk: Path) -> None:
    """On a full disk no half journal stays in the way of the next attempt."""
    ballast = fill(disk)
    path = disk / "scan.sqlite"
    with pytest.raises(JournalError):
        Journal.create(path)
    ballast.unlink()
    Journal.create(path).close()
