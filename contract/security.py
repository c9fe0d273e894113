"""Who may talk to us: loopback anybody, over a network only known CURVE keys."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import zmq
import zmq.auth
import zmq.auth.thread

from contract.happened import AuthFailed, Happened

LOCAL_TRANSPORTS = ("ipc", "inproc")


class SecurityError(ValueError):
    """A socket would be open to strangers, or keys are missing; the message says which."""


class Keys(NamedTuple):
    """CURVE keys of one program, in the Z85 text that `zmq.auth.create_certificates` writes."""

    public: bytes
    secret: bytes
    server: bytes
    """Public key of the service that we connect to."""
    allowed: frozenset[bytes]
    """Public keys of those who may connect to us."""


def load_keys(own: Path | None, server: Path | None, allowed: Path | None) -> Keys | None:
    """Keys from our own secret certificate, the server's public one and a folder of allowed clients' public ones.

    All three or none: None if none is given. SecurityError: some are missing, unreadable or no certificates.
    """
    if own is None and server is None and allowed is None:
        return None
    if own is None or server is None or allowed is None:
        given = {"own key": own, "server key": server, "folder of allowed keys": allowed}
        missing = ", ".join(name for name, path in given.items() if path is None)
        raise SecurityError(f"CURVE is half configured: {missing} missing; give all three or none")
    public, secret = _certificate(own)
    if secret is None:
        raise SecurityError(f"{own} holds no secret key; wanted the .key_secret file of a certificate")
    if not allowed.is_dir():
        raise SecurityError(f"{allowed} is no folder; wanted the folder of allowed clients' .key files")
    clients = frozenset(_certificate(path)[0] for path in sorted(allowed.glob("*.key")))
    return Keys(public=public, secret=secret, server=_certificate(server)[0], allowed=clients)


def check_address(address: str, keys: Keys | None) -> None:
    """Refuse an address that others could reach without CURVE.

    SecurityError: TCP beyond loopback and no keys, or an address that is not understood.
    """
    transport, separator, place = address.partition("://")
    if not separator or not place:
        raise SecurityError(f"address is {address!r}, wanted e.g. tcp://127.0.0.1:5610 or ipc:///run/bragglive/live")
    if transport in LOCAL_TRANSPORTS:
        return
    if transport != "tcp":
        raise SecurityError(f"address {address!r} has transport {transport!r}, wanted tcp or ipc")
    host = place.rpartition(":")[0].strip("[]")
    if keys is None and not _is_loopback(host):
        raise SecurityError(
            f"address {address!r} can be reached from the network: configure CURVE keys, or use 127.0.0.1"
        )


def secure_server(socket: zmq.Socket[bytes], keys: Keys | None) -> None:
    """Let only CURVE clients in, before the socket is bound. The allow-list needs `guard` on the same context."""
    if keys is not None:
        socket.curve_server = True
        socket.curve_publickey, socket.curve_secretkey = keys.public, keys.secret


def secure_client(socket: zmq.Socket[bytes], keys: Keys | None) -> None:
    """Prove who we are and whom we expect, before the socket is connected."""
    if keys is not None:
        socket.curve_publickey, socket.curve_secretkey = keys.public, keys.secret
        socket.curve_serverkey = keys.server


def guard(
    context: zmq.Context[zmq.Socket[bytes]], keys: Keys | None, happened: Callable[[Happened], None], name: str
) -> zmq.auth.thread.ThreadAuthenticator | None:
    """Start checking clients' keys against the allow-list for all sockets of `context`; to be stopped by the caller."""
    if keys is None:
        return None
    authenticator = zmq.auth.thread.ThreadAuthenticator(context)
    authenticator.start()
    authenticator.configure_curve_callback(domain="*", credentials_provider=AllowList(keys.allowed, happened, name))
    return authenticator


class AllowList:
    """Says to ZeroMQ whether a client's key is known; counts those that are not."""

    def __init__(self, allowed: frozenset[bytes], happened: Callable[[Happened], None], name: str) -> None:
        self._allowed = allowed
        self._happened = happened
        self._name = name

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether the client with this public key (Z85 text) may connect."""
        if key in self._allowed:
            return True
        self._happened(AuthFailed(peer=self._name))
        return False


def _certificate(path: Path) -> tuple[bytes, bytes | None]:
    try:
        return zmq.auth.load_certificate(path)
    except (OSError, ValueError) as error:
        raise SecurityError(f"{path} cannot be read as a CURVE certificate: {error}") from error


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
