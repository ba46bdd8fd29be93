"""What the model looks at: the evidence of one mailbox as a row of numbers, always in the order of `NAMES`.

The same function serves training and scoring, so that a model meets what it was trained on. Nothing here
knows what happened after the verdict: whoever gathers the evidence leaves that out.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from validatord.mail.request import DomainFacts, Finding, Flags
from validatord.mail.track_record import TrackRecord
from validatord.mail.verdict import Reason, Stage

_NO_RECORD = TrackRecord()
_NO_FLAGS = Flags()


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the probability of one mailbox depends on.

    `reply` is the answer to RCPT as text, code first; `latency_seconds` is how long it took. None of
    the domain's health: it was never looked up.
    """

    local_part: str
    reason: str = ""
    reply: str = ""
    provider_key: str = ""
    flags: Flags = _NO_FLAGS
    has_spf: bool | None = None
    has_dmarc: bool | None = None
    is_redundant: bool | None = None
    is_implicit_mx: bool = False
    latency_seconds: float | None = None
    record: TrackRecord = _NO_RECORD


def gather(local_part: str, finding: Finding, domain: DomainFacts, record: TrackRecord) -> Evidence:
    """Put the evidence of a finding together; what the finding was counted from must be known."""
    facts = finding.score_facts
    is_looked_up = domain.health_checked_at is not None
    return Evidence(
        local_part=local_part,
        reason=facts.verdict.reason.value if facts is not None else finding.reason,
        reply=finding.reply,
        provider_key=domain.provider_key,
        flags=finding.flags,
        has_spf=bool(domain.spf) if is_looked_up else None,
        has_dmarc=bool(domain.dmarc) if is_looked_up else None,
        is_redundant=domain.is_redundant,
        is_implicit_mx=facts is not None and facts.has_address and not facts.has_mx,
        latency_seconds=find_latency(finding.smtp_trace),
        record=record,
    )


_GATEWAYS = frozenset({"barracuda", "cisco", "messagelabs", "mimecast", "proofpoint"})
_HOSTERS = frozenset({"godaddy", "ovh", "rackspace", "united-internet", "zoho"})
_ABOUT_US = frozenset(
    {
        Reason.CONNECTION_REJECTED.value,
        Reason.SENDER_IP_BLOCKED.value,
        Reason.SENDER_REJECTED.value,
        Reason.POLICY_REJECTED.value,
        Reason.AUTH_REQUIRED.value,
        Reason.TLS_REQUIRED.value,
    }
)
_UNREACHED = frozenset({Reason.NO_CONNECTION.value, Reason.CONNECTION_LOST.value, Reason.DNS_FAILURE.value})
_PUT_OFF = frozenset({Reason.GREYLISTED.value, Reason.RATE_LIMITED.value, Reason.TEMPORARY_FAILURE.value})
_UNDETERMINED = frozenset({Reason.ACCEPT_ALL_UNDETERMINED.value, Reason.CANNOT_VERIFY.value})

_ENHANCED = re.compile(r"\d{3}[ -][245]\.\d{1,3}\.\d{1,3}\b")
_TWO_NAMES = re.compile(r"[^\W\d_]{2,}[._-][^\W\d_]{2,}")
_INITIAL_AND_NAME = re.compile(r"[^\W\d_][._-][^\W\d_]{2,}|[^\W\d_]{2,}[._-][^\W\d_]")
_WORD = re.compile(r"[^\W\d_]{2,12}")
_WORD_AND_DIGITS = re.compile(r"[^\W\d_]{2,}[._-]?\d{1,4}")
_CONSONANTS = re.compile(r"[bcdfghjklmnpqrstvwxz]{5,}")
_MIXED = re.compile(r"\d[a-z]+\d")
_LONG = 24  # characters; a name is hardly ever longer

_LATENCY_FLOOR, _LATENCY_CEILING = 0.005, 60.0  # seconds
_ENOUGH = 50.0  # mailboxes of a domain; more of them say nothing more
_PRIOR = 1.0  # mailboxes of either kind that every domain is thought to have had

