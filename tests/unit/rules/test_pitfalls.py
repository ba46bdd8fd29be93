"""What servers say that misleads, from the reply's words to the verdict: reading and decision together."""

from typing import Any

import pytest

from tests.unit.rules.attempts import MAILBOX, SPOKEN, asked, plan, show
from validatord.mail.address import Mailbox
from validatord.mail.probe import ProbeReport, Signal
from validatord.mail.provider import MXProvider
from validatord.mail.reply import Reply
from validatord.mail.verdict import AcceptAll, Deferral, Reason, Stage
from validatord.rules import decide
from validatord.rules.replies import read_reply

_KNOWN = {"control": AcceptAll.REJECTS_UNKNOWN}


def _report(
    code: int, *lines: str, stage: Stage = Stage.RCPT, mx_host: str = "mx.example.com", **report: Any
) -> ProbeReport:
    reply = Reply(code, lines)
    values = {"mailbox": MAILBOX, "provider": MXProvider("p"), "transcript": SPOKEN} | report
    reading = read_reply(reply, stage, mx_host=mx_host, recipient=str(values["mailbox"]))
    return ProbeReport(**values | {"stage": stage, "reply": reply, "reading": reading})


def _judge(code: int, *lines: str, deferrals: int = 0, **report: Any) -> str:
    return show(decide.decide(_report(code, *lines, **report), asked(deferrals), plan()))


def test_pitfall_01_blocked_at_the_greeting() -> None:
    """A greeting that blocks our address is unknown, and the lane hears it at once."""
    report = _report(554, "mx.example.com", "Your IP address 192.0.2.9 is block listed", stage=Stage.CONNECT)
    assert show(decide.decide(report, asked(), plan())) == "unknown sender_ip_blocked"
    assert decide.signals_of(report) == (Signal.BLOCKED_EARLY,)


def test_pitfall_02_recipient_address_rejected_because_of_us() -> None:
    """The words "Recipient address rejected" with a blocklist's address in it are about us."""
    text = "5.7.1 <user@example.com>: Recipient address rejected: https://www.spamhaus.org/query/ip/192.0.2.9"
    assert _judge(554, text) == "unknown sender_ip_blocked"


def test_pitfall_03_user_unknown_code_on_a_rate_limit() -> None:
    """5.1.1 with words about our rate is a rate limit."""
    text = "5.1.1 <user@example.com> - 198.51.100.225 has sent to too many recipients this hour. IB607"
    assert _judge(550, text) == "again rate_limited 15m"


@pytest.mark.parametrize("code", [450, 451, 452])
def test_pitfall_04_transient_refusals_wait(code: int) -> None:
    """A 4xx is asked again."""
    assert _judge(code, "4.0.0 not now").startswith("again")


def test_pitfall_07_and_24_accepting_the_made_up_name_is_accept_all() -> None:
    """A host that accepts what cannot exist says nothing by its 250, now or after DATA."""
    assert _judge(250, "2.1.5 Ok", control=AcceptAll.ACCEPTS_ALL) == "accept_all accept_all"
    assert _judge(250, "2.1.5 Ok", **_KNOWN) == "valid accepted"
    provider = MXProvider("yahoo", accepts_everything=True)
    assert _judge(250, "recipient <user@example.com> ok", provider=provider) == "accept_all accept_all"


def test_pitfall_08_and_09_greylisted_control_leaves_it_open() -> None:
    """Target 250, made-up name 451: neither valid nor accept_all, and both are asked again."""
    reply = Reply(451, ("4.7.1 Greylisted, try again in 300 seconds",))
    state = decide.read_control([(reply, read_reply(reply, Stage.RCPT, recipient="x@example.com"))])
    assert state is AcceptAll.UNDETERMINED
    assert _judge(250, "Ok", control=state) == "again accept_all_undetermined 15m"
    assert _judge(250, "Ok", control=state, deferrals=3) == "unknown accept_all_undetermined"


def test_greylist_that_names_its_delay_is_obeyed() -> None:
    """The delay in the text, plus half a minute."""
    assert _judge(451, "4.7.1 Greylisted, please try again in 300 seconds") == "again greylisted 5.5m"


def test_pitfall_12_refused_sender_is_no_word_about_addresses() -> None:
    """MAIL refused: the sender's fault for every mailbox of the envelope."""
    assert _judge(550, "5.1.8 Sender domain not found", stage=Stage.MAIL) == "unknown sender_rejected"
    assert _judge(550, "5.1.1 no such user", stage=Stage.MAIL) == "unknown sender_rejected"


