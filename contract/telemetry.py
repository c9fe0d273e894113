"""What happened → Prometheus metrics and log lines. All names of metrics stand in this file."""

from __future__ import annotations

import importlib.metadata
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from structlog.typing import FilteringBoundLogger

from contract.happened import AuthFailed as AuthFailed
from contract.happened import Backpressure as Backpressure
from contract.happened import CurveClosed as CurveClosed
from contract.happened import CurveOpened as CurveOpened
from contract.happened import FrameDuplicate as FrameDuplicate
from contract.happened import FrameLate as FrameLate
from contract.happened import FrameOutOfOrder as FrameOutOfOrder
from contract.happened import FrameReceived as FrameReceived
from contract.happened import FrameRejected as FrameRejected
from contract.happened import Happened as Happened
from contract.happened import JournalAppended as JournalAppended
from contract.happened import JournalFault as JournalFault
from contract.happened import JournalRecovered as JournalRecovered
from contract.happened import JournalSize as JournalSize
from contract.happened import MessageDropped as MessageDropped
from contract.happened import PeerReconnected as PeerReconnected
from contract.happened import PeerUp as PeerUp
from contract.happened import QueueDepth as QueueDepth
from contract.happened import Reconstructed as Reconstructed
from contract.happened import Replayed as Replayed
from contract.happened import SubscriberLag as SubscriberLag
from contract.happened import Subscribers as Subscribers
from contract.happened import VolumePublished as VolumePublished
from contract.happened import WorkFailed as WorkFailed
from contract.happened import WorkRedelivered as WorkRedelivered

LATENCY_S = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0)
INGEST_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
PREFIX = "bragglive_"
EXEMPLAR_CHARACTERS = 100


class Count(NamedTuple):
    """A counter: `amount` is added to it; the name of a record's field, or a number."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    amount: str | int = 1


class Level(NamedTuple):
    """A gauge, set to a record's field (or to the present time, `NOW`)."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    amount: str = ""


class Step(NamedTuple):
    """A gauge that goes up or down."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    amount: int = 1


class Spread(NamedTuple):
    """A histogram: observes a record's field, in seconds, unless it is None."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    amount: str = ""
    buckets: tuple[float, ...] = LATENCY_S


Effect = Count | Level | Step | Spread

NOW = "now"
SOURCE = ("source",)
_OPEN = "Rocking curves that are growing."
EFFECTS: Mapping[type[Happened], tuple[Effect, ...]] = {
    FrameReceived: (
        Count("frames_received_total", "Frames accepted.", SOURCE),
        Count("frame_bytes_received_total", "Bytes of the frames accepted, as received.", SOURCE, "size_bytes"),
        Level("last_frame_timestamp_seconds", "When the last frame came (Unix time).", SOURCE, NOW),
        Spread("frame_ingest_seconds", "From receipt until accepted.", SOURCE, "ingest_s", INGEST_S),
    ),
    FrameRejected: (Count("frames_rejected_total", "Frames refused.", ("source", "reason")),),
    FrameDuplicate: (Count("frames_duplicate_total", "Frames that came again.", SOURCE),),
    FrameOutOfOrder: (Count("frames_out_of_order_total", "Frames that came after a later one.", SOURCE),),
    FrameLate: (Count("frames_late_total", "Frames that came after their scan was closed.", SOURCE),),
    CurveOpened: (Step("rocking_curves_open", _OPEN),),
    CurveClosed: (
        Count("rocking_curves_total", "Rocking curves closed.", ("source", "status")),
        Count("frames_missing_total", "Frames that never came.", SOURCE, "missing"),
        Step("rocking_curves_open", _OPEN, (), -1),
        Spread("rocking_curve_assembly_seconds", "From start to end of a rocking curve.", (), "assembly_s"),
    ),
    JournalAppended: (
        Count("journal_appends_total", "Messages made durable.", (), "records"),
        Spread("journal_fsync_seconds", "One commit to the disk.", (), "fsync_s", INGEST_S),
    ),
    JournalFault: (Count("journal_errors_total", "Faults of the journal.", ("kind",)),),
    JournalRecovered: (
        Count("journal_recovered_records_total", "Messages taken up again after a restart.", (), "records"),
        Count("journal_truncated_bytes_total", "Bytes given up at a restart.", (), "truncated_bytes"),
    ),
    JournalSize: (
        Level("journal_bytes", "Size of the journal.", (), "journal_bytes"),
        Level("journal_scans", "Scans in the journal.", (), "scans"),
        Level("journal_free_bytes", "Free space where the journal is.", (), "free_bytes"),
    ),
    QueueDepth: (
        Level("queue_depth", "What waits in a bounded queue.", ("queue",), "depth"),
        Level("queue_capacity", "What has room in a bounded queue.", ("queue",), "capacity"),
    ),
    Backpressure: (Count("backpressure_seconds_total", "Time waited for room.", ("queue",), "waited_s"),),
    MessageDropped: (Count("messages_dropped_total", "Messages refused or lost.", ("stage", "reason"), "count"),),
    WorkRedelivered: (Count("work_redeliveries_total", "Jobs given out again.", ("reason",)),),
    WorkFailed: (Count("work_failed_total", "Jobs that failed.", ("reason",)),),
    Reconstructed: (Spread("reconstruction_seconds", "One phasing job.", ("stage",), "took_s"),),
    VolumePublished: (
        Count("volumes_published_total", "Volumes published.", ("stage",)),
        Spread("time_to_first_volume_seconds", "First frame to first volume.", (), "first_volume_s"),
        Spread("time_to_full_curve_volume_seconds", "Last frame to full-curve volume.", (), "full_curve_volume_s"),
        Spread("time_to_refined_volume_seconds", "Last frame to refined volume.", (), "refined_volume_s"),
    ),
    Subscribers: (Level("subscribers", "Who listens to a stream of ours.", ("stream",), "count"),),
    SubscriberLag: (Level("subscriber_lag_messages", "Messages not yet taken.", ("stream",), "messages"),),
    Replayed: (Count("replays_total", "Ranges asked of a stream of ours.", ("stream", "outcome")),),
    PeerUp: (Level("peer_up", "1 if a service that we listen to is heard.", ("peer",), "up"),),
    PeerReconnected: (Count("peer_reconnects_total", "Times a service came back.", ("peer",)),),
    AuthFailed: (Count("auth_failures_total", "Connections refused for their key, or for want of one.", ("peer",)),),
}


