"""One scan with its journal: every frame is published once, in any order, and what is late or damaged is told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.messages import (
    Angles,
    FrameBlock,
    Notice,
    Scan,
    ScanEnded,
    ScanStarted,
    Window,
)
from contract.telemetry import CurveClosed, FrameDuplicate, FrameLate, FrameReceived
from streamer.archive import FRAMES, raw_stack_sha256


def test_late_frames_are_offered_as_a_new_end(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """A frame after the closing is journaled, counted, published, and the end and the archive are made anew."""
    one, sent = bench(), series()
    one.send(sent.start, *sent.images[:8], sent.end)
    one.wait(2.1)
    one.archived()
    one.send(sent.images[8])
    messages = one.received()
    statuses = [(message.status, message.missing) for message in messages.of(ScanEnded)]
    assert statuses == [("incomplete", (8,)), ("complete", ())]
    assert len(one.happened(FrameLate)) == 1
    assert sent.is_in(messages.frames(), list(range(9)))
    one.archived()
    with h5py.File(messages.of(ScanEnded)[-1].archive) as file:
        assert np.array_equal(file[FRAMES][...], sent.counts)


def test_a_frame_damaged_inside_is_listed_as_missing_until_it_comes_again(
    bench: Callable[..., Any], series: Callable[..., Any]
) -> None:
    """A payload that LZ4 cannot decode is refused; a good copy of the frame takes its place, also in the archive."""
    one, sent = bench(), series()
    damaged = bytearray(sent.images[4])
    place = damaged.index(b"bslz4") + 25  # behind the header and the length of the first block
    damaged[place : place + 200] = b"\xff" * 200
    one.send(sent.start, *sent.images[:4], bytes(damaged), *sent.images[5:])
    assert one.rejected() == ["decode"]
    assert one.received().of(ScanEnded) == []
    one.send(sent.images[4])
    ended = one.received().of(ScanEnded)[0]
    assert ended.status == "complete"
    assert one.archived()[0].fault == ""
    assert raw_stack_sha256(Path(ended.archive)) == hashlib.sha256(sent.counts.astype("<u4").tobytes()).hexdigest()


def test_a_start_that_comes_after_frames_begins_a_new_window_revision(
    bench: Callable[..., Any], series: Callable[..., Any]
) -> None:
    """The scan is announced anew with all that the start tells, and its frames are published again."""
    one, sent = bench(), series()
    one.send(*sent.images[:5], sent.start, *sent.images[5:])
    messages = one.received()
    assert [(message.window_revision, message.frames_expected) for message in messages.of(ScanStarted)] == [
        (1, 0),
        (2, 9),
    ]
    assert sent.is_in(messages.frames(revision=2), list(range(9)))
    ended = messages.of(ScanEnded)[0]
    assert (ended.status, ended.window_revision) == ("complete", 2)


def test_the_window_is_published_and_the_full_frame_archived(
    bench: Callable[..., Any], series: Callable[..., Any]
) -> None:
    """A region of interest cuts what is published, not what is kept."""
    one, sent = bench(window=Window(row0=10, column0=20, rows=16, columns=12)), series()
    one.send(*sent.messages)
    messages = one.received()
    frames = messages.frames()
    assert all(np.array_equal(frames[i], sent.counts[i, 10:26, 20:32]) for i in range(9))
    one.archived()
    with h5py.File(messages.of(ScanEnded)[0].archive) as file:
        assert np.array_equal(file[FRAMES][...], sent.counts)


def test_angles_told_later_are_journaled_and_published(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """Angles from elsewhere reach the stream, the archive and, after a restart, the frames they belong to."""
    one, sent = bench(), series(step_deg=0.0)
    one.send(*sent.messages)
    angles = Angles(scan=sent.name, index=np.arange(9, dtype=np.int32), angle_deg=np.linspace(0.0, 0.8, 9))
    assert one.tell(angles) == (True, "9 angles of scan series-A taken")
    one.wait(2.1)
    messages = one.received()
    assert np.isnan(messages.of(FrameBlock)[0].angle_deg).all()
    assert messages.of(Angles)[0].angle_deg[8] == 0.8
    one.archived()
    with h5py.File(messages.of(ScanEnded)[-1].archive) as file:
        assert file["entry/sample/rotation_angle"][...] == pytest.approx(angles.angle_deg)
    one.crash()
    assert one.received().of(FrameBlock)[-1].angle_deg[-1] == 0.8
    assert one.tell(Angles(scan=Scan("?"), index=angles.index, angle_deg=angles.angle_deg))[0] is False


def test_what_is_not_known_of_a_scan_is_told(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """A scan without geometry is announced without one, and a notice says so."""
    one = bench()
    one.send(series(notes={"crystal": "IV"}).start)
    messages = one.received()
    assert messages.of(ScanStarted)[0].geometry is None
    assert "no geometry came" in messages.of(Notice)[0].text


def test_each_scan_is_counted_open_and_closed_once(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """Telemetry tells of each closing with its status and what was missing."""
    one, sent = bench(), series()
    one.send(sent.start, *sent.images[:7], sent.end)
    one.wait(2.1)
    closed = one.happened(CurveClosed)
    assert [(record.status, record.missing) for record in closed] == [("incomplete", 2)]
    assert len(one.happened(FrameReceived)) == 7


def test_a_missed_start_costs_no_frame(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """Frames of a series whose start was missed are journaled and published, and the scan is incomplete."""
    one, sent = bench(angle_start_deg=1.0, angle_step_deg=0.5), series()
    one.send(*sent.images[2:6], sent.end)
    one.wait(2.1)
    messages = one.received()
    started, ended = messages.of(ScanStarted)[0], messages.of(ScanEnded)[0]
    assert (started.frames_expected, started.saturation_counts) == (0, 65534)
    assert sent.is_in(messages.frames(), [2, 3, 4, 5])
    assert messages.of(FrameBlock)[0].angle_deg.tolist() == [2.0, 2.5, 3.0, 3.5]
    assert (ended.status, ended.missing, ended.frames_expected) == ("incomplete", (0, 1), 6)
    assert "its start was missed" in " ".join(notice.text for notice in messages.of(Notice))
    assert one.archived()[0].fault == ""


@given(st.permutations(range(9)), st.lists(st.integers(0, 8), max_size=4))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_and_duplicates_give_the_same_scan(
    bench: Callable[..., Any], series: Callable[..., Any], order: list[int], again: list[int]
) -> None:
    """Frames in any order, some twice, are each published once and make a complete scan; duplicates are counted."""
    sent = series(name=f"series-{order}-{again}")
    one = bench()
    one.send(sent.start, *(sent.images[i] for i in [*order[:5], *(i for i in again if i in order[:5]), *order[5:]]))
    messages = one.received()
    assert sent.is_in(messages.frames(), list(range(9)))
    assert messages.of(ScanEnded)[0].status == "complete"
    assert len(one.happened(FrameDuplicate)) == sum(i in order[:5] for i in again)
    one.close()


def test_frames_are_published_while_the_scan_runs(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """A frame waits at most a quarter of a second to be published."""
    one, sent = bench(), series()
    one.send(sent.start, sent.images[0])
    assert one.received().frames() == {}
    one.wait(0.26)
    assert list(one.received().frames()) == [0]
