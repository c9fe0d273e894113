"""What is known of scans, holds and crystals, message by message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from contract.messages import AnyMessage, Crystal, Geometry, Hold, HoldEnded, HoldStarted, Scan, ScanEnded
from contract.stream import Received
from reconstructor.archive import Archived
from reconstructor.curve import CurveError
from reconstructor.followed import FollowedScan
from reconstructor.offers import Recipes
from reconstructor.phasing.notation import parse
from reconstructor.scans import CRYSTALS_KEPT, Scans
from tests.reconstructor.conftest import PlayedScan
from tests.reconstructor.forecast.conftest import FRAMES, crystal
from tests.reconstructor.remembered import archived, beginning

RECIPES = Recipes(parse("HIO**10", "provisional"), (parse("HIO**20", "refined"),))


def told(message: AnyMessage, age_s: float = 0.0) -> Received:
    """A message as a subscriber gets it."""
    return Received(message, "epoch", 1, age_s)


def hold(**fields: Any) -> HoldStarted:
    """The hold of crystal IV at 4.1 V, 30 s long."""
    plain: dict[str, Any] = {"hold": Hold("IV-4.1"), "crystal": Crystal("IV"), "voltage_v": 4.1, "planned_s": 30.0}
    return HoldStarted(**{**plain, **fields})


@pytest.fixture
def scans() -> Scans:
    """Nothing known yet."""
    return Scans(RECIPES, kept=2)


def test_the_end_of_a_hold_is_reckoned_from_its_start(scans: Scans, played: Callable[..., Any]) -> None:
    """Planned length less what had passed when it was said and since it was said."""
    scan = scans.take(told(played().started), 100.0)
    scans.take(told(hold(elapsed_s=5.0), age_s=3.0), 100.0)
    assert scan is not None
    known = scans.hold_of(scan)
    assert known is not None
    assert known.ends_at == pytest.approx(100.0 - 3.0 - 5.0 + 30.0)
    scans.take(told(HoldEnded(hold=Hold("IV-4.1"), crystal=Crystal("IV")), age_s=1.0), 110.0)
    known = scans.hold_of(scan)
    assert known is not None
    assert known.ends_at == 109.0


def test_another_hold_or_crystal_is_not_this_scans(scans: Scans, played: Callable[..., Any]) -> None:
    """A scan's hold is the one it names, also after the next began; if it names none, its crystal's newest."""
    named, nameless = (scans.take(told(played(n, hold=h).started), 0.0) for n, h in (("a", "IV-4.1"), ("b", None)))
    assert named is not None
    assert nameless is not None
    scans.take(told(hold(hold=Hold("V-4.1"), crystal=Crystal("V"))), 0.0)
    assert scans.hold_of(named) is None
    assert scans.hold_of(nameless) is None
    for name, volts in (("IV-4.1", 4.1), ("IV-4.0", 4.0)):
        scans.take(told(hold(hold=Hold(name), voltage_v=volts)), 0.0)
    holds = [scans.hold_of(scan) for scan in (named, nameless)]
    assert [found.said.voltage_v if found else None for found in holds] == [4.1, 4.0]


def test_times_of_frames_are_those_of_the_streamer(scans: Scans, played: Callable[..., Any]) -> None:
    """A frame's time is when the streamer had it, whatever the way it came."""
    source = played()
    scan = scans.take(told(source.started), 0.0)
    scans.take(told(source.block(0, 2, since_received_s=0.5), age_s=2.0), 10.0)
    scans.take(told(source.block(2, 3)), 12.0)
    assert scan is not None
    assert (scan.first_frame_at, scan.last_frame_at) == (7.5, 12.0)


def test_a_scan_told_again_goes_on_and_a_new_revision_begins_anew(scans: Scans, played: Callable[..., Any]) -> None:
    """The same window revision is the same curve; a higher one replaces it, its blocks only then count."""
    source, newer = played(), played(window_revision=2)
    first = scans.take(told(source.started), 0.0)
    scans.take(told(source.block(0, 5)), 1.0)
    assert scans.take(told(source.started), 2.0) is None
    second = scans.take(told(newer.started), 3.0)
    scans.take(told(source.block(5, 6)), 4.0)
    scans.take(told(newer.block(0, 2)), 5.0)
    assert first is not None
    assert second is not None
    assert first.curve.frames == 5
    assert second.curve.frames == 2


