"""What SIGHUP does: read everything again, swap only what may be swapped, or change nothing at all.

Pure: nothing is logged and nothing is held here; the daemon logs the result and swaps its holder.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel

from validatord import errors, settings_text
from validatord.settings import ReloadableTree, Settings, StaticTree, WebSettings

# Static sections hold these for the reader's sake; nothing is built from them that a reload could not change.
_STARTED_WITH = {
    *("is_enabled", "host", "port", "database_connections"),
    *("max_connections", "max_connections_per_address", "idle_timeout"),
}
_LIVE = {
    "service": ("log_level", "log_format", "is_address_masked", "stop_grace"),
    "web": tuple(name for name in WebSettings.model_fields if name not in _STARTED_WITH),
}


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """The outcome of one reload.

    `settings` are to be put in force, None where `problems` say why the old ones stay. `changed` reads
    "section.key: old → new", secrets without their values; `needs_restart` likewise, for what was read
    but stays as it was until a restart.
    """

    settings: Settings | None
    changed: tuple[str, ...] = ()
    needs_restart: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def reload(current: Settings, load: Callable[[], Settings]) -> ReloadResult:
    """Read again with `load` and lay the reloadable part of it over the static part in force."""
    try:
        wanted = load()
    except errors.ConfigurationError as error:
        return ReloadResult(None, problems=tuple(error.problems))
    sections = {name: _renew(name, getattr(current, name), getattr(wanted, name)) for name in StaticTree.model_fields}
    sections |= {name: getattr(wanted, name) for name in ReloadableTree.model_fields}
    settings = Settings.of(**sections)
    return ReloadResult(
        settings,
        changed=tuple(text for _, text in settings_text.compare(current, settings)),
        needs_restart=tuple(text for _, text in settings_text.compare(settings, wanted)),
    )


def _renew(name: str, current: BaseModel, wanted: BaseModel) -> BaseModel:
    return current.model_copy(update={key: getattr(wanted, key) for key in _LIVE.get(name, ())})
