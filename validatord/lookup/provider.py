"""Who runs an MX host: the provider table, and for hosts in nobody's table their registrable domain.

The table is data (`config/providers.toml`); nothing about a provider stands in code.
"""

import ipaddress
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from validatord import errors
from validatord.mail.mx import MXHost
from validatord.mail.provider import MXProvider, Pace
from validatord.mail.suffix import find_registrable_domain
from validatord.settings import Duration, Section

Suffix = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]+(\.[a-z0-9_-]+)+$")]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
NETWORK_BITS = {4: 24, 6: 48}


class PaceEntry(Section):
    """What a table may say about a pace; what it leaves out is somebody else's word."""

    sessions: int | None = Field(default=None, ge=1)
    session_interval: Duration | None = None
    rcpt_per_minute: float | None = Field(default=None, gt=0)
    sessions_per_hour: int | None = Field(default=None, ge=0)
    rcpt_per_day: int | None = Field(default=None, ge=0)
    refusals_per_session: int | None = Field(default=None, ge=1)
    unknown_ratio: float | None = Field(default=None, gt=0, le=1)
    unknown_window: int | None = Field(default=None, ge=1)
    rcpt_per_envelope: int | None = Field(default=None, ge=1, le=100)

    def apply_to(self, pace: Pace) -> Pace:
        """Return that pace with what stands here changed."""
        stated = {key: getattr(self, key) for key in PaceEntry.model_fields}
        return replace(pace, **{key: value for key, value in stated.items() if value is not None})


class ProviderEntry(PaceEntry):
    """One `[providers.<key>]` table."""

    name: str = ""
    suffixes: tuple[Suffix, ...] = Field(min_length=1)
    is_large: bool = False
    accepts_everything: bool = False
    postmaster_control: bool = True


class ProviderFile(Section):
    """The whole file; `small` absent: unknown hosts take the default pace."""

    small: PaceEntry = PaceEntry()
    large: PaceEntry = PaceEntry()
    providers: dict[Key, ProviderEntry] = Field(default_factory=dict)


class ProviderDirectory:
    """Finds the provider of an MX host."""

    def __init__(self, providers: Iterable[MXProvider], suffixes: Mapping[str, str], small: Pace) -> None:
        self._providers = {provider.key: provider for provider in providers}
        self._suffixes = dict(suffixes)
        self._small = small

    def __repr__(self) -> str:
        return f"ProviderDirectory(providers={len(self._providers)}, suffixes={len(self._suffixes)})"

    @classmethod
    def load(cls, text: str, default: Pace, *, file: str = "providers.toml") -> "ProviderDirectory":
        """Read the table; `default` is the pace where it states none, `file` what errors call it.

        Raises:
            ConfigurationError: names file, table and key of everything that is wrong.
        """
        table = _parse(text, file)
        suffixes = _index_suffixes(table, file)
        large = table.large.apply_to(default)
        providers = [
            MXProvider(
                key,
                entry.name or key,
                accepts_everything=entry.accepts_everything,
                postmaster_control=entry.postmaster_control,
                pace=entry.apply_to(large if entry.is_large else default),
            )
            for key, entry in table.providers.items()
        ]
        return cls(providers, suffixes, table.small.apply_to(default))

    def find(self, host: MXHost) -> MXProvider:
        """Return who runs the host: by its name, by the name it is an alias for, else one of its own."""
        for name in filter(None, (host.name, host.canonical_name)):
            key = self._find_key(name.lower().rstrip("."))
            if key:
                return self._providers[key]
        return self.find_by_key(find_registrable_domain(host.name))

    def find_by_key(self, key: str) -> MXProvider:
        """Return the provider of that key; one the table does not know is a small host of that name."""
        return self._providers.get(key) or MXProvider(key, key, pace=self._small)

    def _find_key(self, name: str) -> str:
        labels = name.split(".")
        # From the whole name down, so that the longest suffix wins.
        return next((key for start in range(len(labels)) if (key := self._suffixes.get(".".join(labels[start:])))), "")


def network_key(address: str) -> str:
    """Return the /24 or /48 around an address: what unlike MX names of one pool have in common."""
    parsed = ipaddress.ip_address(address)
    return str(ipaddress.ip_network((parsed, NETWORK_BITS[parsed.version]), strict=False))


def _parse(text: str, file: str) -> ProviderFile:
    try:
        data: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as failure:
        raise errors.ConfigurationError([f"{file}: {failure}"]) from None
    try:
        return ProviderFile.model_validate(data)
    except ValidationError as failure:
        raise errors.ConfigurationError([f"{file}: {_describe(problem)}" for problem in failure.errors()]) from None


def _describe(problem: ErrorDetails) -> str:
    # "[key]" is pydantic's mark for a bad key, a number the place in a list: neither stands in the file.
    *table, key = (part for part in problem["loc"] if isinstance(part, str) and part != "[key]")
    said = "unknown key" if problem["type"] == "extra_forbidden" else problem["msg"]
    return f"[{'.'.join(table)}] {key}: {said}" if table else f"[{key}]: {said}"


def _index_suffixes(table: ProviderFile, file: str) -> dict[str, str]:
    index: dict[str, str] = {}
    problems: list[str] = []
    for key, entry in table.providers.items():
        for suffix in entry.suffixes:
            other = index.setdefault(suffix, key)
            if other != key:
                problems.append(f'{file}: [providers.{key}] suffixes: "{suffix}" belongs to "{other}" already')
    if problems:
        raise errors.ConfigurationError(problems)
    return index
