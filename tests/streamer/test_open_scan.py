"""An open scan: its records become the messages of the contract, with what was decided at its start."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cbor2
import numpy as np
import pytest

from contract.messages import Angles, Crystal, Geometry, Hold, Scan, ScanStarted, Window
from streamer.detectors import dectris_v2
from streamer.detectors.decode_error import DecodeError
from streamer.detectors.records import Frame, SeriesStarted
from streamer.open_scan import Identity, OpenScan, Rules
from streamer.remarks import remarks
from streamer.rocking_curve import Waits

WINDOW = Window(row0=20, column0=10, rows=24, columns=30)
RULES = Rules(waits=Waits(30.0, 2.0), block_frames=4, block_s=0.25)
IDENTITY = Identity(
    scan=Scan("series-A"),
    source="tcp://detector",
    dialect="dectris-stream-v2",
    crystal=Crystal("IV"),
    hold=Hold("IV-1"),
)


def start_of(message: bytes) -> SeriesStarted:
    record = dectris_v2.read([memoryview(message)])
    assert isinstance(record, SeriesStarted)
    return record


def frame_of(message: bytes) -> Frame:
    record = dectris_v2.read([memoryview(message)])
    assert isinstance(record, Frame)
    return record


def take(scan: OpenScan, message: bytes, received_s: float, now_s: float) -> None:
    frame = frame_of(message)
    counts = scan.unpack(frame)
    assert not isinstance(counts, DecodeError)
    scan.take(frame, counts, received_s, now_s)


def opened(start: SeriesStarted, identity: Identity = IDENTITY, rules: Rules = RULES) -> OpenScan:
    return OpenScan(start, identity, rules, dectris_v2, 0.0)


def without(message: bytes, *names: str, **changes: Any) -> bytes:
    content = {**cbor2.loads(message[3:]), **changes}
    return b"\xd9\xd9\xf7" + cbor2.dumps({name: value for name, value in content.items() if name not in names})


def announced(scan: OpenScan) -> ScanStarted:
    started = scan.started()
    assert started is not None
    return started


def test_the_start_announces_the_scan_with_all_that_is_known(series: Callable[..., Any]) -> None:
    """Identity, window, mask of the window, saturation and geometry go out before any frame."""
    sent = series()
    started = announced(opened(start_of(sent.start), Identity(**{**_fields(IDENTITY), "window": WINDOW})))
    assert (started.scan, started.source, started.frames_expected) == ("series-A", "tcp://detector", 9)
    assert (started.crystal, started.hold, started.window) == ("IV", "IV-1", WINDOW)
    assert (started.detector_shape, started.saturation_counts) == ((60, 50), 60000)
    assert isinstance(started.geometry, Geometry)
    assert np.array_equal(started.mask, sent.mask[20:44, 10:40])
    assert started.flat_field is None


def test_blocks_carry_every_frame_once_with_its_counts_and_angle(series: Callable[..., Any]) -> None:
    """Frames go out when there are enough of them, or the first is old enough, cropped to the window."""
    sent = series()
    scan = opened(start_of(sent.start), Identity(**{**_fields(IDENTITY), "window": WINDOW}))
    order = [2, 0, 1, 8, 5]
    for index in order:
        take(scan, sent.images[index], 10.0, 10.1)
    block = scan.block(10.1)
    assert block is not None
    assert block.index.tolist() == order
    assert np.array_equal(block.counts, sent.counts[order, 20:44, 10:40])
    assert block.angle_deg == pytest.approx(6.0 + 0.005 * np.array(order))
    assert block.total_counts == pytest.approx(sent.counts[order, 20:44, 10:40].sum((1, 2)))
    assert block.since_received_s == pytest.approx(0.1)
    assert scan.block(11.0, now=True) is None
    take(scan, sent.images[7], 20.0, 20.0)
    assert scan.block(20.24) is None
    assert scan.block(20.26) is not None


def test_a_mask_keeps_its_pixels_out_of_the_total(series: Callable[..., Any]) -> None:
    """Counts under the detector's mask are published as they are, but not summed."""
    sent = series(frames=1)
    scan = opened(start_of(sent.start))
    take(scan, sent.images[0], 0.0, 0.0)
    block = scan.block(0.0, now=True)
    assert block is not None
    assert block.total_counts[0] == sent.counts[0].sum(where=sent.mask == 0)
    assert np.array_equal(block.counts[0], sent.counts[0])


