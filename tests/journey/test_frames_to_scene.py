"""One crystal's way through everything, in one process: a simulated detector's bytes in, what is on the screen out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from contract.happened import FrameRejected, Happened
from contract.messages import HoldStarted
from contract.stream import MemoryStream, Subscriber
from reconstructor.service import ReconstructorService
from reconstructor.settings import ReconstructorSettings
from streamer.archivist import Archivist
from streamer.detectors.dialects import checked
from streamer.frame_queue import Message
from streamer.ingest import Ingest, Policy
from streamer.journal import At
from streamer.journals import Journals
from streamer.open_scan import Rules
from streamer.retention import Retention
from streamer.rocking_curve import Waits
from streamer.said import hear
from streamer.scan_journal import Writer
from streamer.simulator.beamline import BeamlinePlan, measure, prepare
from streamer.simulator.series import messages
from streamer.simulator.settings import Pace, simulated_scans
from streamer.unwritten import Unwritten
from viewer.intake import Intake
from viewer.scene import Intent, Scene, compose

DEADLINE_S = 120.0
FRAMES = 101
MAX_MESSAGE_BYTES = 1 << 22


def sent(frames: int) -> tuple[HoldStarted, list[bytes]]:
    """The hold, and every message of its scan as a detector sends them: start, images, end."""
    plan = BeamlinePlan(voltages_v=(4.1,), frames=frames, seed=3)
    campaign = prepare(plan)
    pace = Pace(rate_hz=50.0, hold_margin_s=60.0)
    scan, _ = simulated_scans(campaign, measure(campaign), [pace], datetime(2026, 11, 23, tzinfo=UTC))[0]
    assert scan.hold is not None
    hold = HoldStarted(hold=scan.hold.hold, crystal=scan.hold.crystal, voltage_v=4.1, planned_s=scan.hold.planned_s)
    return hold, [message.data for message in messages(scan)]


class Chain:
    """Ingest, reconstructor and the viewer's intake, joined by two streams in memory."""

    def __init__(self, folder: Path, frames_lost: frozenset[int] = frozenset()) -> None:
        # Some live messages get lost between the services: they must come by replay.
        self.scans = MemoryStream(now=time.monotonic, delivered=lambda seq, _: seq not in frames_lost)
        self.volumes = MemoryStream(now=time.monotonic)
        self.happenings: list[Happened] = []
        rules = Rules(waits=Waits(stall_s=30.0, grace_s=2.0), block_frames=8, block_s=0.25)
        policy = Policy("dectris-stream-v2", rules, folder / "scans", 8)
        self.archivist = Archivist()
        self.archivist.open()
        journals = Journals(folder / "journal")
        journals.lock()
        self.publisher = self.scans.publisher()
        self.writer = Writer(Unwritten(0), self.happenings.append)
        self.ingest = Ingest(
            policy,
            journals,
            self.writer,
            Retention(journals.folder, 0),
            self.publisher,
            self.archivist,
            self.happenings.append,
        )
        settings = ReconstructorSettings(folder=folder / "volumes", workers=2)
        self.service = ReconstructorService(settings, self.scans.subscriber, self.volumes.publisher)
        self.service.open()
        self.intake = Intake(maximum_faces=20_000)
        self.screens: list[Subscriber] = [self.scans.subscriber(), self.volumes.subscriber()]

    def take(self, raw: bytes) -> None:
        at = At.now()
        parts = (memoryview(raw),)
        content = checked("dectris-stream-v2", parts, MAX_MESSAGE_BYTES)
        self.ingest.take([Message("tcp://detector", parts, at, content)], at.monotonic_s)

    def until(self, seen: Callable[[Scene], bool]) -> Scene:
        """Let the services work until the scene is as wanted."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            self.ingest.tick(time.monotonic())
            self.service.step(0.05)
            for feed in self.screens:
                for received in feed.receive(0.0):
                    self.intake.take(received.message, time.monotonic())
            while self.intake.work():
                continue
            scene = compose(self.intake.state, Intent(), time.monotonic())
            if seen(scene):
                return scene
            assert time.monotonic() < deadline, f"after {DEADLINE_S:.0f} s the scene still is {scene.badge}"

    def close(self) -> None:
        self.service.close()
        self.archivist.close()
        self.ingest.close(time.monotonic())
        self.writer.close()


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    joined = Chain(tmp_path, frames_lost=frozenset({4, 9}))
    yield joined
    joined.close()


def test_a_crystal_is_provisional_while_it_is_measured_and_refined_after(chain: Chain) -> None:
    """After most frames the scene is PROVISIONAL, after the last REFINED, and it tells hold, voltage and frames."""
    hold, scan = sent(FRAMES)
    assert hear(chain.ingest, hold, At.now())[0]
    most = 1 + FRAMES * 7 // 10
    for raw in scan[:most]:
        chain.take(raw)
    scene = chain.until(lambda seen: seen.badge.trust == "PROVISIONAL" and seen.picture is not None)
    assert "4.1" in scene.canvas_text
    assert "PROVISIONAL" in scene.canvas_text
    assert scene.rocking is not None
    assert len(scene.rocking.curve.index) < FRAMES
    chain.take(b"not a message of any detector")
    for raw in scan[most:]:
        chain.take(raw)
    scene = chain.until(lambda seen: seen.badge.trust == "REFINED")
    assert scene.picture is not None
    assert scene.rocking is not None
    assert sorted(scene.rocking.curve.index) == list(range(FRAMES))
    assert f"{FRAMES} of {FRAMES}" in scene.canvas_text
    assert [type(h) for h in chain.happenings].count(FrameRejected) == 1


def test_a_lost_frame_is_listed_on_the_screen(chain: Chain) -> None:
    """A frame that never comes leaves the curve incomplete, with its index listed, and the crystal is still refined."""
    hold, scan = sent(FRAMES)
    hear(chain.ingest, hold, At.now())
    for raw in np.delete(np.array(scan, dtype=object), 1 + 20):
        chain.take(raw)
    scene = chain.until(lambda seen: seen.badge.trust in ("REFINED", "INCOMPLETE") and seen.picture is not None)
    assert f"{FRAMES - 1} of {FRAMES}" in scene.canvas_text
    assert any("20" in remark for remark in (*scene.remarks, scene.canvas_text, *map(str, scene.numbers)))
