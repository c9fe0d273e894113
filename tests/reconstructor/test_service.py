"""The service with in-memory streams: frames in, provisional and refined volumes out, whatever comes between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from contract.messages import (
    Confirmed,
    Crystal,
    Deadline,
    Hold,
    HoldStarted,
    JobProgress,
    Notice,
    Scan,
    ScanEnded,
    ScanStarted,
    Volume,
)
from reconstructor import archive
from reconstructor.phasing.alignment import overlap
from tests.reconstructor.service_bench import Bench


def hold(**fields: Any) -> HoldStarted:
    """The hold of the small scans, long enough."""
    plain: dict[str, Any] = {"hold": Hold("IV-4.1"), "crystal": Crystal("IV"), "voltage_v": 4.1, "planned_s": 600.0}
    return HoldStarted(**{**plain, **fields})


def end(scan: str = "scan-1", frames: int = 48) -> ScanEnded:
    """The end of a small scan."""
    status = "complete" if frames == 48 else "incomplete"
    missing = tuple(range(frames, 48))
    return ScanEnded(
        scan=Scan(scan),
        window_revision=1,
        status=status,  # type: ignore[arg-type]
        frames_received=frames,
        frames_expected=48,
        missing=missing,
    )


def test_a_growing_scan_gives_provisional_then_refined_volumes(
    bench: Callable[..., Bench], played: Callable[..., Any]
) -> None:
    """Volumes while frames come, then of the full curve, then refined, archived, confirmed, and near the truth."""
    here, source = bench(), played()
    for message in (hold(), source.started):
        here.streamer.publish(message)
    for j in range(34):
        here.streamer.publish(source.block(j, j + 1, since_received_s=0.25))
    here.step_until(lambda: "provisional" in here.stages())
    early = here.all(Volume)[0]
    assert early.frames_used <= 34
    assert early.missing == tuple(range(early.frames_used, 48))
    assert early.completion is None
    assert early.last_frame_to_volume_s is None
    assert early.first_frame_to_volume_s is not None
    assert early.first_frame_to_volume_s >= 0.25
    here.streamer.publish(source.block(34, 48))
    here.streamer.publish(end())
    here.step_until(lambda: "refined" in here.stages() and bool(here.heard))
    volumes = here.all(Volume)
    assert [volume.revision for volume in volumes] == list(range(1, len(volumes) + 1))
    full = [volume.stage for volume in volumes if volume.frames_used == 48]
    assert full[:2] == ["provisional", "refined"]
    last = next(volume for volume in volumes if volume.stage == "refined")
    assert last.completion == "complete"
    assert last.missing == ()
    assert last.voltage_v == 4.1
    assert last.hold_left_s is not None
    assert 0 < last.hold_left_s < 600
    assert last.last_frame_to_volume_s is not None
    assert last.hand == "unknown"
    assert any("hand" in sentence for sentence in last.assumptions)
    assert here.heard[0] == Confirmed(scan=Scan("scan-1"), revision=last.revision)
    kept = archive.read(Path(last.archive))
    assert kept.volume.revision == last.revision
    true = np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(_cut(source.amplitude, kept.window))))
    assert overlap(true.astype(np.complex64), kept.obj) > 0.93
    states = {progress.state for progress in here.all(JobProgress)}
    assert {"running", "done"} <= states
    assert any(progress.expected_refined_s is not None for progress in here.all(JobProgress))


def test_a_restart_tells_again_what_is_archived_and_computes_nothing(
    bench: Callable[..., Bench], played: Callable[..., Any]
) -> None:
    """After a restart the scans of the snapshot are taken up; a refined one is published from its archive."""
    here, source = bench(), played()
    for message in (source.started, source.block(0, 48), end()):
        here.streamer.publish(message)
    here.step_until(lambda: "refined" in here.stages() and not here.service._runner.flying)
    before = next(volume for volume in reversed(here.all(Volume)) if volume.stage == "refined")
    here.service.close()
    again = bench(frames=here.frames, streamer=here.streamer)
    again.step_until(lambda: bool(again.all(Volume)) and bool(again.heard))
    volume = again.all(Volume)[0]
    assert volume.stage == "refined"
    assert volume.revision == before.revision
    assert np.array_equal(volume.density, before.density)
    assert not [progress for progress in again.all(JobProgress) if progress.state == "running"]


def test_revisions_go_on_from_the_archive(bench: Callable[..., Bench], played: Callable[..., Any]) -> None:
    """A scan that was left after a provisional volume goes on counting after a restart."""
    here, source = bench(), played()
    for message in (source.started, source.block(0, 34)):
        here.streamer.publish(message)
    here.step_until(lambda: "provisional" in here.stages())
    here.service.close()
    last = here.all(Volume)[-1].revision
    again = bench(frames=here.frames, streamer=here.streamer)
    here.streamer.publish(source.block(34, 48))
    here.streamer.publish(end())
    again.step_until(lambda: "refined" in again.stages())
    assert again.all(Volume)[0].revision == last + 1
    assert again.all(Volume)[0].supersedes == last


def test_a_second_hold_keeps_the_hand_and_may_start_warm(
    bench: Callable[..., Bench], played: Callable[..., Any]
) -> None:
    """Of the same crystal: one run more begins from the last hold's object, and the hand is found again."""
    here = bench()
    for name in ("first", "second"):
        source = played(name, seed=4, hold=Hold(name))
        here.streamer.publish(hold(hold=Hold(name)))
        for message in (source.started, source.block(0, 48), end(name)):
            here.streamer.publish(message)
        here.step_until(lambda name=name: any(v.stage == "refined" and v.scan == name for v in here.all(Volume)))
    first, second = (
        next(v for v in here.all(Volume) if v.scan == name and v.stage == "refined") for name in ("first", "second")
    )
    assert (first.hand, second.hand) == ("unknown", "matched")
    assert second.runs == first.runs
    shape = np.minimum(first.density.shape, second.density.shape)
    a, b = (_middle(volume.density, shape) for volume in (first, second))
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.9


