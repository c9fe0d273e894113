"""The service with messages that a scan cannot be phased by: it goes on, and says what was wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from contract.messages import Angles, Crystal, Hold, Notice, Scan, Volume
from contract.stream import Received
from reconstructor.followed import FollowedScan
from tests.reconstructor.service_bench import Bench
from tests.reconstructor.test_service import end, hold

Played = Callable[..., Any]


@pytest.fixture
def known(bench: Callable[..., Bench], played: Played) -> Bench:
    """A service that has refined crystal IV once."""
    here, source = bench(), played("first")
    for message in (hold(), source.started, source.block(0, 48), end("first")):
        here.streamer.publish(message)
    here.step_until(lambda: "refined" in here.stages())
    return here


def steps(here: Bench, number: int) -> None:
    """Let the service take that many steps."""
    left: Iterator[int] = iter(range(number))
    here.step_until(lambda: next(left, None) is None)


def refined(here: Bench, name: str) -> list[Volume]:
    """Refined volumes of a scan."""
    return [v for v in here.all(Volume) if v.stage == "refined" and v.scan == name]


def scan_of(here: Bench, name: str) -> FollowedScan:
    """What the service knows of a scan."""
    return here.service._scans.scans[Scan(name)]


def begin_second(here: Bench, played: Played, **fields: Any) -> Any:
    """Another scan of the crystal, its first 20 frames measured and looked at."""
    source = played("second", 1)
    here.streamer.publish(source.started)
    here.streamer.publish(source.block(0, 20, **fields))
    here.step_until(lambda: (found := here.service._scans.scans.get(Scan("second"))) is not None and not found.stale)
    return source


def tell_again(here: Bench, source: Any, step_deg: float) -> None:
    """Other angles of the 20 frames, and the next frames with angles like them."""
    angles = Angles(scan=Scan("second"), index=np.arange(20, dtype=np.int32), angle_deg=step_deg * np.arange(20))
    here.streamer.publish(angles)
    for j in range(20, 30, 5):
        here.streamer.publish(source.block(j, j + 5, angle_deg=step_deg * np.arange(j, j + 5)))
        steps(here, 2)
    here.step_until(lambda: scan_of(here, "second").curve.frames == 30 and not scan_of(here, "second").stale)


@pytest.mark.parametrize("factor", [4.0, 0.25])
def test_angles_told_again_with_another_step_lay_the_last_object_anew(
    known: Bench, played: Played, factor: float
) -> None:
    """The grid follows the angles, and the service goes on."""
    source = begin_second(known, played)
    tell_again(known, source, 0.01 * factor)
    scan = scan_of(known, "second")
    assert scan.curve.frames == 30
    foreseen = scan.prospect.foreseen
    assert foreseen is None or foreseen.step_deg * foreseen.grid.every == pytest.approx(0.01 * factor, rel=0.02)
    assert scan.reading is not None
    assert scan.reading.sizes[0] == (48 if foreseen is None else 47 * foreseen.grid.every + 1)
    assert known.service.ready()


def test_angles_that_do_not_rock_are_that_scans_obstacle(known: Bench, played: Played) -> None:
    """The scan is not phased, which is said; a scan of another crystal is refined after it."""
    source = begin_second(known, played)
    tell_again(known, source, 0.0)
    known.streamer.publish(source.block(30, 48, angle_deg=np.zeros(18)))
    known.streamer.publish(end("second"))
    third = played("third", crystal=Crystal("V"), hold=Hold("V-4.1"))
    for message in (third.started, third.block(0, 48), end("third")):
        known.streamer.publish(message)
    known.step_until(lambda: bool(refined(known, "third")))
    assert not refined(known, "second")
    assert any("does not change" in n.text and n.scan == "second" for n in known.all(Notice))


@pytest.mark.parametrize("monitor", [1e300, 1e-300])
def test_a_monitor_beyond_measure_counts_as_one(known: Bench, played: Played, monitor: float) -> None:
    """It is said once, and the frame is kept."""
    values = np.ones(20)
    values[5] = monitor
    begin_second(known, played, monitor=values)
    steps(known, 4)
    scan = scan_of(known, "second")
    assert scan.curve.reading().monitor[5] == 1.0
    assert scan.curve.frames == 20
    assert [n.scan for n in known.all(Notice) if "monitor of frame 5 " in n.text] == ["second"]


def test_a_look_that_fails_by_its_data_ends_one_scan_only(
    bench: Callable[..., Bench], played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its numbers do to a look becomes its obstacle; the other scan is refined."""
    see = FollowedScan._read

    def read(scan: FollowedScan, past: Any) -> None:
        if scan.started.scan == "bad":
            raise np.linalg.LinAlgError("SVD did not converge")
        see(scan, past)

    monkeypatch.setattr(FollowedScan, "_read", read)
    here = bench()
    for name, crystal in (("bad", "IV"), ("good", "V")):
        source = played(name, crystal=Crystal(crystal), hold=Hold(name))
        for message in (source.started, source.block(0, 48), end(name)):
            here.streamer.publish(message)
    here.step_until(lambda: bool(refined(here, "good")))
    assert [n.scan for n in here.all(Notice) if "SVD" in n.text] == ["bad"]
    assert {volume.scan for volume in here.all(Volume)} == {"good"}


def test_a_job_of_an_older_window_is_not_the_new_windows(
    bench: Callable[..., Bench], played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A volume that ends after the window moved enters neither the forecast nor what runs begin from."""
    here, old = bench(), played("moved")
    new, finish = played("moved", window_revision=2), here.service._finish
    seen: list[Any] = []

    def finished(done: Any) -> None:
        if not seen:
            for message in (new.started, new.block(0, 48)):
                here.service._take(Received(message, "epoch", 1, 0.0))
        finish(done)
        seen.append((scan_of(here, "moved"), done.job.window_revision))
        if len(seen) == 1:
            scan = seen[0][0]
            seen[0] = (scan.started.window_revision, scan.shown, list(scan.prospect.trials), scan.revision)

    monkeypatch.setattr(here.service, "_finish", finished)
    for message in (old.started, old.block(0, 48)):
        here.streamer.publish(message)
    here.step_until(lambda: bool(seen))
    assert seen[0] == (2, None, [], 0)
