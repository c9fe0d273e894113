"""Holds as they are told: durable, published, and the scans that follow belong to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h5py
import pytest

from contract.messages import (
    Crystal,
    Hold,
    HoldEnded,
    HoldStarted,
    Notice,
    ScanEnded,
    ScanStarted,
    Volume,
)
from streamer import told_holds
from streamer.journal import Journal


def test_holds_told_and_noted_belong_to_the_scans_that_follow(
    bench: Callable[..., Any], series: Callable[..., Any]
) -> None:
    """A hold that is told is published and journaled, scans belong to it, and it goes on after a restart."""
    one = bench()
    hold = HoldStarted(hold=Hold("IV-1"), crystal=Crystal("IV"), voltage_v=4.1, planned_s=60.0)
    assert one.tell(hold) == (True, "hold IV-1 of crystal IV at 4.1 V began")
    one.send(*series("A").messages)
    messages = one.received()
    assert messages[0] == hold
    assert (messages.of(ScanStarted)[0].crystal, messages.of(ScanStarted)[0].hold) == ("IV", "IV-1")
    one.archived()
    with h5py.File(messages.of(ScanEnded)[0].archive) as file:
        assert file["entry/bragglive/voltage"][()] == 4.1
    one.now_s += 20.0
    one.crash()
    again = one.received().of(HoldStarted)[0]
    assert again.elapsed_s == pytest.approx(20.0, abs=0.1)
    assert one.tell(HoldEnded(hold=Hold(""), crystal=Crystal(""))) == (True, "hold IV-1 of crystal IV ended after 20 s")
    assert one.received().of(HoldEnded)[0].hold == "IV-1"
    assert one.tell(HoldEnded(hold=Hold(""), crystal=Crystal("IV"))) == (False, "no hold IV is running")
    one.send(series("B").start)
    assert one.received().of(ScanStarted)[0].hold is None


def test_the_journal_of_the_holds_does_not_grow_for_ever(
    bench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart with many holds behind it, only those that run are left in it, as old as they are."""
    monkeypatch.setattr(told_holds, "KEPT_RECORDS", 5)
    one = bench()
    for number in range(4):
        for crystal in ("IV", "V"):
            one.tell(HoldStarted(hold=Hold(f"{crystal}-{number}"), crystal=Crystal(crystal)))
            one.now_s += 10.0
    one.tell(HoldEnded(hold=Hold("IV-3"), crystal=Crystal("IV")))
    for _ in range(2):
        one.crash()
        holds = one.received().of(HoldStarted)
        assert [hold.hold for hold in holds] == ["V-3"]
        assert holds[0].elapsed_s == pytest.approx(10.0, abs=0.1)
        journal = Journal.open(one.journals.folder / "holds.sqlite", read_only=True)
        assert journal.count() == 1
        journal.close()
    assert sorted(path.name for path in one.journals.folder.iterdir() if "new" in path.name) == []


def test_a_hold_that_only_the_sender_tells_of_is_made_known(
    bench: Callable[..., Any], series: Callable[..., Any]
) -> None:
    """The notes of a start message make a hold, once, before the scan that belongs to it."""
    one = bench()
    notes = {"crystal": "IV", "hold": "IV-3.9", "voltage_v": 3.9, "planned_s": 30.0}
    one.send(series("A", notes=notes).start, series("B", notes=notes).start)
    messages = one.received()
    holds = messages.of(HoldStarted)
    assert [(hold.hold, hold.voltage_v, hold.planned_s) for hold in holds] == [("IV-3.9", 3.9, 30.0)]
    assert messages.index(holds[0]) < messages.index(messages.of(ScanStarted)[0])
    assert [started.hold for started in messages.of(ScanStarted)] == ["IV-3.9", "IV-3.9"]


def test_other_messages_and_nameless_holds_are_answered_with_no(bench: Callable[..., Any]) -> None:
    """What the streamer has no use for is refused in words."""
    one = bench()
    assert one.tell(Notice(level="info", text="hello")) == (False, "the streamer takes no Notice")
    assert one.tell(HoldStarted(hold=Hold(""), crystal=Crystal("IV")))[0] is False
    assert Volume.__name__ not in {type(message).__name__ for message in one.received()}
