"""While scans run, through the service: the last hold shown, beaten, given up; several crystals; repeated scans.

All but the last two go over real sockets, through one service whose crystals have their first holds played once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from contract.messages import Advice, Crystal, ForecastScored, Hold, HoldStarted, Scan, ScanEnded, ScanStarted, Volume
from reconstructor import archive
from reconstructor.phasing.alignment import overlap
from reconstructor.window import Place
from tests.reconstructor.conftest import PlayedScan
from tests.reconstructor.forecast.conftest import FRAMES, SIDE, Held, crystal
from tests.reconstructor.forecast.conftest import Scan as Truth
from tests.reconstructor.service_bench import Bench

QUICK = "Runs(cold=2, warm=1, least=1) * Sup(every=10, threshold=0.25, sigma=2..1) * HIO**100 * RAAR**100 * ER**30"
FOUND = 0.95
"""Overlap with the truth that a first hold's volume needs to be begun from"""
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


@dataclass
class Campaign:
    """One service over real sockets, and crystals whose first hold it has seen."""

    here: Bench
    held: dict[str, Held] = field(default_factory=dict)

    def second_hold(self, seed: int, change: str, started: ScanStarted) -> tuple[Crystal, Held]:
        """A crystal that has its first hold behind it and is in a second one, named after it with "-after".

        One quick refinement in four or so stagnates, and what begins from it says nothing: then the hold is repeated.
        """
        name = f"{change} {seed}"
        if name not in self.held:
            held = self.held[name] = crystal(seed, change, started)
            found = (to_truth(self.before(name, held, attempt), held.scan("before")) for attempt in range(4))
            assert any(near > FOUND for near in found)
        return Crystal(name), self.held[name]

    def before(self, name: str, held: Held, attempt: int) -> Volume:
        """The refined volume of a first hold."""
        told = f"{name}-before" + "-again" * attempt
        self.here.streamer.publish(hold(told, name))
        return played_whole(self.here, in_hold(told, held.scan("before"), crystal=Crystal(name)))

    def begun(self, name: Crystal, held: Held, state: str, place: Place = MOVED, **fields: Any) -> PlayedScan:
        """The second hold and its scan, of which no frame has come."""
        after = in_hold(f"{name}-after", held.scan(state, place, brightness=1.4), crystal=name, **fields)
        for message in (hold(f"{name}-after", name), after.started):
            self.here.streamer.publish(message)
        return after

    def play(self, source: PlayedScan, first: int, last: int, there: Callable[[], bool]) -> None:
        """Frames first … last − 1 come; the service works until something is there."""
        self.here.streamer.publish(source.block(first, last))
        self.here.step_until(there)

    def play_past_the_peak(self, source: PlayedScan, first: int, last: int) -> int:
        """Frames first … last − 1 come, and a few more at a time until the service is sure that the peak has passed
        and shows a volume of runs; how many came."""
        name = source.started.scan
        self.here.streamer.publish(source.block(first, last))
        while not self.shown_within(name, 5.0):
            assert last < 76, "no volume of runs came past the peak"
            self.here.streamer.publish(source.block(last, last + 4))
            last += 4
        return last

    def shown_within(self, name: str, seconds: float) -> bool:
        """Whether a volume of runs is there after so long at most."""
        over = time.monotonic() + seconds
        while not (there := any(volume.runs for volume in of(self.here, name))) and time.monotonic() < over:
            self.here.service.step(0.05)
            self.here.said += [received.message for received in self.here.listener.receive(0)]
        return there


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    """Its service is closed when the last test is done."""
    here = Bench(tmp_path_factory.mktemp("campaign"), provisional=QUICK, sockets=True)
    yield Campaign(here)
    here.close()


def to_truth(volume: Volume, truth: Truth) -> float:
    """Complex overlap of a volume's archived object with the crystal it is of."""
    kept = archive.read(Path(volume.archive))
    return overlap(truth.truth(kept.window), kept.obj)


def scored(here: Bench, name: str) -> list[ForecastScored]:
    """How the volumes of a scan were borne out so far."""
    return [one for one in here.all(ForecastScored) if one.scan == name]


def refined(here: Bench, name: str) -> list[Volume]:
    """The refined volumes of a scan so far."""
    return [volume for volume in of(here, name) if volume.stage == "refined"]


def alike(volume: Volume) -> float | None:
    """Overlap of the best warm and cold runs; None where not both were accepted."""
    return volume.quality.warm_cold_overlap


