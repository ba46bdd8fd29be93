"""Step a of a mailbox's way: a chunk of addresses is parsed, what needs no asking is answered, the rest queued.

Shared by all doors. One chunk is one transaction, and taking the same chunk in again changes nothing.
Every place of a chunk gets its request, doubles included: whoever sent a list gets an answer per line.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from validatord import crash, metrics
from validatord.clock import Clock
from validatord.errors import AddressSyntaxError
from validatord.intake.wire import SubmittedChunk
from validatord.mail.address import Mailbox
from validatord.mail.mx import DomainMail
from validatord.mail.parse import parse_address
from validatord.mail.request import Finding, ScoreFacts
from validatord.mail.verdict import Reason, Status, Verdict
from validatord.rules import policy, score
from validatord.rules.policy import ClientPolicy
from validatord.rules.risk import RiskLists
from validatord.rules.suggest import Suggester
from validatord.settings import Settings
from validatord.store import domains, submissions, validations
from validatord.store.database import Database
from validatord.store.submissions import Chunk, ChunkItem, ChunkResult, Terms

_AT_A_TIME = 200  # addresses parsed before others may run
_AT_ONCE = 3  # chunks written at the same time
_LONGEST_SHOWN = 1000


@dataclass(frozen=True, slots=True)
class IntakeRules:
    """What intake judges by, taken from one snapshot of the settings."""

    lists: RiskLists
    settings: Settings

    @classmethod
    def of(cls, settings: Settings, suggester: Suggester | None = None) -> "IntakeRules":
        """Read the lists these settings name.

        Raises:
            ConfigurationError: a list cannot be used.
        """
        return cls(RiskLists.load(settings.policy, suggester), settings)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one text is: a mailbox, or the verdict that it is none."""

    mailbox: Mailbox | None
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """What the ledger knows already: fresh verdicts by address, the mail of domains."""

    fresh: Mapping[str, Finding]
    mails: Mapping[str, DomainMail]


