"""Messages become knowledge at once, heavy work is done piece by piece, the refined volume first."""

from __future__ import annotations

from tests.viewer.campaign import Maker
from viewer.intake import Intake
from viewer.state import LinkKnown

NOW_S = 1000.0


def test_taking_is_quick_and_work_is_separate(make: Maker) -> None:
    """A volume that came is known at once and drawn by the work that follows."""
    intake = Intake(maximum_faces=10_000)
    intake.take(make.volume(0), NOW_S)
    assert intake.state.pictures == {}
    assert intake.state.scans[make.scan_name(0)].volume_s == (NOW_S,)
    assert intake.work()
    assert len(intake.state.pictures) == 1
    assert not intake.work()
    assert intake.drawn == 1


def test_refined_is_drawn_before_provisionals(make: Maker) -> None:
    """However many provisional volumes wait, the refined one is drawn first and only the newest provisional after."""
    intake = Intake(maximum_faces=10_000)
    intake.take(make.volume(0, size=16), NOW_S)
    for revision in range(5):
        intake.take(make.volume(1, "provisional", revision=revision, size=16), NOW_S + revision)
    intake.work()
    assert [slot.stage for slot in intake.state.pictures] == ["refined"]
    while intake.work():
        pass
    revisions = [known.picture.facts.revision for known in intake.state.pictures.values()]
    assert revisions == [9, 4]
    assert intake.backlog.replaced == 4


def test_frames_are_prepared_and_the_curve_fitted(make: Maker) -> None:
    """After the work there is a fit and a view of the newest and the brightest frame."""
    scan = make.known([(make.scan_started(0), 2.0), (make.frame_block(0, 0, 201), 1.0)]).scans[make.scan_name(0)]
    assert scan.fit is not None
    assert scan.newest_view is not None
    assert scan.brightest_view is not None
    assert scan.newest_view.index == 200
    assert scan.brightest_view.index == scan.brightest.index if scan.brightest else False
    assert scan.newest_view.masked == 4


def test_what_did_not_change_is_not_prepared_again(make: Maker) -> None:
    """A progress message of a scan leaves its frames and its fit as they are, and asks for no work."""
    intake = Intake(maximum_faces=10_000)
    for message, age_s in make.running_scan(0, 30):
        intake.take(message, NOW_S - age_s)
    while intake.work():
        pass
    before = intake.state.scans[make.scan_name(0)]
    intake.take(make.running_scan(0, 30)[-3][0], NOW_S)
    assert not intake.work()
    after = intake.state.scans[make.scan_name(0)]
    assert after.newest_view is before.newest_view
    assert after.fit is before.fit


def test_frames_before_their_scan_started_do_no_harm(make: Maker) -> None:
    """A block of an unknown scan is kept for the curve, and shown once the window is known."""
    intake = Intake(maximum_faces=10_000)
    intake.take(make.frame_block(0, 0, 5, revision=0), NOW_S)
    intake.work()
    assert intake.state.scans[make.scan_name(0)].newest_view is None
    assert len(intake.state.scans[make.scan_name(0)].curve.index) == 5


def test_links_are_heard() -> None:
    """What the inbox hears of a link is part of the state."""
    intake = Intake(maximum_faces=10_000)
    intake.hear("streamer", LinkKnown("tcp://x", heard_s=5.0))
    assert intake.state.links["streamer"].heard_s == 5.0
