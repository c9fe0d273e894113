"""Ingest: what went in comes out once, faults are refused and survived, nothing is held for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

from contract.messages import (
    Confirmed,
    FrameBlock,
    Notice,
    Scan,
    ScanAborted,
    ScanEnded,
    ScanStarted,
)
from contract.telemetry import FrameDuplicate, FrameReceived, JournalAppended
from streamer.archive import raw_stack_sha256
from streamer.journal import Journal, JournalError


def test_a_series_becomes_a_complete_scan(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """Start, blocks of all frames, end as complete, archive with the sha256 of what was sent."""
    one, sent = bench(), series()
    one.send(*sent.messages)
    messages = one.received()
    assert [type(message) for message in messages] == [ScanStarted, FrameBlock, FrameBlock, FrameBlock, ScanEnded]
    assert sent.is_in(messages.frames(), list(range(9)))
    ended = messages[-1]
    assert (ended.status, ended.missing, ended.frames_received) == ("complete", (), 9)
    assert one.archived()[0].fault == ""
    assert raw_stack_sha256(Path(ended.archive)) == hashlib.sha256(sent.counts.astype("<u4").tobytes()).hexdigest()


def test_missing_frames_leave_the_scan_incomplete_and_listed(
    bench: Callable[..., Any], series: Callable[..., Any]
) -> None:
    """After the end and its grace the missing indices are listed, in the message and in the archive."""
    one, sent = bench(), series()
    one.send(sent.start, *(sent.images[i] for i in (0, 1, 2, 4, 5, 8)), sent.end)
    one.wait(1.9)
    assert one.received().of(ScanEnded) == []
    one.wait(0.2)
    messages = one.received()
    ended = messages.of(ScanEnded)[0]
    assert (ended.status, ended.missing, ended.frames_received) == ("incomplete", (3, 6, 7), 6)
    assert messages.of(Notice)[0].text == (
        "scan series-A is incomplete, the end marker came before all frames did: 3 of 9 frames are missing (3, 6, 7)"
    )
    one.archived()
    with h5py.File(ended.archive) as file:
        assert file["entry/bragglive/missing"][...].tolist() == [3, 6, 7]


def test_a_scan_without_its_end_is_closed_by_stall(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """Silence closes the scan after the stall time, and not before."""
    one, sent = bench(), series()
    one.send(sent.start, *sent.images[:4])
    one.wait(29.0)
    assert one.received().of(ScanEnded) == []
    one.wait(1.1)
    ended = one.received().of(ScanEnded)[0]
    assert (ended.status, ended.reason) == ("incomplete", "nothing came for 30 s")


def test_the_next_start_closes_the_scan_of_the_same_source_only(
    bench: Callable[..., Any], series: Callable[..., Any]
) -> None:
    """A new series ends the last one of its detector before it begins, and leaves other detectors alone."""
    one, first, second, other = bench(), series("A"), series("B"), series("C")
    one.send(other.start, other.images[0], source="tcp://other")
    one.send(first.start, first.images[0], second.start)
    messages = one.received()
    ended = messages.of(ScanEnded)
    assert [(message.scan, message.reason) for message in ended] == [("A", "the series B began before it was complete")]
    assert messages.index(ended[0]) < messages.index(messages.of(ScanStarted)[2])
    one.send(*other.images[1:], source="tcp://other")
    assert one.received().of(ScanEnded)[0].status == "complete"


def test_an_aborted_scan_is_closed_at_once_and_what_was_on_its_way_is_taken_together(
    bench: Callable[..., Any], series: Callable[..., Any]
) -> None:
    """An operator's word closes the scan; stale frames, as after an abort at the detector, make one new end."""
    one, sent = bench(), series()
    one.send(sent.start, *sent.images[:3])
    assert one.tell(ScanAborted(scan=Scan(""), reason="the beam was lost")) == (True, "scan series-A is aborted")
    first = one.received().of(ScanEnded)[0]
    assert (first.status, first.reason, first.frames_received) == ("aborted", "the beam was lost", 3)
    one.send(*sent.images[3:6])
    one.wait(2.1)
    (again,) = one.received().of(ScanEnded)
    assert (again.status, again.missing) == ("aborted", (6, 7, 8))
    assert one.tell(ScanAborted(scan=Scan(""))) == (False, "no scan is being measured")
    one.crash()
    assert one.received().of(ScanEnded)[-1].status == "aborted"


