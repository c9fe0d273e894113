"""What the listeners of a soak heard, and what must be true of it. No I/O, no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from contract.messages import ScanEnded, Volume
from contract.stream import Received


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """A message as a listener keeps it."""

    stream: str
    epoch: str
    seq: int
    kind: str
    scan: str = ""
    revision: int = 0
    stage: str = ""
    frames_used: int = 0
    frames_expected: int = 0
    missing: tuple[int, ...] = ()
    completion: str | None = None
    archive: str = ""
    digest: str = ""
    """sha256 of the volume's density and displacement"""


class ChainAccount(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the volumes of one run, or of many together."""

    volumes: int = 0
    """Different ones that were told"""
    duplicated: int = 0
    """Told twice to one listener within one epoch"""
    out_of_order: int = 0
    """Messages behind a later one of their epoch, volumes behind a later revision, or of an epoch that was over"""
    wrong: int = 0
    """Two volumes of one revision, or a volume that says of its frames what the streamer does not"""

    def __add__(self, other: ChainAccount) -> ChainAccount:
        names = self.__struct_fields__
        return ChainAccount(**{name: getattr(self, name) + getattr(other, name) for name in names})


def heard(stream: str, received: Received) -> Heard:
    """What is kept of a message."""
    message = received.message
    kept = Heard(
        stream=stream,
        epoch=received.epoch,
        seq=received.seq,
        kind=type(message).__name__,
        scan=getattr(message, "scan", None) or "",
    )
    match message:
        case Volume():
            fields = ("revision", "stage", "frames_used", "frames_expected", "missing", "completion", "archive")
            told = {name: getattr(message, name) for name in fields}
            digest = hashlib.sha256(message.density.tobytes() + message.displacement_a.tobytes()).hexdigest()
            return replace(kept, **told, digest=digest)
        case ScanEnded():
            return replace(kept, missing=message.missing, completion=message.status, archive=message.archive)
        case _:
            return kept


def account(lives: Sequence[Sequence[Heard]], scan: str) -> ChainAccount:
    """Judge what each listener heard from its start to its end; one that was killed and started again has two lives."""
    everything = [one for life in lives for one in life]
    volumes = [one for one in everything if one.kind == "Volume" and one.scan == scan]
    ended = {one.missing for one in everything if one.kind == "ScanEnded" and one.scan == scan}
    by_revision: dict[int, set[str]] = {}
    for one in volumes:
        by_revision.setdefault(one.revision, set()).add(one.digest)
    unlike = {(one.revision, one.digest) for one in volumes if not _true(one, ended)}
    return ChainAccount(
        volumes=len(by_revision),
        duplicated=sum(_duplicated(life) for life in lives),
        out_of_order=sum(_out_of_order(life) for life in lives),
        wrong=len(unlike) + sum(len(digests) - 1 for digests in by_revision.values()),
    )


def _true(volume: Heard, ended: set[tuple[int, ...]]) -> bool:
    """Whether what a volume says of its scan's frames is so."""
    if volume.frames_used > volume.frames_expected:
        return False
    if volume.completion is None:
        return True
    whole = volume.frames_used + len(volume.missing) == volume.frames_expected
    return volume.missing in ended and whole and (volume.completion == "complete") == (not volume.missing)


def _duplicated(life: Iterable[Heard]) -> int:
    told = [(one.epoch, one.scan, one.revision) for one in life if one.kind == "Volume"]
    return len(told) - len(set(told))


def _out_of_order(life: Iterable[Heard]) -> int:
    """Seq grows within an epoch, an epoch that was over does not come back, and revisions of a scan grow with seq."""
    last: dict[tuple[str, str], int] = {}
    newest: dict[tuple[str, str], int] = {}
    present: dict[str, str] = {}
    wrong = 0
    for one in life:
        place = (one.stream, one.epoch)
        returned = present.get(one.stream) != one.epoch and place in last
        wrong += returned or one.seq <= last.get(place, 0)
        present[one.stream] = one.epoch
        last[place] = max(one.seq, last.get(place, 0))
        if one.kind == "Volume":
            volume = (one.epoch, one.scan)
            wrong += one.revision < newest.get(volume, 0)
            newest[volume] = max(one.revision, newest.get(volume, 0))
    return int(wrong)
