"""Keys made by `bragglive keys`, used by the streamer as a process: who has one comes in, others are counted."""

from __future__ import annotations

import time
import urllib.request
from pathlib import Path

import pytest

from compose import key_folder
from compose.local import LocalProcessError, LocalProcesses
from contract.messages import Crystal, Hold, HoldStarted
from contract.security import Keys, load_keys
from contract.stream import Addresses, ask, open_subscriber

ANYWHERE = ["--metrics-port", "0", "--live", "tcp://0.0.0.0:0", "--control", "tcp://0.0.0.0:0"]
DEADLINE_S = 60.0


def keys_of(folder: Path, name: str) -> Keys:
    """As a client's settings load them."""
    found = {one.name: one for one in key_folder.holders(folder)}[name]
    keys = load_keys(*found.settings.values())
    assert keys is not None
    return keys


def refused(port: int) -> float:
    """Failed handshakes as /metrics tells them."""
    page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
    lines = [line for line in page.splitlines() if line.startswith('bragglive_auth_failures_total{peer="scans"}')]
    return float(lines[0].split()[1]) if lines else 0.0


def until_refused(port: int, more_than: float) -> float:
    """Failed handshakes, once they are more than this."""
    deadline_s = time.monotonic() + DEADLINE_S
    while (count := refused(port)) <= more_than:
        assert time.monotonic() < deadline_s, f"{count} failed handshakes were counted, wanted more than {more_than}"
    return count


def test_only_who_has_a_key_comes_in_and_each_failed_handshake_is_counted(tmp_path: Path) -> None:
    """Beyond loopback: the viewer's key is let in; another installation's, a wrong server's and none are counted."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    key_folder.make(ours, ["viewer"])
    key_folder.make(theirs, ["viewer"])
    services = key_folder.holders(ours)[0]
    config = tmp_path / "bragglive.toml"
    config.write_text("[streamer]\n" + "".join(f'{key} = "{path}"\n' for key, path in services.settings.items()))
    hold = HoldStarted(hold=Hold("IV-1"), crystal=Crystal("IV"))
    with LocalProcesses(tmp_path) as processes:
        arguments = ["--config", str(config), "--folder", str(tmp_path / "data"), *ANYWHERE]
        streamer = processes.start("streamer", "streamer", [*arguments, "--detector", f"ipc://{tmp_path}/detector"])
        told = processes.wait_ready(streamer, DEADLINE_S)
        port = told["metrics_port"]
        addresses = Addresses(
            **{name: address.replace("0.0.0.0", "127.0.0.1") for name, address in told["addresses"].items()}
        )
        assert ask(addresses, hold, 20.0, keys=keys_of(ours, "viewer")).ok
        known = open_subscriber(addresses, keys=keys_of(ours, "viewer"))
        heard = [received.message for received in known.receive(20.0)]
        known.close()
        assert heard == [hold]
        count = refused(port)
        assert count == 0
        strangers = {
            "a key that is not on the list": keys_of(theirs, "viewer")._replace(server=keys_of(ours, "viewer").server),
            "another server's key": keys_of(theirs, "viewer"),
            "no key": None,
        }
        for name, keys in strangers.items():
            assert not ask(addresses, hold, 0.3, keys=keys).ok, name
            count = until_refused(port, count)


@pytest.mark.parametrize("missing", ["curve_own_key", "curve_server_key", "curve_allowed_keys"])
def test_a_service_does_not_start_half_configured(tmp_path: Path, missing: str) -> None:
    """One of the three settings left out: it ends with a message that says which, and listens nowhere."""
    key_folder.make(tmp_path / "keys", [])
    settings = {k: v for k, v in key_folder.holders(tmp_path / "keys")[0].settings.items() if k != missing}
    config = tmp_path / "bragglive.toml"
    config.write_text("[streamer]\n" + "".join(f'{key} = "{path}"\n' for key, path in settings.items()))
    with LocalProcesses(tmp_path) as processes:
        arguments = ["--config", str(config), "--folder", str(tmp_path / "data"), *ANYWHERE]
        streamer = processes.start("streamer", "streamer", arguments)
        with pytest.raises(LocalProcessError, match="half configured"):
            processes.wait_ready(streamer, DEADLINE_S)
        assert streamer.process.wait(10) not in (0, None)
