"""A message ⟷ its parts on the wire: a msgpack header, then one raw C-ordered part an array.

The header is a msgpack map {v: [major, minor], kind, fields, arrays: [[name, dtype, shape], …]}; `fields`
holds everything that is no array. Nothing is ever unpickled, and nothing that a peer claims is believed
before it was compared with the bytes that came.
"""

from __future__ import annotations

import functools
import math
import typing
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from contract.fields import Array, declaration
from contract.messages import AnyMessage

VERSION = (1, 0)
"""Of the contract, (major, minor): a higher minor only adds fields, a higher major is another contract."""
MAX_HEADER_BYTES = 1 << 20
MAX_ARRAYS = 32

Part = bytes | memoryview


class ContractError(ValueError):
    """What came, or was to be sent, is no message of this contract."""


class _Header(msgspec.Struct, frozen=True):
    v: tuple[int, int]
    kind: str
    fields: msgspec.Raw
    arrays: tuple[tuple[str, str, tuple[int, ...]], ...] = ()


class _Kind(NamedTuple):
    """What the codec needs to know about one kind of message."""

    message: type[Any]
    scalars: msgspec.msgpack.Decoder[Any]
    scalar_names: tuple[str, ...]
    arrays: dict[str, Array]
    required: frozenset[str]


def encode(message: AnyMessage) -> list[Part]:
    """The parts of `message`: the header, then a view of each array (a copy where it is not C-ordered).

    The caller must not change the arrays while the parts are in use. An optional array that is None is
    left out. ContractError: an array has another dtype, other axes or other lengths than declared.
    """
    kind = kinds().get(kind_of(message))
    if kind is None or type(message) is not kind.message:
        raise ContractError(f"{type(message).__name__} is no kind of message of contract {_text(VERSION)}")
    arrays = {name: getattr(message, name) for name in kind.arrays}
    sent = {name: array for name, array in arrays.items() if array is not None or name in kind.required}
    table = []
    for name, array in sent.items():
        if not isinstance(array, np.ndarray):
            raise ContractError(f"{_where(kind, name)} is {type(array).__name__}, wanted a NumPy array")
        _check(kind, name, array.dtype.str, array.shape)
        table.append((name, array.dtype.str, array.shape))
    _check_lengths(kind, {name: array.shape for name, array in sent.items()})
    fields = {name: getattr(message, name) for name in kind.scalar_names}
    header = msgspec.msgpack.encode({"v": VERSION, "kind": kind_of(message), "fields": fields, "arrays": table})
    if len(header) > MAX_HEADER_BYTES:
        raise ContractError(f"header of {kind_of(message)} has {len(header)} bytes, wanted ≤ {MAX_HEADER_BYTES}")
    return [header, *(_bytes_of(array) for array in sent.values())]


def decode(parts: Sequence[Part]) -> AnyMessage:
    """The message in `parts`. Its arrays are read-only views of the parts (unaligned small ones are copied).

    Unknown fields and arrays are ignored: a newer minor version may have added them. ContractError: no header,
    another major version, an unknown kind, a field of the wrong type, an array whose dtype, axes, lengths or
    number of bytes is not what was declared, too few or too many parts.
    """
    header = _header(parts)
    kind = kinds().get(header.kind)
    if kind is None:
        raise ContractError(f"kind of message is {header.kind[:40]!r}, wanted one of {', '.join(kinds())}")
    if len(parts) - 1 != len(header.arrays):
        raise ContractError(f"{header.kind} came with {len(parts) - 1} arrays, its header lists {len(header.arrays)}")
    arrays: dict[str, NDArray[Any]] = {}
    for (name, dtype, shape), part in zip(header.arrays, parts[1:], strict=True):
        if name in arrays:
            raise ContractError(f"{_where(kind, name)} came twice")
        if name in kind.arrays:
            _check(kind, name, dtype, shape)
            arrays[name] = _array(kind, name, dtype, shape, part)
    absent = kind.required - arrays.keys()
    if absent:
        raise ContractError(f"{header.kind} lacks its arrays {', '.join(sorted(absent))}")
    _check_lengths(kind, {name: array.shape for name, array in arrays.items()})
    try:
        scalars = kind.scalars.decode(header.fields)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ContractError(f"fields of {header.kind}: {error}") from error
    message: AnyMessage = kind.message(**{name: getattr(scalars, name) for name in kind.scalar_names}, **arrays)
    return message


