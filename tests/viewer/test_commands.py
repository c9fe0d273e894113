"""The commands refuse clearly what they cannot do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.viewer.campaign import Maker
from tests.viewer.test_volumefile import archived
from viewer.commands import SCREENS, USAGE, app


def test_without_a_screen_the_viewer_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """No DISPLAY is a clear line and an exit code, not a crash of Qt."""
    for name in SCREENS:
        monkeypatch.delenv(name, raising=False)
    done = CliRunner().invoke(app, ["viewer"])
    assert done.exit_code == USAGE
    assert "no screen" in done.output
    assert "xvfb-run" in done.output


def test_a_wrong_setting_is_refused_before_a_window_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of zero is refused by name."""
    monkeypatch.setenv("DISPLAY", ":99")
    done = CliRunner().invoke(app, ["viewer", "--displacement-limit-a", "0"])
    assert done.exit_code == USAGE
    assert "displacement_limit_a" in done.output


def test_picture_draws_archives_and_writes_their_numbers(tmp_path: Path, make: Maker) -> None:
    """`picture` writes PNG and JSON of every archive given."""
    archives = [str(archived(tmp_path, make.volume(number, size=16))) for number in (0, 1)]
    out, told = tmp_path / "out.png", tmp_path / "out.json"
    done = CliRunner().invoke(app, ["picture", *archives, "--out", str(out), "--json", str(told)])
    assert done.exit_code == 0, done.output
    assert out.read_bytes().startswith(b"\x89PNG")
    assert [line["hold"] for line in json.loads(told.read_text())["volumes"]] == ["IV-4.100V", "IV-4.000V"]


def test_picture_refuses_what_is_no_archive(tmp_path: Path) -> None:
    """Another file is refused by name, without a traceback."""
    wrong = tmp_path / "wrong.cxi"
    wrong.write_text("text")
    done = CliRunner().invoke(app, ["picture", str(wrong), "--out", str(tmp_path / "out.png")])
    assert done.exit_code == USAGE
    assert "wrong.cxi" in done.output
