"""Frames that come after their scan was let go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import pytest

from contract.messages import Angles, Confirmed, Notice, Scan, ScanEnded
from contract.telemetry import FrameDuplicate

NAME = Scan("series-A")


def let_go(one: Any, sent: Any, frames: int) -> None:
    """The beam goes away after `frames` frames: the scan is closed, archived and confirmed."""
    one.send(sent.start, *sent.images[:frames])
    one.wait(31.0)
    one.archived()
    assert one.tell(Confirmed(scan=NAME, revision=1))[0]
    assert NAME not in one.ingest.scans


@pytest.mark.parametrize("restart", [False, True], ids=["at once", "after a restart"])
def test_the_rest_of_a_scan_that_was_let_go_is_taken(
    bench: Callable[..., Any], series: Callable[..., Any], restart: bool
) -> None:
    """The beam is back after the incomplete scan was refined: all its frames get into stream and archive, complete."""
    one, sent = bench(), series()
    let_go(one, sent, 5)
    if restart:
        one.crash()
    one.received()
    one.send(*sent.images[5:], sent.end)
    one.wait(3.0)
    assert one.archived()[-1].fault == ""
    ended = one.received().about(NAME).of(ScanEnded)
    assert (ended[-1].status, ended[-1].missing) == ("complete", ())
    assert sent.is_in(one.heard_by(one.stream.subscriber()).about(NAME).frames(), list(range(9)))
    with h5py.File(ended[-1].archive) as archive:
        assert np.array_equal(archive["entry/data/data"][:], sent.counts)
    assert one.rejected() == []
    one.free_bytes = 0
    assert one.retention.prune() == []  # not confirmed yet: its journal is needed again
    assert one.tell(Confirmed(scan=NAME, revision=2))[0]
    assert one.retention.prune() == [one.journals.path(NAME)]


def test_a_confirmed_scan_that_is_not_archived_yet_takes_its_rest(
    bench: Callable[..., Any], series: Callable[..., Any]
) -> None:
    """Also where the process that confirmed it was killed: then nobody has been told of it, and now all of it is."""
    one, sent = bench(), series()
    (one.folder / "scans").write_text("a file where a folder should be")
    one.send(sent.start, *sent.images[:5])
    one.wait(31.0)
    assert one.tell(Confirmed(scan=NAME, revision=1))[0]
    one.crash()
    one.send(*sent.images[5:], sent.end)
    one.wait(3.0)
    assert sent.is_in(one.heard_by(one.stream.subscriber()).about(NAME).frames(), list(range(9)))
    assert one.ingest.scans[NAME].state.confirmed is None


def test_frames_that_are_in_the_journal_wake_no_scan(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """A detector that sends old frames again costs a look into the journal each."""
    one, sent = bench(), series()
    let_go(one, sent, 9)
    one.send(*sent.images)
    assert NAME not in one.ingest.scans
    assert len(one.happened(FrameDuplicate)) == 9


def test_closed_scans_that_cannot_be_archived_are_bounded(
    bench: Callable[..., Any], series: Callable[..., Any]
) -> None:
    """The oldest leave memory, told of; their journals stay, and a start with a better disk archives them."""
    one = bench(unconfirmed_scans=2)
    (one.folder / "scans").write_text("a file where a folder should be")
    for name in "ABCD":
        one.send(*series(name).messages)
        one.archived()
    assert list(one.ingest.scans) == ["C", "D"]
    assert any("scan A cannot be archived" in notice.text for notice in one.received().of(Notice))
    (one.folder / "scans").unlink()
    one.crash()
    assert {result.scan for result in one.archived() if not result.fault} == set("ABCD")


def test_angles_of_frames_that_there_are_not_are_refused(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """The answer names the index and those there are; none of the message's angles is taken."""
    one, sent = bench(), series()
    one.send(sent.start, sent.images[0])
    said = Angles(scan=NAME, index=np.array([0, 9], np.int32), angle_deg=np.array([1.0, 2.0]))
    done, text = one.tell(said)
    assert not done
    assert "no frame 9, wanted 0 to 8" in text
    assert not one.received().of(Angles)
