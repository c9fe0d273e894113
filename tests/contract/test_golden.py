"""What was once written can be read for ever, and is still what is written."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from contract.codec import decode, encode, kinds
from tests.contract.examples import EXAMPLES, same
from tests.contract.write_golden import GOLDEN, kept

ALL = sorted(GOLDEN.glob("*.msgpack"))


def _parts(path: Path) -> list[bytes]:
    return msgspec.msgpack.decode(path.read_bytes(), type=list[bytes])


def test_every_kind_has_an_example_and_kept_bytes() -> None:
    """No kind of message joins the contract without bytes that are kept."""
    assert set(EXAMPLES) == set(kinds()) == {path.stem.rpartition("-")[0] for path in ALL}


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_kept_bytes_decode_to_the_same_values(path: Path) -> None:
    """A message of an earlier version means today what it meant then."""
    assert same(decode(_parts(path)), EXAMPLES[path.stem.rpartition("-")[0]])


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_encoding_reproduces_the_newest_kept_bytes(kind: str) -> None:
    """The same message has the same bytes as when they were written first."""
    assert [bytes(part) for part in encode(EXAMPLES[kind])] == _parts(kept(kind)[-1])
