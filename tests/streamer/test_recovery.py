"""Recovery: after a crash at any point nothing accepted is lost, and what is damaged is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from contract.messages import (
    Confirmed,
    Notice,
    Scan,
    ScanEnded,
)
from contract.telemetry import JournalFault, JournalRecovered
from streamer.journal import Journal


@pytest.mark.parametrize("frames_before", [0, 1, 5, 8, 9])
def test_a_crash_loses_nothing_that_was_accepted(
    bench: Callable[..., Any], series: Callable[..., Any], frames_before: int
) -> None:
    """After a crash at any point a new subscriber gets the scan from its first frame, and it is completed."""
    one, sent = bench(), series()
    one.send(sent.start, *sent.images[:frames_before])
    one.crash()
    late = one.stream.subscriber()
    one.send(*sent.images[frames_before:], sent.end)
    messages = one.heard_by(late)
    assert sent.is_in(messages.frames(), list(range(9)))
    assert messages.of(ScanEnded)[-1].status == "complete"
    assert len(one.happened(JournalRecovered)) == 1
    assert one.archived()[-1].fault == ""


def test_a_scan_closed_before_a_crash_is_published_and_archived_after_it(
    bench: Callable[..., Any], series: Callable[..., Any]
) -> None:
    """A closed scan that was neither archived nor confirmed is taken up as it was closed."""
    one, sent = bench(), series()
    one.send(sent.start, *sent.images[:7], sent.end)
    one.wait(2.1)
    before = one.received().of(ScanEnded)[0]
    one.crash()
    messages = one.heard_by(one.stream.subscriber())
    assert messages.of(ScanEnded) == [before]
    assert sent.is_in(messages.frames(), list(range(7)))
    assert [result.fault for result in one.archived()] == [""]


def test_a_damaged_record_is_missing_and_told_and_all_others_are_recovered(
    bench: Callable[..., Any], series: Callable[..., Any]
) -> None:
    """A bit flipped in the journal while nothing ran costs one frame, which is listed as missing."""
    one, sent = bench(), series()
    one.send(sent.start, *sent.images)
    journal = Journal.open(one.journals.path("series-A"))
    journal._connection.execute("UPDATE record SET crc32c = crc32c + 1 WHERE frame = 6")
    journal._connection.execute("UPDATE fact SET value = '{}' WHERE name = 'state'")
    journal._connection.commit()
    journal.close()
    one.crash()
    one.wait(30.1)
    ended = one.received().of(ScanEnded)[-1]
    assert (ended.status, ended.missing) == ("incomplete", (6,))
    assert "record 8: its CRC32C" in one.happened(JournalFault)[0].detail


def test_an_unreadable_journal_is_set_aside(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """A file that is no journal any more is renamed, told of, and does not keep the service from starting."""
    one, sent = bench(), series()
    one.send(*sent.messages)
    one.archived()
    path = one.journals.path("series-A")
    one.ingest.close(one.now_s)
    one.received()
    path.write_bytes(b"\x00" * 5000)
    one.crash()
    assert one.journals.scans() == []
    assert [found.name for found in path.parent.glob("*.damaged-*")] == [path.name + ".damaged-1"]
    assert "was set aside" in one.received().of(Notice)[-1].text


def test_journals_are_kept_while_there_is_room(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """A journal outlives archive and confirmation, a restart does not publish it again, and then it may go."""
    one, sent = bench(), series()
    one.send(*sent.messages)
    one.archived()
    one.tell(Confirmed(scan=Scan("series-A"), revision=1))
    assert one.journals.path("series-A").exists()
    one.received()
    one.crash()
    assert one.received() == []
    one.send(sent.start)
    assert one.rejected() == ["series"]
    one.free_bytes = 0
    assert one.retention.prune() == [one.journals.path("series-A")]


def test_an_archive_never_takes_the_name_of_another(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """A file that is there already is not overwritten."""
    one, sent = bench(), series()
    one.send(*sent.messages)
    first = one.received().of(ScanEnded)[0].archive
    one.archived()
    one.tell(Confirmed(scan=Scan("series-A"), revision=1))
    one.free_bytes = 0
    one.retention.prune()
    one.crash()
    one.send(*sent.messages)
    second = one.received().of(ScanEnded)[-1].archive
    assert second == first.replace(".h5", "-2.h5")