NAMES: tuple[str, ...] = (
    "reply_251",
    "reply_252",
    "reply_other_positive",
    "reply_transient",
    "reply_permanent",
    "no_reply",
    "reply_has_enhanced_code",
    "reason_about_us",
    "reason_unreached",
    "reason_put_off",
    "reason_undetermined",
    "provider_google",
    "provider_microsoft",
    "provider_gateway",
    "provider_hoster",
    "role",
    "free",
    "disposable",
    "typo",
    "shape_two_names",
    "shape_initial_and_name",
    "shape_word",
    "shape_word_and_digits",
    "shape_digits",
    "shape_random",
    "shape_tagged",
    "length",
    "digit_share",
    "spf",
    "dmarc",
    "health_not_known",
    "several_networks",
    "implicit_mx",
    "latency",
    "latency_not_known",
    "mailbox_alive",
    "mailbox_soft_bounces",
    "domain_dead_odds",
    "domain_little_news",
    "domain_none_dead",
    "domain_none_alive",
)

WORDS: dict[str, str] = {
    "reply_251": "the host forwards (251)",
    "reply_252": "the host would not say (252)",
    "reply_other_positive": "an unusual positive reply",
    "reply_transient": "a transient refusal",
    "reply_permanent": "a permanent refusal",
    "no_reply": "no reply",
    "reply_has_enhanced_code": "the reply carries an enhanced code",
    "reason_about_us": "refused for reasons of ours",
    "reason_unreached": "the host was not reached",
    "reason_put_off": "put off by the host",
    "reason_undetermined": "the control recipient decided nothing",
    "provider_google": "Google",
    "provider_microsoft": "Microsoft",
    "provider_gateway": "a filtering gateway",
    "provider_hoster": "a hosting company",
    "role": "a role account",
    "free": "a free provider",
    "disposable": "a disposable domain",
    "typo": "another address was probably meant",
    "shape_two_names": "first and last name",
    "shape_initial_and_name": "initial and name",
    "shape_word": "one word",
    "shape_word_and_digits": "a word with digits",
    "shape_digits": "digits alone",
    "shape_random": "looks random",
    "shape_tagged": "has a tag",
    "length": "length of the local part",
    "digit_share": "share of digits",
    "spf": "SPF published",
    "dmarc": "DMARC published",
    "health_not_known": "SPF and DMARC were not looked up",
    "several_networks": "MX hosts in several networks",
    "implicit_mx": "no MX record, only an address",
    "latency": "time the host took",
    "latency_not_known": "the time the host took is not known",
    "mailbox_alive": "opens, clicks and replies of this mailbox",
    "mailbox_soft_bounces": "soft bounces of this mailbox",
    "domain_dead_odds": "how many mailboxes of the domain bounced",
    "domain_little_news": "few campaigns have reached the domain",
    "domain_none_dead": "of many mailboxes of the domain none bounced",
    "domain_none_alive": "all mailboxes of the domain bounced",
}


def measure(evidence: Evidence) -> tuple[float, ...]:
    """Return the numbers of one mailbox, in the order of `NAMES`; no I/O."""
    record = evidence.record
    return (
        *_measure_reply(evidence.reply),
        *_measure_reason(evidence.reason),
        *_measure_provider(evidence.provider_key),
        *_measure_flags(evidence.flags),
        *_measure_local_part(evidence.local_part),
        *_measure_domain(evidence),
        *_measure_latency(evidence.latency_seconds),
        math.log1p(min(record.mailbox_alive, _ENOUGH)),
        math.log1p(min(record.mailbox_soft_bounces, _ENOUGH)),
        *_measure_record(record),
    )


def _measure_reply(reply: str) -> tuple[float, ...]:
    code = reply[:3]
    return (
        float(code == "251"),  # RFC 5321 3.4
        float(code == "252"),  # RFC 5321 3.5.3
        float(code[:1] == "2" and code not in {"250", "251", "252"}),
        float(code[:1] == "4"),
        float(code[:1] == "5"),
        float(not code),
        float(_ENHANCED.match(reply) is not None),
    )


