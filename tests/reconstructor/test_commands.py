"""The commands as a person or a supervisor starts them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from typer.testing import CliRunner

from contract.settings import load
from reconstructor import archive
from reconstructor.commands import app
from reconstructor.settings import ReconstructorSettings
from tests.reconstructor.archived import kept

WAIT_S = 90
RUN = CliRunner()


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    """The service as a process on free ports."""
    anywhere = "tcp://127.0.0.1:0"
    command = [
        sys.executable,
        "-m",
        "reconstructor",
        "--folder",
        str(folder),
        "--live",
        anywhere,
        "--control",
        anywhere,
    ]
    command += ["--metrics-port", "0", "--ready-file", str(folder / "ready.json"), *more]
    environment = {**os.environ, "BRAGGLIVE_RECONSTRUCTOR_LOG_FORMAT": "json"}
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment)


def test_the_service_opens_and_ends_on_sigterm(tmp_path: Path) -> None:
    """It says that it is open, and after SIGTERM ends with exit code 0, its ready file gone."""
    process = start(tmp_path)
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(json.loads(line))
        if lines[-1]["event"] == "service opened":
            break
    assert lines[-1]["event"] == "service opened", lines
    process.send_signal(signal.SIGTERM)
    rest = process.stderr.read()
    assert process.wait(WAIT_S) == 0, rest
    assert "service stopped" in rest
    assert not (tmp_path / "ready.json").exists()


def test_an_address_in_use_is_a_clear_fault(tmp_path: Path) -> None:
    """An address that cannot be bound ends the service with a line that says so, and exit code 1."""
    process = start(tmp_path, "--live", "tcp://203.0.113.7:1")
    _, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == 1
    assert "203.0.113.7" in errors.splitlines()[-1]


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    """A recipe that cannot be read: exit code 2 and one line."""
    config = tmp_path / "c.toml"
    config.write_text('[reconstructor]\nprovisional_recipe = "HIO**"\n')
    result = RUN.invoke(app, ["reconstructor", "--config", str(config), "--folder", str(tmp_path)])
    assert result.exit_code == 2
    assert "HIO**" in result.output


def test_a_volume_is_scored_against_the_truth(played: Callable[..., Any], i13: Any, tmp_path: Path) -> None:
    """`bragglive score` prints the complex overlap and writes it as JSON; the truth itself has 1."""
    source = played()
    obj = np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(source.amplitude))).astype(np.complex64)
    path = archive.write(tmp_path / "v.cxi", kept(source.started.scan, obj, np.abs(obj) > 0, i13))
    with h5py.File(tmp_path / "truth.h5", "w") as file:
        group = file.create_group("holds/0")
        group["amplitude"] = source.amplitude
        group.attrs.update({"scan": "scan-1", "hold": "IV-4.1"})
    out = tmp_path / "score.json"
    result = RUN.invoke(app, ["score", str(path), str(tmp_path / "truth.h5"), "--json", str(out)])
    assert result.exit_code == 0, result.output
    assert "1.0000" in result.output
    assert json.loads(out.read_text())["complex_overlap"] > 0.9999
    wrong = RUN.invoke(app, ["score", str(path), str(tmp_path / "truth.h5"), "--scan", "other"])
    assert wrong.exit_code == 2
    assert "other" in wrong.output


def test_recipes_are_checked_before_anything_opens(tmp_path: Path) -> None:
    """A line that cannot be read ends the command with the line, an arrow below the character, and what was wanted."""
    result = RUN.invoke(app, ["reconstructor", "--folder", str(tmp_path), "--refined-recipe", "Sup() * HOI**300"])
    assert result.exit_code == 2
    assert "found 'HOI'; wanted one of ER, HIO" in " ".join(result.output.split())
    assert "  Sup() * HOI**300\n          ^" in result.output


def test_recipes_are_taken_from_the_command_line() -> None:
    """Refined recipes in the order given, each a name, a file or a line."""
    settings = load(ReconstructorSettings, "reconstructor", refined_recipes=["refined", "Sup() * HIO**30"])
    assert [recipe.name for recipe in settings.recipes().refined] == ["refined", "custom"]
