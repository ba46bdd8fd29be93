"""What is known of an address without asking anybody: disposable, role, free, and whether it may be asked at all.

Each list is the project's, joined with the operator's file, which adds and takes out. A flag is a
remark and no verdict; what follows from it is `score`'s and the client's policy.
"""

from dataclasses import dataclass, field
from importlib import metadata

import disposable_email_domains

from validatord.errors import AddressSyntaxError, ConfigurationError
from validatord.mail.address import Mailbox
from validatord.mail.request import Flags
from validatord.mail.verdict import Reason
from validatord.rules.lists import (
    ListSource,
    NameList,
    join,
    parents,
    read_domain,
    read_operator_list,
    read_own_list,
)
from validatord.rules.suggest import suggest
from validatord.settings import PolicySettings

_PACKAGE = "disposable-email-domains"
_SEPARATORS = str.maketrans("", "", "-_")


@dataclass(frozen=True, slots=True)
class RiskLists:
    """The lists one set of settings asks for; immutable, so a reload builds new ones."""

    disposable: NameList
    roles: NameList
    free: NameList
    never_probe: NameList = field(default_factory=lambda: NameList(frozenset()))
    never_probe_below: frozenset[str] = frozenset()
    opt_out: frozenset[str] = frozenset()

    @classmethod
    def load(cls, policy: PolicySettings) -> "RiskLists":
        """Read the project's lists and the operator's files.

        Raises:
            ConfigurationError: with every file and line that cannot be used.
        """
        own_free = read_own_list("free", "free_providers.txt", read_domain)
        never, below = _read_never_probe(policy)
        return cls(
            disposable=join(
                [
                    _read_package(),
                    read_own_list("disposable", "disposable_domains.txt", read_domain),
                    read_operator_list("disposable", policy.disposable_file, read_domain),
                ]
            ),
            roles=join(
                [
                    read_own_list("role", "role_accounts.txt", _read_role),
                    read_operator_list("role", policy.role_file, _read_role),
                ]
            ),
            free=join([own_free, read_operator_list("free", policy.free_file, read_domain)]),
            never_probe=never,
            never_probe_below=below,
            opt_out=_read_settings("policy.opt_out", policy.opt_out),
        )

    def flags(self, mailbox: Mailbox) -> Flags:
        """Return what is known of an address; no I/O."""
        is_free = self.free.covers(mailbox.domain)
        return Flags(
            is_disposable=self.disposable.covers(mailbox.domain),
            is_role=self.is_role(mailbox.local_part),
            is_free=is_free,
            # Slips of the big names are often disposable domains; a provider's own name needs no correction.
            suggestion="" if is_free else suggest(mailbox),
        )

    def is_role(self, local_part: str) -> bool:
        """Whether a local part names a function; case, "+tag", "-" and "_" make no difference."""
        return self.roles.has(_read_role(local_part.partition("+")[0]))

    def find_ban(self, domain: str) -> Reason | None:
        """Return why a domain must not be connected to, or None where it may."""
        above = tuple(parents(domain))
        if any(name in self.opt_out for name in above):
            return Reason.OPTED_OUT
        if self.never_probe.has(domain) or any(name in self.never_probe_below for name in above[1:]):
            return Reason.NEVER_PROBE
        return None

    def describe(self) -> tuple[ListSource, ...]:
        """Return source, version and size of every list in use."""
        lists = (self.disposable, self.roles, self.free, self.never_probe)
        return tuple(source for one in lists for source in one.sources)


def _read_role(name: str) -> str:
    return name.casefold().translate(_SEPARATORS)


def _read_package() -> NameList:
    names = frozenset(disposable_email_domains.blocklist)
    taken_out = frozenset(disposable_email_domains.allowlist)
    version = metadata.version(_PACKAGE)
    return NameList(names, taken_out, (ListSource("disposable", _PACKAGE, version, len(names), len(taken_out)),))


def _read_settings(key: str, entries: tuple[str, ...]) -> frozenset[str]:
    found: set[str] = set()
    problems: list[str] = []
    for entry in entries:
        try:
            found.add(read_domain(entry.strip()))
        except AddressSyntaxError as error:
            problems.append(f'{key}: "{entry[:100]}": {error}')
    if problems:
        raise ConfigurationError(problems)
    return frozenset(found)


def _read_never_probe(policy: PolicySettings) -> tuple[NameList, frozenset[str]]:
    """Return the domains themselves, and the suffixes below which none is connected to."""
    in_file = read_operator_list("never_probe", policy.never_probe_file, _read_suffix)
    entries = [entry.strip() for entry in policy.never_probe]
    key = "policy.never_probe"
    exact = _read_settings(key, tuple(entry for entry in entries if not entry.startswith(".")))
    below = _read_settings(key, tuple(entry[1:] for entry in entries if entry.startswith(".")))
    below |= {name[1:] for name in in_file.names if name.startswith(".")}
    return NameList(in_file.names | exact, in_file.taken_out, in_file.sources), below


def _read_suffix(name: str) -> str:
    return f".{read_domain(name[1:])}" if name.startswith(".") else read_domain(name)
