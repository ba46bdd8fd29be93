"""The contract with Reacher's clients, byte for byte.

Expectations are text, put together as text: no JSON library stands between them and the bytes compared.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from validatord.mail.address import Mailbox
from validatord.mail.reply import Reply
from validatord.mail.request import Flags
from validatord.mail.transcript import Exchange, Transcript
from validatord.mail.verdict import Reason, Stage, Status
from validatord.settings import Settings
from validatord.web.reacher import mapping
from validatord.web.reacher.mapping import Prober
from validatord.web.reacher.parts import Checked, Patience

_BEGAN = datetime(2026, 11, 21, 16, 13, 57, 755749, tzinfo=UTC)
_ENDED = _BEGAN + timedelta(milliseconds=340)
_PROBER = Prober(
    "backend-dev",
    "hello@mail.example.org",
    "mail.example.org",
    25,
    timedelta(seconds=45),
    Patience(timedelta(seconds=10), timedelta(seconds=30), timedelta(seconds=12)),
)
_NOBODY = Flags()
_MX = ("mx1.one.example", "mx2.one.example")

# --- text of the parts, as the contract has it ---------------------------------------------------

MISC = '{"is_disposable":false,"is_role_account":false,"is_b2c":false,"gravatar_url":null,"haveibeenpwned":null}'
DISPOSABLE = MISC.replace('"is_disposable":false', '"is_disposable":true')
ROLE = MISC.replace('"is_role_account":false', '"is_role_account":true')
FREE = MISC.replace('"is_b2c":false', '"is_b2c":true')
NO_MX = '{"accepts_mail":false,"records":[]}'
TWO_MX = '{"accepts_mail":true,"records":["mx1.one.example.","mx2.one.example."]}'
NOTHING = (
    '{"can_connect_smtp":false,"has_full_inbox":false,"is_catch_all":false,"is_deliverable":false,"is_disabled":false}'
)
REFUSED = NOTHING.replace('"can_connect_smtp":false', '"can_connect_smtp":true')
TAKEN = REFUSED.replace('"is_deliverable":false', '"is_deliverable":true')
CATCH_ALL = TAKEN.replace('"is_catch_all":false', '"is_catch_all":true')
FULL = REFUSED.replace('"has_full_inbox":false', '"has_full_inbox":true')
DISABLED = REFUSED.replace('"is_disabled":false', '"is_disabled":true')
NO_SYNTAX = (
    '{"address":null,"domain":"","is_valid_syntax":false,"username":"","normalized_email":null,"suggestion":null}'
)
SYNTAX = (
    '{"address":"someone@one.example","domain":"one.example","is_valid_syntax":true,"username":"someone",'
    '"normalized_email":"someone@one.example","suggestion":null}'
)
METHOD = (
    '{"type":"Smtp","host":"mx1.one.example.","verif_method":{"from_email":"hello@mail.example.org",'
    '"hello_name":"mail.example.org","proxy":null,"smtp_port":25,"smtp_timeout":{"secs":45,"nanos":0},"retries":1}}'
)
SKIPPED = '{"type":"Skipped"}'
DEBUG = (
    '"debug":{"backend_name":"backend-dev","start_time":"2026-11-21T16:13:57.755749000Z",'
    '"end_time":"2026-11-21T16:13:58.095749000Z","duration":{"secs":0,"nanos":340000000},"smtp":{"verif_method":'
)


def expect(reachable: str, smtp: str, mx: str = TWO_MX, misc: str = MISC, method: str = METHOD) -> str:
    """Put the text of a whole answer about someone@one.example together."""
    return (
        f'{{"input":"someone@one.example","is_reachable":"{reachable}","misc":{misc},"mx":{mx},"smtp":{smtp},'
        f'"syntax":{SYNTAX},{DEBUG}{method}}}}}}}'
    )


def error(kind: str, message: str, description: str = "") -> str:
    """Put the text of an error object together; `message` is JSON text."""
    more = f',"description":"{description}"' if description else ""
    return f'{{"error":{{"type":"{kind}","message":{message}}}{more}}}'


def make(status: str | None, reason: str, **more: Any) -> Checked:
    """Make what is known of someone@one.example."""
    usual = {"mx_hosts": _MX, "mx_host": "mx1.one.example"}
    return Checked("someone@one.example", Mailbox("someone", "one.example"), status, reason, **{**usual, **more})


def write(checked: Checked) -> str:
    """Return the answer as it goes out."""
    return orjson.dumps(mapping.render(checked, _PROBER, _BEGAN, _ENDED)).decode()


def broken_off(failure: str) -> Transcript:
    """Make a conversation that ended so."""
    return Transcript(mx_host="mx1.one.example", exchanges=(Exchange(Stage.CONNECT, "", None, failure),))


# --- the two prefixes that Reacher's own tests hold, and its example ------------------------------


def test_bad_syntax_prefix() -> None:
    """foo@bar: invalid with every bool false, nothing of it in `syntax`."""
    expected = (
        '{"input":"foo@bar","is_reachable":"invalid","misc":{"is_disposable":false,"is_role_account":false,'
        '"is_b2c":false,"gravatar_url":null,"haveibeenpwned":null},"mx":{"accepts_mail":false,"records":[]},'
        '"smtp":{"can_connect_smtp":false,"has_full_inbox":false,"is_catch_all":false,"is_deliverable":false,'
        '"is_disabled":false},"syntax":{"address":null,"domain":"","is_valid_syntax":false,"username":"",'
        '"normalized_email":null,"suggestion":null}'
    )

    assert write(Checked("foo@bar", None, "invalid", "syntax")) == f"{expected},{DEBUG}{SKIPPED}}}}}}}"


@pytest.mark.parametrize("reason", ["domain_not_found", "null_mx", "no_mail_host", "mx_not_public", "mx_unresolvable"])
def test_no_mx_prefix(reason: str) -> None:
    """foo@bar.baz: a domain that takes no mail is invalid with every bool false, its syntax told."""
    expected = (
        '{"input":"foo@bar.baz","is_reachable":"invalid","misc":{"is_disposable":false,"is_role_account":false,'
        '"is_b2c":false,"gravatar_url":null,"haveibeenpwned":null},"mx":{"accepts_mail":false,"records":[]},'
        '"smtp":{"can_connect_smtp":false,"has_full_inbox":false,"is_catch_all":false,"is_deliverable":false,'
        '"is_disabled":false},"syntax":{"address":"foo@bar.baz","domain":"bar.baz","is_valid_syntax":true,'
        '"username":"foo","normalized_email":"foo@bar.baz","suggestion":null}'
    )
    flags = Flags(is_disposable=True, is_role=True)
    checked = Checked("foo@bar.baz", Mailbox("foo", "bar.baz"), "invalid", reason, flags=flags, mx_hosts=("x.example",))

    assert write(checked) == f"{expected},{DEBUG}{SKIPPED}}}}}}}"


def test_the_example() -> None:
    """A disabled mailbox at Gmail, with everything that stands in an answer."""
    hosts = ("gmail-smtp-in.l.google.com", "alt1.gmail-smtp-in.l.google.com")
    checked = Checked(
        "someone@gmail.com",
        Mailbox("someone", "gmail.com"),
        "invalid",
        "mailbox_disabled",
        flags=Flags(is_free=True),
        mx_hosts=hosts,
        mx_host=hosts[0],
        transcript=Transcript(hosts[0], helo_name="mail.example.org", envelope_sender="hello@mail.example.org"),
    )
    expected = (
        '{"input":"someone@gmail.com","is_reachable":"invalid","misc":{"is_disposable":false,"is_role_account":false,'
        '"is_b2c":true,"gravatar_url":null,"haveibeenpwned":null},"mx":{"accepts_mail":true,"records":'
        '["gmail-smtp-in.l.google.com.","alt1.gmail-smtp-in.l.google.com."]},"smtp":{"can_connect_smtp":true,'
        '"has_full_inbox":false,"is_catch_all":false,"is_deliverable":false,"is_disabled":true},"syntax":{"address":'
        '"someone@gmail.com","domain":"gmail.com","is_valid_syntax":true,"username":"someone","normalized_email":'
        '"someone@gmail.com","suggestion":null},"debug":{"backend_name":"backend-dev","start_time":'
        '"2026-11-21T16:13:57.755749000Z","end_time":"2026-11-21T16:13:58.095749000Z","duration":{"secs":0,"nanos":'
        '340000000},"smtp":{"verif_method":{"type":"Smtp","host":"gmail-smtp-in.l.google.com.","verif_method":'
        '{"from_email":"hello@mail.example.org","hello_name":"mail.example.org","proxy":null,"smtp_port":25,'
        '"smtp_timeout":{"secs":45,"nanos":0},"retries":1}}}}}'
    )

    assert write(checked) == expected


# --- values --------------------------------------------------------------------------------------

_VALUES = [
    (("valid", "accepted", {}), ("safe", TAKEN, MISC)),
    (("valid", "forwarded", {}), ("safe", TAKEN, MISC)),
    (("valid", "recipient_rate_limited", {}), ("safe", TAKEN, MISC)),
    (("valid", "accepted", {"flags": Flags(is_free=True)}), ("safe", TAKEN, FREE)),
    (("valid", "accepted", {"flags": Flags(is_role=True)}), ("risky", TAKEN, ROLE)),
    (("valid", "accepted", {"flags": Flags(is_disposable=True)}), ("risky", TAKEN, DISPOSABLE)),
    (("accept_all", "accept_all", {}), ("risky", CATCH_ALL, MISC)),
    (("risky", "mailbox_full", {}), ("risky", FULL, MISC)),
    (("risky", "hard_bounce", {}), ("risky", TAKEN, MISC)),
    (("risky", "low_quality", {}), ("risky", TAKEN, MISC)),
    (("invalid", "no_such_mailbox", {}), ("invalid", REFUSED, MISC)),
    (("invalid", "user_not_local", {}), ("invalid", REFUSED, MISC)),
    (("invalid", "domain_not_hosted", {}), ("invalid", REFUSED, MISC)),
    (("invalid", "relay_denied", {}), ("invalid", REFUSED, MISC)),
    (("invalid", "smtputf8_unsupported", {}), ("invalid", REFUSED, MISC)),
    (("invalid", "mailbox_disabled", {}), ("invalid", DISABLED, MISC)),
    # The order of the rule: a role comes before the refusal.
    (("invalid", "no_such_mailbox", {"flags": Flags(is_role=True)}), ("risky", REFUSED, ROLE)),
    # A client's policy makes it more careful, never less.
    (("valid", "accepted", {"shown": "risky"}), ("risky", TAKEN, MISC)),
    (("valid", "accepted", {"shown": "invalid"}), ("invalid", TAKEN, MISC)),
    (("valid", "accepted", {"shown": "unknown"}), ("unknown", TAKEN, MISC)),
    (("valid", "accepted", {"shown": "free_provider"}), ("safe", TAKEN, MISC)),
    (("accept_all", "accept_all", {"shown": "valid"}), ("risky", CATCH_ALL, MISC)),
]


@pytest.mark.parametrize(("given", "expected"), _VALUES)
def test_values(given: tuple[str, str, dict[str, Any]], expected: tuple[str, str, str]) -> None:
    """What a host said of a mailbox becomes five bools, and they become the verdict, by the rule and in its order."""
    status, reason, more = given
    reachable, smtp, misc = expected

    assert write(make(status, reason, **more)) == expect(reachable, smtp, misc=misc)


def test_nobody_had_to_be_asked() -> None:
    """A throw-away domain is risky without a connection; what its look-up found is told all the same."""
    checked = make("risky", "disposable", flags=Flags(is_disposable=True), source="risk", mx_host="", mx_hosts=())

    assert write(checked) == expect("risky", NOTHING, NO_MX, DISPOSABLE, SKIPPED)


def test_bought() -> None:
    """What Bouncer said was said over its API."""
    checked = make("valid", "accepted", source="bouncer")

    assert write(checked) == expect("safe", TAKEN, method='{"type":"Api"}')


def test_identity_of_the_conversation() -> None:
    """Where a conversation is known it says who asked, whom, and how often."""
    transcript = Transcript("mx2.one.example", helo_name="out2.example.org", envelope_sender="p@out2.example.org")
    method = METHOD.replace("mx1.one", "mx2.one").replace("hello@mail.", "p@out2.").replace('"mail.', '"out2.')

    found = write(make("valid", "accepted", transcript=transcript, attempts=3))

    assert found == expect("safe", TAKEN, method=method.replace('"retries":1', '"retries":3'))


def test_syntax_of_another_spelling() -> None:
    """A Gmail name is normalised, a suggestion is a whole address, an internationalised domain goes as A-labels."""
    gmail = Checked("Some.One+x@googlemail.com", Mailbox("Some.One+x", "googlemail.com"), "valid", "accepted")
    typo = make("invalid", "no_such_mailbox", flags=Flags(suggestion="someone@two.example"))

    assert (
        '"syntax":{"address":"Some.One+x@googlemail.com","domain":"googlemail.com","is_valid_syntax":true,'
        '"username":"Some.One+x","normalized_email":"someone@gmail.com","suggestion":null}'
    ) in write(gmail)
    assert '"suggestion":"someone@two.example"}' in write(typo)
    assert mapping.normalise(Mailbox("A.B", "one.example")) == "A.B@one.example"
    assert mapping.normalise(Mailbox("+x", "gmail.com")) == "+x@gmail.com"


# --- errors --------------------------------------------------------------------------------------

_BLOCKED = "550 5.7.1 Service unavailable; Client host [192.0.2.1] blocked by RBL"
_ERRORS = [
    (
        ("sender_ip_blocked", {"reply": _BLOCKED}),
        error(
            "AsyncSmtpError",
            '"permanent: 5.7.1 Service unavailable; Client host [192.0.2.1] blocked by RBL"',
            "IpBlacklisted",
        ),
    ),
    (
        ("sender_ip_blocked", {"reply": "554 5.7.1 no PTR record for 192.0.2.1"}),
        error("AsyncSmtpError", '"permanent: 5.7.1 no PTR record for 192.0.2.1"', "NeedsRDNS"),
    ),
    (
        ("policy_rejected", {"reply": "550 reverse DNS lookup failed"}),
        error("AsyncSmtpError", '"permanent: reverse DNS lookup failed"', "NeedsRDNS"),
    ),
    (
        ("greylisted", {"reply": "450-4.2.0 Greylisted\n450 4.2.0 come back in 300 s"}),
        error("AsyncSmtpError", '"transient: 4.2.0 Greylisted; 4.2.0 come back in 300 s"'),
    ),
    (
        ("temporary_failure", {"reply": '451 4.3.0 "quoted" trouble'}),
        error("AsyncSmtpError", '"transient: 4.3.0 \\"quoted\\" trouble"'),
    ),
    (("connection_rejected", {"reply": "554"}), error("AsyncSmtpError", '"permanent: "')),
    (("no_connection", {"transcript": broken_off("connect_timeout")}), error("Timeout", '{"secs":10,"nanos":0}')),
    (("connection_lost", {"transcript": broken_off("reply_timeout")}), error("Timeout", '{"secs":30,"nanos":0}')),
    (
        ("no_connection", {"transcript": broken_off("connect_failed")}),
        error("IOError", '"No mail host could be connected to."'),
    ),
    (("connection_lost", {}), error("IOError", '"The connection was lost before the host answered."')),
    (
        ("never_probe", {}),
        error("AnyhowError", '"The settings say that this domain is never connected to."'),
    ),
    (
        ("accept_all_undetermined", {"reply": "250 2.1.5 OK"}),
        error(
            "AnyhowError",
            '"The host accepted the address; whether it accepts every address is not known."',
        ),
    ),
]


@pytest.mark.parametrize(("given", "expected"), _ERRORS)
def test_errors(given: tuple[str, dict[str, Any]], expected: str) -> None:
    """What kept the mailbox from being known is an error object, and the verdict is unknown."""
    reason, more = given

    assert write(make("unknown", reason, **more)) == expect("unknown", expected)


def test_errors_outweigh_flags() -> None:
    """An error means unknown, even for a role account."""
    found = write(make("unknown", "connection_lost", flags=Flags(is_role=True)))

    assert found == expect(
        "unknown", error("IOError", '"The connection was lost before the host answered."'), misc=ROLE
    )


def test_no_answer_from_dns() -> None:
    """A look-up that failed is an error of `mx`; nobody was asked."""
    mx = error("ResolveError", '"DNS gave no answer about the domain."')

    found = write(make("unknown", "dns_failure", mx_host="", mx_hosts=()))

    assert found == expect("unknown", NOTHING, mx, method=SKIPPED)


def test_not_in_time() -> None:
    """What is not answered within the budget is unknown: by a time-out, or with what it waits for."""
    late = make(None, "", mx_host="", mx_hosts=())
    waiting = make(None, "provider_paused", mx_host="", mx_hosts=(), due_at=datetime(2026, 11, 21, 17, tzinfo=UTC))
    sentence = '"The mail provider was not asked: we pause there. It is asked again at 2026-11-21T17:00:00Z."'

    assert write(late) == expect("unknown", error("Timeout", '{"secs":12,"nanos":0}'), NO_MX, method=SKIPPED)
    assert write(waiting) == expect("unknown", error("AnyhowError", sentence), NO_MX, method=SKIPPED)


@pytest.mark.parametrize("reason", list(Reason))
@pytest.mark.parametrize("status", [*Status, None])
def test_every_verdict_has_an_answer(status: Status | None, reason: Reason) -> None:
    """Whatever we may find is told with the keys of the contract, in their order."""
    checked = make(status and status.value, reason.value)
    found = mapping.render(checked, _PROBER, _BEGAN, _ENDED)

    assert list(found) == ["input", "is_reachable", "misc", "mx", "smtp", "syntax", "debug"]
    assert found["is_reachable"] in {"safe", "risky", "invalid", "unknown"}
    assert status is not Status.UNKNOWN or found["is_reachable"] in {"unknown", "invalid"}
    assert list(found["smtp"]) in (
        ["can_connect_smtp", "has_full_inbox", "is_catch_all", "is_deliverable", "is_disabled"],
        ["error"],
        ["error", "description"],
    )


def test_prober_of_settings() -> None:
    """What is told of us comes from the settings of the first identity."""
    identity = {"helo_name": "mail.example.org", "envelope_sender": "hello@mail.example.org"}
    found = Prober.of(Settings.of(service={"node": "backend-dev"}, identities=[identity]))

    assert (found.backend_name, found.helo_name, found.envelope_sender, found.port) == (
        *("backend-dev", "mail.example.org", "hello@mail.example.org", 25),
    )


def test_replies_are_read_as_they_are_kept() -> None:
    """A reply as the ledger keeps it, cut or not, gives its lines without their codes."""
    reply = Reply(550, ("5.1.1 first", "5.1.1 second"))
    checked = make("unknown", "policy_rejected", reply=str(reply)[:15])

    assert write(checked) == expect("unknown", error("AsyncSmtpError", '"permanent: 5.1.1 first"'))
