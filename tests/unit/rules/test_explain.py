"""The story of a verdict, told from what was stored."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validatord.mail.mx import MXAnswer, MXHost, MXOutcome
from validatord.mail.probe import NOT_SENDABLE, SMTPUTF8_UNSUPPORTED
from validatord.mail.reply import Reply
from validatord.mail.request import Finding, Flags
from validatord.mail.transcript import Exchange, Transcript
from validatord.mail.verdict import Meaning, Reason, Scope, Stage, Status
from validatord.rules import words
from validatord.rules.explain import explain, list_exchanges

_TRANSCRIPT = Transcript(
    mx_host="mx.example.com",
    mx_address="192.0.2.1",
    identity="default",
    helo_name="probe.example.net",
    envelope_sender="probe@example.net",
    tls="TLSv1.3",
    exchanges=(
        Exchange(Stage.CONNECT, "", Reply(220, ("mx.example.com ESMTP",))),
        Exchange(Stage.EHLO, "EHLO probe.example.net", Reply(250, ("mx.example.com",))),
        Exchange(Stage.MAIL, "MAIL FROM:<probe@example.net>", Reply(250, ("2.1.0 Ok",))),
        Exchange(Stage.RCPT, "RCPT TO:<user@example.com>", Reply(250, ("2.1.5 Ok",))),
        Exchange(Stage.RCPT, "RCPT TO:<kx7@example.com>", Reply(550, ("5.1.1 <kx7@example.com>: User unknown",))),
    ),
)
_ANSWER = MXAnswer(
    "example.com", MXOutcome.OK, (MXHost("mx.example.com", 10, ("192.0.2.1",)),), trace=("MX example.com",)
)
_VALID = Finding(
    "valid",
    "accepted",
    ("mx", "accepted", "role"),
    85,
    Flags(is_role=True),
    mx_host="mx.example.com",
    dns_trace=_ANSWER.to_json(),
    smtp_trace=_TRANSCRIPT.to_json(),
)


def test_story_of_a_valid_address() -> None:
    """Status, reason, DNS, the host, what it said, how that was read, flags, and what it does not mean."""
    assert explain(_VALID) == [
        "valid, confidence 85 of 100: the address takes mail.",
        "Reason accepted: The host accepted the address and refuses made-up ones.",
        "DNS names mx.example.com (preference 10).",
        "DNS: MX example.com",
        'We spoke with mx.example.com [192.0.2.1] over TLSv1.3, as "probe.example.net" with the sender <probe@example.net>.',
        'The answer to user@example.com was "250 2.1.5 Ok", which reads as: accepted (about the mailbox; rule positive:250).',
        (
            'The answer to the made-up kx7@example.com was "550 5.1.1 <kx7@example.com>: User unknown", which reads as: '
            "no such mailbox (about the mailbox; rule text:user_unknown:who-unknown)."
        ),
        "The address names a function, not a person.",
        "A probe shows that the host takes mail for the address, not that a person reads it or wants it.",
    ]


def test_story_of_a_block_tells_the_stage() -> None:
    """A refusal before the address is told with its place; what went well before it is not."""
    transcript = Transcript(
        mx_host="mx.example.com",
        exchanges=(
            Exchange(Stage.CONNECT, "", Reply(220, ("hello",))),
            Exchange(Stage.MAIL, "MAIL FROM:<a@b.example>", Reply(554, ("5.7.1 Your IP address is blacklisted",))),
        ),
    )
    finding = Finding("unknown", "sender_ip_blocked", ("sender_ip_blocked",), 65, smtp_trace=transcript.to_json())
    lines = explain(finding)
    assert "says nothing about the mailbox" in lines[1]
    assert [line for line in lines if "hello" in line] == []
    assert lines[-1].startswith('The answer to the sender was "554 5.7.1 Your IP address is blacklisted"')
    assert "our IP address is blocked (about us; rule " in lines[-1]


def test_postmaster_is_told_as_a_control() -> None:
    """The control with postmaster@ is not taken for a made-up name."""
    transcript = Transcript(
        exchanges=(
            Exchange(Stage.RCPT, "RCPT TO:<user@example.com>", Reply(550, ("Rejected",))),
            Exchange(Stage.RCPT, "RCPT TO:<postmaster@example.com>", Reply(250, ("Ok",))),
        )
    )
    reasons = ("no_such_mailbox", "postmaster_accepted")
    lines = explain(Finding("invalid", "no_such_mailbox", reasons, 20, smtp_trace=transcript.to_json()))
    assert any(line.startswith("The answer to postmaster@example.com (a control) was ") for line in lines)
    assert "The host accepted postmaster@ in the same session, so the refusal is about the mailbox." in lines


@pytest.mark.parametrize(
    ("failure", "words_of_it"),
    [("disconnected", "the host closed the connection"), ("odd_kind", "odd_kind"), (None, "?")],
)
def test_breakdown_is_told(failure: str | None, words_of_it: str) -> None:
    """Where no answer came, the story says why; an unknown kind is shown as it is."""
    transcript = Transcript(exchanges=(Exchange(Stage.RCPT, "RCPT TO:<a@example.com>", None, failure),))
    lines = explain(Finding("unknown", "connection_lost", ("connection_lost",), 65, smtp_trace=transcript.to_json()))
    assert f"Instead of an answer to a@example.com: {words_of_it}." in lines


def test_remote_text_stays_on_its_line() -> None:
    """A reply cannot write lines of its own, nor move a terminal's cursor, nor be endless."""
    reply = Reply(550, ("x\r\ny\x1b[2J", "z" * 5000))
    transcript = Transcript(exchanges=(Exchange(Stage.RCPT, "RCPT TO:<a@example.com>", reply),))
    lines = explain(Finding("unknown", "policy_rejected", (), 65, smtp_trace=transcript.to_json()))
    assert all(line.isprintable() for line in lines)
    assert all(len(line) < 600 for line in lines)


