"""While scans run, through the service: the last hold shown, beaten, abandoned; several crystals; repeated scans."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from contract.messages import Advice, Crystal, ForecastScored, Hold, HoldStarted, Scan, ScanEnded, ScanStarted, Volume
from reconstructor import archive
from reconstructor.phasing.alignment import overlap
from tests.reconstructor.conftest import PlayedScan
from tests.reconstructor.forecast.conftest import FRAMES, SIDE, crystal
from tests.reconstructor.forecast.conftest import Scan as Truth
from tests.reconstructor.service_bench import Bench

QUICK = "Runs(cold=2, warm=1, least=1) * Sup(every=10, threshold=0.25, sigma=2..1) * HIO**100 * RAAR**100 * ER**30"
MOVED = (55.0, 25.3, 23.1)
"""Where the peak is in the second hold; in the first it was at (60, 24, 24)."""


@pytest.fixture
def started(coarse: Any, scan_started: Callable[..., ScanStarted]) -> ScanStarted:
    """What the scans of the changing crystal begin with."""
    return scan_started(FRAMES, SIDE, SIDE, geometry=coarse, frame_time_s=0.1)


def in_hold(name: str, scan: Truth, **fields: Any) -> PlayedScan:
    """A scan of crystal IV in a hold of its own, both of one name."""
    about = {"scan": Scan(name), "hold": Hold(name), **fields}
    started = msgspec.structs.replace(scan.reading.started, **about)
    return PlayedScan(started, scan.reading.counts, scan.amplitude)


def hold(name: str, crystal_name: str = "IV") -> HoldStarted:
    """A hold that lasts long enough."""
    return HoldStarted(hold=Hold(name), crystal=Crystal(crystal_name), voltage_v=4.1, planned_s=900.0)


def end(source: PlayedScan) -> ScanEnded:
    """The end of a scan of which all frames came."""
    frames = source.started.frames_expected
    return ScanEnded(
        scan=source.started.scan,
        window_revision=1,
        status="complete",
        frames_received=frames,
        frames_expected=frames,
    )


def played_whole(here: Bench, source: PlayedScan) -> Volume:
    """Play a scan at once; its refined volume."""
    name = source.started.scan
    for message in (source.started, source.block(0, source.started.frames_expected), end(source)):
        here.streamer.publish(message)
    here.step_until(lambda: any(v.scan == name and v.stage == "refined" for v in here.all(Volume)))
    return next(v for v in here.all(Volume) if v.scan == name and v.stage == "refined")


def of(here: Bench, name: str) -> list[Volume]:
    """The volumes of a scan so far."""
    return [volume for volume in here.all(Volume) if volume.scan == name]


@pytest.fixture
def second_hold(bench: Callable[..., Bench], started: ScanStarted) -> Callable[..., tuple[Bench, PlayedScan, Truth]]:
    """Plays a crystal's first hold and begins the second: second_hold(seed, change)."""

    def make(seed: int, change: str) -> tuple[Bench, PlayedScan, Truth]:
        here, held = bench(provisional=QUICK), crystal(seed, change, started)
        here.streamer.publish(hold("before"))
        played_whole(here, in_hold("before", held.scan("before")))
        truth = held.scan("after", MOVED, brightness=1.4)
        source = in_hold("after", truth)
        for message in (hold("after"), source.started):
            here.streamer.publish(message)
        return here, source, truth

    return make


def to_truth(volume: Volume, truth: Truth) -> float:
    """Complex overlap of a volume's archived object with the crystal it is of."""
    kept = archive.read(Path(volume.archive))
    return overlap(truth.truth(kept.window), kept.obj)


def test_the_last_hold_is_shown_until_a_volume_foretells_better(
    second_hold: Callable[..., tuple[Bench, PlayedScan, Truth]],
) -> None:
    """From a tenth of the frames on the last crystal, captioned so; past the peak volumes begun from it, captioned so
    until one is scored better; then provisional and refined ones, nearer to the truth."""
    here, source, truth = second_hold(0, "strained")
    here.streamer.publish(source.block(0, 13))
    here.step_until(lambda: bool(of(here, "after")))
    last = of(here, "after")[0]
    assert (last.stage, last.last_hold, last.start, last.runs, last.recipe) == ("provisional", True, "warm", 0, "")
    assert (last.frames_used, last.hand, last.last_frame_to_volume_s) == (13, "matched", None)
    assert any("That is not determined" in sentence for sentence in last.assumptions)
    here.streamer.publish(source.block(13, 62))
    here.step_until(lambda: any(volume.runs for volume in of(here, "after")))
    first = next(volume for volume in of(here, "after") if volume.runs)
    assert (first.last_hold, first.start) == (True, "warm")
    assert not [one for one in here.all(ForecastScored) if one.scan == "after"]
    here.streamer.publish(source.block(62, 80))
    here.step_until(lambda: any(one.scan == "after" for one in here.all(ForecastScored)))
    scored = next(one for one in here.all(ForecastScored) if one.scan == "after")
    assert (scored.revision, scored.frames_used, scored.frames_scored) == (first.revision, 62, 80)
    assert scored.baseline is not None
    assert scored.residual < scored.baseline
    assert not scored.last_hold
    here.streamer.publish(source.block(80, FRAMES))
    here.streamer.publish(end(source))
    here.step_until(lambda: any(volume.stage == "refined" for volume in of(here, "after")))
    full = next(volume for volume in of(here, "after") if volume.frames_used == FRAMES)
    refined = next(volume for volume in of(here, "after") if volume.stage == "refined")
    assert (full.stage, full.last_hold, refined.last_hold) == ("provisional", False, False)
    assert to_truth(last, truth) < to_truth(first, truth)
    assert to_truth(refined, truth) > 0.95


