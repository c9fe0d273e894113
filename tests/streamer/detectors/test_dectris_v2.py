"""DECTRIS Stream V2: the simulator's messages are read, the standard's variants too, and damaged ones refused."""

from __future__ import annotations

import tracemalloc
from typing import Any

import cbor2
import msgspec
import numpy as np
import pytest
from cbor2 import CBORTag
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.messages import Geometry
from streamer.detectors import dectris_v2
from streamer.detectors.decode_error import DecodeError
from streamer.detectors.records import Frame, Record, SeriesEnded, SeriesStarted
from streamer.simulator.dectris_v2 import Goniometer, SeriesStart, encode_end, encode_image, encode_start

SHAPE = (60, 50)
GEOMETRY = Geometry(
    instrument="test",
    energy_kev=11.0,
    distance_mm=2900.0,
    pixel_um=(55.0, 55.0),
    sample_axes=("y+",),
    sample_angles_deg=(0.0,),
    rocking_axis=0,
    detector_axes=("y+",),
    detector_angles_deg=(13.7,),
    pixel_directions=("y-", "x+"),
    beam_centre_px=(30.0, 25.0),
)
START = SeriesStart(
    series_id=4,
    series_unique_id="01HTEST",
    number_of_images=5,
    image_shape=SHAPE,
    image_dtype="uint16",
    energy_kev=11.0,
    pixel_um=(55.0, 55.0),
    distance_mm=2900.0,
    beam_centre_px=(30.0, 25.0),
    frame_time_s=0.1,
    count_time_s=0.09,
    saturation_value=60000,
    goniometer={
        "omega": Goniometer(start=6.3, increment=0.005),
        "chi": Goniometer(start=90.0, increment=0.0),
    },
    arm_date="2026-11-23T03:15:00.000+00:00",
    user_data={
        "bragglive": {
            "crystal": "IV",
            "hold": "IV-4.1",
            "voltage_v": 4.1,
            "planned_s": 60,
            "geometry": msgspec.to_builtins(GEOMETRY),
        }
    },
)
COUNTS = np.random.default_rng(3).poisson(0.7, SHAPE).astype(np.uint16)
MASK = (np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE) % 97 == 0).astype(np.uint32)
FLAT = np.linspace(0.9, 1.1, SHAPE[0] * SHAPE[1]).reshape(SHAPE).astype(np.float32)
OUTCOMES = ("used", "garbage", "decode", "size", "series")
MESSAGES = (encode_start(START, MASK, FLAT), encode_image(START, 2, COUNTS, {"angle_deg": 6.4}), encode_end(START))


def read(message: bytes) -> Record:
    return dectris_v2.read([memoryview(message)])


def start(message: bytes = MESSAGES[0]) -> SeriesStarted:
    record = read(message)
    assert isinstance(record, SeriesStarted)
    return record


def frame(message: bytes = MESSAGES[1]) -> Frame:
    record = read(message)
    assert isinstance(record, Frame)
    return record


def changed(message: bytes, **fields: Any) -> bytes:
    """`message` with some fields replaced, or left out where they are `...`."""
    content = dict(cbor2.loads(message[3:])) | fields
    kept = {name: value for name, value in content.items() if value is not ...}
    return b"\xd9\xd9\xf7" + cbor2.dumps(kept)


def test_a_start_tells_all_it_was_given() -> None:
    """Sizes, energy, distance, goniometer, mask, flat field and the sender's notes come out in our units."""
    record = start()
    assert (record.series, record.frames_expected, record.shape, record.dtype) == ("01HTEST", 5, SHAPE, np.uint16)
    assert record.energy_kev == pytest.approx(11.0)
    assert record.pixel_um == pytest.approx((55.0, 55.0))
    assert record.distance_mm == pytest.approx(2900.0)
    assert record.beam_centre_px == (30.0, 25.0)
    assert (record.count_time_s, record.frame_time_s, record.saturation_counts) == (0.09, 0.1, 60000)
    assert record.goniometer == {"omega": (6.3, 0.005), "chi": (90.0, 0.0)}
    assert record.started_at == "2026-11-23T03:15:00.000+00:00"
    assert (record.notes.crystal, record.notes.hold, record.notes.voltage_v) == ("IV", "IV-4.1", 4.1)
    assert (record.notes.planned_s, record.notes.geometry) == (60.0, GEOMETRY)
    channel = record.channels["threshold_1"]
    assert channel.mask is not None
    assert channel.flat_field is not None
    assert np.array_equal(channel.mask, MASK)
    assert np.array_equal(channel.flat_field, FLAT)
    assert record.remarks == ()


