"""Scoring again what is finished, from stored evidence: no packet, no look-up.

Weights and thresholds are today's. With `lists` flags are today's, too, with `events` what campaigns told is weighed
anew, and with `model` the model in force is asked; else all three are as they were when the verdict was made. A page
is written as a whole or not at all, and doing it twice changes nothing more, so it may be stopped anywhere.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from validatord.mail.address import Mailbox
from validatord.mail.request import Finding, Flags, History, ScoreFacts
from validatord.rules import history, score
from validatord.rules.model import Model
from validatord.settings import Settings
from validatord.store import events, rescoring
from validatord.store.database import Database
from validatord.store.rescoring import Rescored, Scored
from validatord.verification.chances import find_chances

_PAGE = 500
_MOST_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Rules:
    """By what is scored: settings, whose flags (None: the stored ones), and when events are weighed (None: not).

    `asks_model`: what the model gave is given anew by `model`, or taken away where there is none.
    """

    settings: Settings
    flags_of: Callable[[Mailbox], Flags] | None = None
    weigh_at: datetime | None = None
    asks_model: bool = False
    model: Model | None = None
    is_applied: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """One address whose status would change."""

    email: str
    before: int
    after: int


@dataclass(slots=True)
class Changes:
    """What a round found: changes of status by (from, to), and in `confidences` those that keep their status."""

    examined: int = 0
    without_evidence: int = 0
    changed: int = 0
    written: int = 0
    confidences: int = 0
    statuses: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    examples: dict[tuple[str, str], list[Example]] = field(default_factory=dict[tuple[str, str], list[Example]])

    def note(self, before: Finding, after: Finding, email: str) -> None:
        """Count one row whose finding changes."""
        self.changed += 1
        if before.status == after.status:
            self.confidences += before.confidence != after.confidence
            return
        way = (before.status, after.status)
        self.statuses[way] += 1
        shown = self.examples.setdefault(way, [])
        if len(shown) < _MOST_EXAMPLES:
            shown.append(Example(email, before.confidence, after.confidence))


Tell = Callable[[int], None]
Write = Callable[[Database, Sequence[Rescored]], Awaitable[int]]


async def rescore_requests(database: Database, rules: Rules, tell: Tell) -> Changes:
    """Score all finished requests again; `tell` hears how many were looked at after every page."""
    changes, after = Changes(), rescoring.FIRST_REQUEST
    while page := await rescoring.fetch_requests(database, after, _PAGE):
        after = page[-1].id
        assert isinstance(after, int)  # noqa: S101 for the type checker: requests have numbers
        await _do_page(database, page, rules, changes, rescoring.write_requests)
        tell(len(page))
    return changes


async def rescore_validations(database: Database, rules: Rules, tell: Tell) -> Changes:
    """Score all verdicts again, the same way."""
    changes, after = Changes(), rescoring.FIRST_VALIDATION
    while page := await rescoring.fetch_validations(database, after, _PAGE):
        last = page[-1].id
        assert not isinstance(last, int)  # noqa: S101 as above: verdicts have UUIDs
        after = last
        await _do_page(database, page, rules, changes, rescoring.write_validations)
        tell(len(page))
    return changes


async def _do_page(database: Database, page: Sequence[Scored], rules: Rules, changes: Changes, write: Write) -> None:
    histories: Mapping[str, History] = {}
    if rules.weigh_at is not None:
        histories = await events.load_histories(database, [row.email for row in page if row.email])
    chances: Mapping[str, float] = {}
    if rules.model is not None:
        chances = await find_chances(database, rules.model, [(row.email, row.finding.score_facts) for row in page])
    found: list[Rescored] = []
    for row in page:
        changes.examined += 1
        facts = row.finding.score_facts
        if facts is None:
            changes.without_evidence += 1
            continue
        facts = find_facts(row, facts, histories, rules)
        if rules.asks_model:
            facts = replace(facts, chance=chances.get(row.email))
        finding = score.apply(row.finding, facts, rules.settings.score)
        if _differs(row.finding, finding):
            found.append(Rescored(row, finding))
            changes.note(row.finding, finding, row.email)
    if found and rules.is_applied:
        changes.written += await write(database, found)


def find_facts(row: Scored, facts: ScoreFacts, histories: Mapping[str, History], rules: Rules) -> ScoreFacts:
    """Return what a row is scored by: the stored facts, with flags and past of today where that is wanted."""
    if not row.email:
        return facts
    more: dict[str, Any] = {}
    if rules.flags_of is not None and row.domain:
        more["flags"] = rules.flags_of(Mailbox(row.email.removesuffix(f"@{row.domain}"), row.domain))
    if rules.weigh_at is not None and facts.opinion is None:
        known = histories.get(row.email, History())
        more["past"] = history.weigh(known, rules.weigh_at, rules.settings.history)
    return replace(facts, **more) if more else facts


def _differs(before: Finding, after: Finding) -> bool:
    """Whether anything that is stored differs."""
    return (before.status, before.reason, before.reasons, before.confidence, before.contributions) != (
        after.status,
        after.reason,
        after.reasons,
        after.confidence,
        after.contributions,
    ) or before.score_facts != after.score_facts
