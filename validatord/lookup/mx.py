"""Where a domain takes its mail: one look-up per domain and TTL, however many ask.

Trouble with DNS is the outcome FAILED and never an exception; it is remembered for seconds only, since it
says nothing about the domain. Every address handed out was judged, and is to be connected to as it stands.
"""

import asyncio
import functools
import ipaddress
import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from validatord import metrics
from validatord.clock import Clock
from validatord.lookup import addresses, cache
from validatord.lookup.gather import Gathered, Gathering, GatherRules
from validatord.lookup.resolver import Resolver
from validatord.lookup.sanity import ResolverSanity
from validatord.mail.mx import MXAnswer, MXOutcome
from validatord.settings import LookupSettings

MIN_TTL = timedelta(minutes=1)  # a TTL of 0 would cost one look-up per mailbox
FAILED_TTL_SECONDS = (15.0, 30.0)  # spread, so that what failed together is not asked again together


class MXLookup:
    """Looks up mail hosts, keeps the answers, lets one look-up answer all who wait for it.

    `own_addresses` and `own_names` are what this machine is called: it must not probe itself. `sanity` is
    asked before a domain is said not to exist.
    """

    def __init__(  # noqa: PLR0913 three are keywords that most callers leave out
        self,
        resolver: Resolver,
        settings: LookupSettings,
        clock: Clock,
        rng: random.Random,
        *,
        own_addresses: Iterable[str] = (),
        own_names: Iterable[str] = (),
        sanity: ResolverSanity | None = None,
    ) -> None:
        self._resolver = resolver
        self._sanity = sanity
        self._clock = clock
        self._rng = rng
        self._cache = cache.MXCache(settings.cache_size, clock)
        self._running: dict[str, asyncio.Task[MXAnswer]] = {}
        self._own_addresses = tuple(filter(None, own_addresses))
        self._own_names = frozenset(name.lower().rstrip(".") for name in own_names)
        self.looked_up = 0
        self.answered_from_cache = 0
        self._cache_ttl = settings.cache_ttl
        self._rules = self._make_rules(settings)
        # A typing error there must stop the start, not every look-up.
        addresses.parse_networks((*self._rules.deny, *self._rules.own_addresses))

    def apply(self, settings: LookupSettings) -> None:
        """Go on under other settings; answers that were judged by other rules are looked up anew."""
        rules = self._make_rules(settings)
        if rules != self._rules:
            self._cache.clear()
        self._rules, self._cache_ttl = rules, settings.cache_ttl
        self._cache.resize(settings.cache_size)

    def _make_rules(self, settings: LookupSettings) -> GatherRules:
        return GatherRules(
            total_seconds=settings.total.total_seconds(),
            is_public_only=settings.public_addresses_only,
            is_ipv6_enabled=settings.is_ipv6_enabled,
            deny=settings.deny_addresses,
            own_addresses=self._own_addresses,
            own_names=self._own_names,
        )

    def __repr__(self) -> str:
        return f"MXLookup(cached={len(self._cache)}, running={len(self._running)}, looked_up={self.looked_up})"

    async def lookup(self, domain: str) -> MXAnswer:
        """Return the answer for a domain given in A-labels, from the cache where it holds."""
        key = domain.lower().rstrip(".")
        if (cached := self._cache.find(key)) is not None:
            self.answered_from_cache += 1
            metrics.count_mx_lookup("memory")
            return cached
        task = self._running.get(key)
        metrics.count_mx_lookup("network" if task is None else "joined")
        if task is None:
            task = asyncio.create_task(self._look_up(key), name=f"mx {key}")
            self._running[key] = task
            task.add_done_callback(functools.partial(self._forget, key))
        # One waiter that is cancelled must not take the answer from the others.
        return await asyncio.shield(task)

    def remember(self, answer: MXAnswer) -> None:
        """Put a fact of the ledger into the cache, if it still holds here.

        It may come from another machine or an earlier configuration, so its addresses are judged again.
        """
        now, expires_at = self._clock.now(), answer.expires_at
        if expires_at is None or not now < expires_at <= now + self._cache_ttl:
            return
        key = answer.domain.lower().rstrip(".")
        is_news = answer.outcome is not MXOutcome.FAILED and not self._is_older(key, answer)
        if is_news and all(map(self._may_use, _get_addresses(answer))):
            self._cache.keep(key, answer)

    async def aclose(self) -> None:
        """Cancel the look-ups under way."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_up(self, domain: str) -> MXAnswer:
        self.looked_up += 1
        gathered = await self._doubt(await Gathering(self._resolver, self._rules, domain).run())
        now = self._clock.now()
        answer = MXAnswer(
            domain,
            gathered.outcome,
            gathered.hosts,
            is_implicit=gathered.is_implicit,
            failure=gathered.failure,
            trace=gathered.trace,
            looked_up_at=now,
            expires_at=now + self._choose_ttl(gathered),
            unanswered_preference=gathered.unanswered_preference,
        )
        self._cache.keep(domain, answer)
        return answer

    async def _doubt(self, gathered: Gathered) -> Gathered:
        """Believe in "no such domain" only if the resolver finds what certainly exists."""
        if gathered.outcome is not MXOutcome.DOMAIN_NOT_FOUND or self._sanity is None:
            return gathered
        if await self._sanity.is_seeing():
            return gathered
        trace = (*gathered.trace, "NS com → not found either: the resolver is blind")
        return replace(gathered, outcome=MXOutcome.FAILED, failure="resolver_blind", trace=trace)

    def _choose_ttl(self, gathered: Gathered) -> timedelta:
        if gathered.outcome is MXOutcome.FAILED:
            return timedelta(seconds=self._rng.uniform(*FAILED_TTL_SECONDS))
        return min(max(gathered.ttl, MIN_TTL), self._cache_ttl)

    def _may_use(self, address: str) -> bool:
        if not self._rules.may_connect(address):
            return False
        return self._rules.is_ipv6_enabled or ipaddress.ip_address(address).version == 4  # noqa: PLR2004  # IPv4

    def _is_older(self, domain: str, answer: MXAnswer) -> bool:
        kept = self._cache.find(domain)
        if kept is None or kept.looked_up_at is None or kept.outcome is MXOutcome.FAILED:
            return False
        return answer.looked_up_at is None or answer.looked_up_at <= kept.looked_up_at

    def _forget(self, domain: str, task: asyncio.Task[MXAnswer]) -> None:
        self._running.pop(domain, None)
        if not task.cancelled():
            task.exception()  # whoever waited has it; with nobody waiting asyncio would complain


def _get_addresses(answer: MXAnswer) -> list[str]:
    return [address for host in answer.hosts for address in host.addresses]
