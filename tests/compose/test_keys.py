"""Keys for services that are reached over a network: made as a whole, shown without secrets, refused by halves."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest
import zmq.auth
from typer.testing import CliRunner

from compose import key_folder
from compose.cli import build
from contract.security import SecurityError, load_keys


def bragglive(*arguments: object) -> tuple[int, str]:
    """Exit code and what was printed."""
    done = CliRunner().invoke(build(), [str(one) for one in arguments])
    return done.exit_code, done.output


def tables(shown: str) -> dict[str, dict[str, str]]:
    """The settings that were shown, as a settings file has them."""
    lines = [line for line in shown.splitlines() if line.startswith(("[", "curve_"))]
    return tomllib.loads("\n".join(lines))


def test_keys_are_made_and_fit_together(tmp_path: Path) -> None:
    """The shown settings load; clients expect the services, who expect themselves and the clients."""
    code, shown = bragglive("keys", "make", tmp_path / "keys", "--client", "viewer", "--client", "desk-2")
    assert code == 0
    settings = tables(shown.partition("machine of desk-2")[0])
    services = load_keys(*(Path(path) for path in settings["streamer"].values()))
    assert settings["reconstructor"] == settings["streamer"]
    assert services is not None
    for name in ("viewer", "desk-2"):
        place = tmp_path / "keys" / "clients" / name
        client = load_keys(place / f"{name}.key_secret", place / "services.key", place / "allowed")
        assert client is not None
        assert client.server == services.public
        assert client.public in services.allowed
        assert client.allowed == frozenset()
    assert len(services.allowed) == 3
    assert services.public in services.allowed


def test_secrets_are_for_their_owner_and_never_shown(tmp_path: Path) -> None:
    """No one else can read a secret key, or look into the folder; one that others can read is named."""
    folder = tmp_path / "keys"
    _, shown = bragglive("keys", "make", folder)
    secrets = list(folder.rglob("*.key_secret"))
    assert len(secrets) == 2
    for path in secrets:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        secret = zmq.auth.load_certificate(path)[1]
        assert secret is not None
        assert secret.decode() not in shown
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    secrets[0].chmod(0o644)
    code, shown = bragglive("keys", "show", folder)
    assert code == 1
    assert "can be read by others" in shown.replace("\n", " ")


def test_a_client_is_added_and_one_not_on_the_list_is_told(tmp_path: Path) -> None:
    """A new client is let in; one whose key was taken off the list is shown as such, with exit code 1."""
    folder = tmp_path / "keys"
    bragglive("keys", "make", folder)
    assert bragglive("keys", "add", folder, "second")[0] == 0
    assert [(one.name, one.allowed, one.trouble) for one in key_folder.holders(folder)] == [
        ("services", True, ""),
        ("second", True, ""),
        ("viewer", True, ""),
    ]
    (folder / "allowed" / "second.key").unlink()
    assert bragglive("keys", "show", folder)[0] == 1
    assert [one.allowed for one in key_folder.holders(folder)] == [True, False, True]


def test_half_a_folder_is_told(tmp_path: Path) -> None:
    """A lost secret key is named."""
    folder = tmp_path / "keys"
    bragglive("keys", "make", folder)
    (folder / "services.key_secret").unlink()
    code, shown = bragglive("keys", "show", folder)
    assert code == 1
    assert "services.key_secret cannot be read" in " ".join(shown.split())


def test_nothing_is_overwritten_and_nothing_is_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An existing folder and clients stay as they are; when keys cannot be made, no folder is left."""
    folder = tmp_path / "keys"
    bragglive("keys", "make", folder)
    before = {path: path.read_bytes() for path in folder.rglob("*.key*")}
    assert bragglive("keys", "make", folder)[0] == 2
    assert bragglive("keys", "add", folder, "viewer")[0] == 2
    assert {path: path.read_bytes() for path in folder.rglob("*.key*")} == before

    def full(*arguments: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(key_folder, "_add", full)
    code, shown = bragglive("keys", "make", tmp_path / "others")
    assert (code, "No space left" in shown) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


@pytest.mark.parametrize("name", ["", "..", "a/b", "services", ".hidden", "-x" * 40])
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    """A client's name becomes a file name, so it must be one."""
    with pytest.raises(SecurityError, match="a client's name is"):
        key_folder.make(tmp_path / "keys", [name])
    assert list(tmp_path.iterdir()) == []


def test_keys_are_wanted_where_there_are_none(tmp_path: Path) -> None:
    """Adding to, or showing, a folder that is none is refused."""
    assert bragglive("keys", "add", tmp_path, "x")[0] == 2
    assert bragglive("keys", "show", tmp_path / "absent")[0] == 2
