"""Lists of names, one a line: our own under config/ and the operator's, which may add and take out.

`# …` is a comment, `name` adds, `!name` takes out and wins over every list that adds. A domain stands for
itself and the names below it; a public suffix, below which others register, for itself alone, unless it is
written `.suffix`: then it means all below. What cannot be read is an error that names file and line, since
a list that silently lost a line judges differently.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType

from validatord import data
from validatord.errors import AddressSyntaxError, ConfigurationError
from validatord.mail.parse import parse_domain
from validatord.mail.suffix import is_public_suffix, is_registry_suffix

Reader = Callable[[str], str]

_VERSION = re.compile(r"^# version (\d{4}-\d{2}-\d{2})$", re.MULTILINE)
_NOTHING: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ListSource:
    """Where the names of a list came from, for those who wonder.

    `kind` is which list it feeds. `dated` is the day of the version; of a package the day it was installed,
    of the operator's file the day it was changed.
    """

    kind: str
    source: str
    version: str
    entries: int
    taken_out: int
    dated: date | None = None


@dataclass(frozen=True, slots=True)
class ListPart:
    """What one source says: each entry with the line it stands on, 0 where there are no lines."""

    source: ListSource
    names: Mapping[str, int] = field(default_factory=dict[str, int])
    taken_out: Mapping[str, int] = field(default_factory=dict[str, int])


class DomainSet:
    """Entries of lists of domains, ready to be asked."""

    __slots__ = ("_below", "_exact", "_names")

    def __init__(self, entries: Iterable[str] = ()) -> None:
        names: set[str] = set()
        exact: set[str] = set()
        below: set[str] = set()
        for entry in entries:
            if entry.startswith("."):
                below.add(entry[1:])
            else:
                (exact if is_public_suffix(entry) else names).add(entry)
        self._names, self._exact, self._below = frozenset(names), frozenset(exact), frozenset(below)

    def __len__(self) -> int:
        return len(self._names) + len(self._exact) + len(self._below)

    def __repr__(self) -> str:
        return f"<DomainSet of {len(self):,}>"

    def find(self, domain: str) -> str | None:
        """Return the entry that speaks of this domain, the nearest one, or None."""
        if domain in self._exact:
            return domain
        name = domain
        while name:
            if name in self._names:
                return name
            name = name.partition(".")[2]
            if name in self._below:
                return f".{name}"
        return None


@dataclass(frozen=True, slots=True)
class NameList:
    """A list put together from its sources; taking out wins."""

    names: frozenset[str] = frozenset()
    taken_out: frozenset[str] = frozenset()
    sources: tuple[ListSource, ...] = ()
    _added: DomainSet = field(default_factory=DomainSet, repr=False, compare=False)
    _removed: DomainSet = field(default_factory=DomainSet, repr=False, compare=False)

    def has(self, name: str) -> bool:
        """Whether this very name is listed."""
        return name in self.names and name not in self.taken_out

    def covers(self, domain: str) -> bool:
        """Whether a domain or one above it is listed, and none of them taken out."""
        return self._added.find(domain) is not None and not self.takes_out(domain)

    def takes_out(self, domain: str) -> bool:
        """Whether a domain or one above it is taken out."""
        return self._removed.find(domain) is not None


def join(parts: Iterable[ListPart], *, of_domains: bool = True) -> NameList:
    """Put the parts of a list together; what one of them takes out is out."""
    names: set[str] = set()
    taken_out: set[str] = set()
    sources: list[ListSource] = []
    for part in parts:
        names.update(part.names)
        taken_out.update(part.taken_out)
        sources.append(part.source)
    found = DomainSet(names if of_domains else ()), DomainSet(taken_out if of_domains else ())
    return NameList(frozenset(names), frozenset(taken_out), tuple(sources), *found)


def parents(domain: str) -> Iterator[str]:
    """Yield the domain and every domain above it: a.b.c, b.c, c."""
    while domain:
        yield domain
        domain = domain.partition(".")[2]


def read_domain(name: str) -> str:
    """Read a domain, or a bare top level."""
    bare = name.casefold()
    return bare if bare.isascii() and bare.isalnum() else parse_domain(name)


def read_entry(name: str) -> str:
    """Read one entry of a list of domains: `name`, or `.suffix` for all below it.

    Raises:
        AddressSyntaxError: it is no domain, or a registry's suffix, which nobody has a mailbox at.
    """
    if name.startswith("."):
        return f".{read_domain(name[1:])}"
    domain = read_domain(name)
    if is_registry_suffix(domain) or "." not in domain:
        raise AddressSyntaxError("public_suffix", f'others register names below it; write ".{domain}" if you mean all.')
    return domain


@cache
def read_own_list(kind: str, file: str, read: Reader) -> ListPart:
    """Read a list that ships with the project, such as "role_accounts.txt"."""
    text = data.read_text(f"config/{file}")
    found = _VERSION.search(text)
    version = found[1] if found else ""
    return _build(
        ListSource(kind, f"config/{file}", version, 0, 0, date.fromisoformat(version) if version else None), text, read
    )


def read_operator_list(kind: str, file: str, read: Reader) -> tuple[ListPart, ...]:
    """Read the operator's file; an empty path is no list.

    Raises:
        ConfigurationError: the file or a line of it cannot be read.
    """
    if not file:
        return ()
    path = Path(file)
    try:
        text = path.read_text(encoding="utf-8")
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC).date()
    except (OSError, UnicodeError) as error:
        raise ConfigurationError([f"{file}: {error}"]) from error
    return (_build(ListSource(kind, file, "", 0, 0, changed), text, read),)


def read_setting(kind: str, key: str, entries: Iterable[str], read: Reader) -> tuple[ListPart, ...]:
    """Read entries that stand in the settings under `key`; none are no list.

    Raises:
        ConfigurationError: naming the key and each entry that cannot be read.
    """
    found: dict[str, int] = {}
    problems: list[str] = []
    for entry in entries:
        try:
            found[read(entry.strip())] = 0
        except AddressSyntaxError as error:
            problems.append(f'{key}: "{entry[:100]}": {error}')
    if problems:
        raise ConfigurationError(problems)
    return (ListPart(ListSource(kind, key, "", len(found), 0), found),) if found else ()


def _build(where: ListSource, text: str, read: Reader) -> ListPart:
    found: dict[bool, dict[str, int]] = {True: {}, False: {}}
    problems: list[str] = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        entry = line.partition("#")[0].strip()
        if not entry:
            continue
        try:
            found[entry.startswith("!")].setdefault(read(entry.removeprefix("!").strip()), number)
        except AddressSyntaxError as error:
            problems.append(f'{where.source} line {number}: "{entry[:100]}": {error}')
    if problems:
        raise ConfigurationError(problems)
    counts = (len(found[False]), len(found[True]))
    source = ListSource(where.kind, where.source, where.version, *counts, where.dated)
    return ListPart(source, found[False], found[True])
