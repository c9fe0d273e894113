"""The streamer's loop when the disk fails: frames wait, the fault is loud, nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.messages import Crystal, Hold, HoldStarted, ScanEnded
from streamer.journal import Journal, JournalError
from streamer.service import StreamerService
from tests.streamer.loop import WAIT_S, Loop


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    one = Loop(tmp_path)
    yield one
    one.close()


def full(*arguments: object) -> float:
    raise JournalError("database or disk is full")


def test_while_the_disk_is_full_scans_go_on_and_none_is_lost(
    loop: Loop, series: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service is not ready and says so once, the scan is completed in memory, and is durable in the end."""
    sent = series()
    for message in [sent.start, *sent.images[:3]]:
        loop.detector.send(message)
    loop.step_until(lambda: loop.telemetry.value("journal_appends_total") == 4)
    assert loop.service.ready()
    with monkeypatch.context() as broken:
        broken.setattr(Journal, "write", full)
        for message in sent.images[3:]:
            loop.detector.send(message)
        loop.step_until(lambda: (loop.telemetry.value("journal_errors_total", kind="write") or 0) >= 3)
        assert not loop.service.ready()
        loop.step_until(lambda: any(isinstance(message, ScanEnded) for message in loop.heard))
        assert loop.telemetry.value("journal_appends_total") == 4
    loop.step_until(loop.service.ready)
    assert loop.telemetry.value("journal_appends_total") == 10
    loop.step_until(lambda: len(loop.notices()) == 2)
    assert [message.status for message in loop.heard if isinstance(message, ScanEnded)] == ["complete"]
    assert loop.notices() == [
        "the journal cannot be written, up to 1024 MiB are kept in memory: database or disk is full",
        "the journal can be written again, nothing was lost",
    ]


def test_closing_brings_what_was_received_to_the_journal(loop: Loop, series: Callable[..., Any]) -> None:
    """Messages that wait in the queue when the service is told to stop are accepted before it ends."""
    sent = series()
    loop.step_until(loop.service.ready)
    for message in sent.messages:
        loop.detector.send(message)
    queue = loop.service._queue
    end_s = time.monotonic() + WAIT_S
    while len(queue) < len(sent.messages):
        assert time.monotonic() < end_s
    path = loop.service._journals.path(sent.name)
    assert not path.exists()
    loop.service.close()
    journal = Journal.open(path)
    assert [entry.frame for entry in journal.entries("frame")] == list(range(9))
    journal.close()
    loop.service = StreamerService(loop.service.settings, loop.telemetry)
    loop.service.open()


def test_what_cannot_be_made_durable_is_answered_with_no(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that tells of a hold while the disk is full is told that it was not taken."""
    loop.step_until(loop.service.ready)
    answers: list[tuple[bool, str]] = []

    class Asked:
        message = HoldStarted(hold=Hold("IV-1"), crystal=Crystal("IV"))

        @staticmethod
        def answer(ok: bool, text: str) -> None:
            answers.append((ok, text))

    with monkeypatch.context() as broken:
        broken.setattr(Journal, "write", full)
        loop.service._answer(Asked)  # type: ignore[arg-type]
    assert answers == [(False, "it could not be made durable: database or disk is full")]