def _measure_reason(reason: str) -> tuple[float, ...]:
    return (
        float(reason in _ABOUT_US),
        float(reason in _UNREACHED),
        float(reason in _PUT_OFF),
        float(reason in _UNDETERMINED),
    )


def _measure_provider(key: str) -> tuple[float, ...]:
    return (
        float(key == "google"),
        float(key in {"microsoft", "microsoft-olc"}),
        float(key in _GATEWAYS),
        float(key in _HOSTERS),
    )


def _measure_flags(flags: Flags) -> tuple[float, ...]:
    return (float(flags.is_role), float(flags.is_free), float(flags.is_disposable), float(bool(flags.suggestion)))


def _measure_local_part(local_part: str) -> tuple[float, ...]:
    name, _, tag = local_part.lower().partition("+")
    digits = sum(letter.isdigit() for letter in name)
    shape = _find_shape(name, digits)
    return (
        float(shape == "two_names"),
        float(shape == "initial_and_name"),
        float(shape == "word"),
        float(shape == "word_and_digits"),
        float(shape == "digits"),
        float(shape == "random"),
        float(bool(tag)),
        min(len(name), 2 * _LONG) / _LONG,
        digits / len(name) if name else 0.0,
    )


def _find_shape(name: str, digits: int) -> str:
    if name and digits == len(name):
        return "digits"
    if len(name) > _LONG or _CONSONANTS.search(name) or _MIXED.search(name):
        return "random"
    if _TWO_NAMES.fullmatch(name):
        return "two_names"
    if _INITIAL_AND_NAME.fullmatch(name):
        return "initial_and_name"
    if _WORD.fullmatch(name):
        return "word"
    return "word_and_digits" if _WORD_AND_DIGITS.fullmatch(name) else ""


def _measure_domain(evidence: Evidence) -> tuple[float, ...]:
    return (
        float(bool(evidence.has_spf)),
        float(bool(evidence.has_dmarc)),
        float(evidence.has_spf is None and evidence.has_dmarc is None),
        float(bool(evidence.is_redundant)),
        float(evidence.is_implicit_mx),
    )


def _measure_latency(seconds: float | None) -> tuple[float, ...]:
    if seconds is None:
        return 0.0, 1.0
    return math.log(min(max(seconds, _LATENCY_FLOOR), _LATENCY_CEILING) / _LATENCY_FLOOR), 0.0


def _measure_record(record: TrackRecord) -> tuple[float, ...]:
    """Return a domain's log-odds of dead, drawn towards even by its prior, and how much of that is the prior.

    Few observations leave a domain near the middle; how far the middle is from where new domains really
    stand is learned as the weight of the second number. Where campaigns bring news, who did not bounce is
    alive; where they bring none, perhaps nobody ever wrote.
    """
    dead, alive = record.domain_bounced, record.domain_alive
    if dead or alive:
        alive = max(alive, record.domain_verified - dead)
    seen = dead + alive
    if seen > _ENOUGH:
        dead, alive, seen = dead * _ENOUGH / seen, alive * _ENOUGH / seen, _ENOUGH
    scarcity = _PRIOR / (_PRIOR + seen)
    return (
        math.log((dead + _PRIOR) / (alive + _PRIOR)),
        scarcity,
        (1 - scarcity) / (1 + 2 * dead) ** 2,
        (1 - scarcity) / (1 + 2 * alive) ** 2,
    )


def find_latency(trace: Mapping[str, Any] | None) -> float | None:
    """Return how many seconds the answer to the first RCPT took, from a transcript as JSON.

    None where nobody was asked, and for a trace that is none of ours.
    """
    exchanges = (trace or {}).get("exchanges")
    if not isinstance(exchanges, list):
        return None
    before: float | None = None
    for item in cast("list[Any]", exchanges):
        exchange = cast("dict[str, Any]", item) if isinstance(item, dict) else {}
        at = exchange.get("at", 0.0)
        if not isinstance(at, int | float):
            return None
        if exchange.get("stage") == Stage.RCPT.value and before is not None:
            return max(0.0, at - before)
        before = at
    return None
