"""The commands, as a person at the beamline uses them: answers, exit codes, help that teaches."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from contract.messages import AnyMessage, HoldEnded, HoldStarted, RegionSet, Scan, ScanAborted, Window
from contract.stream import Addresses, open_publisher
from streamer.commands import app


class Desk:
    """A stream whose service answers as it is told to, and the commands."""

    def __init__(self) -> None:
        self.publisher = open_publisher(Addresses("tcp://127.0.0.1:0", "tcp://127.0.0.1:0"))
        self.heard: list[AnyMessage] = []
        self.answer = (True, "taken")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def run(self, *arguments: str, control: str | None = None) -> tuple[int, str]:
        """Exit code and what was printed."""
        address = control or self.publisher.addresses.control
        result = CliRunner().invoke(app, [*arguments, "--control", address])
        return result.exit_code, result.output

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.publisher.close()

    def _serve(self) -> None:
        while not self._stop.wait(0.01):
            for said in self.publisher.said():
                self.heard.append(said.message)
                said.answer(*self.answer)


@pytest.fixture
def desk() -> Iterator[Desk]:
    one = Desk()
    yield one
    one.close()


def test_hold_start_tells_crystal_voltage_and_length(desk: Desk) -> None:
    """The message carries what was typed, a name made of it, and the answer is printed."""
    assert desk.run("hold", "start", "--crystal", "IV", "--voltage", "4.1", "--for", "60") == (0, "taken\n")
    message = desk.heard[0]
    assert isinstance(message, HoldStarted)
    assert (message.crystal, message.voltage_v, message.planned_s, message.elapsed_s) == ("IV", 4.1, 60.0, 0.0)
    assert re.fullmatch(r"IV-4\.100V-\d{8}T\d{6}", message.hold)


def test_hold_end_needs_no_name(desk: Desk) -> None:
    """The running hold is meant when none is named."""
    assert desk.run("hold", "end")[0] == 0
    assert desk.heard == [HoldEnded(hold="", crystal="")]  # type: ignore[arg-type]


def test_scan_abort_says_which_and_why(desk: Desk) -> None:
    """The message carries the name, if there is one, and the reason."""
    assert desk.run("scan", "abort", "--reason", "the beam was lost") == (0, "taken\n")
    assert desk.heard == [ScanAborted(scan=Scan(""), reason="the beam was lost")]


def test_scan_region_sets_a_window_or_has_the_peak_found(desk: Desk) -> None:
    """Four numbers are a window, --find is its absence; neither, both or an empty one are refused."""
    assert desk.run("scan", "region", "--scan", "s1", "--window", "10", "20", "128", "64")[0] == 0
    assert desk.run("scan", "region", "--find")[0] == 0
    assert desk.heard == [
        RegionSet(scan=Scan("s1"), window=Window(row0=10, column0=20, rows=128, columns=64)),
        RegionSet(scan=Scan("")),
    ]
    assert desk.run("scan", "region")[0] == 2
    assert desk.run("scan", "region", "--find", "--window", "1", "1", "8", "8")[0] == 2
    assert desk.run("scan", "region", "--window", "1", "1", "0", "8")[0] == 2


def test_a_refusal_is_printed_and_the_exit_code_is_1(desk: Desk) -> None:
    """What the streamer does not take is told in its own words."""
    desk.answer = (False, "no hold is running")
    assert desk.run("hold", "end") == (1, "bragglive: no hold is running\n")


def test_nobody_there_is_told_in_a_sentence(desk: Desk) -> None:
    """Without a streamer the command gives up after its patience and says what to look at."""
    code, text = desk.run("hold", "start", "--crystal", "IV", "--patience", "0.2", control="tcp://127.0.0.1:1")
    assert code == 1
    assert "no answer from tcp://127.0.0.1:1 within 0.2 s; is the service running?" in text


def test_a_network_address_without_keys_is_refused(desk: Desk) -> None:
    """Holds are not told over a network in the clear."""
    code, text = desk.run("hold", "start", "--crystal", "IV", control="tcp://192.0.2.1:5611")
    assert code == 2
    assert "CURVE" in text


def test_a_wrong_setting_is_named_before_anything_is_opened() -> None:
    """A window that cannot be meant ends the streamer with exit code 2 and its name."""
    result = CliRunner().invoke(app, ["streamer", "--window", "0", "0", "0", "8"])
    assert result.exit_code == 2
    assert "window" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["streamer"],
            ("--detector", "journal", "--window", "bragglive streamer --detector tcp://", "[streamer.geometry]"),
        ),
        (["hold"], ("start", "end", "voltage hold")),
        (["hold", "start"], ("--crystal", "--voltage", "--for", "bragglive hold start --crystal IV")),
        (["hold", "end"], ("--crystal", "--name")),
        (["scan"], ("abort", "rocking scan")),
        (["scan", "abort"], ("--scan", "--reason", "aborted")),
    ],
)
def test_help_teaches(arguments: list[str], words: tuple[str, ...]) -> None:
    """Each help names its flags and shows how it is used."""
    text = CliRunner().invoke(app, [*arguments, "--help"]).output
    assert [word for word in words if word not in text] == []