def test_the_last_hold_is_shown_until_a_volume_foretells_better(campaign: Campaign, started: ScanStarted) -> None:
    """From a tenth of the frames on the last crystal, captioned so; past the peak volumes begun from it, captioned so
    until one is scored better; then provisional and refined ones, nearer to the truth. How alike warm and cold runs
    are is told where both kinds are accepted; two quick ones need neither be so nor agree."""
    here = campaign.here
    name, held = campaign.second_hold(0, "strained", started)
    source, truth = campaign.begun(name, held, "after"), held.scan("after", MOVED, brightness=1.4)
    after = source.started.scan
    campaign.play(source, 0, 13, lambda: bool(of(here, after)))
    last = of(here, after)[0]
    assert (last.stage, last.last_hold, last.start, last.runs, last.recipe) == ("provisional", True, "warm", 0, "")
    assert (last.frames_used, last.hand, last.last_frame_to_volume_s) == (13, "matched", None)
    assert any("That is not determined" in sentence for sentence in last.assumptions)
    past = campaign.play_past_the_peak(source, 13, 62)
    first = next(volume for volume in of(here, after) if volume.runs)
    assert (first.last_hold, first.start) == (True, "warm")
    assert not scored(here, after)
    campaign.play(source, past, past + 18, lambda: bool(scored(here, after)))
    judged = scored(here, after)[0]
    assert (judged.revision, judged.frames_used, judged.frames_scored) == (first.revision, past, past + 18)
    assert judged.baseline is not None
    assert judged.residual < judged.baseline
    assert (judged.last_hold, judged.abandoned) == (False, False)
    here.streamer.publish(source.block(past + 18, FRAMES))
    here.streamer.publish(end(source))
    here.step_until(lambda: bool(refined(here, after)))
    full = next(volume for volume in of(here, after) if volume.frames_used == FRAMES)
    found = refined(here, after)[0]
    assert (full.stage, full.last_hold, found.last_hold) == ("provisional", False, False)
    assert to_truth(last, truth) < to_truth(first, truth)
    assert to_truth(found, truth) > 0.95
    assert all(0.9 < (alike(volume) or 1.0) <= 1.0 for volume in refined(here, after))


def test_warm_starts_are_given_up_when_the_crystal_changed_too_much(campaign: Campaign, started: ScanStarted) -> None:
    """What later frames say of warm and cold runs after a dislocation was born; it is told, from then on volumes begin
    cold, and the refined one is the crystal as it is now."""
    here = campaign.here
    name, held = campaign.second_hold(1, "a dislocation born", started)
    source, truth = campaign.begun(name, held, "after"), held.scan("after", MOVED, brightness=1.4)
    after = source.started.scan
    campaign.play(source, 0, 75, lambda: any(volume.runs > 1 for volume in of(here, after)))
    campaign.play(source, 75, 90, lambda: bool(scored(here, after)))
    assert scored(here, after)[-1].abandoned
    here.streamer.publish(source.block(90, FRAMES))
    here.streamer.publish(end(source))
    here.step_until(lambda: bool(refined(here, after)))
    later = [volume for volume in of(here, after) if volume.frames_used == FRAMES]
    assert {volume.start for volume in later} == {"cold"}
    assert not any(volume.last_hold for volume in later)
    assert all(volume.quality.warm_cold_overlap is None for volume in later)
    assert_not_pulled_back(here, name, truth)


def test_a_crystal_that_lost_a_domain_is_not_pulled_back(campaign: Campaign, started: ScanStarted) -> None:
    """The refined volume, chosen by free LLK among cold and warm runs, is the crystal as it is now."""
    here = campaign.here
    name, held = campaign.second_hold(2, "a domain lost", started)
    source = campaign.begun(name, held, "after")
    here.streamer.publish(source.block(0, FRAMES))
    here.streamer.publish(end(source))
    here.step_until(lambda: bool(refined(here, source.started.scan)))
    assert_not_pulled_back(here, name, held.scan("after", MOVED, brightness=1.4))


def assert_not_pulled_back(here: Bench, name: str, truth: Truth) -> None:
    """The refined volume of the second hold is near the present truth, from which that of the first is far."""
    before, after = (refined(here, f"{name}-{which}")[0] for which in ("before", "after"))
    assert to_truth(before, truth) < 0.9
    assert to_truth(after, truth) > 0.95


def test_every_nth_frame_is_enough_after_a_hold(campaign: Campaign, started: ScanStarted) -> None:
    """A scan of every fourth frame lies on the last one's grid: what is unknown is said, no frame is called missing."""
    here = campaign.here
    name, held = campaign.second_hold(0, "strained", started)
    whole = held.scan("after", MOVED)
    about = {"scan": Scan("coarse"), "hold": Hold("coarse"), "crystal": name, "frames_expected": FRAMES // 4}
    coarse = PlayedScan(msgspec.structs.replace(started, **about), whole.reading.counts[::4], whole.amplitude)
    here.streamer.publish(hold("coarse", name))
    for message in (coarse.started, coarse.block(0, 30, angle_deg=0.04 * np.arange(30)), end(coarse)):
        here.streamer.publish(message)
    here.step_until(lambda: bool(refined(here, "coarse")))
    found = refined(here, "coarse")[0]
    assert (found.frames_used, found.frames_expected, found.missing) == (30, 30, ())
    assert any("unknown" in sentence and "steps of the last scan" in sentence for sentence in found.assumptions)
    assert (found.hand, found.start) == ("matched", "warm")
    assert to_truth(found, whole) > 0.95


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
