"""Messages -> what is known: a pure reducer. Times are seconds of the viewer's own steady clock, given by the caller.

Everything is matched by identity, never by order of arrival, so that a snapshot, a replay or a restarted service
may repeat what is known already. Bounded: the newest `MOST_HOLDS` holds, as many scans and two pictures a hold.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from contract.messages import (
    Advice,
    Angles,
    AnyMessage,
    Deadline,
    ForecastScored,
    FrameBlock,
    HoldEnded,
    HoldStarted,
    JobProgress,
    Notice,
    Scan,
    ScanEnded,
    ScanStarted,
    Volume,
)
from viewer.frames import Frame, FrameView
from viewer.picture import Picture, slot_of
from viewer.rocking import GaussianFit
from viewer.state import HoldKnown, LinkKnown, PictureKnown, ScanKnown, State

MOST_HOLDS = 24
MOST_NOTICES = 5
SCANS_WITH_FRAMES = 2


def reduce(state: State, message: AnyMessage, at_s: float) -> State:
    """Take in a message that was published at `at_s`; of a volume that it came: `with_picture` takes in the rest."""
    match message:
        case HoldStarted():
            return _hold_started(state, message, at_s)
        case HoldEnded():
            return _hold_ended(state, message, at_s)
        case ScanStarted():
            return _scan_started(state, message, at_s)
        case FrameBlock():
            return _frames(state, message, at_s)
        case Angles():
            known = _scan(state, message.scan, at_s)
            return _keep_scan(state, replace(known, curve=known.curve.with_angles(message.index, message.angle_deg)))
        case ScanEnded():
            known = _scan(state, message.scan, at_s)
            ended = replace(known, ended_s=at_s, status=message.status, missing=message.missing)
            return _keep_scan(state, replace(ended, frames_expected=message.frames_expected))
        case JobProgress() | Advice() | ForecastScored() | Deadline():
            return _keep_scan(state, _told(_scan(state, message.scan, at_s), message, at_s))
        case Notice():
            return replace(state, notices=(*state.notices, (at_s, message))[-MOST_NOTICES:])
        case Volume():
            return _keep_scan(state, _scan_of_volume(state, message, at_s))
        case _:  # Confirmed says nothing to the screen
            return state


def _told(scan: ScanKnown, message: JobProgress | Advice | ForecastScored | Deadline, at_s: float) -> ScanKnown:
    """What the reconstructor says of a scan beside its volumes."""
    match message:
        case JobProgress():
            return replace(scan, job=message, job_s=at_s)
        case Advice():
            others = tuple(one for one in scan.advice if one.kind != message.kind)
            return replace(scan, advice=(*others, message))
        case Deadline():
            return replace(scan, deadline=message, deadline_s=at_s)
        case _:
            return replace(scan, forecast=message)


def with_picture(state: State, picture: Picture, published_s: float) -> State:
    """Take in the picture of a volume; an older revision of the same scan and stage changes nothing."""
    volume = picture.facts
    slot = slot_of(volume)
    there = state.pictures.get(slot)
    if there and there.picture.scan == picture.scan and there.picture.facts.revision > volume.revision:
        return state
    pictures = {**state.pictures, slot: PictureKnown(picture, published_s)}
    newest = sorted(pictures, key=lambda one: pictures[one].published_s)[-2 * MOST_HOLDS :]
    state = replace(state, pictures={one: pictures[one] for one in newest})
    return reduce(state, volume, published_s)


def _scan_of_volume(state: State, volume: Volume, published_s: float) -> ScanKnown:
    # The volume tells how long ago its first frame came: a late joiner still puts its scan in the right order.
    known = _scan(state, volume.scan, published_s - (volume.first_frame_to_volume_s or 0.0))
    if known.status is None and volume.completion is not None:
        ended_s = published_s - (volume.last_frame_to_volume_s or 0.0)
        known = replace(known, status=volume.completion, missing=volume.missing, ended_s=ended_s)
    return replace(
        known,
        frames_used=max(known.frames_used, volume.frames_used),
        crystal=known.crystal or volume.crystal,
        hold=known.hold or volume.hold,
        frames_expected=known.frames_expected or volume.frames_expected,
        volume_s=tuple(sorted({*known.volume_s, published_s}))[-2:],
    )


def with_fit(state: State, scan: Scan, fit: GaussianFit | None) -> State:
    """Take in the fit of a scan's rocking curve."""
    return _keep_scan(state, replace(state.scans[scan], fit=fit)) if scan in state.scans else state


