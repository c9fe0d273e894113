"""What happened is counted under the names that dashboards know, and logged once or always."""

from __future__ import annotations

import typing
from typing import Any

import msgspec
import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse
from structlog.testing import capture_logs

from contract import happened
from contract.happened import Happened
from contract.telemetry import (
    EFFECTS,
    CurveClosed,
    CurveOpened,
    FrameReceived,
    FrameRejected,
    JournalSize,
    PeerUp,
    Telemetry,
    VolumePublished,
)

RECORDS = [
    kind
    for kind in vars(happened).values()
    if isinstance(kind, type) and issubclass(kind, Happened) and kind != Happened
]

NAMES = (
    "frames_received_total",
    "frame_bytes_received_total",
    "frames_missing_total",
    "frames_duplicate_total",
    "frames_out_of_order_total",
    "frames_late_total",
    "frames_rejected_total",
    "last_frame_timestamp_seconds",
    "frame_ingest_seconds",
    "rocking_curves_total",
    "rocking_curves_open",
    "rocking_curve_assembly_seconds",
    "journal_bytes",
    "journal_scans",
    "journal_free_bytes",
    "journal_appends_total",
    "journal_errors_total",
    "journal_recovered_records_total",
    "journal_truncated_bytes_total",
    "journal_fsync_seconds",
    "queue_depth",
    "queue_capacity",
    "backpressure_seconds_total",
    "messages_dropped_total",
    "work_redeliveries_total",
    "work_failed_total",
    "reconstruction_seconds",
    "time_to_first_volume_seconds",
    "time_to_full_curve_volume_seconds",
    "time_to_refined_volume_seconds",
    "volumes_published_total",
    "subscribers",
    "subscriber_lag_messages",
    "replays_total",
    "peer_up",
    "peer_reconnects_total",
    "auth_failures_total",
    "build_info",
)


def _example(record: type[Happened]) -> Happened:
    """A record with plausible values in all its fields."""

    def value(field: msgspec.structs.FieldInfo) -> Any:
        kind = field.type
        if typing.get_origin(kind) is typing.Literal:
            return typing.get_args(kind)[0]
        return {"scan": "s0054"}.get(field.name) or {str: "a", int: 3, bool: True}.get(kind, 0.5)

    return record(**{field.name: value(field) for field in msgspec.structs.fields(record)})


def _families(telemetry: Telemetry, accept: str = "") -> list[Metric]:
    body, content_type = telemetry.exposition(accept)
    parser: Any = parse_open if content_type.startswith("application/openmetrics-text") else parse
    return list(parser(body.decode()))


def _exposed(telemetry: Telemetry) -> str:
    return telemetry.exposition()[0].decode()


def test_every_name_of_the_metrics_is_exposed() -> None:
    """Once everything has happened, exactly the names that dashboards and alerts know are there."""
    telemetry = Telemetry("test")
    for record in RECORDS:
        telemetry.happened(_example(record))
    found = {family.name + ("_total" if family.type == "counter" else "") for family in _families(telemetry)}
    assert {name for name in found if not name.startswith("process_")} == {f"bragglive_{name}" for name in NAMES}


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_record_has_its_effects_and_its_fields(record: type[Happened]) -> None:
    """Labels and amounts of each effect are fields of the record, and no label names a scan."""
    fields = {field.name for field in msgspec.structs.fields(record)}
    for effect in EFFECTS[record]:
        assert set(effect.labels) <= fields - {"scan", "detail"}
        assert not isinstance(effect.amount, str) or effect.amount in fields | {"now"}


def test_frames_are_counted_by_source() -> None:
    """Frames, bytes and the time of the last one."""
    telemetry = Telemetry("streamer", now=lambda: 1234.5)
    for size in (10, 20):
        telemetry.happened(FrameReceived(source="eiger", size_bytes=size, ingest_s=0.002))
    assert telemetry.value("frames_received_total", source="eiger") == 2
    assert telemetry.value("frame_bytes_received_total", source="eiger") == 30
    assert telemetry.value("last_frame_timestamp_seconds", source="eiger") == 1234.5
    assert telemetry.value("frame_ingest_seconds_bucket", source="eiger", le="0.0025") == 2
    assert telemetry.value("frames_received_total", source="merlin") is None


