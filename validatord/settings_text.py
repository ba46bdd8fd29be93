"""Settings as text: the generated example file, what `config show` prints, and what changed at a reload.

Secrets never appear: a set one reads ***.
"""

import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import cast
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from validatord.settings_model import IdentitySettings, ReloadableTree, Settings, StaticTree
from validatord.settings_types import format_duration

_HEAD = """\
# Every setting of validatord with its default. Remove the # in front of a key to change it.
#
# Stronger than this file, key by key: VALIDATORD_SECTION__KEY in the environment (such as
# VALIDATORD_SMTP__PORT), then the environment names of docs/configuration.md, then systemd credentials.
# Durations read 250ms, 30s, 15m, 2h or 7d. Check a file with: validatord config check
"""
_STATIC = "# --- Read once: a change needs a restart. "
_RELOADABLE = "# --- Read again at a reload (SIGHUP). "
_WIDTH = 100


def generate_config() -> str:
    """Return the example file: every setting, its description as a comment, its default commented out."""
    parts = [_HEAD]
    for title, tree in ((_STATIC, StaticTree), (_RELOADABLE, ReloadableTree)):
        parts.append(f"{title.ljust(_WIDTH, '-')}\n")
        parts += [_generate_section(name, field) for name, field in tree.model_fields.items()]
    return "\n".join(parts)


def _generate_section(name: str, field: FieldInfo) -> str:
    is_list = name == "identities"
    model = IdentitySettings if is_list else cast("type[BaseModel]", field.annotation)
    lines = [f"# {(model.__doc__ or '').strip()}", f"[[{name}]]" if is_list else f"[{name}]"]
    for key, member in model.model_fields.items():
        lines += [f"# {member.description}", f"#{key} = {format_value(member.default)}"]
    return "\n".join(lines) + "\n"


def describe(settings: Settings) -> str:
    """Return the settings in force as TOML, without secrets."""
    lines: list[str] = []
    table = ""
    for section, key, value in _walk(settings):
        if section != table:
            lines += [""] * bool(lines) + [f"[[{section.partition('.')[0]}]]" if "." in section else f"[{section}]"]
            table = section
        lines.append(f"{key} = {format_value(value)}")
    return "\n".join(lines) + "\n"


def list_secrets(settings: Settings) -> list[str]:
    """Return every secret that is set; of a URL its password as well."""
    found: list[str] = []
    for _, _, value in _walk(settings):
        if isinstance(value, SecretStr) and (text := value.get_secret_value()):
            found += [text, *([password] if (password := _find_password(text)) else [])]
    return found


def _find_password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""


def format_value(value: object) -> str:
    """Return a value as TOML writes it; secrets as "***"."""
    if isinstance(value, SecretStr):
        return '"***"' if value.get_secret_value() else '""'
    if isinstance(value, timedelta):
        return f'"{format_duration(value)}"'
    if isinstance(value, tuple):
        return f"[{', '.join(format_value(member) for member in cast('tuple[object, ...]', value))}]"
    # A JSON string, number or boolean is a TOML one.
    return json.dumps(value, ensure_ascii=False)


def _walk(settings: Settings) -> Iterator[tuple[str, str, object]]:
    """Yield section, key and value in the file's order; identities as "identities.<name>"."""
    for name in (*StaticTree.model_fields, *ReloadableTree.model_fields):
        section: object = getattr(settings, name)
        for table in cast("tuple[BaseModel, ...]", section if isinstance(section, tuple) else (section,)):
            title = f"{name}.{table.name}" if isinstance(table, IdentitySettings) else name
            yield from ((title, key, getattr(table, key)) for key in type(table).model_fields)


def compare(old: Settings, new: Settings) -> list[tuple[str, str]]:
    """Return what differs as (section, "section.key: old → new"), in the file's order."""
    before = {(section, key): value for section, key, value in _walk(old)}
    after = {(section, key): value for section, key, value in _walk(new)}
    return [
        (path[0].partition(".")[0], f"{path[0]}.{path[1]}: {_describe_change(before, after, path)}")
        for path in dict.fromkeys((*before, *after))
        if before.get(path) != after.get(path)
    ]


def _describe_change(
    before: dict[tuple[str, str], object], after: dict[tuple[str, str], object], path: tuple[str, str]
) -> str:
    if isinstance(before.get(path, after.get(path)), SecretStr):
        return "changed (secret)"
    old, new = (format_value(side[path]) if path in side else "nothing" for side in (before, after))
    return f"{old} → {new}"


if __name__ == "__main__":
    sys.stdout.write(generate_config())
