"""A pydantic model as the fields of a form, and the form's answers as the model's values: nothing is kept by hand."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from validatord.settings_types import format_duration


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `kind` is choice, number, check, list or text; `group` the name of the section it stands in."""

    name: str
    label: str
    said: str
    kind: str
    value: str
    group: str = ""
    options: tuple[str, ...] = ()
    default: str = ""

    @property
    def is_set(self) -> bool:
        """Whether it is not what holds by itself."""
        return self.value != self.default


def list_fields(model: type[BaseModel], values: Mapping[str, Any], group: str = "") -> tuple[Field, ...]:
    """Return the fields of a model, those of its sections after its own; `values` are as stored."""
    own: list[Field] = []
    below: list[Field] = []
    for key, member in model.model_fields.items():
        section = _section_of(member)
        if section is not None:
            inner: Any = values.get(key)
            below += list_fields(section, cast("Mapping[str, Any]", inner) if isinstance(inner, Mapping) else {}, key)
        else:
            own.append(_field_of(key, member, values, group))
    return (*own, *below)


def read_fields(model: type[BaseModel], form: Mapping[str, str], group: str = "") -> dict[str, Any]:
    """Return what a form says, as JSON to be validated by the model; what is the default is left out."""
    found: dict[str, Any] = {}
    for key, member in model.model_fields.items():
        section = _section_of(member)
        value = read_fields(section, form, key) if section is not None else _read(key, member, form, group)
        if value is not None and value != {}:
            found[key] = value
    return found


def _field_of(key: str, member: FieldInfo, values: Mapping[str, Any], group: str) -> Field:
    kind, options = _kind_of(member)
    default = _show(member.default)
    return Field(
        name=f"{group}.{key}" if group else key,
        label=key.removeprefix("is_").replace("_", " "),
        said=member.description or "",
        kind=kind,
        value=_show(values[key]) if key in values else default,
        group=group,
        options=options,
        default=default,
    )


def _read(key: str, member: FieldInfo, form: Mapping[str, str], group: str) -> Any:
    name = f"{group}.{key}" if group else key
    kind, _ = _kind_of(member)
    text = form.get(name, "").strip()
    if kind == "check":
        text = "yes" if name in form else "no"
    if text == _show(member.default):
        return None
    if kind == "check":
        return text == "yes"
    if kind == "list":
        return [word for word in text.replace(",", " ").split() if word]
    if kind == "number" and text.lstrip("-").isdigit():
        return int(text)
    return text or None


def _show(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, list | tuple):
        return ", ".join(_show(item) for item in cast("list[Any]", value))
    return str(value)


def _section_of(member: FieldInfo) -> type[BaseModel] | None:
    kind: Any = member.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _kind_of(member: FieldInfo) -> tuple[str, tuple[str, ...]]:
    kinds = list(_flatten(member.annotation))
    options = tuple(option for kind in kinds for option in _options_of(kind))
    if any(get_origin(kind) in {tuple, list} for kind in kinds):
        return "list", ()
    if options:
        return "choice", options
    if bool in kinds:
        return "check", ()
    return ("number", ()) if int in kinds else ("text", ())


def _flatten(kind: Any) -> Iterator[Any]:
    """Yield the members of a union, each without what only validates it."""
    if get_origin(kind) in {Union, UnionType}:
        for member in get_args(kind):
            yield from _flatten(member)
    elif get_origin(kind) is Annotated:
        yield from _flatten(get_args(kind)[0])
    else:
        yield kind


def _options_of(kind: Any) -> tuple[str, ...]:
    if get_origin(kind) is Literal:
        return tuple(str(option) for option in get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return tuple(str(option.value) for option in kind)
    return ()
