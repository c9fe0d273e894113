"""Log lines go to standard error, as JSON or as text."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator

import pytest
import structlog

from contract.logs import open_log


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def _log(level: str, form: str) -> None:
    open_log(level, form)
    log = structlog.get_logger(service="kiln")
    log.debug("warming")
    try:
        secret = "no value of a local variable"
        raise ValueError("cold")
    except ValueError:
        log.exception("failed", scan="s1")
        assert secret


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line, with level, time and the traceback, but no values of variables."""
    _log("info", "json")
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    found = json.loads(line)
    assert (found["event"], found["level"], found["service"], found["scan"]) == ("failed", "error", "kiln", "s1")
    assert found["exception"][0]["exc_value"] == "cold"
    assert "no value of a local variable" not in line


def test_readable_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Text for people, down to the level asked for."""
    _log("debug", "text")
    shown = capsys.readouterr().err
    assert "warming" in shown.splitlines()[0]
    assert "ValueError: cold" in shown


def test_auto_is_json_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal the lines are for machines."""
    assert open_log("info", "auto") is False
    structlog.get_logger().info("hello")
    assert json.loads(capsys.readouterr().err)["event"] == "hello"


def test_a_full_disk_under_the_log_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error may be a file on a full disk: its lines are left out, and the program goes on."""
    tried = []

    class Full:
        def write(self, text: str) -> int:
            tried.append(text)
            raise OSError(errno.ENOSPC, "No space left on device")

        def flush(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr("sys.stderr", Full())
    _log("debug", "json")
    assert "warming" in tried[0]