def test_a_second_reader_of_the_stream_is_recognised(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """When just every other frame comes, people are told once why; random losses are none of that."""
    one, shared, lossy = bench(), series("A", frames=40), series("B", frames=40)
    one.send(shared.start, *shared.images[1::2])
    (notice,) = one.received().of(Notice)
    assert "another program seems to read the same detector stream" in notice.text
    one.send(lossy.start, *(lossy.images[i] for i in range(40) if i % 7 not in (2, 5)))
    assert [message for message in one.received().of(Notice) if "another program" in message.text] == []


def test_two_series_interleaved_are_kept_apart(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """Frames of two series in turn end up in their own scans, none lost, none mixed."""
    one, first, second = bench(), series("A"), series("B", frames=9)
    second.counts[:] = second.counts + 1
    one.send(first.start, *first.images[:3], second.start)
    for left, right in zip(first.images[3:], second.images, strict=False):
        one.send(left, right)
    one.send(*second.images[6:])
    messages = one.received()
    ended = {(message.scan, message.status) for message in messages.of(ScanEnded)}
    assert ended == {("A", "incomplete"), ("A", "complete"), ("B", "complete")}
    by_scan = [messages.about(name).frames() for name in ("A", "B")]
    assert [len(frames) for frames in by_scan] == [9, 9]


def test_repeated_starts_and_ends_change_nothing(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """A start or end that comes twice is one start or end; after the closing a start is refused."""
    one, sent = bench(), series()
    one.send(sent.start, *sent.images[:5], sent.start, *sent.images[5:], sent.end, sent.end)
    messages = one.received()
    assert len(messages.of(ScanStarted)) == 1
    assert messages.of(ScanEnded)[0].status == "complete"
    one.send(sent.start)
    assert one.rejected() == ["series"]
    assert one.received() == []


def test_bad_messages_are_refused_by_reason_and_the_next_good_frame_is_taken(
    bench: Callable[..., Any], series: Callable[..., Any]
) -> None:
    """Garbage, truncated, foreign, oversized and ill-fitting messages are counted, and the scan is complete."""
    one, sent = bench(), series()
    other = series("series-B", shape=(20, 20))
    wrong_size = other.images[3].replace(b"series-B", b"series-A")
    beyond = series(frames=11).images[10]
    one.send(sent.start, b"GET / HTTP/1.1", sent.images[0][:-4], wrong_size, beyond, bytes((1 << 20) + 1), other.end)
    one.send(*sent.images)
    assert one.rejected() == ["garbage", "decode", "size", "series", "size", "series"]
    assert one.received().of(ScanEnded)[0].status == "complete"


def test_foreign_series_without_a_start_are_bounded(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """Frames of ever new series open a few scans and no more."""
    one = bench()
    for number in range(8):
        one.send(series(f"foreign-{number}", frames=2).images[0])
    assert one.rejected() == ["series"] * 4
    assert len(one.journals.scans()) == 4


def test_confirmation_and_archive_let_a_scan_go(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """Only when archive and reconstructor are done does the journal go, and only at the next scan what viewers see."""
    one, sent = bench(), series()
    one.send(sent.start, *sent.images[:8])
    assert one.tell(Confirmed(scan=Scan("series-A"), revision=1)) == (False, "scan series-A is still being measured")
    one.send(sent.images[8])
    assert one.tell(Confirmed(scan=Scan("series-A"), revision=1))[0]
    assert one.heard_by(one.stream.subscriber()).about("series-A").of(FrameBlock)
    assert one.journals.path("series-A").exists()
    one.archived()
    assert "series-A" not in one.ingest.scans
    assert one.retention.prune() == []
    one.free_bytes = 0
    assert one.retention.prune() == [one.journals.path("series-A")]
    assert not one.journals.path("series-A").exists()
    assert one.tell(Confirmed(scan=Scan("series-A"), revision=2))[0]
    one.send(sent.images[3], sent.start)
    assert one.rejected() == ["series", "series"]
    one.send(series(name="series-B").start)
    assert not one.heard_by(one.stream.subscriber()).about("series-A").of(FrameBlock)


def test_unconfirmed_scans_in_memory_are_bounded(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """Without a reconstructor the oldest scans leave memory, told of, and stay in archive and journal."""
    one = bench(unconfirmed_scans=2)
    for name in "ABCD":
        one.send(*series(name).messages)
        one.archived()
    assert list(one.ingest.scans) == ["C", "D"]
    assert len(one.journals.scans()) == 4
    state = one.heard_by(one.stream.subscriber())
    assert {message.scan for message in state.of(ScanStarted)} == {"C", "D"}
    one.crash()
    assert list(one.ingest.scans) == ["C", "D"]


def test_an_archive_that_fails_is_told_and_tried_again(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """While the archive folder cannot be written the journal is kept, and ten seconds later it is tried again."""
    one, sent = bench(), series()
    (one.folder / "scans").write_text("a file where a folder should be")
    one.send(*sent.messages)
    assert "scans" in one.archived()[0].fault
    assert "could not be archived" in one.received().of(Notice)[0].text
    (one.folder / "scans").unlink()
    one.wait(9.0)
    assert one.archived() == []
    one.wait(2.0)
    assert one.archived()[0].fault == ""


def refuse(*arguments: object) -> float:
    raise JournalError("database or disk is full")


def test_while_the_disk_is_full_the_scan_goes_on_in_memory(
    bench: Callable[..., Any], series: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames are published though the disk takes none; accepted and archived they are once it does."""
    one, sent = bench(unwritten_bytes=1 << 20), series()
    with monkeypatch.context() as broken:
        broken.setattr(Journal, "write", refuse)
        one.send(*sent.messages)
        assert sent.is_in(one.received().frames(), list(range(9)))
        one.wait(1.0)
        assert one.happened(FrameReceived) == []
        assert one.archived() == []
        assert one.unwritten.messages == 11
    one.unwritten.flush(1 << 20)
    one.wait()
    assert one.unwritten.empty
    assert len(one.happened(FrameReceived)) == 9
    (result,) = one.archived()
    assert result.fault == ""
    assert raw_stack_sha256(result.target) == hashlib.sha256(sent.counts.astype("<u4").tobytes()).hexdigest()


def test_what_finds_no_room_in_memory_either_can_be_taken_again(
    bench: Callable[..., Any], series: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While journal and memory are full nothing is accepted or published; what was left is accepted once, later."""
    one, sent = bench(unwritten_bytes=0), series()
    with monkeypatch.context() as broken:
        broken.setattr(Journal, "write", refuse)
        with pytest.raises(JournalError, match="limit of 0 MiB: database or disk is full"):
            one.send(sent.start)
    one.send(sent.start, *sent.images[:3])
    waiting = [one.message(image) for image in sent.images[3:]]
    with monkeypatch.context() as broken:
        broken.setattr(Journal, "write", refuse)
        with pytest.raises(JournalError, match="disk is full"):
            one.ingest.take(waiting, one.now_s)
    assert len(one.happened(FrameReceived)) == 3
    assert len(waiting) == 6
    one.ingest.take(waiting, one.now_s)
    assert waiting == []
    assert sent.is_in(one.received().frames(), list(range(9)))


def test_frames_that_wait_together_are_durable_together(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """Frames of two series in turn need one commit a series, doubles among them are counted, and none is lost."""
    one, first, second = bench(), series("A"), series("B")
    one.send(first.start)
    one.send(second.start, source="tcp://other")
    before = len(one.happened(JournalAppended))
    turns = [message for pair in zip(first.images, second.images, strict=True) for message in pair]
    assert one.send_at_once(*turns) == []
    assert [record.records for record in one.happened(JournalAppended)[before:] if record.records] == [9, 9]
    messages = one.received()
    assert {message.status for message in messages.of(ScanEnded)} == {"complete"}
    assert first.is_in(messages.about("A").frames(), list(range(9)))
    assert second.is_in(messages.about("B").frames(), list(range(9)))


def test_what_is_not_just_a_frame_waits_for_its_turn(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """A start, a double, garbage and the next series among waiting frames have the effect they have one by one."""
    together, apart, sent, following = bench(), bench(), series("A"), series("B")
    messages = [sent.start, *sent.images[:4], sent.images[2], b"garbage", *sent.images[4:7], following.start]
    messages += [sent.images[7], *following.images, sent.images[8]]
    assert together.send_at_once(*messages) == []
    apart.send(*messages)
    assert together.rejected() == apart.rejected() == ["garbage"]
    assert len(together.happened(FrameDuplicate)) == len(apart.happened(FrameDuplicate)) == 1
    heard = [one.received() for one in (together, apart)]
    ends = [[(end.scan, end.status, end.missing) for end in one.of(ScanEnded)] for one in heard]
    assert ends[0] == ends[1]
    assert all(sent.is_in(one.about("A").frames(), list(range(9))) for one in heard)