def test_a_scan_without_geometry_gives_a_notice_and_no_volume(
    bench: Callable[..., Bench], played: Callable[..., Any]
) -> None:
    """Nothing wrong is published; what is missing is said once, in words."""
    here, source = bench(), played(geometry=None)
    for message in (source.started, source.block(0, 48), end()):
        here.streamer.publish(message)
    here.step_until(lambda: bool(here.all(Notice)))
    for _ in range(20):
        here.service.step(0.0)
    notices = here.all(Notice)
    assert len(notices) == 1
    assert "geometry" in notices[0].text
    assert not here.all(Volume)


def test_bad_messages_do_not_stop_the_scan(bench: Callable[..., Bench], played: Callable[..., Any]) -> None:
    """Frames that do not fit are told and dropped; the scan is refined all the same, with what is missing listed."""
    here, source = bench(), played()
    here.streamer.publish(ScanStarted(**_absurd(source.started)))
    here.streamer.publish(source.started)
    here.streamer.publish(source.block(0, 1, index=np.array([4000], np.int32)))
    here.streamer.publish(source.block(0, 44))
    here.streamer.publish(end(frames=44))
    here.step_until(lambda: "refined" in here.stages())
    assert {notice.scan for notice in here.all(Notice)} == {"absurd", "scan-1"}
    volume = next(v for v in here.all(Volume) if v.stage == "refined")
    assert volume.frames_used == 44
    assert volume.missing == (44, 45, 46, 47)
    assert volume.completion == "incomplete"


def test_a_job_that_fails_is_told_and_the_next_scan_goes_on(
    bench: Callable[..., Bench], played: Callable[..., Any]
) -> None:
    """A support that vanishes fails the refined job twice, then it is left; the service goes on with another scan."""
    here = bench(refined="Runs(cold=2, least=2) * Sup(every=2, threshold=50, fraction=0.5..0.6) * HIO**10")
    for name in ("first", "second"):
        source = played(name)
        for message in (source.started, source.block(0, 48), end(name)):
            here.streamer.publish(message)
    failed: list[JobProgress] = []
    here.step_until(lambda: {p.scan for p in here.all(JobProgress) if p.state == "failed"} == {"first", "second"})
    failed = [p for p in here.all(JobProgress) if p.state == "failed"]
    assert all("support" in progress.detail for progress in failed)
    assert {volume.stage for volume in here.all(Volume)} == {"provisional"}
    assert any(notice.level == "warning" and "support" in notice.text for notice in here.all(Notice))
    assert here.service.ready()


def test_an_impossible_hold_is_announced(bench: Callable[..., Bench], played: Callable[..., Any]) -> None:
    """Where no refined volume can be ready before the hold ends, that is said, and the volume comes late."""
    here, source = bench(), played()
    here.streamer.publish(hold(planned_s=0.3))
    for message in (source.started, source.block(0, 48), end()):
        here.streamer.publish(message)
    here.step_until(lambda: "refined" in here.stages())
    told = here.all(Deadline)
    assert [one.met for one in told] == [False]
    assert told[0].ready_s > 0.3 >= told[0].hold_left_s
    volume = next(v for v in here.all(Volume) if v.stage == "refined")
    assert volume.hold_left_s is not None
    assert volume.hold_left_s < 0.3


def test_a_late_joiner_sees_the_newest_volume(bench: Callable[..., Bench], played: Callable[..., Any]) -> None:
    """Who subscribes after the fact gets the present state: the newest volume of each stage."""
    here, source = bench(), played()
    for message in (source.started, source.block(0, 48), end()):
        here.streamer.publish(message)
    here.step_until(lambda: "refined" in here.stages())
    late = [received.message for received in here.volumes.subscriber().receive(0)]
    assert {message.stage for message in late if isinstance(message, Volume)} == {"provisional", "refined"}


def _cut(amplitude: np.ndarray, window: Any) -> np.ndarray:
    box = tuple(slice(s, s + n) for s, n in zip(window.start, window.shape, strict=True))
    assert min(window.start) >= 0
    return amplitude[box]


def _middle(density: np.ndarray, shape: np.ndarray) -> np.ndarray:
    return density[tuple(slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(density.shape, shape, strict=True))]


def _absurd(started: Any) -> dict[str, Any]:
    fields = {name: getattr(started, name) for name in started.__struct_fields__}
    return {**fields, "scan": Scan("absurd"), "frames_expected": 10**9}
