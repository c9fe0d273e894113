"""What one run of `bragglive bench live` comes to: a row a hold, from what was seen and how it compares with the truth.

Latencies are those that the services measured and published in each volume. What happened before a hold ended is
judged by when it came to a listener, on the listener's clock.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec

from compose.demo_state import DemoState, ScanSeen, VolumeSeen
from compose.live_plan import PlannedHold

Row = dict[str, Any]


def row(state: DemoState, scan: ScanSeen, hold: PlannedHold, played: Row) -> Row:
    """One hold's record; `played` is what `bragglive playback` wrote of its scan."""
    told = state.hold(scan.hold)
    end_s = None if told is None else told.end_s
    begun_s = None if told is None else told.started_s
    volumes = [_volume(volume, scan, played) for volume in scan.volumes]
    own = [volume for volume in scan.volumes if volume.runs > 0]
    provisional = next((v for v in own if v.stage == "provisional" and v.whole_curve), None)
    refined = scan.refined[0] if scan.refined else None
    return {
        **asdict(hold),
        "scan": scan.scan,
        "completion": scan.status,
        "frames_received": len(scan.indices),
        "frames_expected": scan.frames_expected,
        "peak_share": _share(played["peak_frame"], played["frames"]),
        "first_frame_to_first_volume_s": scan.volumes[0].first_frame_to_volume_s if scan.volumes else None,
        "first_volume_share": _share(scan.volumes[0].frames_used if scan.volumes else None, scan.frames_expected),
        "first_own_volume_share": _share(own[0].frames_used if own else None, scan.frames_expected),
        "volumes_before_last_frame": scan.volumes_before_last_frame,
        "last_frame_to_provisional_s": provisional.last_frame_to_volume_s if provisional else None,
        "last_frame_to_refined_s": refined.last_frame_to_volume_s if refined else None,
        "refined_before_hold_ended": bool(refined and end_s is not None and refined.at_s < end_s),
        "hold_left_at_refined_s": end_s - refined.at_s if refined and end_s is not None else None,
        "volumes_before_hold_ended": sum(end_s is not None and volume.at_s < end_s for volume in scan.volumes),
        **_called(scan, begun_s, end_s),
        "last_hold_overlap": _last_hold_overlap(played),
        "beats_last_hold_share": _beats_share(volumes, played, scan.frames_expected),
        "refined_overlap": next((v["overlap"] for v in reversed(volumes) if v["stage"] == "refined"), None),
        "warm_cold_overlap": next((v.warm_cold_overlap for v in scan.refined[::-1] if v.warm_cold_overlap), None),
        "warm_abandoned": any(scored.abandoned for scored in scan.forecasts),
        "good_enough_share": _good_enough_share(scan),
        "volumes": volumes,
        "ways": played["ways"],
    }


def _volume(volume: VolumeSeen, scan: ScanSeen, played: Row) -> Row:
    """A volume that was published, what was said of it later, and what is true of it."""
    scored = next((f for f in reversed(scan.forecasts) if f.revision == volume.revision), None)
    overlaps = {score["revision"]: score["complex_overlap"] for score in played["published"]}
    seen_s = None if scan.first_frame_s is None else volume.at_s - scan.first_frame_s
    return {
        "revision": volume.revision,
        "stage": volume.stage,
        "start": volume.start,
        "runs": volume.runs,
        "last_hold": volume.last_hold,
        "share": _share(volume.frames_used, scan.frames_expected),
        "first_frame_to_volume_s": volume.first_frame_to_volume_s,
        "first_frame_to_volume_seen_s": seen_s,
        "last_frame_to_volume_s": volume.last_frame_to_volume_s,
        "free_llk": volume.free_llk,
        "warm_cold_overlap": volume.warm_cold_overlap,
        "forecast": None if scored is None else msgspec.to_builtins(scored),
        "overlap": overlaps.get(volume.revision),
    }


def _called(scan: ScanSeen, begun_s: float | None, end_s: float | None) -> Row:
    """When it was first said that the hold leaves no time for a refined volume: seconds before its end and after its
    beginning, and by how long the volume was said to come after the end. None if it never was."""
    said = next((one for one in scan.deadlines if not one.said.met), None)
    if said is None or begun_s is None or end_s is None:
        return dict.fromkeys(("called_impossible_s", "called_impossible_after_s", "called_late_by_s"))
    return {
        "called_impossible_s": end_s - said.at_s,
        "called_impossible_after_s": said.at_s - begun_s,
        "called_late_by_s": said.said.ready_s - said.said.hold_left_s,
    }


def _good_enough_share(scan: ScanSeen) -> float | None:
    """Share of the frames from which on nothing changed any more, as it was said; None if it never was."""
    numbers = {} if scan.good_enough is None else dict(scan.good_enough.numbers)
    frames = numbers.get("frames")
    return None if frames is None or not scan.frames_expected else frames / scan.frames_expected


def _last_hold_overlap(played: Row) -> float | None:
    """The last hold's object against the present truth, as well as it can be laid over the whole curve."""
    laid = [way for way in played["ways"] if way["way"] == "last"]
    return laid[-1]["overlap"] if laid else None


def _beats_share(volumes: list[Row], played: Row, frames: int) -> float | None:
    """Share of the frames in the first volume that was phased and is nearer the truth than the last hold's object."""
    bar = _last_hold_overlap(played)
    if bar is None or not frames:
        return None
    better = (v["share"] for v in volumes if v["runs"] > 0 and v["overlap"] is not None and v["overlap"] > bar)
    return next(better, None)


def _share(frames: int | None, of: int) -> float | None:
    return None if frames is None or not of else frames / of
