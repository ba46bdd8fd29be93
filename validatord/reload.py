"""What SIGHUP does: read everything again, swap only what may be swapped, or change nothing at all.

Pure: nothing is logged and nothing is held here; the daemon logs the result and swaps its holder.
"""

from collections.abc import Callable
from dataclasses import dataclass

from validatord import errors, settings_text
from validatord.settings import ReloadableTree, Settings, StaticTree


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
    differences = settings_text.compare(current, wanted)
    sections = {name: getattr(current, name) for name in StaticTree.model_fields}
    sections |= {name: getattr(wanted, name) for name in ReloadableTree.model_fields}
    return ReloadResult(
        Settings.of(**sections),
        changed=tuple(text for section, text in differences if section in ReloadableTree.model_fields),
        needs_restart=tuple(text for section, text in differences if section in StaticTree.model_fields),
    )
