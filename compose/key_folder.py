"""The CURVE keys of one installation: a folder made as a whole, with what each machine needs of it.

services.key, services.key_secret     of streamer and reconstructor, which are one server to their clients
allowed/                              public keys of all who may connect to them
clients/NAME/                         for the machine of a client: its own keys, services.key, an empty allowed/
"""

from __future__ import annotations

import re
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

import zmq.auth

from contract.security import SecurityError, load_keys

SERVICES = "services"
ALLOWED = "allowed"
CLIENTS = "clients"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}")


class Holder(NamedTuple):
    """Who has keys."""

    name: str
    public: str
    """Z85 text"""
    allowed: bool
    """Its public key is on the services' list."""
    settings: dict[str, Path]
    """The three settings with which it uses them."""
    trouble: str
    """Why its keys cannot be used, or should not be; "" if they can."""


def make(folder: Path, clients: Sequence[str]) -> None:
    """Make the folder with keys for the services and these clients: all of it, or nothing.

    SecurityError: it is there already, or a name is none.
    """
    for name in clients:
        _check(name)
    if folder.exists():
        raise SecurityError(f"{folder} is there already, wanted a new folder (to add a client: bragglive keys add)")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Only its owner may look into it while it is made, and afterwards.
    growing = Path(mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        (growing / ALLOWED).mkdir()
        (growing / CLIENTS).mkdir()
        _certificate(growing, SERVICES)
        _copy(growing / f"{SERVICES}.key", growing / ALLOWED)
        for name in dict.fromkeys(clients):
            _add(growing, name)
        growing.rename(folder)
    finally:
        shutil.rmtree(growing, ignore_errors=True)


def add(folder: Path, name: str) -> None:
    """Make keys for one more client. SecurityError: no such folder, a client of that name, or a name that is none."""
    _check(name)
    if not (folder / f"{SERVICES}.key_secret").exists():
        raise SecurityError(f"{folder} holds no {SERVICES}.key_secret, wanted a folder that bragglive keys make made")
    if (folder / CLIENTS / name).exists():
        raise SecurityError(f"{folder} has a client {name} already")
    _add(folder, name)


def holders(folder: Path) -> list[Holder]:
    """Who has keys in the folder, the services first. SecurityError: there is no such folder."""
    if not folder.is_dir():
        raise SecurityError(f"{folder} is no folder; wanted one that bragglive keys make made")
    clients = sorted(path for path in (folder / CLIENTS).glob("*") if path.is_dir() and not path.name.startswith("."))
    listed = {path.read_bytes() for path in (folder / ALLOWED).glob("*.key")}
    return [_holder(SERVICES, folder, listed), *(_holder(place.name, place, listed) for place in clients)]


def _add(folder: Path, name: str) -> None:
    """The client's folder appears as a whole, and only then is it let in."""
    growing = Path(mkdtemp(prefix=f".{name}.", dir=folder / CLIENTS))
    try:
        _certificate(growing, name)
        _copy(folder / f"{SERVICES}.key", growing)
        (growing / ALLOWED).mkdir()
        place = growing.rename(folder / CLIENTS / name)
    finally:
        shutil.rmtree(growing, ignore_errors=True)
    _copy(place / f"{name}.key", folder / ALLOWED)


def _holder(name: str, place: Path, listed: set[bytes]) -> Holder:
    public, secret = place / f"{name}.key", place / f"{name}.key_secret"
    settings = {
        "curve_own_key": secret,
        "curve_server_key": place / f"{SERVICES}.key",
        "curve_allowed_keys": place / ALLOWED,
    }
    try:
        keys = load_keys(*settings.values())
    except SecurityError as error:
        return Holder(name, "", False, settings, str(error))
    trouble = ""
    if secret.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        trouble = f"{secret} can be read by others; wanted chmod 600"
    allowed = public.exists() and public.read_bytes() in listed
    return Holder(name, keys.public.decode() if keys is not None else "", allowed, settings, trouble)


def _certificate(folder: Path, name: str) -> None:
    _, secret = zmq.auth.create_certificates(folder, name)
    Path(secret).chmod(stat.S_IRUSR | stat.S_IWUSR)


def _copy(key: Path, folder: Path) -> None:
    temporary = folder / f".{key.name}"
    temporary.write_bytes(key.read_bytes())
    temporary.replace(folder / key.name)


def _check(name: str) -> None:
    if not NAME.fullmatch(name) or name == SERVICES:
        raise SecurityError(f"a client's name is {name!r}, wanted letters, digits, . _ - and not {SERVICES!r}")