@pytest.mark.parametrize(
    ("trace", "told"),
    [
        (
            {"lines": ["MX example.com: 10 mx", "A mx: 192.0.2.1"], "outcome": "ok"},
            ["DNS: MX example.com: 10 mx", "DNS: A mx: 192.0.2.1"],
        ),
        ({"hosts": []}, ["DNS names no host to ask."]),
        ({"hosts": ["mx.example.com", {}]}, ["DNS names mx.example.com, ? (preference ?)."]),
        ({"failure": "servfail"}, ["DNS failed: servfail."]),
        ({"lines": 5, "hosts": "mx"}, []),
        ({}, []),
    ],
)
def test_dns_is_told_in_every_stored_form(trace: dict[str, Any], told: list[str]) -> None:
    """Hosts, lines and failure are told where they stand; what is of another form is passed over."""
    lines = explain(Finding("invalid", "null_mx", ("null_mx",), 0, dns_trace=trace))
    assert [line for line in lines if line.startswith("DNS")] == told


@pytest.mark.parametrize(
    "trace", [{"exchanges": [{"stage": "odd"}]}, {"exchanges": 5}, {"exchanges": [5]}, {"exchanges": [{}]}]
)
def test_odd_evidence_does_not_raise(trace: dict[str, Any]) -> None:
    """A transcript that cannot be read is said to be so."""
    assert "The stored transcript cannot be read." in explain(replace(_VALID, smtp_trace=trace))


def test_source_policy_and_suggestion_are_told() -> None:
    """Who said it, what the client's policy made of it, and what was probably meant."""
    finding = Finding(
        "invalid", "accept_all", ("accept_all", "policy:role", "policy:accept_all"), 70,
        Flags(suggestion="a@gmail.com"), source="bouncer",
    )  # fmt: skip
    lines = explain(finding)
    assert "Bouncer said so, not our own probe." in lines
    assert "Perhaps a@gmail.com was meant." in lines
    assert "The client's policy shows the status so (rule role, accept_all); the evidence is the same." in lines


def test_words_of_a_later_version_are_shown_as_they_are() -> None:
    """A status or reason nobody here knows is no reason to fail."""
    assert explain(Finding("perhaps", "because", (), 50)) == ["perhaps, confidence 50 of 100.", "Reason because."]


def test_every_word_has_its_sentence() -> None:
    """No status, reason, meaning, scope, stage or failure is left without words."""
    assert set(words.STATUSES) == set(Status)
    assert set(words.REASONS) == set(Reason)
    assert set(words.MEANINGS) == set(Meaning)
    assert set(words.SCOPES) == set(Scope)
    assert set(words.STAGES) == set(Stage)
    assert {SMTPUTF8_UNSUPPORTED, NOT_SENDABLE, "disconnected", "connect_failed"} <= set(words.FAILURES)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["exchanges", "stage", "command", "code", "lines", "failure", "at", "mx_host", "hosts", "trace", "name"]
    ), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
_TRACES = st.dictionaries(st.sampled_from(["exchanges", "mx_host", "tls", "hosts", "lines", "trace", "failure"]), _JSON)


@given(_TRACES, _TRACES)
def test_any_stored_json_is_told(dns: dict[str, Any], smtp: dict[str, Any]) -> None:
    """Whatever JSON stands in the ledger, the story is a list of printable lines."""
    lines = explain(replace(_VALID, dns_trace=dns, smtp_trace=smtp))
    assert len(lines) >= 2
    assert all(isinstance(line, str) for line in lines)


def test_a_transcript_is_listed_as_it_was_spoken() -> None:
    """Commands stand after ">", every line of a reply after "<", a breakdown after "!"."""
    spoken = Transcript(
        exchanges=(
            Exchange(Stage.CONNECT, "", Reply(220, ("mx.example.com ESMTP",))),
            Exchange(Stage.RCPT, "RCPT TO:<a@example.com>", Reply(550, ("5.1.1 no", "5.1.1 such user"))),
            Exchange(Stage.RCPT, "RCPT TO:<b@example.com>", None, failure="disconnected"),
        )
    )
    finding = Finding("invalid", "no_such_mailbox", (), 0, smtp_trace=spoken.to_json())

    assert list_exchanges(finding) == [
        "< 220 mx.example.com ESMTP",
        "> RCPT TO:<a@example.com>",
        "< 550-5.1.1 no",
        "< 550 5.1.1 such user",
        "> RCPT TO:<b@example.com>",
        "! disconnected",
    ]
    assert list_exchanges(Finding("unknown", "dns_failure", (), 65)) == []