@pytest.mark.parametrize(("seed", "change"), [(1, "a dislocation born"), (2, "a domain lost")])
def test_a_crystal_that_really_changed_is_not_pulled_back(
    second_hold: Callable[..., tuple[Bench, PlayedScan, Truth]], seed: int, change: str
) -> None:
    """The refined volume, chosen by free LLK among cold and warm runs, is the crystal as it is now."""
    here, source, truth = second_hold(seed, change)
    here.streamer.publish(source.block(0, FRAMES))
    here.streamer.publish(end(source))
    here.step_until(lambda: any(volume.stage == "refined" for volume in of(here, "after")))
    refined = next(volume for volume in of(here, "after") if volume.stage == "refined")
    before = archive.read(Path(next(v for v in of(here, "before") if v.stage == "refined").archive))
    past = overlap(truth.truth(before.window), before.obj)
    assert past < 0.9
    assert to_truth(refined, truth) > 0.95


def test_every_nth_frame_is_enough_after_a_hold(bench: Callable[..., Bench], started: ScanStarted) -> None:
    """A scan of every fourth frame lies on the last one's grid: what is unknown is said, no frame is called missing."""
    here, held = bench(provisional=QUICK), crystal(0, "strained", started)
    here.streamer.publish(hold("before"))
    played_whole(here, in_hold("before", held.scan("before")))
    whole = held.scan("after", MOVED)
    coarse = PlayedScan(
        msgspec.structs.replace(started, scan=Scan("after"), hold=Hold("after"), frames_expected=FRAMES // 4),
        whole.reading.counts[::4],
        whole.amplitude,
    )
    here.streamer.publish(hold("after"))
    for message in (coarse.started, coarse.block(0, 30, angle_deg=0.04 * np.arange(30)), end(coarse)):
        here.streamer.publish(message)
    here.step_until(lambda: any(volume.stage == "refined" for volume in of(here, "after")))
    refined = next(volume for volume in of(here, "after") if volume.stage == "refined")
    assert (refined.frames_used, refined.frames_expected, refined.missing) == (30, 30, ())
    assert any("unknown" in sentence and "steps of the last scan" in sentence for sentence in refined.assumptions)
    assert (refined.hand, refined.start) == ("matched", "warm")
    assert to_truth(refined, whole) > 0.95


def test_repeated_scans_are_summed_where_they_agree(bench: Callable[..., Bench], started: ScanStarted) -> None:
    """The second scan of a hold is refined with the first one's counts; a third, of a crystal that lost a domain
    meanwhile, stands alone, and both are told."""
    here, held = bench(provisional=QUICK), crystal(2, "a domain lost", started)
    here.streamer.publish(hold("hold"))
    scans = (held.scan("before", seed=1), held.scan("before", (62.0, 24.0, 24.0), seed=2), held.scan("after", seed=3))
    volumes = [
        played_whole(here, in_hold(name, scan, hold=Hold("hold"))) for name, scan in zip("abc", scans, strict=True)
    ]
    assert any(sentence.startswith("a was added") for sentence in volumes[1].assumptions)
    assert not any("was added" in sentence for sentence in volumes[2].assumptions)
    assert (volumes[1].scan, volumes[1].frames_used, volumes[1].missing) == ("b", FRAMES, ())
    assert to_truth(volumes[1], scans[1]) > 0.95
    told = {one.scan: one for one in here.all(Advice) if one.kind == "repeated"}
    assert {name: one.level for name, one in told.items()} == {"b": "info", "c": "warning"}
    numbers = {name: dict(one.numbers) for name, one in told.items()}
    assert numbers["b"]["pearson"] > 0.97 > numbers["c"]["pearson"]
    assert numbers["b"]["shift_frames"] == pytest.approx(2.0, abs=0.05)


def test_crystals_interleave_and_each_has_its_own_past(bench: Callable[..., Bench], played: Callable[..., Any]) -> None:
    """Three scans whose frames come in turn are all shown and refined; in the next hold each goes on from its own."""
    here, names = bench(), ("III", "IV", "V")
    for round_name, expected in (("one", "unknown"), ("two", "matched")):
        scans = [
            played(f"{name}-{round_name}", seed=k, crystal=Crystal(name), hold=Hold(f"{name}-{round_name}"))
            for k, name in enumerate(names)
        ]
        for name, source in zip(names, scans, strict=True):
            here.streamer.publish(hold(f"{name}-{round_name}", name))
            here.streamer.publish(source.started)
        for first in range(0, 48, 12):
            for source in scans:
                here.streamer.publish(source.block(first, first + 12))
        for source in scans:
            here.streamer.publish(end(source))
        wanted = {source.started.scan for source in scans}
        here.step_until(lambda w=wanted: w <= {v.scan for v in here.all(Volume) if v.stage == "refined"})
        for name, source in zip(names, scans, strict=True):
            volumes = of(here, source.started.scan)
            assert {volume.crystal for volume in volumes} == {name}
            assert volumes[0].stage == "provisional"
            assert next(volume for volume in volumes if volume.stage == "refined").hand == expected
