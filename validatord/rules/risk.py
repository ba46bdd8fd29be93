"""What is known of an address without asking anybody: disposable, role, free, and whether it may be asked at all.

Each list is the project's, joined with packages and the operator's files, which add and take out. Allowing
a domain wins over everything that calls it disposable. A flag is a remark and no verdict; what follows
from it is `score`'s and the client's policy.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from validatord.errors import ConfigurationError
from validatord.mail.address import Mailbox
from validatord.mail.mx import DomainMail
from validatord.mail.request import Flags
from validatord.mail.verdict import Reason
from validatord.rules import packages
from validatord.rules.lists import (
    ListPart,
    ListSource,
    NameList,
    join,
    parents,
    read_domain,
    read_entry,
    read_operator_list,
    read_own_list,
    read_setting,
)
from validatord.rules.suggest import Suggester
from validatord.settings import PolicySettings

_SEPARATORS = str.maketrans("", "", "-_")
_NO_MAIL: Mapping[str, DomainMail] = {}

KINDS = ("allow", "deny", "disposable", "disposable_mx", "parked_mx", "free", "role", "never_probe", "opt_out")


@dataclass(frozen=True, slots=True)
class RiskLists:
    """The lists one set of settings asks for; immutable, so a reload builds new ones.

    `mails` in its methods is what is known of domains, of the address's own and of the suggested one; a
    domain that is not in it is one of which nothing is known.
    """

    disposable: NameList
    roles: NameList
    free: NameList
    allow: NameList = field(default_factory=NameList)
    deny: NameList = field(default_factory=NameList)
    disposable_mx: NameList = field(default_factory=NameList)
    parked_mx: NameList = field(default_factory=NameList)
    never_probe: NameList = field(default_factory=NameList)
    opt_out: NameList = field(default_factory=NameList)
    suggester: Suggester = field(default_factory=Suggester)

    @classmethod
    def load(cls, policy: PolicySettings, suggester: Suggester | None = None) -> "RiskLists":
        """Read the project's lists and the operator's files.

        Raises:
            ConfigurationError: with every file and line that cannot be used.
        """
        parts = read_parts(policy)
        return cls(
            disposable=join(parts["disposable"]),
            roles=join(parts["role"], of_domains=False),
            free=join(parts["free"]),
            allow=join(parts["allow"]),
            deny=join(parts["deny"]),
            disposable_mx=join(parts["disposable_mx"]),
            parked_mx=join(parts["parked_mx"]),
            never_probe=join(parts["never_probe"], of_domains=False),
            opt_out=join(parts["opt_out"], of_domains=False),
            suggester=suggester or Suggester(),
        )

    def using(self, suggester: Suggester) -> "RiskLists":
        """Return the same lists with a suggester that has learned something already."""
        return replace(self, suggester=suggester)

    def flags(self, mailbox: Mailbox, mails: Mapping[str, DomainMail] = _NO_MAIL) -> Flags:
        """Return what is known of an address; no I/O."""
        domain = mailbox.domain
        is_disposable = self.is_disposable(domain, mails)
        is_free = not is_disposable and self.free.covers(domain)
        better = "" if is_free else self.find_suggestion(domain, mails)
        return Flags(
            is_disposable=is_disposable,
            is_role=self.is_role(mailbox.local_part),
            is_free=is_free,
            suggestion=f"{mailbox.local_part}@{better}" if better else "",
        )

    def is_disposable(self, domain: str, mails: Mapping[str, DomainMail] = _NO_MAIL) -> bool:
        """Whether a domain is one for throw-away mailboxes: by a list, or by the hosts that take its mail."""
        is_held = self.disposable.covers(domain) or self.deny.covers(domain) or self._is_given_away(domain, mails)
        return is_held and not self.allow.covers(domain)

    def _is_given_away(self, domain: str, mails: Mapping[str, DomainMail]) -> bool:
        """Whether its MX hosts are those of throw-away mail; a domain that was taken out is known to be none."""
        mail = mails.get(domain)
        if mail is None or not any(map(self.disposable_mx.covers, mail.hosts)):
            return False
        return not self.disposable.takes_out(domain)

    def find_suggestion(self, domain: str, mails: Mapping[str, DomainMail] = _NO_MAIL) -> str:
        """Return the domain that was probably meant, or an empty text.

        A domain that takes mail is meant as it stands, unless whoever runs it collects what others mistype.
        """
        better = self.suggester.find_better(domain)
        if not better:
            return ""
        target, own = mails.get(better), mails.get(domain)
        if (target is not None and not target.has_mx) or self.is_disposable(better, mails):
            return ""
        if own is None or not own.has_mx:
            return better
        is_trap = self.is_disposable(domain, mails) or any(map(self.parked_mx.covers, own.hosts))
        return better if is_trap else ""

    def is_role(self, local_part: str) -> bool:
        """Whether a local part names a function; case, "+tag", "-" and "_" make no difference."""
        return self.roles.has(read_role(local_part.partition("+")[0]))

    def find_ban(self, domain: str) -> Reason | None:
        """Return why a domain must not be connected to, or None where it may."""
        if not (self.opt_out.names or self.never_probe.names):
            return None
        above = tuple(parents(domain))
        if any(name in self.opt_out.names for name in above):
            return Reason.OPTED_OUT
        below = any(f".{name}" in self.never_probe.names for name in above[1:])
        if self.never_probe.has(domain) or (below and domain not in self.never_probe.taken_out):
            return Reason.NEVER_PROBE
        return None

    def describe(self) -> tuple[ListSource, ...]:
        """Return source, version and size of every list in use."""
        lists = (
            *(self.allow, self.deny, self.disposable, self.disposable_mx, self.parked_mx),
            *(self.free, self.roles, self.never_probe, self.opt_out),
        )
        return tuple(source for one in lists for source in one.sources)


def read_parts(policy: PolicySettings) -> dict[str, list[ListPart]]:
    """Read every source of every list, by the list's kind.

    Raises:
        ConfigurationError: with the file and line, or key, that cannot be used.
    """
    plan: tuple[tuple[str, Callable[[], Iterable[ListPart]]], ...] = (
        ("allow", lambda: read_setting("allow", "policy.allow", policy.allow, read_entry)),
        ("allow", lambda: read_operator_list("allow", policy.allow_file, read_entry)),
        ("deny", lambda: read_setting("deny", "policy.deny", policy.deny, read_entry)),
        ("deny", lambda: read_operator_list("deny", policy.deny_file, read_entry)),
        ("disposable", lambda: [packages.read_disposable()]),
        ("disposable", lambda: [packages.read_larger_disposable()] if policy.is_mailchecker_used else []),
        ("disposable", lambda: [read_own_list("disposable", "disposable_domains.txt", read_entry)]),
        ("disposable", lambda: read_operator_list("disposable", policy.disposable_file, read_entry)),
        ("disposable_mx", lambda: [read_own_list("disposable_mx", "disposable_mx.txt", read_entry)]),
        ("disposable_mx", lambda: read_operator_list("disposable_mx", policy.disposable_mx_file, read_entry)),
        ("parked_mx", lambda: [read_own_list("parked_mx", "parked_mx.txt", read_entry)]),
        ("free", lambda: [packages.read_free()]),
        ("free", lambda: [read_own_list("free", "free_providers.txt", read_entry)]),
        ("free", lambda: read_operator_list("free", policy.free_file, read_entry)),
        ("role", lambda: [read_own_list("role", "role_accounts.txt", read_role)]),
        ("role", lambda: read_operator_list("role", policy.role_file, read_role)),
        ("never_probe", lambda: read_setting("never_probe", "policy.never_probe", policy.never_probe, _read_suffix)),
        ("never_probe", lambda: read_operator_list("never_probe", policy.never_probe_file, _read_suffix)),
        ("opt_out", lambda: read_setting("opt_out", "policy.opt_out", policy.opt_out, read_domain)),
    )
    found: dict[str, list[ListPart]] = {kind: [] for kind in KINDS}
    problems: list[str] = []
    for kind, read in plan:
        try:
            found[kind] += read()
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)
    return found


def read_role(name: str) -> str:
    """Read a local part the way roles are compared."""
    return name.casefold().translate(_SEPARATORS)


def _read_suffix(name: str) -> str:
    return f".{read_domain(name[1:])}" if name.startswith(".") else read_domain(name)
