"""A year of campaigns: domains, mailboxes that are alive or dead, verdicts, lists, and what campaigns told of them.

The ledger gets only what a real one would have: verdicts, requests, facts of domains, events. Who is alive
stays here, in `World.is_alive`.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from validatord.store.database import Database
from validatord.store.events import Event, add_events

START = datetime(2025, 1, 6, tzinfo=UTC)
MONTH = timedelta(days=30)
_LISTS_A_MONTH = 3
_ASKED = 0.4  # of the mailboxes of accept-all domains
_PROVIDERS = ("google", "microsoft", "proofpoint", "")
_SYLLABLES = (
    "an",
    "ber",
    "co",
    "da",
    "el",
    "fi",
    "gu",
    "ha",
    "in",
    "jo",
    "ka",
    "lo",
    "mi",
    "no",
    "pe",
    "ro",
    "su",
    "ti",
)
_ROLES = ("info", "sales", "office", "support", "contact")
# What the shape of a name adds to the log-odds of dead, and how often it is met.
_SHAPES = {
    "two_names": (-0.3, 40),
    "initial": (0.0, 15),
    "word": (-0.1, 20),
    "digits": (0.4, 10),
    "random": (1.2, 7),
    "role": (-0.6, 8),
}


@dataclass(frozen=True, slots=True)
class WorldSpec:
    """What differs between worlds; shares from 0 to 1."""

    seed: int
    domains: int = 1_500
    mailboxes: int = 40_000
    unknown: int = 0
    months: int = 12
    dead: float = 0.30  # of all mailboxes of accept-all domains
    # The concentration of the domains' shares around it: small, domains are good or bad; None: all the same.
    concentration: float | None = 1.4
    has_shapes: bool = True
    bounces: float = 0.97  # of the dead, told by campaigns
    engagement: float = 0.35  # of the living, each campaign
    wrong_bounces: float = 0.005  # of the living
    gateway_opens: float = 0.02  # of the dead
    unmailed_lists: float = 0.1
    unmailed: float = 0.02  # of a mailed list


@dataclass(slots=True)
class World:
    """The truth, and what the ledger is told."""

    spec: WorldSpec
    is_alive: dict[str, bool] = field(default_factory=dict[str, bool])
    domains: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])
    verdicts: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])
    requests: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])
    events: list[Event] = field(default_factory=list[Event])

    @property
    def now(self) -> datetime:
        """When the year and its last window are over."""
        return START + (self.spec.months + 2) * MONTH


def make_world(spec: WorldSpec) -> World:
    """Live through the year."""
    rng = random.Random(spec.seed)
    world = World(spec)
    shares = _make_domains(world, rng)
    names = list(shares)
    weights = [1 / (place + 10) ** 0.7 for place in range(len(names))]
    rng.shuffle(weights)
    lists: list[list[str]] = [[] for _ in range(spec.months * _LISTS_A_MONTH)]
    for kind, count in (("accept_all", spec.mailboxes), ("unknown", spec.unknown)):
        for number in range(count):
            domain = rng.choices(names, weights)[0]
            shape = rng.choices(list(_SHAPES), [often for _, often in _SHAPES.values()])[0]
            email = f"{_make_name(shape, rng, number)}@{domain}"
            if email not in world.is_alive:
                place = rng.randrange(len(lists))
                _add_mailbox(world, email, kind, (shares[domain], shape, place), rng)
                lists[place].append(email)
    _send_campaigns(world, lists, rng)
    return world


def _make_domains(world: World, rng: random.Random) -> dict[str, float]:
    spec = world.spec
    shares: dict[str, float] = {}
    for number in range(spec.domains):
        domain = f"d{number}.example"
        shares[domain] = (
            rng.betavariate(spec.dead * spec.concentration, (1 - spec.dead) * spec.concentration)
            if spec.concentration is not None
            else spec.dead
        )
        provider = rng.choice(_PROVIDERS) or f"mx{number}.example"
        spf, dmarc = rng.random() < 0.8, rng.random() < 0.5
        world.domains.append((domain, provider, "v=spf1 -all" if spf else None, "v=DMARC1" if dmarc else None))
    return shares


def _make_name(shape: str, rng: random.Random, number: int) -> str:
    first, last = ("".join(rng.choices(_SYLLABLES, k=rng.randint(2, 3))) for _ in range(2))
    return {
        "two_names": f"{first}.{last}",
        "initial": f"{first[0]}.{last}",
        "word": first,
        "digits": f"{first}{rng.randrange(1000)}",
        "random": f"{rng.randrange(16**8):08x}x{number}",
        "role": rng.choice(_ROLES),
    }[shape]


def _add_mailbox(world: World, email: str, kind: str, where: tuple[float, str, int], rng: random.Random) -> None:
    share, shape, place = where
    odds = math.log(min(max(share, 1e-6), 1 - 1e-6) / (1 - min(max(share, 1e-6), 1 - 1e-6)))
    odds += _SHAPES[shape][0] if world.spec.has_shapes else 0.0
    world.is_alive[email] = rng.random() >= 1 / (1 + math.exp(-odds))
    # Verified within the five days before the list's campaign.
    checked_at = _mailed_at(place) - timedelta(days=5 * rng.random())
    is_role = shape == "role"
    reason = "accept_all" if kind == "accept_all" else rng.choice(("greylisted", "rate_limited", "no_connection"))
    reasons = ["mx", reason, *(["role"] if is_role else [])]
    # Once a domain is known to accept everything, nobody is asked any more.
    is_asked = kind != "accept_all" or rng.random() < _ASKED
    reply = ("250 2.1.5 ok" if kind == "accept_all" else "451 4.7.1 come back later") if is_asked else ""
    latency = 0.05 + rng.expovariate(5)
    exchanges = [{"stage": "mail", "at": 0.1}, {"stage": "rcpt", "at": round(0.1 + latency, 3)}]
    confidence = 70 if kind == "accept_all" else 65
    shared = (email, email.rpartition("@")[2], kind, reason, reasons, confidence, is_role, reply, checked_at)
    evidence = ("probe", {"exchanges": exchanges}) if is_asked else ("domain", {})
    world.verdicts.append((*shared, *evidence))
    world.requests.append((place, *shared))


def _mailed_at(place: int) -> datetime:
    month, part = divmod(place, _LISTS_A_MONTH)
    return START + month * MONTH + part * MONTH / _LISTS_A_MONTH + timedelta(days=6)


def _send_campaigns(world: World, lists: Sequence[Sequence[str]], rng: random.Random) -> None:
    """Mail each list after it was verified, and every month again whoever did not bounce."""
    spec = world.spec
    gone: set[str] = set()
    for place, emails in enumerate(lists):
        if rng.random() < spec.unmailed_lists:
            continue
        for month in range(place // _LISTS_A_MONTH, spec.months):
            sent_at = _mailed_at(place) + (month - place // _LISTS_A_MONTH) * MONTH
            for email in emails:
                if email not in gone and rng.random() >= spec.unmailed:
                    _mail(world, email, sent_at, gone, rng)


def _mail(world: World, email: str, sent_at: datetime, gone: set[str], rng: random.Random) -> None:
    spec, campaign = world.spec, UUID(int=int(sent_at.timestamp()))
    is_alive = world.is_alive[email]
    if rng.random() < (spec.wrong_bounces if is_alive else spec.bounces):
        gone.add(email)
        world.events.append(Event(email, "hard_bounce", sent_at + timedelta(hours=48 * rng.random()), campaign))
    elif rng.random() < 0.01:
        world.events.append(Event(email, "soft_bounce", sent_at + timedelta(hours=rng.random()), campaign))
    if rng.random() < (spec.engagement if is_alive else spec.gateway_opens):
        opened_at = sent_at + timedelta(days=10 * rng.random() ** 2, minutes=1)
        world.events.append(Event(email, "open", opened_at, campaign))
        if rng.random() < 0.1:
            world.events.append(Event(email, "reply", opened_at + timedelta(hours=1), campaign))


async def store_world(database: Database, world: World) -> None:
    """Put into the ledger what it would know."""
    await database.fetch(_DOMAINS, *_columns(world.domains))
    await database.fetch("INSERT INTO clients (name) VALUES ('crm') ON CONFLICT DO NOTHING")
    places = sorted({row[0] for row in world.requests})
    rows = await database.fetch(_SUBMISSIONS, [f"list {place}" for place in places])
    numbers = {row["submission"]: row["id"] for row in rows}
    for part in _cut(world.verdicts, 5_000):
        await database.fetch(
            _VERDICTS, *_columns([(*row[:4], _json(row[4]), *row[5:10], _json(row[10])) for row in part])
        )
    indexed = [
        (numbers[f"list {row[0]}"], number, *row[1:5], _json(row[5]), *row[6:])
        for number, row in enumerate(world.requests)
    ]
    for part in _cut(indexed, 5_000):
        await database.fetch(_REQUESTS, *_columns(part))
    for part in _cut(sorted(world.events, key=lambda event: event.event_at), 5_000):
        await add_events(database, part)
    await database.fetch("ANALYZE")


def _cut(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


_DOMAINS = """
    INSERT INTO domain_cache (domain, has_mx, provider_key, spf, dmarc, health_checked_at, accept_all)
    SELECT u.domain, true, u.provider, u.spf, u.dmarc, now(), 'accepts_all'
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS u (domain, provider, spf, dmarc)"""
_SUBMISSIONS = """
    INSERT INTO submissions (client, submission) SELECT 'crm', u.name FROM unnest($1::text[]) AS u (name)
    RETURNING id, submission"""
_VERDICTS = """
    INSERT INTO email_validation
        (email, domain, status, reason, reasons, confidence, is_role, reply, checked_at, created_at, source, smtp_trace)
    SELECT u.email, u.domain, u.status, u.reason, u.reasons::jsonb, u.confidence, u.is_role, u.reply, u.checked_at,
        u.checked_at, u.source, u.trace::jsonb
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::bool[], $8::text[],
        $9::timestamptz[], $10::text[], $11::text[])
        AS u (email, domain, status, reason, reasons, confidence, is_role, reply, checked_at, source, trace)"""
_REQUESTS = """
    INSERT INTO requests
        (submission_id, idx, address, email, domain, state, status, reason, reasons, confidence, is_role, reply,
        checked_at, finished_at)
    SELECT u.submission_id, u.idx, u.email, u.email, u.domain, 'done', u.status, u.reason, u.reasons::jsonb,
        u.confidence, u.is_role, u.reply, u.checked_at, u.checked_at
    FROM unnest($1::bigint[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int[],
        $9::bool[], $10::text[], $11::timestamptz[])
        AS u (submission_id, idx, email, domain, status, reason, reasons, confidence, is_role, reply, checked_at)"""
