"""What a list would cost before anything is asked: questions to hosts, time, credits. Nothing is stored.

Of a long list the first rows are looked at closely, and the rest is taken to be like them.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from validatord.bouncer import estimate
from validatord.bouncer.estimate import Estimate
from validatord.clock import Clock
from validatord.errors import AddressSyntaxError
from validatord.intake.submit import IntakeRules
from validatord.lookup.provider import ProviderDirectory
from validatord.mail.address import Mailbox
from validatord.mail.parse import parse_address
from validatord.mail.request import DomainFacts
from validatord.mail.verdict import AcceptAll
from validatord.rules.policy import BouncerMode, ClientPolicy
from validatord.store import domains, submissions
from validatord.store.database import Database
from validatord.verification.outfit import load_providers

_LOOKED_AT = 20_000
_AT_A_TIME = 200
_FACTS_AT_A_TIME = 5_000


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a list would cost.

    `rows` are all of it, `looked_at` those that the other counts rest on; `to_ask` are distinct mailboxes,
    `probes` the RCPT commands for them and for the control recipients. `slowest` is the receiver that
    decides how long it takes, with how many mailboxes.
    """

    rows: int
    looked_at: int
    no_address: int
    doubled: int
    known: int
    to_ask: int
    domains: int
    probes: int
    time: timedelta
    slowest: str
    slowest_count: int
    credits: Estimate | None

    @property
    def is_whole(self) -> bool:
        """Whether every row was looked at."""
        return self.looked_at >= self.rows


async def dry_run(
    database: Database, clock: Clock, rules: IntakeRules, client: tuple[str, ClientPolicy], addresses: Iterable[str]
) -> DryRun:
    """Reckon what a list of that client would cost."""
    source = iter(addresses)
    sample = list(islice(source, _LOOKED_AT))
    rows = len(sample) + await _count(source)
    mailboxes, no_address = await _read(sample, rules)
    fresh = await submissions.find_fresh(database, [str(mailbox) for mailbox in mailboxes])
    asked = [mailbox for mailbox in mailboxes if str(mailbox) not in fresh and not _is_answered(mailbox, rules)]
    by_domain = Counter(mailbox.domain for mailbox in asked)
    facts = await _load_facts(database, list(by_domain))
    now = clock.now()
    # A control recipient per domain whose state is not known any more.
    controls = sum(1 for domain in by_domain if not _has_state(facts.get(domain), now))
    factor = rows / len(sample) if sample else 1.0
    slowest, count, seconds = _find_slowest(by_domain, facts, rules, factor)
    name, policy = client
    return DryRun(
        rows=rows,
        looked_at=len(sample),
        no_address=no_address,
        doubled=len(sample) - no_address - len(mailboxes),
        known=len(mailboxes) - len(asked),
        to_ask=round(len(asked) * factor),
        domains=len(by_domain),
        probes=round((len(asked) + controls) * factor),
        time=timedelta(seconds=seconds),
        slowest=slowest,
        slowest_count=count,
        credits=await _estimate_credits(database, name, policy, sample),
    )


async def _count(source: Iterator[str]) -> int:
    count = 0
    while chunk := sum(1 for _ in islice(source, _AT_A_TIME)):
        count += chunk
        await asyncio.sleep(0)
    return count


async def _read(sample: list[str], rules: IntakeRules) -> tuple[list[Mailbox], int]:
    """Return the distinct mailboxes, and how many texts are none."""
    found: dict[Mailbox, None] = {}
    no_address = 0
    is_open = not rules.settings.lookup.public_addresses_only
    for place, text in enumerate(sample):
        try:
            found[parse_address(text, allow_special_use=is_open)] = None
        except AddressSyntaxError:
            no_address += 1
        if place % _AT_A_TIME == _AT_A_TIME - 1:
            await asyncio.sleep(0)
    return list(found), no_address


def _is_answered(mailbox: Mailbox, rules: IntakeRules) -> bool:
    """Whether a list answers for the mailbox, so that nobody is asked."""
    if rules.lists.find_ban(mailbox.domain) is not None:
        return True
    return not rules.settings.policy.is_disposable_probed and rules.lists.disposable.covers(mailbox.domain)


async def _load_facts(database: Database, names: list[str]) -> dict[str, DomainFacts]:
    found: dict[str, DomainFacts] = {}
    for start in range(0, len(names), _FACTS_AT_A_TIME):
        found |= await domains.load_facts(database, names[start : start + _FACTS_AT_A_TIME])
    return found


def _has_state(facts: DomainFacts | None, now: datetime) -> bool:
    if facts is None or facts.accept_all in {AcceptAll.NOT_ASKED, AcceptAll.UNDETERMINED}:
        return False
    return facts.accept_all_until is not None and facts.accept_all_until > now


def _find_slowest(
    by_domain: Counter[str], facts: dict[str, DomainFacts], rules: IntakeRules, factor: float
) -> tuple[str, int, float]:
    """Return the receiver that takes longest at its pace, its mailboxes, and the seconds."""
    directory: ProviderDirectory = load_providers(rules.settings)
    by_provider: Counter[str] = Counter()
    for domain, count in by_domain.items():
        known = facts.get(domain)
        by_provider[known.provider_key if known is not None and known.provider_key else domain] += count
    identities = max(1, len(rules.settings.identities))
    worst = ("", 0, 0.0)
    for key, count in by_provider.items():
        # Of a list that was only looked into, a small receiver is as likely to be another one as to grow.
        whole = count * factor
        seconds = 60 * whole / (directory.find_by_key(key).pace.rcpt_per_minute * identities)
        worst = max(worst, (key, round(whole), seconds), key=lambda item: item[2])
    return worst


async def _estimate_credits(
    database: Database, client: str, policy: ClientPolicy, sample: list[str]
) -> Estimate | None:
    if policy.bouncer.mode is BouncerMode.LOCAL_ONLY:
        return None
    return await estimate.estimate_list(database, client, policy, sample)
