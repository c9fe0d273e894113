"""Settings: flags over environment over a TOML file over defaults, checked before anything is opened."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from contract.security import Keys, SecurityError, load_keys

CONFIG_VARIABLE = "BRAGGLIVE_CONFIG"


class SettingsError(ValueError):
    """A setting is wrong; the message names it, where it came from, the value found and what was wanted."""


class ServiceSettings(BaseSettings):
    """What all services share. A service adds its own fields and defaults in a subclass.

    Made directly it takes its arguments and nothing else; `load` reads environment and file.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", nested_model_default_partial_update=True)

    metrics_host: str = "127.0.0.1"
    """Address of this machine at which /metrics, /healthz and /readyz are served."""
    metrics_port: int = Field(default=0, ge=0, le=65535)
    """0: any free port; it is told in the log and in the ready file."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "text"] = "auto"
    """auto: readable text on a terminal, else JSON lines."""
    ready_file: Path | None = None
    """Written when the service is ready: addresses really bound, metrics port, process id (JSON)."""
    stalled_after_s: float = Field(default=30.0, gt=0)
    """/healthz fails when the service's loop has not come round for this long."""
    curve_own_key: Path | None = None
    """Our CURVE certificate with its secret key (.key_secret). All three curve_ settings, or none."""
    curve_server_key: Path | None = None
    """Public certificate of the services that we connect to (.key)."""
    curve_allowed_keys: Path | None = None
    """Folder of the public certificates (.key) of those who may connect to us."""

    def keys(self) -> Keys | None:
        """The CURVE keys, None if none are set. SettingsError: half configured or unreadable."""
        try:
            return load_keys(self.curve_own_key, self.curve_server_key, self.curve_allowed_keys)
        except SecurityError as error:
            raise SettingsError(str(error)) from error

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


_Settings = TypeVar("_Settings", bound=ServiceSettings)


def load(settings: type[_Settings], section: str, config_path: Path | None = None, **flags: Any) -> _Settings:
    """Settings of the service `section`, e.g. "streamer".

    In order of precedence: `flags` that are not None; environment variables BRAGGLIVE_<SECTION>_<FIELD>; the table
    [<section>] of the TOML file `config_path`, or of $BRAGGLIVE_CONFIG; defaults. SettingsError: a file that cannot be
    read, an unknown name (flag, variable or key), or a value that does not fit.
    """
    prefix = f"BRAGGLIVE_{section.upper()}_"
    file = config_path or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)
    sources = {
        f"flag of bragglive {section}": {name: value for name, value in flags.items() if value is not None},
        f"environment {prefix}…": _environment(settings, prefix),
        f"[{section}] of {file}": _table(file, section) if file is not None else {},
    }
    merged: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for source, values in reversed(sources.items()):
        merged.update(values)
        origin.update(dict.fromkeys(values, source))
    try:
        return settings(**merged)
    except ValidationError as error:
        raise SettingsError(_explain(section, error, origin)) from error


def _environment(settings: type[ServiceSettings], prefix: str) -> dict[str, Any]:
    known = {prefix + name.upper() for name in settings.model_fields}
    for name in os.environ:
        if name.upper().startswith(prefix) and name.upper() not in known:
            raise SettingsError(f"environment variable {name} is no setting; wanted one of {', '.join(sorted(known))}")
    try:
        return EnvSettingsSource(settings, env_prefix=prefix)()
    except ValueError as error:
        raise SettingsError(f"environment {prefix}…: {error}") from error


def _table(file: Path, section: str) -> dict[str, Any]:
    try:
        document = tomllib.loads(file.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"settings file {file} cannot be read: {error}") from error
    table = document.get(section, {})
    if not isinstance(table, dict):
        raise SettingsError(f"{section} of {file} is {type(table).__name__}, wanted a table [{section}]")
    return table


def _explain(section: str, error: ValidationError, origin: dict[str, str]) -> str:
    found = []
    for one in error.errors():
        name = ".".join(str(place) for place in one["loc"])
        source = origin.get(str(one["loc"][0]) if one["loc"] else "", "defaults")
        if one["type"] == "extra_forbidden":
            found.append(f"{name} ({source}) is no setting")
        elif one["type"] == "missing":
            found.append(f"{name} is not set and has no default")
        else:
            found.append(f"{name} ({source}) is {one['input']!r}: {one['msg']}")
    return f"settings of {section}: {'; '.join(found)}"