def test_what_does_not_fit_changes_nothing(scans: Scans, played: Callable[..., Any]) -> None:
    """A block with a frame beyond the scan is refused and the scan goes on; frames of unknown scans are ignored."""
    source = played()
    scan = scans.take(told(source.started), 0.0)
    with pytest.raises(CurveError):
        scans.take(told(source.block(0, 1, index=np.array([99], np.int32))), 1.0)
    scans.take(told(played("other").block(0, 1)), 1.0)
    scans.take(told(source.block(0, 3)), 2.0)
    assert scan is not None
    assert scan.curve.frames == 3
    assert list(scans.scans) == ["scan-1"]


def test_no_geometry_or_no_angles_are_obstacles(scans: Scans, played: Callable[..., Any]) -> None:
    """Each is told in a sentence, and nothing of the scan is offered to the agenda."""
    blind, lost = played("blind", geometry=None), played("lost")
    for source, angle in ((blind, 0.0), (lost, np.nan)):
        scan = scans.take(told(source.started), 0.0)
        scans.take(told(source.block(0, 48, angle_deg=angle + 0.01 * np.arange(48))), 5.0)
        assert scan is not None
        seen = scan.look(None)
        assert seen is not None
        assert not seen.located
        assert ("geometry" in scan.obstacle) == (source is blind)
        assert ("angles" in scan.obstacle) == (source is lost)


def test_a_curve_on_its_way_is_offered_once_its_peak_has_passed(scans: Scans, played: Callable[..., Any]) -> None:
    """Offers, frame time and end follow the frames."""
    source, offered = played(), []
    scan = scans.take(told(source.started), 0.0)
    assert scan is not None
    assert scan.look(None) is None
    for j in range(48):
        scans.take(told(source.block(j, j + 1)), 0.2 * j)
        seen = scan.look(None)
        assert seen is not None
        assert seen.peak_passed == bool(seen.provisional)
        offered.append(seen.peak_passed)
    assert 26 < offered.index(True) < 40
    assert seen.over
    assert seen.frame_time_s == pytest.approx(0.2)
    assert scan.completion == "complete"
    assert seen.provisional[0].window.shape == (48, 48, 48)


def test_an_ended_scan_is_over_with_what_it_has(scans: Scans, played: Callable[..., Any]) -> None:
    """A scan that ended with frames missing is over, and is what it ended as."""
    source = played()
    scan = scans.take(told(source.started), 0.0)
    scans.take(told(source.block(0, 40)), 4.0)
    ended = ScanEnded(
        scan=Scan("scan-1"), window_revision=1, status="incomplete", frames_received=40, frames_expected=48
    )
    scans.take(told(ended), 5.0)
    assert scan is not None
    seen = scan.look(None)
    assert seen is not None
    assert seen.over
    assert scan.completion == "incomplete"


def test_memory_is_bounded(scans: Scans, played: Callable[..., Any]) -> None:
    """Of many scans the newest stay, and the one a job is working on."""
    for k in range(5):
        scans.take(told(played(f"s{k}").started), float(k))
        gone = scans.make_room(Scan("s0"))
        assert all(scan.started.scan != "s0" for scan in gone)
    assert list(scans.scans) == ["s0", "s4"]


def refined(scan: FollowedScan, hand: float) -> Archived:
    """An archive of a scan of crystal IV, with its signature."""
    held = crystal(0, "nothing", scan.started)
    assert scan.started.geometry is not None
    record = archived(held, scan.started.geometry, scan.started.scan)
    volume = msgspec.structs.replace(record.volume, crystal=Crystal("IV"))
    return replace(record, volume=volume, signature=(hand,) * 16)


@pytest.fixture
def first(scans: Scans, coarse: Geometry) -> FollowedScan:
    """A scan of crystal IV that was measured, refined and remembered."""
    held = crystal(0, "nothing", beginning(coarse, "first"))
    started = msgspec.structs.replace(beginning(coarse, "first"), crystal=Crystal("IV"))
    scan = scans.take(told(started), 0.0)
    assert scan is not None
    source = held.scan("before")
    scans.take(told(PlayedScan(started, source.reading.counts, source.amplitude).block(0, FRAMES)), 1.0)
    scan.look(None)
    scans.remember(refined(scan, 1.0), scan, scan.reading, scan.peak)
    return scan