def kind_of(message: AnyMessage) -> str:
    """The tag of a message, e.g. "frame_block"."""
    config = getattr(message, "__struct_config__", None)
    return str(config.tag) if config is not None else ""


@functools.cache
def kinds() -> dict[str, _Kind]:
    """Every kind of message by its tag, in the order of `contract.messages.AnyMessage`."""
    return {kind_of(message): _kind(message) for message in typing.get_args(AnyMessage)}


def _kind(message: type[Any]) -> _Kind:
    fields = msgspec.structs.fields(message)
    arrays = {field.name: array for field in fields if (array := declaration(field.type)) is not None}
    scalars = [field for field in fields if field.name not in arrays]
    struct = msgspec.defstruct(
        message.__name__,
        [(field.name, field.type, msgspec.NODEFAULT if field.required else field.default) for field in scalars],
        frozen=True,
        kw_only=True,
    )
    return _Kind(
        message=message,
        scalars=msgspec.msgpack.Decoder(struct),
        scalar_names=tuple(field.name for field in scalars),
        arrays=arrays,
        required=frozenset(field.name for field in fields if field.name in arrays and field.required),
    )


_decode_header = msgspec.msgpack.Decoder(_Header).decode


def _header(parts: Sequence[Part]) -> _Header:
    if not parts:
        raise ContractError("message has no parts, wanted a header")
    if len(parts) > 1 + MAX_ARRAYS:
        raise ContractError(f"message has {len(parts)} parts, wanted ≤ {1 + MAX_ARRAYS}")
    size = memoryview(parts[0]).nbytes
    if size > MAX_HEADER_BYTES:
        raise ContractError(f"header has {size} bytes, wanted ≤ {MAX_HEADER_BYTES}")
    try:
        major = msgspec.msgpack.decode(parts[0], type=_Version).v[0]
        if major != VERSION[0]:
            raise ContractError(f"message has contract version {major}, wanted {VERSION[0]}")
        return _decode_header(parts[0])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ContractError(f"header is no header of this contract: {error}") from error


class _Version(msgspec.Struct, frozen=True):
    """Read before the rest: another major version may have changed everything else."""

    v: tuple[int, int]


def _check(kind: _Kind, name: str, dtype: str, shape: tuple[int, ...]) -> None:
    wanted = kind.arrays[name]
    if dtype != wanted.dtype:
        raise ContractError(f"{_where(kind, name)} has dtype {dtype[:20]!r}, wanted {wanted.dtype!r}")
    if len(shape) != len(wanted.axes) or any(length < 0 for length in shape):
        raise ContractError(f"{_where(kind, name)} has shape {shape[:8]}, wanted axes ({', '.join(wanted.axes)})")


def _check_lengths(kind: _Kind, shapes: dict[str, tuple[int, ...]]) -> None:
    """Axes of one name have one length throughout a message."""
    lengths: dict[str, tuple[int, str]] = {}
    for name, shape in shapes.items():
        for axis, length in zip(kind.arrays[name].axes, shape, strict=True):
            first, whose = lengths.setdefault(axis, (length, name))
            if length != first:
                raise ContractError(
                    f"{_where(kind, name)} has length {length} along {axis}, {whose} has {first}; wanted the same"
                )


def _array(kind: _Kind, name: str, dtype: str, shape: tuple[int, ...], part: Part) -> NDArray[Any]:
    wanted = math.prod(shape) * np.dtype(dtype).itemsize
    found = memoryview(part).nbytes
    if found != wanted:
        raise ContractError(f"{_where(kind, name)} has {found} bytes, wanted {wanted} for shape {shape} of {dtype}")
    array: NDArray[Any] = np.ndarray(shape, dtype, buffer=part) if wanted else np.empty(shape, dtype)
    if not array.flags.aligned:
        # ZeroMQ hands out messages of a few kilobytes inside its receive buffer, at any address.
        array = array.copy()
    array.flags.writeable = False
    return array


def _bytes_of(array: NDArray[Any]) -> Part:
    if array.size == 0:
        return b""
    return np.ascontiguousarray(array).data.cast("B")


def _where(kind: _Kind, name: str) -> str:
    return f"{kind.message.__name__}.{name[:40]}"


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
