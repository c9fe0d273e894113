"""Settings come from flags, environment, file and defaults, in that order, and mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings

from contract.settings import ServiceSettings, SettingsError, load


class Kiln(ServiceSettings):
    """Settings of a made-up service."""

    metrics_port: int = 5642
    peak_c: float = Field(default=900.0, lt=2000)
    shelves: tuple[int, ...] = (1, 2)
    glaze: Path | None = None


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BRAGGLIVE_CONFIG", raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A settings file with a table for the kiln and one for another service."""
    path = tmp_path / "bragglive.toml"
    path.write_text('[kiln]\npeak_c = 800\nlog_level = "debug"\nmetrics_port = 1\n[wheel]\nspin = true\n')
    return path


def test_flags_over_environment_over_file_over_defaults(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each setting comes from the first source that has it."""
    monkeypatch.setenv("BRAGGLIVE_KILN_PEAK_C", "850")
    monkeypatch.setenv("BRAGGLIVE_KILN_METRICS_PORT", "2")
    found = load(Kiln, "kiln", file, metrics_port=3, glaze=None)
    assert (found.metrics_port, found.peak_c, found.log_level, found.shelves) == (3, 850.0, "debug", (1, 2))


def test_the_file_may_be_named_by_the_environment(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$BRAGGLIVE_CONFIG is read when no file is given."""
    monkeypatch.setenv("BRAGGLIVE_CONFIG", str(file))
    assert load(Kiln, "kiln").peak_c == 800.0


def test_values_in_the_environment_may_be_lists_and_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no plain text or number is written as JSON."""
    monkeypatch.setenv("BRAGGLIVE_KILN_SHELVES", "[4, 5]")
    monkeypatch.setenv("BRAGGLIVE_KILN_GLAZE", "/srv/glaze")
    assert load(Kiln, "kiln") == Kiln(shelves=(4, 5), glaze=Path("/srv/glaze"))


def test_settings_made_directly_ignore_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only `load` reads environment variables, so that tests and programs get what they wrote."""
    monkeypatch.setenv("BRAGGLIVE_KILN_PEAK_C", "850")
    monkeypatch.setenv("PEAK_C", "851")
    assert Kiln().peak_c == 900.0


def test_settings_are_frozen() -> None:
    """Nobody changes a setting while the service runs."""
    with pytest.raises(ValidationError, match="frozen"):
        Kiln().peak_c = 1.0
    assert issubclass(Kiln, BaseSettings)


def test_a_wrong_flag_is_named() -> None:
    """The error names setting, source and value found."""
    with pytest.raises(
        SettingsError, match=r"peak_c \(flag of bragglive kiln\) is 3000: Input should be less than 2000"
    ):
        load(Kiln, "kiln", peak_c=3000)


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values in the environment are checked like all others."""
    monkeypatch.setenv("BRAGGLIVE_KILN_PEAK_C", "hot")
    with pytest.raises(SettingsError, match=r"peak_c \(environment BRAGGLIVE_KILN_…\) is 'hot'"):
        load(Kiln, "kiln")


def test_a_broken_list_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that is no JSON is refused before anything starts."""
    monkeypatch.setenv("BRAGGLIVE_KILN_SHELVES", "[4, ")
    with pytest.raises(SettingsError, match=r"environment BRAGGLIVE_KILN_….*shelves"):
        load(Kiln, "kiln")


def test_a_misspelt_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that nobody reads is a mistake, not a whim."""
    monkeypatch.setenv("BRAGGLIVE_KILN_PEEK_C", "850")
    with pytest.raises(
        SettingsError, match=r"BRAGGLIVE_KILN_PEEK_C is no setting; wanted one of .*BRAGGLIVE_KILN_PEAK_C"
    ):
        load(Kiln, "kiln")


def test_a_misspelt_key_in_the_file_is_named(tmp_path: Path) -> None:
    """Unknown keys of the service's table are refused."""
    path = tmp_path / "a.toml"
    path.write_text("[kiln]\npeek_c = 1\n")
    with pytest.raises(SettingsError, match=r"peek_c \(\[kiln\] of .*a.toml\) is no setting"):
        load(Kiln, "kiln", path)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [(None, "cannot be read"), ("peak_c = ", "cannot be read"), ("kiln = 3", "wanted a table")],
)
def test_a_broken_file_is_named(text: str | None, wanted: str, tmp_path: Path) -> None:
    """A file that is absent, no TOML, or has no table where one is wanted."""
    path = tmp_path / "a.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsError, match=wanted) as caught:
        load(Kiln, "kiln", path)
    assert "a.toml" in str(caught.value)


def test_half_configured_keys_are_refused(tmp_path: Path) -> None:
    """CURVE settings are all or none."""
    assert Kiln().keys() is None
    with pytest.raises(SettingsError, match="half configured"):
        load(Kiln, "kiln", curve_own_key=tmp_path / "own.key_secret").keys()