def test_open_curves_go_up_and_down() -> None:
    """A gauge of what is open follows opening and closing; missing frames are counted at the close."""
    telemetry = Telemetry("streamer")
    for scan in ("a", "b"):
        telemetry.happened(CurveOpened(source="eiger", scan=scan))
    telemetry.happened(CurveClosed(source="eiger", scan="a", status="incomplete", missing=3, assembly_s=21.0))
    assert telemetry.value("rocking_curves_open") == 1
    assert telemetry.value("frames_missing_total", source="eiger") == 3
    assert telemetry.value("rocking_curves_total", source="eiger", status="incomplete") == 1


def test_gauges_are_set() -> None:
    """A gauge shows the last value, also true and false."""
    telemetry = Telemetry("streamer")
    telemetry.happened(JournalSize(journal_bytes=5, scans=2, free_bytes=100))
    telemetry.happened(PeerUp(peer="streamer", up=True))
    telemetry.happened(PeerUp(peer="streamer", up=False))
    assert telemetry.value("journal_free_bytes") == 100
    assert telemetry.value("peer_up", peer="streamer") == 0


def test_a_time_that_was_not_measured_is_not_observed() -> None:
    """None is "not determined", never zero."""
    telemetry = Telemetry("reconstructor")
    telemetry.happened(VolumePublished(stage="provisional", scan="s", revision=2))
    assert telemetry.value("volumes_published_total", stage="provisional") == 1
    assert telemetry.value("time_to_first_volume_seconds_count") == 0


def test_an_exemplar_names_the_scan() -> None:
    """Scans are in no label, but the histogram tells an example when asked for OpenMetrics."""
    telemetry = Telemetry("reconstructor")
    telemetry.happened(VolumePublished(stage="refined", scan="s" * 500, revision=2, refined_volume_s=7.0))
    exemplars = [
        sample.exemplar
        for family in _families(telemetry, "application/openmetrics-text; version=1.0.0")
        for sample in family.samples
        if sample.exemplar is not None
    ]
    assert [exemplar.labels for exemplar in exemplars] == [{"scan": "s" * 100}]


def test_there_are_no_created_series() -> None:
    """The series that only tell when a counter was made are left out of both expositions."""
    telemetry = Telemetry("test")
    telemetry.happened(FrameRejected(source="a", reason="crc"))
    assert "_created" not in _exposed(telemetry)
    assert b"_created" not in telemetry.exposition("application/openmetrics-text")[0]
    assert "bragglive_frames_rejected_total" in _exposed(telemetry)


def test_two_telemetries_share_nothing() -> None:
    """Each has a registry of its own."""
    one, other = Telemetry("one"), Telemetry("other")
    one.happened(FrameRejected(source="a", reason="crc"))
    assert other.value("frames_rejected_total", source="a", reason="crc") is None


def test_the_version_that_runs_is_told() -> None:
    """build_info is 1 and carries the version as a label."""
    assert 'bragglive_build_info{service="streamer",version="' in _exposed(Telemetry("streamer"))


def test_the_first_of_each_kind_is_logged_and_all_are_counted() -> None:
    """A fault that comes a thousand times is one line a reason."""
    telemetry = Telemetry("streamer")
    with capture_logs() as lines:
        for _ in range(5):
            telemetry.happened(FrameRejected(source="a", reason="crc", detail="frame 7"))
            telemetry.happened(FrameRejected(source="a", reason="size"))
    warnings = [line for line in lines if line["log_level"] == "warning"]
    assert [(line["event"], line["reason"]) for line in warnings] == [
        ("frame rejected", "crc"),
        ("frame rejected", "size"),
    ]
    assert warnings[0]["detail"] == "frame 7"
    assert warnings[0]["service"] == "streamer"
    assert telemetry.value("frames_rejected_total", source="a", reason="crc") == 5


def test_what_matters_is_logged_each_time() -> None:
    """Every volume is a line."""
    telemetry = Telemetry("reconstructor")
    with capture_logs() as lines:
        for revision in (1, 2):
            telemetry.happened(VolumePublished(stage="provisional", scan="s", revision=revision))
    assert [(line["event"], line["revision"]) for line in lines] == [("volume published", 1), ("volume published", 2)]
