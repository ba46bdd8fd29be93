"""Loading settings: who wins, and what an operator reads when something is wrong.

Order of sources, the first wins: environment `VALIDATORD_SECTION__KEY`, the plans' own names, systemd
credentials, the TOML file, the defaults of the models. Unknown keys are errors. The models live in
`settings_model` and are handed on here: everybody else imports this module.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from validatord import errors, settings_sources
from validatord.settings_model import (
    AcceptAllSettings,
    AlertSettings,
    BouncerSettings,
    DatabaseSettings,
    FreshnessSettings,
    GateSettings,
    HistorySettings,
    IdentitySettings,
    LookupSettings,
    MetricsSettings,
    PacingSettings,
    PolicySettings,
    RedisSettings,
    ReloadableTree,
    RetrySettings,
    ScoreSettings,
    Section,
    ServiceSettings,
    Settings,
    SMTPSettings,
    StaticTree,
    StoreSettings,
    WebSettings,
)
from validatord.settings_sources import Layer
from validatord.settings_types import Duration, DurationOrZero, format_duration, parse_duration, split_words

__all__ = [
    "AcceptAllSettings",
    "AlertSettings",
    "BouncerSettings",
    "DatabaseSettings",
    "Duration",
    "DurationOrZero",
    "FreshnessSettings",
    "GateSettings",
    "HistorySettings",
    "IdentitySettings",
    "LookupSettings",
    "MetricsSettings",
    "PacingSettings",
    "PolicySettings",
    "RedisSettings",
    "ReloadableTree",
    "RetrySettings",
    "SMTPSettings",
    "ScoreSettings",
    "Section",
    "ServiceSettings",
    "Settings",
    "SettingsHolder",
    "StaticTree",
    "StoreSettings",
    "WebSettings",
    "find_file",
    "format_duration",
    "load_settings",
    "parse_duration",
    "split_words",
]

_PLACES = (Path("config/validatord.toml"), Path("/etc/validatord/validatord.toml"))


class _Merged(Settings, BaseSettings):
    """Lays the sources over one another; whoever stands first in `layers` wins, key by key."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, validate_default=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 the base class names them
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing by itself: the layers were read already, each with its origins."""
        layers: list[Layer] = init_settings().get("layers", [])
        return tuple(InitSettingsSource(settings_cls, layer.values) for layer in layers)


class SettingsHolder:
    """Holds the settings in force; a unit of work takes one snapshot and keeps it to its end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def snapshot(self) -> Settings:
        """Return the settings in force now; the value never changes."""
        return self._settings

    def swap(self, settings: Settings) -> None:
        """Put others in force."""
        self._settings = settings


def find_file(environ: Mapping[str, str], given: Path | None = None) -> Path | None:
    """Return the file to read: the one given, `VALIDATORD_CONFIG`, or the first of the usual places that exists."""
    named = given or (Path(environ["VALIDATORD_CONFIG"]) if environ.get("VALIDATORD_CONFIG") else None)
    return named or next((place for place in _PLACES if place.exists()), None)


def load_settings(path: Path | None, environ: Mapping[str, str], credentials_dir: Path | None = None) -> Settings:
    """Read all sources into one value.

    Raises:
        ConfigurationError: every problem, with file and line, environment name or credential, and key.
    """
    readers = (
        lambda: settings_sources.read_environment(environ),
        lambda: settings_sources.read_credentials(credentials_dir),
        lambda: settings_sources.read_toml(path) if path else Layer({}),
    )
    problems: list[str] = []
    layers: list[Layer] = []
    for read in readers:
        try:
            layers.append(read())
        except errors.ConfigurationError as error:
            problems += error.problems
    if problems:
        raise errors.ConfigurationError(problems)
    identities = next((layer.values["identities"] for layer in layers if "identities" in layer.values), None)
    layers.insert(1, settings_sources.read_plan_names(environ, identities))
    return _validate(layers)


def _validate(layers: list[Layer]) -> Settings:
    if wrong := _find_broken_tables(layers):
        raise errors.ConfigurationError(wrong)
    try:
        merged = _Merged(layers=layers)  # pyright: ignore[reportCallIssue] read by settings_customise_sources
    except ValidationError as error:
        raise errors.ConfigurationError(_describe_all(error.errors(), layers)) from None
    return Settings.model_validate({name: getattr(merged, name) for name in Settings.model_fields})


def _find_broken_tables(layers: list[Layer]) -> list[str]:
    """A section that is no table in one source must not hide behind another source that has it right."""
    return [
        f"{layer.find_origin(name)}: {name}: must be a table [{name}]"
        for layer in layers
        for name, value in layer.values.items()
        if name in Settings.model_fields and name != "identities" and not isinstance(value, Mapping)
    ]


def _describe_all(found: list[ErrorDetails], layers: list[Layer]) -> list[str]:
    # A list whose members are wrong is also reported as too short: the members say more.
    inner = {error["loc"][:length] for error in found for length in range(1, len(error["loc"]))}
    return [_describe(error, layers) for error in found if error["loc"] not in inner]


def _describe(error: ErrorDetails, layers: list[Layer]) -> str:
    path = ".".join(str(part) for part in error["loc"])
    origin = next((found for layer in layers if (found := layer.find_origin(path))), "settings")
    if error["type"] == "extra_forbidden":
        return f"{origin}: {path}: no such setting{_suggest(error['loc'])}"
    said = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    value = error["input"]
    is_shown = isinstance(value, str | int | float) and not _is_secret(error["loc"]) and str(value) not in said
    return f"{origin}: {path}: {said}{f', not {str(value)[:60]!r}' if is_shown else ''}"


def _find_field(loc: tuple[int | str, ...]) -> tuple[Any, list[str]]:
    """Return what the models hold at `loc`, and the names of its neighbours."""
    found: Any = Settings
    names: list[str] = []
    for part in loc:
        if isinstance(part, int):
            continue
        fields = found.model_fields if isinstance(found, type) and issubclass(found, BaseModel) else {}
        names = list(fields)
        found = fields[part].annotation if part in fields else None
        found = IdentitySettings if part == "identities" else found
    return found, names


def _is_secret(loc: tuple[int | str, ...]) -> bool:
    return _find_field(loc)[0] is SecretStr


def _suggest(loc: tuple[int | str, ...]) -> str:
    near = difflib.get_close_matches(str(loc[-1]), _find_field(loc)[1], n=1)
    return f"; {near[0]} was meant?" if near else ""
