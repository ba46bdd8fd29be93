"""The look-up of one domain's mail hosts, step by step, under one deadline.

1 ask for MX · 2 confirm NXDOMAIN · 3 drop names nobody could deliver to · 4 find the addresses of the rest
· 5 drop addresses nobody may connect to · 6 say what is left. Caching is `mx`'s business.
"""

import asyncio
import ipaddress
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from validatord import errors
from validatord.lookup import addresses, names, trail
from validatord.lookup.answer import Answer, AnswerKind, Record
from validatord.lookup.resolver import Resolver
from validatord.mail.mx import MXHost, MXOutcome

MAX_HOSTS = 16  # looked up at a time; more only while none of them is usable
MAX_ADDRESSES = 8  # kept of one host
PARALLEL_HOSTS = 4  # so that one domain with a hundred dead hosts does not hold all the query slots
PARTIAL_TTL = timedelta(minutes=5)  # some host gave no answer: look again soon
NULL_EXCHANGE = "."


@dataclass(frozen=True, slots=True)
class GatherRules:
    """What of the settings one look-up needs."""

    total_seconds: float
    is_public_only: bool = True
    is_ipv6_enabled: bool = False
    deny: tuple[str, ...] = ()
    own_addresses: tuple[str, ...] = ()
    own_names: frozenset[str] = frozenset()

    def may_connect(self, address: str) -> bool:
        """Whether a probe may go to this address."""
        if self.is_public_only:
            return addresses.is_public(address, deny=self.deny, own=self.own_addresses)
        return not addresses.is_denied(address, deny=self.deny, own=self.own_addresses)


@dataclass(frozen=True, slots=True)
class Gathered:
    """How a look-up ended and for how long that holds."""

    outcome: MXOutcome
    ttl: timedelta = timedelta(0)
    hosts: tuple[MXHost, ...] = ()
    is_implicit: bool = False
    failure: str = ""
    unanswered_preference: int | None = None
    trace: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Finding:
    """What became of one host: usable addresses, or the kind of failure, or addresses that were dropped."""

    host: MXHost
    ttl: timedelta
    failure: str = ""
    has_dropped: bool = False


