"""What the demo concludes from the messages it sees."""

from __future__ import annotations

import msgspec
import numpy as np

from compose.demo_state import DemoState, observe
from contract.messages import (
    Advice,
    Crystal,
    Deadline,
    ForecastScored,
    FrameBlock,
    Hold,
    HoldEnded,
    HoldStarted,
    Notice,
    Quality,
    Scan,
    ScanEnded,
    ScanStarted,
    Volume,
    Window,
)

SCAN, CRYSTAL, HOLD = Scan("s1"), Crystal("IV"), Hold("IV-4.1")


def started() -> ScanStarted:
    return ScanStarted(
        scan=SCAN,
        source="test",
        frames_expected=4,
        window_revision=1,
        window=Window(row0=0, column0=0, rows=2, columns=2),
        detector_shape=(2, 2),
        crystal=CRYSTAL,
        hold=HOLD,
        mask=np.zeros((2, 2), np.uint32),
    )


def block(*indices: int) -> FrameBlock:
    n = len(indices)
    return FrameBlock(
        scan=SCAN,
        window_revision=1,
        index=np.array(indices, np.int32),
        angle_deg=np.zeros(n),
        monitor=np.ones(n),
        total_counts=np.zeros(n),
        counts=np.zeros((n, 2, 2), np.uint32),
    )


def volume(stage: str, revision: int) -> Volume:
    one = np.ones((1, 1, 1), np.float32)
    return Volume(
        scan=SCAN,
        stage="refined" if stage == "refined" else "provisional",
        revision=revision,
        frames_used=4,
        frames_expected=4,
        recipe="ER**1",
        recipe_sha256="",
        seeds=(1,),
        quality=Quality(r_factor=0.01),
        q_inv_a=(0.0, 0.0, 1.0),
        q_norm_inv_a=1.0,
        crystal_volume_um3=0.1,
        isosurface=0.5,
        voxel_nm=(1.0, 1.0, 1.0),
        origin_nm=(0.0, 0.0, 0.0),
        density=one,
        displacement_a=one,
        strain=one,
        support=np.ones((1, 1, 1), np.uint8),
    )


def seen(*events: tuple[object, float]) -> DemoState:
    state = DemoState()
    for message, at_s in events:
        state = observe(state, message, at_s)  # type: ignore[arg-type]
    return state


def test_volumes_before_the_last_frame_are_counted_by_arrival() -> None:
    """A volume counts as early only if it came before the last frame did."""
    state = seen(
        (started(), 0.0),
        (block(0, 1), 1.0),
        (volume("provisional", 1), 1.5),
        (block(2, 3), 2.0),
        (volume("provisional", 2), 2.5),
        (volume("refined", 3), 4.0),
    )
    scan = state.scans[0]
    assert scan.volumes_before_last_frame == 1
    assert (scan.first_frame_s, scan.last_frame_s) == (1.0, 2.0)
    assert [v.revision for v in scan.refined] == [3]


def test_a_repeated_block_changes_nothing() -> None:
    """Replayed frames neither count twice nor move the time of the last frame."""
    once = seen((started(), 0.0), (block(0, 1), 1.0))
    assert observe(once, block(0, 1), 9.0) == once


def test_a_hold_ends_when_it_was_planned_to() -> None:
    """The planned end decides, counted from the hold's start, not from when we heard of it."""
    message = HoldStarted(hold=HOLD, crystal=CRYSTAL, voltage_v=4.1, planned_s=30.0, elapsed_s=5.0)
    state = seen((message, 100.0), (HoldEnded(hold=HOLD, crystal=CRYSTAL), 131.0))
    assert state.holds[0].end_s == 125.0


def test_an_unplanned_hold_ends_when_somebody_says_so() -> None:
    """Without a plan the end of a hold is not known before it comes."""
    message = HoldStarted(hold=HOLD, crystal=CRYSTAL)
    assert seen((message, 0.0)).holds[0].end_s is None
    assert seen((message, 0.0), (HoldEnded(hold=HOLD, crystal=CRYSTAL), 7.0)).holds[0].end_s == 7.0


def test_it_is_finished_when_every_scan_ended_and_has_a_refined_volume() -> None:
    """A refined volume of a scan that still runs does not finish the demo."""
    open_scan = seen((started(), 0.0), (block(0, 1, 2, 3), 1.0), (volume("refined", 1), 2.0))
    ended = ScanEnded(scan=SCAN, window_revision=1, status="complete", frames_received=4, frames_expected=4)
    assert not open_scan.finished(1)
    assert observe(open_scan, ended, 3.0).finished(1)


def test_warnings_are_kept_and_bounded() -> None:
    """Only the newest warnings are shown, and no mere information; that a volume will be late is one."""
    texts = [Notice(level="warning", text=str(i)) for i in range(20)]
    state = seen((Notice(level="info", text="fine"), 0.0), *[(text, 1.0) for text in texts])
    assert state.notices[-1] == "warning: 19"
    assert len(state.notices) < 20
    assert not any("fine" in notice for notice in state.notices)
    late = Deadline(scan=SCAN, met=False, ready_s=5.0, hold_left_s=3.0, text="Too late.")
    assert seen((late, 0.0)).notices == ("warning: Too late.",)


def test_a_scan_keeps_what_was_said_of_it() -> None:
    """Deadlines with their time, scored forecasts and the first "good enough" go to their scan, no other's do."""
    late = Deadline(scan=SCAN, met=False, ready_s=5.0, hold_left_s=3.0, text="Too late.")
    elsewhere = msgspec.structs.replace(late, scan=Scan("s2"))
    scored = ForecastScored(scan=SCAN, revision=1, frames_used=2, frames_scored=3, residual=0.1)
    peak = Advice(scan=SCAN, kind="peak_passed", level="info", frames_used=2, text="")
    enough, again = (msgspec.structs.replace(peak, kind="good_enough", frames_used=n) for n in (3, 4))
    told = ((late, 2.0), (elsewhere, 3.0), (scored, 4.0), (peak, 5.0), (enough, 6.0), (again, 7.0))
    scan = seen((started(), 0.0), *told).scans[0]
    assert [(said.at_s, said.said) for said in scan.deadlines] == [(2.0, late)]
    assert scan.forecasts == (scored,)
    assert scan.good_enough == enough


def test_a_volume_tells_how_it_stands_to_the_last_hold() -> None:
    """Whether it shows the last hold, whether its curve was whole, and its latencies are kept."""
    told = msgspec.structs.replace(
        volume("provisional", 1), last_hold=True, completion="complete", last_frame_to_volume_s=1.5
    )
    kept = seen((started(), 0.0), (told, 1.0)).scans[0].volumes[0]
    assert (kept.last_hold, kept.whole_curve, kept.start, kept.last_frame_to_volume_s) == (True, True, "cold", 1.5)
