"""The tools of visits, put together out of the settings."""

import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from loguru import logger

from validatord import data
from validatord.clock import Clock
from validatord.lookup.health import DomainHealth, lookup_health
from validatord.lookup.mx import MXLookup
from validatord.lookup.provider import ProviderDirectory
from validatord.lookup.resolver import Resolver
from validatord.lookup.sanity import ResolverSanity
from validatord.mail.mx import MXAnswer
from validatord.mail.provider import Pace
from validatord.pacing.book import LaneBook
from validatord.pacing.limits import BookRules
from validatord.rules.policy import ClientPolicy
from validatord.rules.risk import RiskLists
from validatord.settings import Settings
from validatord.smtp.pool import SessionPool
from validatord.store import caps, lanes, records, retract, secrets
from validatord.store.database import Database
from validatord.verification.context import Ledger, Tools
from validatord.verification.record import Recorder

_CONTROL_SECRET = "accept_all"  # noqa: S105 the name of a secret, not one


@dataclass(frozen=True, slots=True)
class Place:
    """Where visits run: the ledger, under which name and epoch they write, time, chance, the clients' policies."""

    database: Database
    node: str
    epoch: Callable[[], int]
    clock: Clock
    rng: random.Random
    policy_of: Callable[[str], ClientPolicy]


def _find_sanity(settings: Settings, resolver: Resolver, clock: Clock) -> ResolverSanity | None:
    """Return the doubt about a blind resolver; a sandbox knows nothing outside itself and needs none."""
    return ResolverSanity(resolver, clock) if settings.lookup.public_addresses_only else None


async def build_tools(settings: Settings, resolver: Resolver, place: Place) -> Tools:
    """Build the tools and give the lanes back what they remembered."""
    if not settings.lookup.public_addresses_only:
        logger.warning("lookup.public_addresses_only is off: any address may be connected to")
    lists = RiskLists.load(settings.policy)
    clock, rng = place.clock, place.rng
    book = LaneBook(clock, rng, BookRules.of(settings.pacing))
    book.restore(await lanes.load_states(place.database, place.node))

    async def find_health(domain: str, answer: MXAnswer) -> DomainHealth:
        return await lookup_health(resolver, domain, answer=answer)

    return Tools(
        lookup=MXLookup(resolver, settings.lookup, clock, rng, sanity=_find_sanity(settings, resolver, clock)),
        lookup_health=find_health,
        providers=load_providers(settings),
        lanes=book,
        pool=SessionPool(clock, settings.smtp.idle_timeout),
        recorder=_build_recorder(settings, place),
        ledger=_build_ledger(place.database),
        clock=clock,
        rng=rng,
        control_secret=await _find_control_secret(settings, place.database),
        node=place.node,
        flags_of=lists.flags,
        find_ban=lists.find_ban,
        policy_of=place.policy_of,
    )


def load_providers(settings: Settings) -> ProviderDirectory:
    """Read the providers file: the operator's own, or the shipped one."""
    own = settings.pacing.providers_file
    text = Path(own).read_text(encoding="utf-8") if own else data.read_text("config/providers.toml")
    pacing = settings.pacing
    default = Pace(
        sessions=pacing.sessions,
        session_interval=pacing.session_interval,
        rcpt_per_minute=pacing.rcpt_per_minute,
        unknown_ratio=pacing.unknown_ratio,
        unknown_window=pacing.unknown_window,
        refusals_per_session=settings.smtp.refusals_per_session,
        rcpt_per_envelope=settings.smtp.rcpt_per_envelope,
    )
    return ProviderDirectory.load(text, default)


def _build_recorder(settings: Settings, place: Place) -> Recorder:
    async def write(batch: Sequence[records.VisitRecord]) -> frozenset[str]:
        return await records.write_records(place.database, place.node, place.epoch(), batch)

    store = settings.store
    return Recorder(write, place.clock, flush_rows=store.flush_rows, flush_seconds=store.flush_interval.total_seconds())


def _build_ledger(database: Database) -> Ledger:
    return Ledger(
        take_back=functools.partial(retract.take_back, database),
        reserve=functools.partial(caps.reserve, database),
        give_back=functools.partial(caps.give_back, database),
    )


async def _find_control_secret(settings: Settings, database: Database) -> bytes:
    configured = settings.accept_all.secret.get_secret_value()
    return (configured or await secrets.get_or_create(database, _CONTROL_SECRET)).encode()
