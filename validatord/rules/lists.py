"""Lists of names, one a line: our own under config/ and the operator's, which may add and take out.

`# …` is a comment, `name` adds, `!name` takes out and wins over every list that adds. What cannot be
read is an error that names file and line, since a list that silently lost a line judges differently.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from validatord import data
from validatord.errors import AddressSyntaxError, ConfigurationError
from validatord.mail.parse import parse_domain

Reader = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class ListSource:
    """Where the names of a list came from, for those who wonder: `kind` is which list it feeds."""

    kind: str
    source: str
    version: str
    entries: int
    taken_out: int


@dataclass(frozen=True, slots=True)
class NameList:
    """Names that were added, names that were taken out, and where from; taking out wins."""

    names: frozenset[str]
    taken_out: frozenset[str] = frozenset()
    sources: tuple[ListSource, ...] = ()

    def has(self, name: str) -> bool:
        """Whether this very name is listed."""
        return name in self.names and name not in self.taken_out

    def covers(self, domain: str) -> bool:
        """Whether the domain or one above it is listed, and none of them taken out."""
        found = False
        for name in parents(domain):
            if name in self.taken_out:
                return False
            found = found or name in self.names
        return found


def parents(domain: str) -> Iterator[str]:
    """Yield the domain and every domain above it: a.b.c, b.c, c."""
    while domain:
        yield domain
        domain = domain.partition(".")[2]


def read_domain(name: str) -> str:
    """Read one entry of a list of domains; a bare top level stands for all below it."""
    bare = name.casefold()
    return bare if bare.isascii() and bare.isalnum() else parse_domain(name)


def read_own_list(kind: str, file: str, read: Reader) -> NameList:
    """Read a list that ships with the project, such as "role_accounts.txt"."""
    return _build(kind, f"config/{file}", data.read_text(f"config/{file}"), read)


def read_operator_list(kind: str, file: str, read: Reader) -> NameList:
    """Read the operator's file; an empty path is an empty list.

    Raises:
        ConfigurationError: the file or a line of it cannot be read.
    """
    if not file:
        return NameList(frozenset())
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ConfigurationError([f"{file}: {error}"]) from error
    return _build(kind, file, text, read)


def join(lists: Iterable[NameList]) -> NameList:
    """Put lists together; what one of them takes out is out."""
    names: set[str] = set()
    taken_out: set[str] = set()
    sources: list[ListSource] = []
    for one in lists:
        names |= one.names
        taken_out |= one.taken_out
        sources += one.sources
    return NameList(frozenset(names), frozenset(taken_out), tuple(sources))


def _build(kind: str, source: str, text: str, read: Reader) -> NameList:
    found: dict[bool, set[str]] = {True: set(), False: set()}
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.partition("#")[0].strip()
        if not entry:
            continue
        try:
            found[entry.startswith("!")].add(read(entry.removeprefix("!").strip()))
        except AddressSyntaxError as error:
            problems.append(f'{source} line {number}: "{entry[:100]}": {error}')
    if problems:
        raise ConfigurationError(problems)
    where = ListSource(kind, source, "", len(found[False]), len(found[True]))
    return NameList(frozenset(found[False]), frozenset(found[True]), (where,))
