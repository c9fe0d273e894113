"""A scan as Stream V2 messages, and how long its hold is."""

from __future__ import annotations

from datetime import UTC, datetime

import bitshuffle
import cbor2
import h5py
import msgspec
import numpy as np
import pytest

from contract.messages import Geometry
from streamer.simulator.beamline import BeamlinePlan, measure, prepare
from streamer.simulator.geometries import i13_1
from streamer.simulator.recorded import RecordedError, RecordedScan
from streamer.simulator.series import messages
from streamer.simulator.settings import Pace, for_each, paces, replayed_scan, simulated_scans, voltages

NOW = datetime(2026, 11, 23, 3, 15, tzinfo=UTC)


def test_a_simulated_scan_tells_everything() -> None:
    """Start, 41 images and end leave in order; geometry, hold, angles, monitor and counts can be read back."""
    campaign = prepare(BeamlinePlan(voltages_v=(4.1,), frames=41, rows=16, columns=16))
    (hold,) = measure(campaign)
    ((scan, truth),) = simulated_scans(campaign, [hold], [Pace(rate_hz=10.0, hold_margin_s=10.0)], NOW)
    sent = list(messages(scan))
    assert [m.kind for m in sent] == ["start", *["image"] * 41, "end"]
    start, image = cbor2.loads(sent[0].data[3:]), cbor2.loads(sent[18].data[3:])
    ours = start["user_data"]["bragglive"]
    assert msgspec.convert(ours["geometry"], Geometry) == campaign.geometry
    assert ours["hold"] == "IV-4.100V-20261123T031500-1" == truth.hold
    assert (ours["crystal"], ours["voltage_v"], ours["planned_s"]) == ("IV", 4.1, pytest.approx(14.1))
    assert start["series_unique_id"] == image["series_unique_id"] == truth.scan
    assert (start["frame_time"], start["number_of_images"]) == (0.1, 41)
    omega = start["goniometer"]["omega"]
    assert image["image_id"] == 17
    beside = image["user_data"]["bragglive"]
    assert beside["angle_deg"] == pytest.approx(omega["start"] + 17 * omega["increment"])
    assert beside["monitor"] == hold.monitor[17]
    compressed = image["data"]["threshold_1"].value[1].value.value[2]
    block = int.from_bytes(compressed[8:12], "big") // 4
    counts = bitshuffle.decompress_lz4(np.frombuffer(compressed, np.uint8, offset=12), (16, 16), np.dtype("<u4"), block)
    np.testing.assert_array_equal(counts, hold.counts[17])


def recorded(**changes: object) -> RecordedScan:
    with h5py.File.in_memory() as file:
        frames = file.create_dataset("f", data=np.zeros((4, 6, 5), np.uint16))[()]
    settings: dict[str, object] = {
        "name": "s1",
        "frames": frames,
        "geometry": i13_1(6, 5),
        "angles_deg": np.linspace(6.0, 6.3, 4),
        "monitor": np.ones(4),
        "missing": (2,),
    }
    return RecordedScan(**(settings | changes))  # type: ignore[arg-type]


def test_missing_frames_are_not_sent_again() -> None:
    """Of four frames the three that were received are sent, in the pixel type they were recorded in."""
    scan = replayed_scan(recorded(), Pace(rate_hz=5.0, hold_margin_s=None), NOW, None, None)
    sent = list(messages(scan))
    assert [m.image_id for m in sent] == [None, 0, 1, 3, None]
    start = cbor2.loads(sent[0].data[3:])
    assert start["image_dtype"] == "uint16"
    assert start["number_of_images"] == 4
    assert "hold" not in start["user_data"]["bragglive"]
    assert "crystal" not in start["user_data"]["bragglive"]


def test_a_replayed_hold_needs_a_crystal() -> None:
    """With a hold, the crystal is the one given, else the recorded one, else the scan's name."""
    pace = Pace(rate_hz=5.0, hold_margin_s=None, hold_s=60.0)
    for given, stored, expected in (("Au", "IV", "Au"), (None, "IV", "IV"), (None, None, "s1")):
        scan = replayed_scan(recorded(crystal=stored), pace, NOW, given, 3.5)
        assert scan.crystal == expected
        assert scan.hold is not None
        assert (scan.hold.hold, scan.hold.planned_s) == (f"{expected}-3.500V-20261123T031500-1", 60.0)


def test_a_scan_without_geometry_is_refused() -> None:
    """Nobody could reconstruct it, and the error says so."""
    with pytest.raises(RecordedError, match="s1 does not tell its geometry"):
        replayed_scan(recorded(geometry=None), Pace(), NOW, None, None)


def test_voltages_are_numbers() -> None:
    """A list of volts is read; anything else is refused with what was wanted."""
    assert voltages("4.1, 4.0,3.9") == (4.1, 4.0, 3.9)
    with pytest.raises(ValueError, match="wanted numbers separated by commas"):
        voltages("4.1;4.0")
    with pytest.raises(ValueError, match="a rate of 0 frames/s"):
        Pace(rate_hz=0.0)


def test_conditions_are_told_for_all_holds_or_for_each() -> None:
    """One number stands for every hold; two for three holds are refused."""
    assert for_each(None, "offsets", 3) == ()
    assert for_each("2.5", "offsets", 3) == (2.5, 2.5, 2.5)
    assert for_each("1,2,-3", "offsets", 3) == (1.0, 2.0, -3.0)
    with pytest.raises(ValueError, match="2 numbers for 3 holds; wanted one for all or one for each"):
        for_each("1,2", "offsets", 3)


def test_each_hold_has_its_own_pace() -> None:
    """Scans take as long as told, and holds last as long as told, else longer by the margin."""
    alike = paces(Pace(rate_hz=10.0, hold_margin_s=5.0), 2, 100, (), ())
    assert [pace.planned_s(100) for pace in alike] == [15.0, 15.0]
    each = paces(Pace(rate_hz=10.0, hold_margin_s=5.0), 2, 100, (5.0, 2.5), (30.0, 3.0))
    assert [(pace.rate_hz, pace.planned_s(100)) for pace in each] == [(20.0, 30.0), (40.0, 3.0)]
    with pytest.raises(ValueError, match="wanted each above 0"):
        paces(Pace(), 1, 100, (0.0,), ())
