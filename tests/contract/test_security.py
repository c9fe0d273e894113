"""Loopback is open; beyond it only known keys come in."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import zmq
import zmq.auth

from contract.happened import AuthFailed, Happened
from contract.security import Keys, SecurityError, check_address, load_keys
from contract.stream import Addresses, Subscriber, ask, open_publisher, open_subscriber
from tests.contract.examples import EXAMPLES, block

ANYWHERE = Addresses("tcp://127.0.0.1:0", "tcp://127.0.0.1:0")
TIMEOUT_S = 20.0


def _keys(folder: Path, *allowed: str) -> dict[str, Keys]:
    """Keys of a server and of the clients "known" and "unknown"; `allowed` are on the server's list."""
    folder.mkdir(exist_ok=True)
    for name in ("server", "known", "unknown"):
        zmq.auth.create_certificates(folder, name)
    clients = folder / "allowed"
    clients.mkdir()
    for name in allowed:
        (clients / f"{name}.key").write_bytes((folder / f"{name}.key").read_bytes())
    found = {}
    for name in ("server", "known", "unknown"):
        keys = load_keys(folder / f"{name}.key_secret", folder / "server.key", clients)
        assert keys is not None
        found[name] = keys
    return found


def _hears(subscriber: Subscriber, timeout_s: float) -> bool:
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if subscriber.receive(0.05):
            return True
    return False


@pytest.mark.parametrize(
    "address",
    [
        "tcp://127.0.0.1:5610",
        "tcp://127.8.9.1:0",
        "tcp://localhost:1",
        "tcp://[::1]:1",
        "ipc:///run/live",
        "inproc://a",
    ],
)
def test_what_only_this_machine_reaches_needs_no_keys(address: str) -> None:
    """Loopback and ipc are open to programs of this machine."""
    check_address(address, None)


@pytest.mark.parametrize(
    "address",
    [
        "tcp://*:5610",
        "tcp://0.0.0.0:0",
        "tcp://192.168.1.5:5610",
        "tcp://eth0:1",
        "tcp://[::]:1",
        "tcp://localhost.evil:1",
    ],
)
def test_what_others_could_reach_needs_keys(address: str, tmp_path: Path) -> None:
    """Beyond loopback a socket is refused without CURVE, and the error says what to do."""
    with pytest.raises(SecurityError, match=r"configure CURVE keys, or use 127.0.0.1") as caught:
        check_address(address, None)
    assert address in str(caught.value)
    check_address(address, _keys(tmp_path / "keys")["server"])


def test_no_stream_opens_beyond_loopback_without_keys() -> None:
    """Publisher, subscriber and question alike check their addresses before they open anything."""
    beyond = Addresses("tcp://127.0.0.1:0", "tcp://0.0.0.0:0")
    for attempt in (
        lambda: open_publisher(beyond),
        lambda: open_subscriber(beyond),
        lambda: ask(beyond, EXAMPLES["confirmed"], 0.1),
    ):
        with pytest.raises(SecurityError, match="can be reached from the network"):
            attempt()


@pytest.mark.parametrize("address", ["5610", "tcp://", "http://127.0.0.1:80", "udp://127.0.0.1:1"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    """A mistyped address is named before ZeroMQ sees it."""
    with pytest.raises(SecurityError, match="address"):
        check_address(address, None)


def test_who_is_on_the_list_comes_in_and_others_do_not(tmp_path: Path) -> None:
    """A known key hears the stream and may speak; an unknown key and no key hear nothing, and the former is counted."""
    refused = threading.Event()

    def happened(record: Happened) -> None:
        if record == AuthFailed(peer="stream"):
            refused.set()

    keys = _keys(tmp_path, "known")
    publisher = open_publisher(ANYWHERE, keys=keys["server"], happened=happened)
    publisher.publish(block(0))
    known = open_subscriber(publisher.addresses, keys=keys["known"])
    unknown = open_subscriber(publisher.addresses, keys=keys["unknown"])
    plain = open_subscriber(publisher.addresses)
    try:
        assert _hears(known, TIMEOUT_S)
        assert refused.wait(TIMEOUT_S)
        assert not _hears(unknown, 0.3)
        assert not _hears(plain, 0.3)
        assert not ask(publisher.addresses, EXAMPLES["confirmed"], 0.2, keys=keys["unknown"]).ok
        assert publisher.said() == []
    finally:
        for one in (known, unknown, plain, publisher):
            one.close()


def test_a_client_does_not_talk_to_another_server(tmp_path: Path) -> None:
    """A publisher with another key than the expected one is not heard."""
    keys, others = _keys(tmp_path / "ours", "known"), _keys(tmp_path / "theirs", "known")
    publisher = open_publisher(ANYWHERE, keys=others["server"]._replace(allowed=keys["server"].allowed))
    publisher.publish(block(0))
    subscriber = open_subscriber(publisher.addresses, keys=keys["known"])
    assert not _hears(subscriber, 0.5)
    subscriber.close()
    publisher.close()


def test_an_address_in_use_leaves_nothing_behind(tmp_path: Path) -> None:
    """When a guarded publisher cannot listen, the thread that checks keys ends too."""
    keys = _keys(tmp_path, "known")["server"]
    publisher = open_publisher(ANYWHERE, keys=keys)
    threads = threading.active_count()
    with pytest.raises(OSError, match="cannot listen"):
        open_publisher(publisher.addresses, keys=keys)
    assert threading.active_count() == threads
    publisher.close()


def test_keys_are_all_or_none(tmp_path: Path) -> None:
    """Half a configuration is refused, and the missing half is named."""
    assert load_keys(None, None, None) is None
    with pytest.raises(SecurityError, match="half configured: server key, folder of allowed keys missing"):
        load_keys(tmp_path / "own.key_secret", None, None)


def test_what_is_no_key_is_named(tmp_path: Path) -> None:
    """Unreadable, public-only and misplaced keys are told apart."""
    zmq.auth.create_certificates(tmp_path, "one")
    public, secret = tmp_path / "one.key", tmp_path / "one.key_secret"
    with pytest.raises(SecurityError, match=r"absent.key_secret cannot be read"):
        load_keys(tmp_path / "absent.key_secret", public, tmp_path)
    with pytest.raises(SecurityError, match=r"one.key holds no secret key"):
        load_keys(public, public, tmp_path)
    with pytest.raises(SecurityError, match=r"one.key is no folder"):
        load_keys(secret, public, public)
    (tmp_path / "broken.key").write_text("hello")
    with pytest.raises(SecurityError, match=r"broken.key cannot be read"):
        load_keys(secret, public, tmp_path)