class Gathering:
    """One look-up under way; `run` is called once."""

    def __init__(self, resolver: Resolver, rules: GatherRules, domain: str) -> None:
        self._resolver = resolver
        self._rules = rules
        self._domain = domain
        self._trail = trail.Trail()
        self._deadline = asyncio.get_running_loop().time() + rules.total_seconds
        self._places = asyncio.Semaphore(PARALLEL_HOSTS)

    async def run(self) -> Gathered:
        """Return what DNS says about the domain's mail hosts; trouble is the outcome FAILED."""
        answer = await self._ask(self._domain, "MX")
        if isinstance(answer, Answer) and answer.kind is AnswerKind.NXDOMAIN:
            answer = await self._ask(self._domain, "MX", is_second=True)
        if isinstance(answer, errors.LookupFailed):
            return self._end(MXOutcome.FAILED, failure=answer.kind)
        if answer.kind is AnswerKind.NXDOMAIN:
            return self._end(MXOutcome.DOMAIN_NOT_FOUND, answer.ttl)
        if answer.kind is AnswerKind.NO_DATA:
            # RFC 5321 5.1: without MX records the domain is its own mail host.
            return await self._try_hosts([Record(self._domain)], answer.ttl, is_implicit=True)
        if all(record.value == NULL_EXCHANGE for record in answer.records):
            return self._end(MXOutcome.NULL_MX, answer.ttl)  # RFC 7505 3
        return await self._try_hosts(answer.records, answer.ttl)

    async def _try_hosts(self, records: Sequence[Record], ttl: timedelta, *, is_implicit: bool = False) -> Gathered:
        kept = self._drop_faulty(records)
        findings: list[_Finding] = []
        for start in range(0, len(kept), MAX_HOSTS):
            chunk = kept[start : start + MAX_HOSTS]
            findings += await asyncio.gather(*(self._find_addresses(record) for record in chunk))
            if any(finding.host.addresses for finding in findings):
                break
        return self._judge(findings, ttl, is_implicit=is_implicit)

    def _drop_faulty(self, records: Sequence[Record]) -> list[Record]:
        best: dict[str, Record] = {}
        # The order of a name server is random: cut and kept in ours, the host set stays the same.
        for record in sorted(records, key=lambda record: (record.preference, record.value)):
            fault = names.find_fault(
                record.value, may_be_reserved=not self._rules.is_public_only, own_names=self._rules.own_names
            )
            if fault:
                self._trail.add(f"MX host {record.value} dropped: {fault}")
            else:
                best.setdefault(record.value, record)
        return list(best.values())

    async def _find_addresses(self, record: Record) -> _Finding:
        async with self._places:
            families = ("A", "AAAA") if self._rules.is_ipv6_enabled else ("A",)
            answers = await asyncio.gather(*(self._ask(record.value, family) for family in families))
        found = [answer for answer in answers if isinstance(answer, Answer)]
        failures = [answer.kind for answer in answers if isinstance(answer, errors.LookupFailed)]
        values = list(itertools.chain.from_iterable(answer.values for answer in found))
        usable = tuple(value for value in values if self._judge_address(record.value, value))
        if (
            not values
            and not failures
            and not self._rules.is_ipv6_enabled
            and await self._has_ipv6(record.value, found)
        ):
            failures = ["ipv6_only"]
        canonical = next((answer.canonical_name for answer in found if answer.records), record.value)
        return _Finding(
            MXHost(
                record.value,
                record.preference,
                _cut_fairly(usable),
                canonical_name="" if canonical == record.value else canonical,
            ),
            min((answer.ttl for answer in found if answer.records or not usable), default=timedelta(0)),
            failure="" if usable or not failures else failures[0],
            has_dropped=bool(values),
        )

    def _judge_address(self, name: str, address: str) -> bool:
        may_connect = self._rules.may_connect(address)
        if not may_connect:
            self._trail.add(f"{address} of {name} dropped: not public")
        return may_connect

    async def _has_ipv6(self, name: str, found: Sequence[Answer]) -> bool:
        """Whether a host without IPv4 has an address we do not connect to: then nobody can say it has none."""
        if any(answer.kind is AnswerKind.NXDOMAIN for answer in found):
            return False
        answer = await self._ask(name, "AAAA")
        return isinstance(answer, errors.LookupFailed) or any(map(self._rules.may_connect, answer.values))

    def _judge(self, findings: Sequence[_Finding], ttl: timedelta, *, is_implicit: bool) -> Gathered:
        hosts = tuple(finding.host for finding in findings if finding.host.addresses)
        failed = [finding for finding in findings if finding.failure]
        if hosts:
            ttl = min(ttl, *(finding.ttl for finding in findings if finding.host.addresses))
            unanswered = min((finding.host.preference for finding in failed), default=None)
            return self._end(
                MXOutcome.OK,
                min(ttl, PARTIAL_TTL) if failed else ttl,
                hosts=hosts,
                is_implicit=is_implicit,
                unanswered_preference=unanswered,
            )
        if failed:
            return self._end(MXOutcome.FAILED, failure=failed[0].failure, is_implicit=is_implicit)
        ttl = min((finding.ttl for finding in findings), default=ttl)
        if not findings or any(finding.has_dropped for finding in findings):
            return self._end(MXOutcome.MX_NOT_PUBLIC, ttl, is_implicit=is_implicit)
        return self._end(
            MXOutcome.NO_MAIL_HOST if is_implicit else MXOutcome.MX_UNRESOLVABLE, ttl, is_implicit=is_implicit
        )

    async def _ask(self, name: str, rdtype: str, *, is_second: bool = False) -> Answer | errors.LookupFailed:
        ask = self._resolver.confirm if is_second else self._resolver.query
        outcome: Answer | errors.LookupFailed
        try:
            async with asyncio.timeout_at(self._deadline):
                outcome = await ask(name, rdtype)
        except TimeoutError:
            outcome = errors.LookupFailed("timeout", "the time for this domain is over")
        except errors.LookupFailed as failure:
            outcome = failure
        self._trail.add(trail.describe(name, rdtype, outcome, is_second=is_second))
        return outcome

    def _end(
        self,
        outcome: MXOutcome,
        ttl: timedelta = timedelta(0),
        *,
        hosts: tuple[MXHost, ...] = (),
        is_implicit: bool = False,
        failure: str = "",
        unanswered_preference: int | None = None,
    ) -> Gathered:
        return Gathered(outcome, ttl, hosts, is_implicit, failure, unanswered_preference, self._trail.lines)


def _cut_fairly(usable: Sequence[str]) -> tuple[str, ...]:
    """Keep `MAX_ADDRESSES`, of both families where there are two."""
    by_family: dict[int, list[str]] = {}
    for address in dict.fromkeys(usable):
        by_family.setdefault(ipaddress.ip_address(address).version, []).append(address)
    columns = itertools.zip_longest(*by_family.values())
    return tuple(address for column in columns for address in column if address is not None)[:MAX_ADDRESSES]
