"""A subscriber of both streams as a process, as a viewer is one: `python -m compose.chain_listener FILE` and the four
addresses. It writes what it hears to FILE, a JSON object a line, until it is ended.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import msgspec

from compose.chain_check import Heard, heard
from contract.stream import Addresses, open_subscriber

WAIT_S = 0.05


def listen(record: Path, streams: dict[str, Addresses], ready: Path) -> None:
    """Write each message as it comes, in one write, so that a kill tears the last line at most."""
    subscribers = {name: open_subscriber(addresses) for name, addresses in streams.items()}
    ready.write_text(json.dumps({"pid": os.getpid()}))
    with record.open("ab", buffering=0) as file:
        while True:
            for name, subscriber in subscribers.items():
                for received in subscriber.receive(WAIT_S):
                    file.write(msgspec.json.encode(heard(name, received)) + b"\n")


def lives(folder: Path) -> list[list[Heard]]:
    """What was heard by the listeners whose records are in a folder; a torn last line is none."""
    decode = msgspec.json.Decoder(Heard).decode
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        lines = path.read_bytes().split(b"\n")[:-1]
        found.append([decode(line) for line in lines])
    return found


if __name__ == "__main__":
    where, scans_live, scans_control, volumes_live, volumes_control, _, ready_file = sys.argv[1:]
    listen(
        Path(where),
        {"scans": Addresses(scans_live, scans_control), "volumes": Addresses(volumes_live, volumes_control)},
        Path(ready_file),
    )