class Submitter:
    """Takes chunks in.

    `rules` may be replaced at a reload. `policy_of` returns a client's policy, `wake` tells the
    dispatcher that work came in.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        rules: IntakeRules,
        *,
        policy_of: Callable[[str], ClientPolicy] = lambda _: ClientPolicy(),
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self.rules = rules
        self._database = database
        self._clock = clock
        self._policy_of = policy_of
        self._wake = wake
        # A flood of chunks must leave database connections to those who verify.
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def submit(self, chunk: SubmittedChunk) -> ChunkResult:
        """Take in a chunk; when this returns it is committed.

        Raises:
            StoreAway: PostgreSQL is not there; nothing, or all of it, was stored.
        """
        async with self._slots:
            return await self._submit(chunk, self.rules)

    async def _submit(self, chunk: SubmittedChunk, rules: IntakeRules) -> ChunkResult:
        wanted = self._policy_of(chunk.client)
        # 1  read every distinct text once
        readings = await self._read_all(chunk, rules)
        # 2  what is known, or must not be asked, is answered
        terms = make_terms(wanted, chunk.campaign_at)
        fresh = await self._find_fresh(chunk, readings, terms)
        mails = await self._load_mails(readings, rules)
        for text, reading in readings.items():
            if reading.finding is None and reading.mailbox is not None:
                finding = self._answer(reading.mailbox, _Known(fresh, mails), rules, wanted)
                readings[text] = _Reading(reading.mailbox, finding)
        crash.point("intake.before_insert")
        # 3  everything is stored in one transaction
        result = await submissions.add_chunk(self._database, _make_chunk(chunk, readings, terms))
        metrics.count_submitted("queued", result.added - result.answered)
        metrics.count_submitted("answered", result.answered)
        metrics.count_submitted("known", result.known)
        if result.added > result.answered:
            self._wake()
        return result

    async def _read_all(self, chunk: SubmittedChunk, rules: IntakeRules) -> dict[str | None, _Reading]:
        readings: dict[str | None, _Reading] = {}
        now = self._clock.now()
        for place, text in enumerate(chunk.addresses):
            if text not in readings:
                readings[text] = _read(text, rules, now)
            if place % _AT_A_TIME == _AT_A_TIME - 1:
                await asyncio.sleep(0)
        return readings

    async def _find_fresh(
        self, chunk: SubmittedChunk, readings: dict[str | None, _Reading], terms: Terms
    ) -> dict[str, Finding]:
        emails = list({str(reading.mailbox) for reading in readings.values() if reading.mailbox is not None})
        if chunk.is_revalidation:
            # The visit reuses fresh verdicts, too: to be asked again they must not be fresh any more.
            await validations.expire(self._database, emails)
            return {}
        return await submissions.find_fresh(self._database, emails, terms)

    async def _load_mails(self, readings: dict[str | None, _Reading], rules: IntakeRules) -> dict[str, DomainMail]:
        """Return what the ledger knows of the mail of these domains, and of those they may be slips of."""
        wanted = {reading.mailbox.domain for reading in readings.values() if reading.mailbox is not None}
        mails = await domains.load_mails(self._database, wanted)
        # Only what is answered here gets its flags here; the rest gets them when it is visited.
        meant = {
            better
            for domain in wanted
            if rules.lists.is_disposable(domain, mails) and (better := rules.lists.suggester.find_better(domain))
        }
        return mails | await domains.load_mails(self._database, meant - wanted)

    def _answer(self, mailbox: Mailbox, ledger: _Known, rules: IntakeRules, wanted: ClientPolicy) -> Finding | None:
        """Return the answer that needs no asking, or None."""
        fresh, mails = ledger.fresh, ledger.mails
        known = fresh.get(str(mailbox))
        if known is not None:
            return replace(known, source="cache")
        ban = rules.lists.find_ban(mailbox.domain)
        if ban is not None:
            return _make_finding(Verdict(Status.UNKNOWN, ban), mailbox, rules, self._clock.now(), mails)
        if rules.settings.policy.is_disposable_probed or not rules.lists.is_disposable(mailbox.domain, mails):
            return None
        verdict = Verdict(Status.RISKY, Reason.DISPOSABLE)
        # Without a key nobody would ever take the request up.
        has_bouncer = bool(rules.settings.bouncer.api_key.get_secret_value())
        if has_bouncer and policy.qualifies_for_handover(verdict, wanted):
            return None
        return _make_finding(verdict, mailbox, rules, self._clock.now(), mails)


def _read(text: str | None, rules: IntakeRules, now: datetime) -> _Reading:
    """Parse one text; a verdict that it is no mailbox names the rule and says it in a sentence."""
    if text is None:
        verdict = Verdict(Status.INVALID, Reason.UNREADABLE, ("The address is no text.",))
        return _Reading(None, _make_finding(verdict, None, rules, now))
    try:
        # The sandbox and the tests live below .example and .test.
        mailbox = parse_address(text, allow_special_use=not rules.settings.lookup.public_addresses_only)
    except AddressSyntaxError as error:
        verdict = Verdict(Status.INVALID, Reason.SYNTAX, (error.rule, str(error)))
        return _Reading(None, _make_finding(verdict, None, rules, now))
    return _Reading(mailbox)


def _make_finding(
    verdict: Verdict,
    mailbox: Mailbox | None,
    rules: IntakeRules,
    now: datetime,
    mails: Mapping[str, DomainMail] = MappingProxyType({}),
) -> Finding:
    facts = ScoreFacts(verdict)
    if mailbox is not None:
        facts = replace(facts, flags=rules.lists.flags(mailbox, mails))
    found = Finding(
        status=verdict.status.value,
        reason=verdict.reason.value,
        reasons=(),
        confidence=0,
        source="syntax" if mailbox is None else "risk",
        checked_at=now,
        expires_at=now + rules.settings.freshness.ttl,
        # Looking at a list again costs nothing, and the list may have changed.
        fresh_until=None,
    )
    return score.apply(found, facts, rules.settings.score)


def make_terms(wanted: ClientPolicy, campaign_at: datetime | None) -> Terms:
    """Return under which terms verdicts are used again for a client, and for a campaign if there is to be one."""
    reuse = wanted.reuse
    return Terms(reuse.valid, reuse.invalid, reuse.risky, reuse.accept_all, wanted.ttl, campaign_at)


def _make_chunk(chunk: SubmittedChunk, readings: dict[str | None, _Reading], terms: Terms) -> Chunk:
    items: list[ChunkItem] = []
    for place, text in enumerate(chunk.addresses):
        reading = readings[text]
        items.append(
            ChunkItem(
                idx=chunk.first_index + place,
                address="" if text is None else text[:_LONGEST_SHOWN],
                mailbox=reading.mailbox,
                contact_id=chunk.contact_ids[place] if chunk.contact_ids else None,
                finding=reading.finding,
            )
        )
    return Chunk(
        chunk.client,
        chunk.submission,
        chunk.priority.weight,
        tuple(items),
        chunk.expected,
        campaign_at=chunk.campaign_at,
        is_strict=not terms.is_usual,
    )