class Telemetry:
    """Counts and logs what happened in one service, in a registry of its own. Any thread may call it."""

    def __init__(self, service: str, *, now: Callable[[], float] = time.time) -> None:
        self.service = service
        self.log: FilteringBoundLogger = structlog.get_logger(service=service)
        self._now = now
        self._registry = CollectorRegistry()
        self._metrics: dict[str, Counter | Gauge | Histogram] = {}
        self._children: dict[tuple[Any, ...], Counter | Gauge | Histogram] = {}
        self._seen: set[tuple[Any, ...]] = set()
        self._lock = threading.Lock()
        for effects in EFFECTS.values():
            for effect in effects:
                if effect.name not in self._metrics:
                    self._metrics[effect.name] = self._make(effect)
        ProcessCollector(registry=self._registry)
        info = Gauge(
            f"{PREFIX}build_info", "Version that runs; always 1.", ("version", "service"), registry=self._registry
        )
        info.labels(importlib.metadata.version("bragglive"), service).set(1)

    def happened(self, record: Happened) -> None:
        """Count it, and log it as its kind asks for: always, the first with these labels, or never."""
        effects = EFFECTS[type(record)]
        for effect in effects:
            self._apply(effect, record)
        if record.level is None or (record.once and self._known(record, effects[0].labels)):
            return
        fields = {name: value for name, value in msgspec.structs.asdict(record).items() if value not in (None, "")}
        getattr(self.log, record.level)(_words(type(record).__name__), **fields)

    def value(self, name: str, **labels: str) -> float | None:
        """Present value of a sample, e.g. value("frames_received_total", source="a"); None if there is none."""
        return self._registry.get_sample_value(PREFIX + name, labels)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """What /metrics answers to this Accept header, and its content type."""
        encoder, content_type = choose_encoder(accept)
        return encoder(_WithoutCreated(self._registry)), content_type

    def _known(self, record: Happened, labels: tuple[str, ...]) -> bool:
        """Whether one with the same labels happened before."""
        what = (type(record), *(getattr(record, label) for label in labels))
        with self._lock:
            known = what in self._seen
            self._seen.add(what)
        return known

    def _make(self, effect: Effect) -> Counter | Gauge | Histogram:
        name = PREFIX + effect.name
        match effect:
            case Count():
                return Counter(name.removesuffix("_total"), effect.help, effect.labels, registry=self._registry)
            case Level() | Step():
                return Gauge(name, effect.help, effect.labels, registry=self._registry)
            case Spread():
                return Histogram(name, effect.help, effect.labels, registry=self._registry, buckets=effect.buckets)

    def _apply(self, effect: Effect, record: Happened) -> None:
        metric = self._labelled(effect, record) if effect.labels else self._metrics[effect.name]
        amount = self._amount(effect.amount, record)
        if amount is None:
            return
        match metric:
            case Counter():
                metric.inc(amount)
            case Gauge() if isinstance(effect, Step):
                metric.inc(amount)
            case Gauge():
                metric.set(amount)
            case Histogram():
                scan = getattr(record, "scan", None)
                metric.observe(amount, {"scan": scan[:EXEMPLAR_CHARACTERS]} if scan else None)

    def _labelled(self, effect: Effect, record: Happened) -> Counter | Gauge | Histogram:
        """The metric with the record's labels; remembered, because to look it up takes longer than to count."""
        where = (effect.name, *(getattr(record, label) for label in effect.labels))
        found = self._children.get(where)
        if found is None:
            found = self._children[where] = self._metrics[effect.name].labels(*where[1:])
        return found

    def _amount(self, amount: str | int, record: Happened) -> float | None:
        if amount == NOW:
            return self._now()
        found: float | None = getattr(record, amount) if isinstance(amount, str) else amount
        return found


class _WithoutCreated(Collector):
    """The registry without the `_created` series, which double the output and tell nothing."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


def _words(name: str) -> str:
    """ "FrameRejected" → "frame rejected"."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()
