"""What listeners heard is judged: volumes twice, out of order or untrue are found, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from compose.chain_check import ChainAccount, Heard, account
from compose.chain_listener import lives
from compose.chain_plan import MOMENTS, plan


def ended(seq: int, *missing: int) -> Heard:
    return Heard(stream="scans", epoch="s", seq=seq, kind="ScanEnded", scan="A", missing=missing, completion="complete")


def volume(seq: int, revision: int, epoch: str = "v", digest: str = "", **fields: object) -> Heard:
    """A volume of a complete scan of 41 frames."""
    one = Heard(stream="volumes", epoch=epoch, seq=seq, kind="Volume", scan="A", revision=revision, frames_used=41)
    one = msgspec.structs.replace(one, frames_expected=41, completion="complete", digest=digest or f"of {revision}")
    return msgspec.structs.replace(one, **fields)


def test_what_two_listeners_heard_alike_is_right() -> None:
    """Two volumes, told to both; one of them told again in a new epoch, and one made while the scan ran."""
    growing = volume(1, 1, frames_used=20, completion=None)
    first = [ended(1), growing, volume(2, 2), volume(1, 2, epoch="w")]
    assert account([first, [growing, volume(2, 2), ended(1)]], "A") == ChainAccount(volumes=2)


@pytest.mark.parametrize(
    ("life", "fault"),
    [
        ([volume(1, 1), volume(2, 1)], "duplicated"),
        ([volume(1, 1), volume(2, 2), ended(5), ended(5)], "out_of_order"),
        ([volume(1, 2), volume(2, 1)], "out_of_order"),
        ([volume(1, 1), volume(1, 2, epoch="w"), volume(2, 3)], "out_of_order"),
        ([volume(1, 1), volume(1, 1, epoch="w", digest="another")], "wrong"),
        ([volume(1, 1, frames_used=42)], "wrong"),
        ([volume(1, 1, frames_used=40)], "wrong"),
        ([volume(1, 1, frames_used=40, missing=(7,))], "wrong"),
        ([volume(1, 1, completion="incomplete")], "wrong"),
    ],
)
def test_each_fault_is_found_and_named(life: list[Heard], fault: str) -> None:
    """A volume twice in an epoch, a message or revision that goes back, an epoch that returns, another volume under the
    same revision, and one that says of its frames what the streamer does not.
    """
    found = account([[ended(1)], life], "A")
    faults = {"duplicated": found.duplicated, "out_of_order": found.out_of_order, "wrong": found.wrong}
    assert {name for name, count in faults.items() if count} == {fault}


def test_a_torn_last_line_is_no_message(tmp_path: Path) -> None:
    """What a killed listener had written whole is read; each start of it is a life of its own."""
    line = msgspec.json.encode(volume(1, 1))
    (tmp_path / "0001.jsonl").write_bytes(line + b"\n" + line[:30])
    (tmp_path / "0002.jsonl").write_bytes(b"")
    assert lives(tmp_path) == [[volume(1, 1)], []]


def test_plans_are_their_seeds_and_hit_everybody_at_every_moment() -> None:
    """A seed makes the same run each time; among many, each service is hit at each of its moments."""
    assert plan(5) == plan(5)
    drawn = {(deed.service, deed.moment) for seed in range(300) for deed in plan(seed).deeds}
    assert drawn == {(service, moment) for service, moments in MOMENTS.items() for moment in moments}
    assert {name for seed in range(100) for name in plan(seed).faults} >= {"drop", "corrupt", "no end"}