def test_a_frame_gives_the_counts_that_were_sent() -> None:
    """Any rows of an image equal the rows that were encoded, compressed or not."""
    for message in (MESSAGES[1], encode_image(START, 2, COUNTS, compress=False)):
        record = frame(message)
        dectris_v2.agree(record, start())
        assert (record.series, record.index) == ("01HTEST", 2)
        assert np.array_equal(dectris_v2.pixels(record, "threshold_1", 7, 31), COUNTS[7:31])
    assert frame().angle_deg == 6.4


def test_an_end_names_its_series() -> None:
    """The end message tells which series it closes."""
    record = read(MESSAGES[2])
    assert isinstance(record, SeriesEnded)
    assert record.series == "01HTEST"


def test_unknown_fields_and_missing_optional_ones_do_no_harm() -> None:
    """Fields of other makers are ignored; a start with the bare necessities is enough."""
    bare = changed(
        MESSAGES[0],
        magic_number=1,
        calibration={"a": [1, 2]},
        **dict.fromkeys(
            (
                "goniometer", "pixel_mask", "flatfield", "user_data", "image_dtype", "incident_energy", "arm_date",
                "channels", "detector_translation", "saturation_value", "beam_center_x", "count_time",
            ),
            ...,
        ),
    )  # fmt: skip
    record = start(bare)
    assert (record.dtype, record.energy_kev, record.goniometer, record.channels) == (None, None, {}, {})
    assert record.remarks == ()


def test_what_is_said_beside_a_start_and_unusable_is_remarked() -> None:
    """A mask of another shape, a text for an energy and strange notes are left out and named."""
    mask = CBORTag(40, [[2, 2], CBORTag(70, bytes(16))])
    record = start(
        changed(
            MESSAGES[0],
            pixel_mask={"threshold_1": mask},
            incident_energy="eleven",
            user_data={"bragglive": {"crystal": 5}},
            arm_date=17,
        )
    )
    assert record.channels["threshold_1"].mask is None
    assert (record.energy_kev, record.notes.crystal, record.started_at) == (None, None, "")
    assert [remark.partition(":")[0] for remark in record.remarks] == [
        "pixel_mask of threshold_1",
        "start",
        "start",
        "user_data of the start message",
    ]


def test_names_and_notes_are_too_short_to_burst_a_message() -> None:
    """Endless names of a crystal, an axis or a channel are left out or refused: they would go into every message."""
    long = "x" * 20_000
    record = start(
        changed(
            MESSAGES[0], user_data={"bragglive": {"crystal": long}}, goniometer={long: {"start": 0, "increment": 1}}
        )
    )
    assert (record.notes.crystal, record.goniometer) == (None, {})
    assert max(len(remark) for remark in record.remarks) < 200
    data = cbor2.loads(MESSAGES[1][3:])["data"]["threshold_1"]
    with pytest.raises(DecodeError, match="texts of at most 40 characters"):
        read(changed(MESSAGES[1], data={long: data}))


def test_a_flat_field_that_was_applied_is_none_of_ours() -> None:
    """Where the detector has divided by its flat field already, it is not handed on to be applied again."""
    assert start(changed(MESSAGES[0], flatfield_enabled=True)).channels["threshold_1"].flat_field is None


def test_angles_may_come_with_the_start_or_the_frame() -> None:
    """Per-frame angles in the notes, and angle and monitor of a frame under either key, are read."""
    assert start(changed(MESSAGES[0], user_data={"angles_deg": [1, 2.5]})).notes.angles_deg == (1.0, 2.5)
    record = frame(changed(MESSAGES[1], user_data={"bragglive": {"angle_deg": 6.5, "monitor": 0.98}}))
    assert (record.angle_deg, record.monitor) == (6.5, 0.98)
    assert frame(changed(MESSAGES[1], user_data={"angle_deg": "x"})).angle_deg is None


def test_several_thresholds_are_kept_apart() -> None:
    """A frame of two channels gives each under its name."""
    data = cbor2.loads(MESSAGES[1][3:])["data"]["threshold_1"]
    record = frame(changed(MESSAGES[1], data={"threshold_1": data, "threshold_2": data}))
    assert set(record.channels) == {"threshold_1", "threshold_2"}