def test_the_hand_of_the_last_hold_is_kept_through_a_scan(scans: Scans, first: FollowedScan) -> None:
    """However poor a provisional volume is, what comes after it is turned like the last hold's refined one."""
    assert (first.signature, first.matched) == ((1.0,) * 16, False)
    started = msgspec.structs.replace(first.started, scan=Scan("second"), hold=Hold("second"))
    second = scans.take(told(started), 2.0)
    assert second is not None
    assert second.matched
    poor = refined(second, -0.2)
    poor = replace(poor, volume=msgspec.structs.replace(poor.volume, stage="provisional"))
    scans.remember(poor, second, None, None)
    assert second.signature == (1.0,) * 16
    assert scans.past_of(second) is scans.last[Crystal("IV")]
    assert scans.past_of(first) is None


def test_scans_of_one_hold_see_those_before_them(scans: Scans, first: FollowedScan) -> None:
    """Of the same crystal and hold, over and measured: the newer sees the older, not the other way round."""
    scans.take(told(hold(hold=Hold("first"), crystal=Crystal("IV"))), 0.0)
    again, other = (
        scans.take(told(msgspec.structs.replace(first.started, scan=Scan(name), crystal=Crystal(whose))), 3.0)
        for name, whose in (("again", "IV"), ("other", "V"))
    )
    assert again is not None
    assert other is not None
    assert [reading.started.scan for reading in scans.others_of(again)] == ["first"]
    assert scans.others_of(first) == ()
    assert scans.others_of(other) == ()


def test_free_pixels_are_kept_from_when_the_peaks_place_is_known(scans: Scans, first: FollowedScan) -> None:
    """With a past they are drawn before the peak has passed, so that early volumes can be judged, and then stay."""
    started = msgspec.structs.replace(first.started, scan=Scan("second"), hold=Hold("second"))
    second = scans.take(told(started), 2.0)
    assert second is not None
    source = PlayedScan(started, first.curve.reading().counts, np.zeros((1, 1, 1)))
    drawn = []
    for j in range(0, FRAMES, 4):
        scans.take(told(source.block(j, j + 4)), 2.0 + 0.1 * j)
        seen = second.look(None, scans.past_of(second))
        assert seen is not None
        drawn.append((second.free, seen.peak_reached, seen.peak_passed))
        assert second.free_mask().any() == (second.free is not None)
    assert [free is not None for free, *_ in drawn] == [reached or passed for _, reached, passed in drawn]
    assert any(free is not None and not passed for free, _, passed in drawn)
    assert len({free for free, *_ in drawn if free is not None}) == 1


def test_the_first_tenth_is_looked_at_at_once(scans: Scans, first: FollowedScan) -> None:
    """Otherwise a look waits for its time; a look that has been had is not had again."""
    started = msgspec.structs.replace(first.started, scan=Scan("second"), hold=Hold("second"))
    second = scans.take(told(started), 2.0)
    assert second is not None
    second.next_look_at = 100.0
    source, due = PlayedScan(started, first.curve.reading().counts, np.zeros((1, 1, 1))), []
    for j in range(0, 20, 2):
        scans.take(told(source.block(j, j + 2)), 2.0)
        if second.look_due(3.0):
            due.append(j + 2)
            second.look(None, None)
    assert due == [12]
    assert second.look_due(100.0)


def test_crystals_are_bounded(scans: Scans, first: FollowedScan) -> None:
    """Of many crystals the one that was not used for longest is let go; a scan of a crystal uses it."""
    record = refined(first, 1.0)

    def remember(name: str) -> None:
        volume = msgspec.structs.replace(record.volume, crystal=Crystal(name))
        scans.remember(replace(record, volume=volume), first, first.reading, first.peak)

    for k in range(CRYSTALS_KEPT - 1):
        remember(f"c{k}")
    scans.take(told(msgspec.structs.replace(first.started, scan=Scan("again"))), 5.0)
    remember("one more")
    assert len(scans.last) == CRYSTALS_KEPT
    assert Crystal("IV") in scans.last
    assert Crystal("c0") not in scans.last