def with_frame_views(state: State, scan: Scan, newest: FrameView | None, brightest: FrameView | None) -> State:
    """Take in the prepared frames of a scan."""
    if scan not in state.scans:
        return state
    return _keep_scan(state, replace(state.scans[scan], newest_view=newest, brightest_view=brightest))


def with_link(state: State, name: str, link: LinkKnown) -> State:
    """Take in how the connection to a service is."""
    return state if state.links.get(name) == link else replace(state, links={**state.links, name: link})


def _hold_started(state: State, message: HoldStarted, at_s: float) -> State:
    before = state.holds.get(message.hold)
    began_s = at_s - message.elapsed_s
    known = HoldKnown(
        hold=message.hold,
        crystal=message.crystal,
        voltage_v=message.voltage_v,
        planned_s=message.planned_s,
        began_s=began_s,
        ended_s=before.ended_s if before else None,
    )
    # A crystal is held at one voltage at a time: the end of the hold before may never be told.
    for other in state.holds.values():
        if other.crystal == known.crystal and other.ended_s is None and other.began_s < began_s:
            state = _keep_hold(state, replace(other, ended_s=began_s))
    return _keep_hold(state, known)


def _hold_ended(state: State, message: HoldEnded, at_s: float) -> State:
    known = state.holds.get(message.hold)
    known = known or HoldKnown(hold=message.hold, crystal=message.crystal, began_s=at_s)
    return _keep_hold(state, replace(known, ended_s=at_s))


def _scan_started(state: State, message: ScanStarted, at_s: float) -> State:
    known = _scan(state, message.scan, at_s)
    if message.window_revision < known.window_revision:
        return state
    moved = message.window_revision > known.window_revision
    return _keep_scan(
        state,
        replace(
            known,
            began_s=min(known.began_s, at_s),
            crystal=message.crystal or known.crystal,
            hold=message.hold or known.hold,
            frames_expected=message.frames_expected,
            frame_time_s=message.frame_time_s,
            window_revision=message.window_revision,
            window=message.window,
            mask=message.mask,
            saturation_counts=message.saturation_counts,
            # Another window: the frames kept for the screen no longer fit the mask; the curve stays as it is.
            newest=None if moved else known.newest,
            brightest=None if moved else known.brightest,
        ),
    )


def _frames(state: State, message: FrameBlock, at_s: float) -> State:
    known = _scan(state, message.scan, at_s)
    if message.window_revision < known.window_revision or not len(message.index):
        return state
    beam = message.monitor > 0  # without beam there is nothing to compare
    counts = np.divide(message.total_counts, message.monitor, out=np.full(len(beam), np.nan), where=beam)
    curve = known.curve.merge(message.index, message.angle_deg, counts)
    newest, brightest = _frame(message, len(message.index) - 1), _frame(message, int(message.total_counts.argmax()))
    if known.brightest is not None and known.brightest.total_counts > brightest.total_counts:
        brightest = known.brightest
    return _keep_scan(
        state,
        replace(known, curve=curve, newest=newest, brightest=brightest, last_frame_s=at_s),
    )


def _frame(block: FrameBlock, place: int) -> Frame:
    return Frame(
        scan=block.scan,
        index=int(block.index[place]),
        angle_deg=float(block.angle_deg[place]),
        total_counts=float(block.total_counts[place]),
        # A copy: a view would keep the whole block in memory.
        counts=block.counts[place].copy(),
    )


def _scan(state: State, scan: Scan, began_s: float) -> ScanKnown:
    known = state.scans.get(scan)
    if known is None:
        return ScanKnown(scan=scan, began_s=began_s)
    return known if known.began_s <= began_s else replace(known, began_s=began_s)


def _keep_scan(state: State, scan: ScanKnown) -> State:
    scans = {**state.scans, scan.scan: scan}
    newest = sorted(scans, key=lambda one: scans[one].began_s)[-MOST_HOLDS:]
    with_frames = set(newest[-SCANS_WITH_FRAMES:])
    return replace(
        state, scans={one: scans[one] if one in with_frames else _without_frames(scans[one]) for one in newest}
    )


def _without_frames(scan: ScanKnown) -> ScanKnown:
    heavy = (scan.newest, scan.brightest, scan.newest_view, scan.brightest_view, scan.mask)
    if all(one is None for one in heavy):
        return scan
    return replace(scan, newest=None, brightest=None, newest_view=None, brightest_view=None, mask=None)


def _keep_hold(state: State, hold: HoldKnown) -> State:
    holds = {**state.holds, hold.hold: hold}
    newest = sorted(holds, key=lambda one: holds[one].began_s)[-MOST_HOLDS:]
    return replace(state, holds={one: holds[one] for one in newest})