@pytest.mark.parametrize(
    ("message", "reason", "why"),
    [
        (b"", "garbage", "begins with nothing"),
        (b"GET / HTTP/1.1\r\n", "garbage", "begins with 474554, wanted d9d9f7"),
        (MESSAGES[1][3:], "garbage", "wanted d9d9f7"),
        (MESSAGES[1] + b"\x00", "decode", "1 bytes follow"),
        (MESSAGES[1][:-5], "decode", "not CBOR"),
        (b"\xd9\xd9\xf7" + cbor2.dumps([1]), "garbage", "of type None"),
        (changed(MESSAGES[2], type="calibration"), "garbage", "type 'calibration'"),
        (changed(MESSAGES[2], type=["image"]), "garbage", "type .*image"),
        (changed(MESSAGES[2], series_unique_id=...), "decode", "'series_unique_id' is missing"),
        (changed(MESSAGES[2], series_unique_id="a\x00b"), "decode", "printable"),
        (changed(MESSAGES[1], image_id=-1), "decode", "'image_id' is -1"),
        (changed(MESSAGES[1], data={}), "decode", "has 0 channels"),
        (changed(MESSAGES[1], data={"a": CBORTag(40, [[1, 1], CBORTag(81, bytes(4))])}), "decode", "float32 pixels"),
        (changed(MESSAGES[0], image_dtype="float32"), "decode", "announces float32"),
        (changed(MESSAGES[0], number_of_images=0), "decode", "'number_of_images' is 0"),
        (changed(MESSAGES[0], image_size_x=1 << 20, image_size_y=1 << 20), "size", "wanted at most"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(message: bytes, reason: str, why: str) -> None:
    """Foreign, truncated, malformed and oversized messages each carry the reason they are counted by."""
    with pytest.raises(DecodeError, match=why) as caught:
        read(message)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("message", "reason", "why"),
    [
        (changed(MESSAGES[1], image_id=5), "series", "frame 5 came in a series of 5"),
        (
            changed(MESSAGES[1], data={"threshold_1": CBORTag(40, [[1, 2], CBORTag(69, bytes(4))])}),
            "size",
            r"shape \(1, 2\), announced \(60, 50\)",
        ),
        (
            changed(MESSAGES[1], data={"threshold_1": CBORTag(40, [list(SHAPE), CBORTag(64, bytes(3000))])}),
            "size",
            "uint8 pixels, announced uint16",
        ),
    ],
)
def test_a_frame_that_its_start_did_not_announce_is_refused(message: bytes, reason: str, why: str) -> None:
    """Number, shape and dtype are compared with the start before anything is decompressed."""
    with pytest.raises(DecodeError, match=why) as caught:
        dectris_v2.agree(frame(message), start())
    assert caught.value.reason == reason


def test_two_parts_are_no_message_of_this_dialect() -> None:
    """A multipart message is another dialect's."""
    with pytest.raises(DecodeError, match="has one part, this has 2"):
        dectris_v2.read([memoryview(b"a"), memoryview(b"b")])


def outcome(message: bytes) -> str:
    """Why the streamer refuses a message; "used" if it gets to its pixels, or there are none."""
    try:
        record = read(message)
        if isinstance(record, Frame):
            dectris_v2.agree(record, start())
            for channel in record.channels:
                assert dectris_v2.pixels(record, channel, 0, SHAPE[0]).shape == SHAPE
    except DecodeError as error:
        return error.reason
    return "used"


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_messages_raise_nothing_but_the_one_error_and_stay_small(data: st.DataObject) -> None:
    """Real messages with bytes changed, cut out, doubled or appended are used or refused, within 30 MB."""
    message = bytearray(data.draw(st.sampled_from(MESSAGES)))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(message) - 1))
        length = data.draw(st.integers(1, 12))
        kind = data.draw(st.sampled_from(["change", "cut", "double", "insert"]))
        piece = data.draw(st.binary(min_size=length, max_size=length))
        if kind == "double":
            piece = bytes(message[place : place + length]) * 2
        message[place : place + (0 if kind == "insert" else length)] = b"" if kind == "cut" else piece
        message = message or bytearray(b"\x00")
    tracemalloc.start()
    try:
        assert outcome(bytes(message)) in OUTCOMES
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 30_000_000


@given(st.sampled_from(MESSAGES), st.sampled_from(["image_id", "data", "type", "goniometer", "user_data", "pixel_mask",
       "number_of_images", "image_size_x", "series_unique_id", "channels", "flatfield", "detector_translation"]),
       st.recursive(st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.floats() | st.text(max_size=9) |
                    st.binary(max_size=30), lambda inner: st.lists(inner, max_size=3) |
                    st.dictionaries(st.sampled_from(["bragglive", "threshold_1", "start", "geometry", "flat_field"]),
                                    inner, max_size=3) | st.builds(CBORTag, st.sampled_from([0, 40, 69, 70, 85, 56500]),
                                                                   inner)))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_fields_of_any_type_raise_nothing_but_the_one_error(message: bytes, name: str, value: Any) -> None:
    """Whatever stands in the place of any field, the message is used or refused."""
    assert outcome(changed(message, **{name: value})) in OUTCOMES
