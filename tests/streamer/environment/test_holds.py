"""Holds: what a message says counts, the sender's notes fill in, contradictions are named."""

from __future__ import annotations

from contract.messages import Crystal, Hold, HoldEnded, HoldStarted
from streamer.detectors.records import SenderNotes
from streamer.environment.holds import Belongs, Holds


def held(crystal: str, hold: str, elapsed_s: float = 0.0) -> HoldStarted:
    return HoldStarted(hold=Hold(hold), crystal=Crystal(crystal), voltage_v=4.1, planned_s=60.0, elapsed_s=elapsed_s)


def noting(crystal: str | None = None, hold: str | None = None) -> SenderNotes:
    return SenderNotes(
        crystal=None if crystal is None else Crystal(crystal), hold=None if hold is None else Hold(hold), voltage_v=4.0
    )


def test_a_scan_belongs_to_the_hold_that_a_message_told_of() -> None:
    """Without notes, and with notes that agree, a scan is of the running hold."""
    holds = Holds()
    holds.start(held("IV", "IV-1"), 0.0)
    assert holds.belongs(noting()) == Belongs(Crystal("IV"), Hold("IV-1"))
    assert holds.belongs(noting("IV", "IV-1")) == Belongs(Crystal("IV"), Hold("IV-1"))


def test_without_a_message_the_notes_say_it() -> None:
    """Crystal and hold come from the sender where nobody else has told, and are unknown where it has not either."""
    assert Holds().belongs(noting("IV", "IV-1")) == Belongs(Crystal("IV"), Hold("IV-1"))
    assert Holds().belongs(noting()) == Belongs(None, None)


def test_a_message_wins_over_the_notes_and_the_contradiction_is_named() -> None:
    """Another crystal or hold in the notes is not taken, and a sentence says so."""
    holds = Holds()
    holds.start(held("IV", "IV-1"), 0.0)
    crystal, hold, remark = holds.belongs(noting("V", "V-1"))
    assert (crystal, hold) == ("IV", "IV-1")
    assert "says crystal V, the hold IV-1 is of IV" in remark
    assert "says hold IV-2, IV-1 runs" in holds.belongs(noting("IV", "IV-2")).remark


def test_of_two_crystals_held_at_once_the_notes_choose() -> None:
    """Crystals of one cell may be held together; the sender's notes tell which is measured, else it is the newest."""
    holds = Holds()
    holds.start(held("IV", "IV-1"), 0.0)
    holds.start(held("V", "V-1"), 1.0)
    assert holds.belongs(noting("IV")).hold == "IV-1"
    assert holds.belongs(noting()).hold == "V-1"


def test_a_hold_ends_by_name() -> None:
    """Ending a hold that is not running changes nothing; ending the running one leaves none."""
    holds = Holds()
    holds.start(held("IV", "IV-1"), 0.0)
    assert not holds.end(HoldEnded(hold=Hold("IV-0"), crystal=Crystal("IV")))
    assert not holds.end(HoldEnded(hold=Hold("V-1"), crystal=Crystal("V")))
    assert holds.only() == held("IV", "IV-1")
    assert holds.end(HoldEnded(hold=Hold("IV-1"), crystal=Crystal("IV")))
    assert holds.only() is None
    assert holds.belongs(noting()) == Belongs(None, None)


def test_a_running_hold_says_how_long_it_has_lasted() -> None:
    """The time that had passed when it was told is added to the time since, by our own clock."""
    holds = Holds()
    holds.start(held("IV", "IV-1", elapsed_s=5.0), 100.0)
    assert [hold.elapsed_s for hold in holds.running(110.0)] == [15.0]


def test_a_new_hold_takes_the_place_of_the_crystals_last() -> None:
    """A crystal has one hold at a time."""
    holds = Holds()
    holds.start(held("IV", "IV-1"), 0.0)
    holds.start(held("IV", "IV-2"), 60.0)
    assert [hold.hold for hold in holds.running(60.0)] == ["IV-2"]
    assert holds.of(Hold("IV-1")) is None


def test_notes_make_a_hold_where_no_message_has() -> None:
    """A hold that only the sender tells of is made known once, and never against a message."""
    holds = Holds()
    made = holds.noted(noting("IV", "IV-1"), "2026-11-23")
    assert made == HoldStarted(hold=Hold("IV-1"), crystal=Crystal("IV"), voltage_v=4.0, started_at="2026-11-23")
    holds.start(made, 0.0, noted=True)
    assert holds.noted(noting("IV", "IV-1"), "") is None
    following = holds.noted(noting("IV", "IV-2"), "")
    assert following is not None
    assert holds.belongs(noting("IV", "IV-2")) == Belongs(Crystal("IV"), Hold("IV-2"))
    holds.start(held("IV", "IV-9"), 1.0)
    assert holds.noted(noting("IV", "IV-3"), "") is None
    assert holds.noted(noting("IV"), "") is None