@pytest.mark.parametrize(
    ("goniometer", "notes", "rules", "angle"),
    [
        ({"omega": {"start": 1.0, "increment": 0.1}, "chi": {"start": 90.0, "increment": 0.0}}, {}, {}, 1.3),
        ({"omega": {"start": 1.0, "increment": 0.1}}, {"angles_deg": [5.0, 6.0, 7.0, 8.5]}, {}, 8.5),
        ({"omega": {"start": 1.0, "increment": 0.1}}, {"angles_deg": [5.0]}, {}, math.nan),
        ({}, {}, {"angle_start_deg": 2.0, "angle_step_deg": -0.5}, 0.5),
        ({}, {}, {}, math.nan),
    ],
)
def test_angles_come_from_the_best_that_is_known(
    series: Callable[..., Any], goniometer: Any, notes: Any, rules: Any, angle: float
) -> None:
    """Listed angles come before the goniometer, that before the settings; nobody's guess is not known."""
    message = without(series().start, goniometer=goniometer, user_data={"bragglive": notes})
    scan = opened(start_of(message), rules=RULES._replace(**rules))
    assert scan.angle_deg(3) == pytest.approx(angle, nan_ok=True)


def test_a_frame_may_bring_its_own_angle_and_monitor(series: Callable[..., Any]) -> None:
    """What comes with the frame is nearer to the truth than what the start foresaw."""
    sent = series()
    scan = opened(start_of(sent.start))
    take(scan, without(sent.images[3], user_data={"angle_deg": 6.125, "monitor": 0.9}), 0.0, 0.0)
    block = scan.block(0.0, now=True)
    assert block is not None
    assert (block.angle_deg[0], block.monitor[0]) == (6.125, 0.9)


def test_angles_told_later_reach_frames_of_the_past_and_the_future(series: Callable[..., Any]) -> None:
    """Angles that come after some frames and before others are used for both."""
    sent = series(step_deg=0.0)
    scan = opened(start_of(sent.start))
    take(scan, sent.images[0], 0.0, 0.0)
    told = Angles(scan=Scan("series-A"), index=np.array([0, 1], np.int32), angle_deg=np.array([0.5, 0.75]))
    scan.tell_angles(told)
    take(scan, sent.images[1], 0.0, 0.0)
    block = scan.block(0.0, now=True)
    assert block is not None
    assert block.angle_deg.tolist() == [0.5, 0.75]
    assert [point.angle_deg for point in scan.assembly.curve().points.values()] == [0.5, 0.75]


def test_a_start_without_dtype_or_channels_is_announced_with_the_first_frame(series: Callable[..., Any]) -> None:
    """Older detectors do not announce the dtype: it is learnt from the first frame, and with it the overload level."""
    sent = series()
    start = start_of(without(sent.start, "image_dtype", "channels", "pixel_mask", "saturation_value"))
    scan = opened(start)
    assert scan.started() is None
    take(scan, sent.images[0], 0.0, 0.0)
    assert announced(scan).saturation_counts == 65534
    assert scan.channel == "threshold_1"


def test_a_frame_of_another_size_or_channel_is_refused(series: Callable[..., Any]) -> None:
    """What the start did not announce is refused before it is journaled."""
    sent = series()
    scan = opened(start_of(sent.start))
    with pytest.raises(DecodeError, match="shape"):
        scan.look(frame_of(series(shape=(20, 20)).images[0]))
    other = frame_of(
        without(sent.images[0], data={"threshold_2": cbor2.loads(sent.images[0][3:])["data"]["threshold_1"]})
    )
    with pytest.raises(DecodeError, match="has no channel threshold_1, only threshold_2"):
        scan.look(other)


def test_the_end_lists_what_is_missing(series: Callable[..., Any]) -> None:
    """An incomplete scan names every index that did not come, and where its archive is."""
    sent = series(frames=4)
    scan = opened(start_of(sent.start))
    for index in (0, 3):
        take(scan, sent.images[index], 0.0, 0.0)
    scan.assembly.end(0.0)
    closing = scan.assembly.close(2.0)
    assert closing is not None
    ended = scan.ended(closing, "/data/a.h5")
    assert (ended.status, ended.missing, ended.frames_received) == ("incomplete", (1, 2), 2)
    assert (ended.frames_expected, ended.archive) == (4, "/data/a.h5")


def test_what_is_not_known_is_remarked(series: Callable[..., Any]) -> None:
    """No geometry, no angles, several moving axes and a window beyond the image are each told in a sentence."""
    bare = start_of(without(series().start, "goniometer", user_data=None))
    found = " ".join(
        remarks(
            opened(bare, Identity(**{**_fields(IDENTITY), "window": Window(row0=50, column0=0, rows=50, columns=50)}))
        )
    )
    assert "no geometry" in found
    assert "no angles are listed" in found
    assert "does not fit the image" in found
    axes = {"omega": {"start": 1.0, "increment": 0.1}, "phi": {"start": 1.0, "increment": 0.2}}
    scan = opened(start_of(without(series().start, goniometer=axes)))
    assert remarks(scan) == ["the axes omega, phi move at once; phi was taken as the rocking axis"]
    assert remarks(opened(start_of(series().start))) == []


def _fields(identity: Identity) -> dict[str, Any]:
    return {name: getattr(identity, name) for name in identity.__struct_fields__}
