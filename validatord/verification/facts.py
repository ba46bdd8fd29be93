"""What a visit learned about its domain, for `domain_cache`."""

from dataclasses import replace
from datetime import datetime, timedelta

from validatord.mail.request import DomainFacts
from validatord.mail.verdict import AcceptAll
from validatord.settings import AcceptAllSettings
from validatord.verification import caps
from validatord.verification.context import Visit


def known_accept_all(visit: Visit, now: datetime) -> AcceptAll:
    """Return the accept-all state the ledger still vouches for: fresh, and of the same MX hosts."""
    facts = visit.facts
    is_same = visit.mx is not None and facts.accept_all_host_set == visit.mx.host_set
    is_fresh = facts.accept_all_until is not None and facts.accept_all_until > now
    return facts.accept_all if is_same and is_fresh else AcceptAll.NOT_ASKED


def facts_after(visit: Visit, now: datetime) -> DomainFacts:
    """Return the facts as this visit leaves them."""
    facts = replace(visit.facts, mx=visit.mx or visit.facts.mx, provider_key=visit.provider.key)
    if visit.rcpts:
        facts = replace(facts, rcpt_day=now.date(), rcpt_count=caps.count_rcpts(visit, now))
    # A backup may take everything on behalf of a host that does not.
    if not visit.has_new_control or visit.is_control_of_backup or visit.mx is None:
        return facts
    seen = _count_agreeing(visit, now)
    ttl = _how_long(visit.accept_all, seen, visit.settings.accept_all)
    return replace(
        facts,
        accept_all=visit.accept_all,
        accept_all_host_set=visit.mx.host_set,
        accept_all_until=now + ttl,
        accept_all_seen=seen,
        accept_all_seen_at=now,
    )


def _count_agreeing(visit: Visit, now: datetime) -> int:
    """How many days in a row gave this answer: a server whose directory is down accepts all for an hour."""
    facts = visit.facts
    is_agreeing = (
        facts.accept_all is visit.accept_all
        and visit.mx is not None
        and facts.accept_all_host_set == visit.mx.host_set
        and facts.accept_all_seen_at is not None
    )
    if not is_agreeing or facts.accept_all_seen_at is None:
        return 1
    is_other_day = now - facts.accept_all_seen_at >= timedelta(hours=12)
    return facts.accept_all_seen + 1 if is_other_day else max(1, facts.accept_all_seen)


def _how_long(state: AcceptAll, seen: int, settings: AcceptAllSettings) -> timedelta:
    if state is AcceptAll.UNDETERMINED:
        return timedelta()
    if state is AcceptAll.ACCEPTS_ALL and seen == 1:
        return settings.first_ttl
    return settings.ttl
