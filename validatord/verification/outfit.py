"""The tools of visits, put together out of the settings."""

import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from loguru import logger

from validatord import data
from validatord.clock import Clock
from validatord.errors import ConfigurationError
from validatord.lookup.health import DomainHealth, lookup_health
from validatord.lookup.mx import MXLookup
from validatord.lookup.provider import ProviderDirectory
from validatord.lookup.resolver import Resolver, Servers, find_servers
from validatord.lookup.sanity import ResolverSanity
from validatord.mail.mx import MXAnswer
from validatord.mail.provider import Pace
from validatord.pacing.book import LaneBook
from validatord.pacing.limits import BookRules
from validatord.rules.model import Model
from validatord.rules.policy import ClientPolicy
from validatord.rules.risk import RiskLists
from validatord.rules.suggest import Suggester
from validatord.settings import Settings
from validatord.smtp.pool import SessionPool
from validatord.store import caps, lanes, records, retract, secrets
from validatord.store.database import Database
from validatord.verification.context import Ledger, Tools
from validatord.verification.record import Recorder

Value = TypeVar("Value")

_CONTROL_SECRET = "accept_all"  # noqa: S105 the name of a secret, not one


@dataclass(frozen=True, slots=True)
class Place:
    """Where visits run: the ledger, under which name and epoch they write, time, chance, policies, the model."""

    database: Database
    node: str
    epoch: Callable[[], int]
    clock: Clock
    rng: random.Random
    policy_of: Callable[[str], ClientPolicy]
    find_model: Callable[[], Model | None] = lambda: None
    suggester: Suggester = field(default_factory=Suggester)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Settings with everything they name already read, so that putting them in force cannot fail."""

    settings: Settings
    lists: RiskLists
    providers: ProviderDirectory
    servers: Servers


def prepare(settings: Settings) -> Prepared:
    """Read every file the settings name; takes a moment, and may run beside the loop.

    Raises:
        ConfigurationError: what cannot be used, with the file, its line and the setting that names it.
    """
    problems: list[str] = []

    def read(key: str, load: Callable[[], Value]) -> Value | None:
        try:
            return load()
        except ConfigurationError as error:
            problems.extend(_name_setting(problem, settings, key) for problem in error.problems)
            return None

    lists = read("policy", lambda: RiskLists.load(settings.policy))
    providers = read("pacing.providers_file", lambda: load_providers(settings))
    found = read("lookup.resolvers", lambda: find_servers(settings.lookup))
    if lists is None or providers is None or found is None:
        raise ConfigurationError(problems)
    return Prepared(settings, lists, providers, found)


def _name_setting(problem: str, settings: Settings, key: str) -> str:
    """Say which setting named the file a problem is about."""
    files = settings.policy.model_dump()
    named = next(
        (f"policy.{name}" for name, file in files.items() if name.endswith("_file") and file in problem and file), key
    )
    return problem if named in problem else f"{problem} ({named})"


def put_in_force(tools: Tools, resolver: Resolver, prepared: Prepared) -> Tools:
    """Give every tool its new settings, and return the tools that later visits use; neither waits nor fails."""
    settings = prepared.settings
    tools.lanes.apply(BookRules.of(settings.pacing))
    tools.pool.apply(settings.smtp.idle_timeout)
    tools.lookup.apply(settings.lookup)
    resolver.apply(settings.lookup, prepared.servers)
    store = settings.store
    tools.recorder.apply(flush_rows=store.flush_rows, flush_seconds=store.flush_interval.total_seconds())
    secret = settings.accept_all.secret.get_secret_value().encode()
    return replace(
        tools,
        providers=prepared.providers,
        lists=prepared.lists.using(tools.lists.suggester),
        control_secret=secret or tools.control_secret,
    )


def _find_sanity(settings: Settings, resolver: Resolver, clock: Clock) -> ResolverSanity | None:
    """Return the doubt about a blind resolver; a sandbox knows nothing outside itself and needs none."""
    return ResolverSanity(resolver, clock) if settings.lookup.public_addresses_only else None


async def build_tools(settings: Settings, resolver: Resolver, place: Place) -> Tools:
    """Build the tools and give the lanes back what they remembered."""
    if not settings.lookup.public_addresses_only:
        logger.warning("lookup.public_addresses_only is off: any address may be connected to")
    lists = RiskLists.load(settings.policy, place.suggester)
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
        lists=lists,
        policy_of=place.policy_of,
        find_model=place.find_model,
    )


def load_providers(settings: Settings) -> ProviderDirectory:
    """Read the providers file: the operator's own, or the shipped one."""
    own = settings.pacing.providers_file
    try:
        text = Path(own).read_text(encoding="utf-8") if own else data.read_text("config/providers.toml")
    except (OSError, UnicodeError) as error:
        raise ConfigurationError([f"{own}: {error} (pacing.providers_file)"]) from error
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
    return ProviderDirectory.load(text, default, file=own or "providers.toml")


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
