"""Windows that follow a crystal through ingest: found, followed, undone, set by hand, kept over a restart."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import msgspec
import numpy as np
import pytest

from contract.messages import Confirmed, Notice, RegionChosen, RegionSet, Scan, ScanEnded, ScanStarted, Window
from streamer.archive import FRAMES
from streamer.region import Follow
from tests.streamer.conftest import GEOMETRY
from tests.streamer.loop import Loop
from tests.streamer.rocked import SHAPE, rocked

FOLLOW = Follow(64, 64)
NOTES = {"geometry": msgspec.to_builtins(GEOMETRY), "crystal": "IV"}
HOME, MOVED = (100.0, 90.0), (104.0, 160.0)
"""A crystal's peak, and 70 pixels further along the ring"""


@pytest.fixture
def scan(series: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a series in which a crystal's peak rocks, and that of others."""

    def make(name: str, *peaks: tuple[float, float, float], crystal: str = "IV", **more: Any) -> Any:
        notes = {**NOTES, "crystal": crystal}
        return series(name=name, counts=rocked(*peaks, **more), shape=SHAPE, notes=notes)

    return make


def cut(sent: Any, window: Window) -> Any:
    return sent.counts[:, window.row0 : window.row0 + window.rows, window.column0 : window.column0 + window.columns]


def settled(one: Any) -> Any:
    """What was published, once time enough has passed for every move."""
    for _ in range(4):
        one.wait(0.3)
    return one.received()


def window_of(heard: Any, sent: Any) -> Window:
    """The newest window of a scan that is complete, every frame of which was published in it as it was sent."""
    started = heard.about(sent.name).of(ScanStarted)[-1]
    frames = heard.about(sent.name).frames(started.window_revision)
    assert sorted(frames) == list(range(len(sent.counts)))
    assert all(np.array_equal(counts, cut(sent, started.window)[index]) for index, counts in frames.items())
    ended = heard.about(sent.name).of(ScanEnded)[-1]
    assert (ended.status, ended.window_revision) == ("complete", started.window_revision)
    window: Window = started.window
    return window


def middle(window: Window) -> tuple[float, float]:
    return window.row0 + window.rows / 2, window.column0 + window.columns / 2


def test_the_brightest_peak_of_the_first_scan_is_found(bench: Callable[..., Any], scan: Callable[..., Any]) -> None:
    """The scan begins with the whole image, and goes on in a window about its peak."""
    one, sent = bench(follow=FOLLOW), scan("first", (*HOME, 300.0))
    one.send(*sent.messages)
    heard = settled(one)
    assert middle(window_of(heard, sent)) == pytest.approx(HOME, abs=2)
    assert [message.window_revision for message in heard.of(ScanStarted)] == [1, 2]
    assert [message.chosen for message in heard.of(RegionChosen)] == ["searched", "found"]
    late = one.stream.subscriber()
    assert {message.window_revision for message in one.heard_by(late).of(ScanEnded)} <= {2}


def test_a_crystal_that_moves_70_pixels_stays_in_the_window(
    bench: Callable[..., Any], scan: Callable[..., Any]
) -> None:
    """The second scan is cut anew about the peak, the shift is told and archived, and the third begins there."""
    one = bench(follow=FOLLOW)
    sent = [scan("a", (*HOME, 300.0)), scan("b", (*MOVED, 250.0), seed=1), scan("c", (*MOVED, 200.0), seed=2)]
    heard = []
    for series in sent:
        one.send(*series.messages)
        heard.append(settled(one))
        one.archived()
    assert middle(window_of(heard[1], sent[1])) == pytest.approx(MOVED, abs=2)
    chosen = heard[1].of(RegionChosen)
    assert [message.chosen for message in chosen] == ["followed", "moved"]
    assert (chosen[-1].since, chosen[-1].crystal) == ("a", "IV")
    assert chosen[-1].shift_px == pytest.approx((4, 70), abs=2)
    assert chosen[-1].peak_px == pytest.approx(MOVED, abs=1)
    with h5py.File(heard[1].of(ScanEnded)[-1].archive) as file:
        assert np.array_equal(file[FRAMES][...], sent[1].counts)
        assert file["entry/bragglive/window_shift"][...].tolist() == list(chosen[-1].shift_px)
        assert file["entry/bragglive/window_chosen"].asstr()[()] == "moved"
    window = window_of(heard[2], sent[2])
    assert middle(window) == middle(window_of(heard[1], sent[1]))
    assert [message.chosen for message in heard[2].of(RegionChosen)] == ["followed"]


def test_small_movements_move_no_window(bench: Callable[..., Any], scan: Callable[..., Any]) -> None:
    """While the margin is kept nothing is published twice."""
    one = bench(follow=FOLLOW)
    for series in (scan("a", (*HOME, 300.0)), scan("b", (HOME[0] + 5, HOME[1] - 4, 300.0), seed=1)):
        one.send(*series.messages)
        heard = settled(one)
    assert len(heard.of(ScanStarted)) == 1
    assert heard.of(RegionChosen)[0].shift_px == (0, 0)


def test_each_crystal_has_its_own_window(bench: Callable[..., Any], scan: Callable[..., Any]) -> None:
    """Also where a brighter neighbour's peak is on the image: IV stays IV, V stays V."""
    one = bench(follow=FOLLOW)
    other = (160.0, 220.0)
    found = {}
    plan = [("IV", 1, (*HOME, 900.0)), ("V", 2, (*other, 900.0))]
    plan += [("IV", 3, (*HOME, 300.0)), ("V", 4, (*other, 300.0)), ("IV", 5, (*MOVED, 300.0))]
    for crystal, number, own in plan:
        neighbour = ((*other, 1500.0) if crystal == "IV" else (*HOME, 1500.0)) if number > 2 else own
        sent = scan(f"scan-{number}", own, neighbour, crystal=crystal, seed=number)
        one.send(*sent.messages)
        found[number] = middle(window_of(settled(one), sent))
    assert found[3] == pytest.approx(HOME, abs=2)
    assert found[4] == pytest.approx(other, abs=2)
    assert found[5] == pytest.approx(MOVED, abs=2)


def test_a_wrong_window_is_undone_at_the_scans_end(bench: Callable[..., Any], scan: Callable[..., Any]) -> None:
    """A brighter peak that comes last is not seen until then: the first window is given up, from the journal."""
    one = bench(follow=FOLLOW)
    counts = rocked((*HOME, 100.0), frames=32, at_frame=8) + rocked((160.0, 220.0, 900.0), frames=32, at_frame=29)
    sent = scan("late", (*HOME, 100.0))
    sent = type(sent)(name="late", counts=counts, shape=SHAPE, notes=NOTES)
    one.send(*sent.messages)
    heard = settled(one)
    assert middle(window_of(heard, sent)) == pytest.approx((160.0, 220.0), abs=2)
    assert [message.chosen for message in heard.of(RegionChosen)] == ["searched", "found", "moved"]
    assert "moved" not in [message.level for message in heard.of(Notice)]


def test_a_peak_that_is_lost_leaves_the_window_and_is_told(bench: Callable[..., Any], scan: Callable[..., Any]) -> None:
    """Where nothing is like the crystal's last peak, the window stays, and a warning says so."""
    one = bench(follow=FOLLOW)
    one.send(*scan("a", (*HOME, 900.0)).messages)
    settled(one)
    one.send(*(sent := scan("b", (*HOME, 0.0))).messages)
    heard = settled(one)
    assert middle(window_of(heard, sent)) == pytest.approx(HOME, abs=2)
    assert any("no Bragg peak" in notice.text for notice in heard.of(Notice))


def test_a_window_set_by_hand_stays(bench: Callable[..., Any], scan: Callable[..., Any]) -> None:
    """It cuts the newest scan anew, also one that is over, and the crystal's next ones, until it is found anew."""
    one, wanted = bench(follow=FOLLOW), Window(row0=20, column0=30, rows=50, columns=40)
    first, second = scan("a", (*HOME, 300.0)), scan("b", (*MOVED, 300.0))
    one.send(*first.messages)
    settled(one)
    assert one.tell(RegionSet(scan=Scan(""), window=wanted))[0]
    heard = settled(one)
    assert window_of(heard, first) == wanted
    assert heard.of(RegionChosen)[-1].chosen == "set"
    one.send(*second.messages)
    heard = settled(one)
    assert window_of(heard, second) == wanted
    assert any("outside of the window that was set by hand" in notice.text for notice in heard.of(Notice))
    assert one.tell(RegionSet(scan=Scan("b")))[0]
    assert middle(window_of(settled(one), second)) == pytest.approx(MOVED, abs=2)


def test_a_scan_that_was_let_go_is_cut_anew_from_its_journal(
    bench: Callable[..., Any], scan: Callable[..., Any]
) -> None:
    """Archived, confirmed and forgotten, it is published and archived again with another window."""
    one, sent, wanted = bench(), scan("a", (*HOME, 300.0)), Window(row0=68, column0=58, rows=64, columns=64)
    one.send(*sent.messages)
    archive = one.received().of(ScanEnded)[0].archive
    one.archived()
    assert one.tell(Confirmed(scan=Scan("a"), revision=1))[0]
    assert not one.ingest.scans
    assert one.tell(RegionSet(scan=Scan("a"), window=wanted))[0]
    heard = one.received()
    assert window_of(heard, sent) == wanted
    one.archived()
    with h5py.File(archive) as file:
        assert file["entry/bragglive/window"][...].tolist() == [68, 58, 64, 64]
        assert np.array_equal(file[FRAMES][...], sent.counts)
    assert one.tell(Confirmed(scan=Scan("a"), revision=2))[0]
    assert not one.ingest.scans


def test_what_cannot_be_cut_is_refused(bench: Callable[..., Any], scan: Callable[..., Any]) -> None:
    """A window beyond the image, a scan nobody knows, and following without a size."""
    one = bench()
    one.send(scan("a", (*HOME, 300.0)).start)
    beyond = Window(row0=SHAPE[0] - 10, column0=0, rows=20, columns=20)
    assert "200 rows and 260 columns" in one.tell(RegionSet(scan=Scan("a"), window=beyond))[1]
    assert "not known" in one.tell(RegionSet(scan=Scan("?"), window=Window(row0=0, column0=0, rows=9, columns=9)))[1]
    assert "follow" in one.tell(RegionSet(scan=Scan("a")))[1]


@pytest.mark.parametrize("before_crash", [6, 11, 16])
def test_a_restart_in_the_middle_changes_nothing(
    bench: Callable[..., Any], scan: Callable[..., Any], before_crash: int
) -> None:
    """Before the peak is found, after the window moved, before the end: the scan comes out in its window, whole."""
    one, sent = bench(follow=FOLLOW), scan("a", (*HOME, 300.0))
    one.send(sent.start, *sent.images[:before_crash])
    one.received()
    one.policy["follow"] = FOLLOW
    one.crash()
    one.send(*sent.images[before_crash:], sent.end)
    assert middle(window_of(settled(one), sent)) == pytest.approx(HOME, abs=2)
    one.policy["follow"] = FOLLOW
    one.crash()
    one.received()
    one.send(*(second := scan("b", (*HOME, 300.0), seed=1)).messages)
    heard = settled(one).about("b")
    assert window_of(heard, second) == heard.of(ScanStarted)[0].window


def test_a_frame_whose_record_was_damaged_is_missing_in_the_new_window(
    bench: Callable[..., Any], scan: Callable[..., Any]
) -> None:
    """Published in the old window, it cannot be cut to the new one: it is listed, and taken when it comes again."""
    one, sent = bench(follow=FOLLOW), scan("a", (*HOME, 300.0))
    one.send(sent.start, *sent.images[:3])
    with closing(sqlite3.connect(one.journals.path("a"))) as journal, journal:
        journal.execute("UPDATE record SET body = zeroblob(length(body)) WHERE frame = 1")
    one.send(*sent.images[3:], sent.end)
    one.wait(3.0)
    heard = settled(one)
    ended = heard.of(ScanEnded)[-1]
    assert (ended.status, ended.missing, ended.window_revision) == ("incomplete", (1,), 2)
    assert sorted(heard.frames(2)) == [index for index in range(16) if index != 1]
    one.send(sent.images[1])
    assert settled(one).of(ScanEnded)[-1].status == "complete"


def test_over_real_sockets_the_crystal_stays_in_the_window(tmp_path: Path, scan: Callable[..., Any]) -> None:
    """A detector sends two scans between which the crystal moved 70 pixels; a subscriber has both in their windows."""
    loop = Loop(tmp_path, follow=(64, 64))
    try:
        loop.step_until(loop.service.ready)
        for sent, place in ((scan("a", (*HOME, 300.0)), HOME), (scan("b", (*MOVED, 250.0), seed=1), MOVED)):
            for message in sent.messages:
                loop.detector.send(message)
            loop.step_until(lambda name=sent.name: any(m.scan == name for m in loop.heard if isinstance(m, ScanEnded)))
            heard = [m for m in loop.heard if getattr(m, "scan", None) == sent.name]
            started = [m for m in heard if isinstance(m, ScanStarted)][-1]
            assert middle(started.window) == pytest.approx(place, abs=2)
            blocks = [m for m in heard if getattr(m, "counts", None) is not None]
            blocks = [m for m in blocks if m.window_revision == started.window_revision]
            frames = {int(i): counts for block in blocks for i, counts in zip(block.index, block.counts, strict=True)}
            assert np.array_equal(np.stack([frames[i] for i in range(16)]), cut(sent, started.window))
    finally:
        loop.close()
