"""The story of a verdict in plain sentences, told from the stored evidence alone.

Which host was asked, what it said, how that was read and by which rule, and why the status follows.
Replies are read again with today's rules, so the sentences also show where a rule has changed since.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from validatord.mail.request import Finding
from validatord.mail.transcript import Exchange, Transcript
from validatord.mail.verdict import Reason, Stage, Status
from validatord.rules import replies, words

_RECIPIENT = re.compile(r"RCPT TO:<(.*)>", re.IGNORECASE)
_MOST_TEXT = 300
_MOST_DNS_LINES = 20
_SOURCES = {
    "bouncer": "Bouncer said so, not our own probe.",
    "cache": "This is what an earlier probe found.",
    "syntax": "Nobody was asked.",
}


def explain(finding: Finding) -> list[str]:
    """Return the story of a finding, one sentence or a few per line; never raises for odd evidence."""
    return [
        _tell_status(finding),
        _tell_reason(finding),
        *_tell_source(finding),
        *_tell_dns(finding.dns_trace),
        *_tell_session(finding),
        *_tell_notes(finding),
        *_tell_contributions(finding),
        *_tell_policy(finding),
        *_tell_limits(finding),
    ]


def _tell_status(finding: Finding) -> str:
    try:
        meaning = words.STATUSES[Status(finding.status)]
    except ValueError:
        return f"{finding.status}, confidence {finding.confidence} of 100."
    return f"{finding.status}, confidence {finding.confidence} of 100: {meaning}."


def _tell_reason(finding: Finding) -> str:
    try:
        return f"Reason {finding.reason}: {words.REASONS[Reason(finding.reason)]}"
    except ValueError:
        return f"Reason {finding.reason}."


def _tell_source(finding: Finding) -> Iterator[str]:
    if finding.source in _SOURCES:
        yield _SOURCES[finding.source]


def _tell_dns(trace: Mapping[str, Any]) -> Iterator[str]:
    hosts = trace.get("hosts")
    if isinstance(hosts, list):
        names = [_tell_host(host) for host in cast("list[Any]", hosts)]
        yield f"DNS names {', '.join(names) or 'no host to ask'}."
    lines = trace.get("lines", trace.get("trace"))
    if isinstance(lines, list | tuple):
        for line in cast("list[Any]", lines)[:_MOST_DNS_LINES]:
            yield f"DNS: {_quote(str(line))}"
    if trace.get("failure"):
        yield f"DNS failed: {_quote(str(trace['failure']))}."


def _tell_host(host: Any) -> str:
    if not isinstance(host, dict):
        return str(host)
    values = cast("dict[str, Any]", host)
    return f"{values.get('name', '?')} (preference {values.get('preference', '?')})"


def _tell_session(finding: Finding) -> list[str]:
    if not finding.smtp_trace:
        return []
    try:
        transcript = Transcript.from_json(finding.smtp_trace)
        return [*_tell_host_spoken_with(transcript), *_tell_exchanges(transcript)]
    except (KeyError, TypeError, ValueError, AttributeError):
        return ["The stored transcript cannot be read."]


def _tell_host_spoken_with(transcript: Transcript) -> Iterator[str]:
    if transcript.mx_host:
        tls = f" over {transcript.tls}" if transcript.tls else ""
        where = f" [{transcript.mx_address}]" if transcript.mx_address else ""
        yield (
            f"We spoke with {transcript.mx_host}{where}{tls}, "
            f'as "{transcript.helo_name}" with the sender <{transcript.envelope_sender}>.'
        )


def _tell_exchanges(transcript: Transcript) -> Iterator[str]:
    target = ""
    for exchange in transcript.exchanges:
        recipient = _find_recipient(exchange)
        target = target or recipient
        # What went well before the address was named is no part of the story.
        if exchange.stage is Stage.RCPT or exchange.failure or (exchange.reply and exchange.reply.is_refusal):
            yield _tell_exchange(exchange, transcript.mx_host, recipient, target)


def _find_recipient(exchange: Exchange) -> str:
    found = _RECIPIENT.match(exchange.command)
    return found[1] if found else ""


def _tell_exchange(exchange: Exchange, mx_host: str, recipient: str, target: str) -> str:
    where = words.STAGES[exchange.stage]
    if recipient and recipient != target:
        is_postmaster = recipient.casefold().startswith("postmaster@")
        where = f"to {recipient} (a control)" if is_postmaster else f"to the made-up {recipient}"
    elif recipient:
        where = f"to {recipient}"
    if exchange.reply is None:
        return f"Instead of an answer {where}: {words.FAILURES.get(exchange.failure or '', exchange.failure or '?')}."
    reading = replies.read_reply(exchange.reply, exchange.stage, mx_host=mx_host, recipient=recipient)
    return (
        f'The answer {where} was "{_quote(str(exchange.reply))}", which reads as: '
        f"{words.MEANINGS[reading.meaning]} ({words.SCOPES[reading.scope]}; rule {reading.rule})."
    )


def _tell_notes(finding: Finding) -> Iterator[str]:
    for name in finding.reasons:
        if name in words.NOTES and name != finding.reason:
            yield words.NOTES[name]
    if finding.flags.suggestion:
        yield f"Perhaps {finding.flags.suggestion} was meant."


def _tell_contributions(finding: Finding) -> Iterator[str]:
    if finding.contributions:
        points = ", ".join(f"{points:+d} {name}" for name, points in finding.contributions)
        yield f"The confidence is made of {points}: {finding.confidence}."
    facts = finding.score_facts
    if facts is not None and facts.chance is not None:
        yield f"The model, which learned from campaigns, thinks mail arrives in {facts.chance:.0%} of such cases."


def _tell_policy(finding: Finding) -> Iterator[str]:
    rules = [name.removeprefix("policy:") for name in finding.reasons if name.startswith("policy:")]
    if rules:
        yield f"The client's policy shows the status so (rule {', '.join(rules)}); the evidence is the same."


def _tell_limits(finding: Finding) -> Iterator[str]:
    if finding.status in {Status.VALID, Status.ACCEPT_ALL} and finding.smtp_trace:
        yield "A probe shows that the host takes mail for the address, not that a person reads it or wants it."


def _quote(text: str) -> str:
    """Put remote text on one line, bounded, with nothing in it that a terminal would obey."""
    line = " ".join(text.split())[:_MOST_TEXT]
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in line)


def list_exchanges(finding: Finding) -> list[str]:
    """Return the transcript as lines: what we said after ">", what the host said after "<"."""
    if not finding.smtp_trace:
        return []
    lines: list[str] = []
    for exchange in Transcript.from_json(finding.smtp_trace).exchanges:
        lines += [f"> {exchange.command}"] if exchange.command else []
        lines += [f"< {line}" for line in str(exchange.reply).split("\n")] if exchange.reply is not None else []
        lines += [f"! {exchange.failure}"] if exchange.failure else []
    return lines
