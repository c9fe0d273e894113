"""The `bragglive` command as people type it."""

from __future__ import annotations

import subprocess
import sys

COMMANDS = ("streamer", "reconstructor", "viewer", "replay", "simulate", "demo", "hold", "status", "score", "bench")


def bragglive(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "compose", *arguments], capture_output=True, text=True, timeout=60)


def test_help_names_every_command() -> None:
    """`bragglive --help` lists all commands, so that nobody has to know them."""
    shown = bragglive("--help").stdout
    assert [command for command in COMMANDS if command not in shown] == []


def test_status_says_who_does_not_answer() -> None:
    """Without services `status` names them, and its exit code says so."""
    asked = bragglive("status", "--streamer-port", "1", "--reconstructor-port", "1", "--viewer-port", "1", "--json")
    assert asked.returncode == 1
    assert asked.stdout.count("no answer") == 3


def test_a_recording_that_is_not_there_is_named() -> None:
    """A wrong path ends at once with the path in the message."""
    asked = bragglive("demo", "--replay", "nowhere.h5")
    assert asked.returncode == 2
    assert "nowhere.h5" in asked.stderr
