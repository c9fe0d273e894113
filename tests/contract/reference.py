"""The generated parts of docs/reference/contract.md; `python -m tests.contract.reference` writes them anew."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from contract import messages, stream_wire
from contract.codec import Part, encode, kinds
from contract.schema import describe, meanings, schema
from contract.stream_wire import Batch, Entry, Envelope, Heartbeat, Pull, pack
from tests.contract.examples import EXAMPLES

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "contract.md"
BYTES_A_LINE = 24


def blocks() -> dict[str, str]:
    """Each generated part by its name."""
    values = [getattr(messages, name) for name in schema()["values"]]
    wires = [getattr(stream_wire, name) for name in schema()["stream"]]
    return {
        "kinds": "\n".join(_kind(tag, kind.message) for tag, kind in kinds().items()),
        "values": "\n".join(_struct(value) for value in values),
        "stream": "\n".join(_struct(wire) for wire in wires),
        "live example": _live_example(),
        "batch example": _batch_example(),
    }


def written(document: str) -> dict[str, str]:
    """The generated parts as they stand in the document."""
    return dict(re.findall(_MARKED, document, re.DOTALL))


def renewed(document: str) -> str:
    """The document with its generated parts made anew."""
    fresh = blocks()
    return re.sub(_MARKED, lambda found: _marked(found.group(1), fresh[found.group(1)]), document, flags=re.DOTALL)


_MARKED = r"<!-- generated: ([a-z ]+) -->\n(.*?)\n<!-- end -->"


def _marked(name: str, text: str) -> str:
    return f"<!-- generated: {name} -->\n{text}\n<!-- end -->"


def _kind(tag: str, message: type[Any]) -> str:
    return "\n".join(
        [
            f"### `{tag}`",
            "",
            _doc(message),
            "",
            *_tables(message),
            "Example:",
            "",
            *_bytes(encode(EXAMPLES[tag])),
        ]
    )


def _struct(struct: type[Any]) -> str:
    return "\n".join([f"### {struct.__name__}", "", _doc(struct), "", *_tables(struct)])


def _doc(struct: type[Any]) -> str:
    return inspect.cleandoc(struct.__doc__ or "")


def _tables(struct: type[Any]) -> list[str]:
    described, meaning = describe(struct), meanings(struct)
    lines: list[str] = []
    if described["fields"]:
        rows = [
            (
                f"`{name}`",
                field["type"],
                field.get("unit", ""),
                "required" if field["required"] else f"`{json.dumps(field['default'], ensure_ascii=False)}`",
                meaning.get(name, ""),
            )
            for name, field in described["fields"].items()
        ]
        lines += [*_table(("field", "type", "unit", "default", "meaning"), rows), ""]
    if described.get("arrays"):
        rows = [
            (
                f"`{name}`" if array["required"] else f"`{name}` (optional)",
                "(" + ", ".join(array["axes"]) + ")",
                f"`{array['dtype']}`",
                array["unit"],
                meaning.get(name, ""),
            )
            for name, array in described["arrays"].items()
        ]
        lines += [*_table(("array", "axes", "dtype", "unit", "meaning"), rows), ""]
    return lines


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return ["| " + " | ".join(row) + " |" for row in [list(head), ["---"] * len(head), *cells]]


def _bytes(parts: Sequence[Part]) -> list[str]:
    """Parts as numbers, the msgpack ones also as what they say."""
    lines = ["```text"]
    for number, part in enumerate(parts):
        raw = bytes(part)
        lines.append(f"part {number}, {len(raw)} bytes")
        if number == 0:
            lines += _said(raw)
        lines += _dump(raw)
    return [*lines, "```", ""]


def _said(raw: bytes) -> list[str]:
    """The entries of a msgpack map, one a line."""
    decoded = msgspec.msgpack.decode(raw)
    return [f"  {name}: {json.dumps(value, ensure_ascii=False)}" for name, value in decoded.items()]


def _dump(raw: bytes) -> list[str]:
    return [
        f"    {start:04x}  {raw[start : start + BYTES_A_LINE].hex(' ')}" for start in range(0, len(raw), BYTES_A_LINE)
    ]


def _live_example() -> str:
    envelope, heartbeat = Envelope(epoch="2f9c", seq=7), Heartbeat(epoch="2f9c", last_seq=7)
    lines = ["```text", "part 0, topic", *_dump(b"confirmed"), "part 1, envelope", *_said(pack(envelope))]
    lines += [*_dump(pack(envelope)), "part 2, header of the message"]
    lines += [*_said(bytes(encode(EXAMPLES["confirmed"])[0])), *_dump(bytes(encode(EXAMPLES["confirmed"])[0]))]
    lines += ["", "part 0, topic", *_dump(b"heartbeat"), "part 1", *_said(pack(heartbeat)), *_dump(pack(heartbeat))]
    return "\n".join([*lines, "```"])


def _batch_example() -> str:
    pull = Pull(what="replay", epoch="2f9c", after=4, through=6, question=2)
    batch = Batch(
        what="replay",
        epoch="2f9c",
        after=4,
        through=6,
        last_seq=7,
        first_seq=1,
        question=2,
        entries=(Entry(5, 2.5, 1), Entry(6, 1.5, 3)),
    )
    lines = ["```text", "→ part 0", *_said(pack(pull)), "", "← part 0", *_said(pack(batch))]
    lines += ["  parts 1: header of message 5", "  parts 2, 3, 4: header of message 6 and its two arrays"]
    return "\n".join([*lines, "```"])


if __name__ == "__main__":
    DOCUMENT.write_text(renewed(DOCUMENT.read_text()))
