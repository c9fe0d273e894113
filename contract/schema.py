"""The contract as data, made from the messages themselves; `python -m contract.schema` prints it as JSON.

`contract/schema.json` is this output, committed: a change of the contract shows as a change of that file.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
import types
import typing
from itertools import pairwise
from typing import Any, NewType

import msgspec

from contract import messages, stream_wire
from contract.codec import VERSION, kinds
from contract.fields import declaration, unit_of

WORDS = {str: "text", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def schema() -> dict[str, Any]:
    """Version, kinds of messages, the values inside them, and the parts that a stream puts around them."""
    values = [messages.Geometry, messages.Window, messages.Quality]
    wire = [
        *typing.get_args(stream_wire.LiveWire),
        *typing.get_args(stream_wire.RequestWire),
        *typing.get_args(stream_wire.ReplyWire),
        stream_wire.Entry,
    ]
    return {
        "contract": "bragglive",
        "version": list(VERSION),
        "kinds": {tag: describe(kind.message) for tag, kind in kinds().items()},
        "values": {value.__name__: describe(value) for value in values},
        "stream": {part.__name__: describe(part) for part in wire},
    }


def describe(struct: type[Any]) -> dict[str, Any]:
    """The fields and the arrays of one struct."""
    fields: dict[str, Any] = {}
    arrays: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        array = declaration(field.type)
        entry: dict[str, Any]
        if array is not None:
            unit = array.unit or unit_of(field.name) or "1"
            entry = {"axes": list(array.axes), "dtype": array.dtype, "unit": unit, "required": field.required}
        else:
            entry = {"type": type_text(field.type), "required": field.required}
            if not field.required:
                entry["default"] = msgspec.to_builtins(field.default)
            if (found := unit_of(field.name)) is not None:
                entry["unit"] = found
        (fields if array is None else arrays)[field.name] = entry
    described: dict[str, Any] = {"name": struct.__name__, "fields": fields}
    tag = struct.__struct_config__.tag
    if tag is not None:
        described["tag"] = tag
    if arrays:
        described["arrays"] = arrays
    return described


def type_text(annotation: Any) -> str:
    """The type of a field in words, e.g. "[number, number] | null"."""
    if annotation in WORDS:
        return WORDS[annotation]
    if isinstance(annotation, NewType):
        return f"{type_text(annotation.__supertype__)} ({annotation.__name__})"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return type_text(arguments[0])
    if origin is typing.Literal:
        return " | ".join(json.dumps(choice) for choice in arguments)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(type_text(one) for one in arguments)
    if origin is tuple:
        return "[" + ", ".join("…" if one is Ellipsis else type_text(one) for one in arguments) + "]"
    return str(annotation.__name__)


def meanings(struct: type[Any]) -> dict[str, str]:
    """What the source says below the fields of a struct and of its parents, by the field's name."""
    found: dict[str, str] = {}
    for parent in reversed(struct.__mro__):
        if not parent.__module__.startswith("contract."):
            continue
        tree = ast.parse(inspect.getsource(parent))
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for field, after in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(field.target, ast.Name):
                found[field.target.id] = " ".join(ast.literal_eval(after.value).split())
    return found


def schema_json() -> str:
    """The text of `contract/schema.json`."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_json())
