"""Keep the bytes that are written today: `python -m tests.contract.write_golden KIND…`."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from contract.codec import VERSION, encode
from tests.contract.examples import EXAMPLES

GOLDEN = Path(__file__).parent / "golden"


def kept(kind: str) -> list[Path]:
    """The files of a kind, the newest version last."""

    def version(path: Path) -> list[int]:
        return [int(number) for number in path.stem.rpartition("-")[2].split(".")]

    return sorted(GOLDEN.glob(f"{kind}-*.msgpack"), key=version)


if __name__ == "__main__":
    for kind in sys.argv[1:]:
        with (GOLDEN / f"{kind}-{VERSION[0]}.{VERSION[1]}.msgpack").open("xb") as file:
            file.write(msgspec.msgpack.encode([bytes(part) for part in encode(EXAMPLES[kind])]))