def test_pitfall_13_too_many_recipients_is_no_answer() -> None:
    """452 4.5.3 that comes even alone is asked again later; beside a target it leaves accept-all open."""
    reply = Reply(452, ("4.5.3 Too many recipients (AS780090)",))
    reading = read_reply(reply, Stage.RCPT, recipient="x@example.com")
    assert decide.read_control([(reply, reading)]) is AcceptAll.UNDETERMINED
    assert _judge(452, "4.5.3 Too many recipients (AS780090)") == "again rate_limited 15m"


def test_pitfall_15_backup_host_that_takes_all() -> None:
    """Only the backup answered: its yes is not believed, its no is."""
    backup = {"is_backup_mx": True}
    assert _judge(250, "Ok", **backup) == "again backup_mx_only 15m"
    assert _judge(250, "Ok", deferrals=3, **backup) == "unknown backup_mx_only"
    assert _judge(250, "Ok", **backup, **_KNOWN, is_control_cached=True) == "again backup_mx_only 15m"
    assert _judge(250, "Ok", control=AcceptAll.ACCEPTS_ALL, **backup) == "accept_all accept_all"
    assert _judge(550, "5.1.1 User unknown", **backup) == "invalid no_such_mailbox"


def test_pitfall_25_forwarding() -> None:
    """551 is a no, 251 a yes; the path they name is not followed."""
    assert _judge(551, "User not local; please try <x@other.example>") == "invalid user_not_local"
    assert _judge(251, "User not local; will forward to <x@other.example>", **_KNOWN) == "valid forwarded"


def test_pitfall_26_cannot_verify() -> None:
    """252 is a 2xx and no yes."""
    assert _judge(252, "Cannot VRFY user, but will accept message", **_KNOWN) == "unknown cannot_verify"


def test_pitfall_27_null_sender_refused() -> None:
    """A host that wants no null sender says nothing about the mailbox."""
    assert _judge(553, "NULL sender is not allowed", stage=Stage.MAIL) == "unknown sender_rejected"


def test_pitfall_28_callback_failed() -> None:
    """The words "Sender verify failed" at RCPT are about our sender domain."""
    assert _judge(550, "Sender verify failed") == "unknown sender_rejected"


def test_pitfall_29_access_denied_by_somebody_else() -> None:
    """5.4.1 "Access denied" is a missing mailbox only at Microsoft's edge, elsewhere never invalid by itself."""
    text = "5.4.1 Recipient address rejected: Access denied"
    edge = "example-com.mail.protection.outlook.com"
    assert _judge(550, text, mx_host=edge) == "invalid no_such_mailbox"
    for deferrals in range(4):
        assert not _judge(550, text, deferrals=deferrals).startswith("invalid")


def test_pitfall_30_words_outvote_a_policy_code() -> None:
    """5.7.1 with "No such user" is a missing mailbox."""
    assert _judge(550, "5.7.1 No such user!") == "invalid no_such_mailbox"


def test_pitfall_31_domain_that_takes_all_today_is_judged_by_today() -> None:
    """The state of the control of this attempt decides; how long it is believed is the cache's business."""
    assert _judge(250, "Ok", control=AcceptAll.ACCEPTS_ALL) == "accept_all accept_all"
    assert _judge(250, "Ok", **_KNOWN) == "valid accepted"


def test_pitfall_32_soft_unknown_user() -> None:
    """450 "User unknown" waits; it is neither invalid now nor greylisted for ever."""
    report = _report(450, "4.1.1 <user@example.com>: User unknown in virtual alias table")
    outcome = decide.decide(report, asked(), plan())
    assert isinstance(outcome, Deferral)
    assert outcome.reason is Reason.NO_SUCH_MAILBOX_SOFT
    assert "user@example.com" not in outcome.pin.last_text


def test_pitfall_33_address_that_sounds_like_a_block() -> None:
    """The echoed address is cut out before anything is matched."""
    for local_part in ("blocked.user", "spamhaus", "greylist"):
        mailbox = Mailbox(local_part, "example.com")
        text = f"5.1.1 <{mailbox}>: User unknown"
        assert _judge(550, text, mailbox=mailbox) == "invalid no_such_mailbox"


def test_pitfall_40_non_ascii_without_smtputf8() -> None:
    """Nothing was asked: once more after the longest wait, then invalid with low confidence."""
    report = ProbeReport(Mailbox("büro", "example.com"), MXProvider("p"), Stage.RCPT, failure="smtputf8_unsupported")
    assert show(decide.decide(report, asked(), plan())) == "again smtputf8_unsupported 480m"
    again = asked(1, pin_last_meaning="smtputf8_unsupported")
    assert show(decide.decide(report, again, plan())) == "invalid smtputf8_unsupported low"
