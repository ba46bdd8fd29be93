"""The text rules are matched against, and the wait it may ask for."""

import pytest

from tests.unit.rules.reply_cases import RECIPIENT
from validatord.mail.reply import Reply
from validatord.rules.reply_text import TEXT_LIMIT, cut_address, name_recipient, normalise_text
from validatord.rules.reply_wait import LONGEST_WAIT, find_wait


def _normalise(text: str, recipient: str = RECIPIENT) -> str:
    return normalise_text(Reply(550, tuple(text.split("\n"))), recipient)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5.1.1 <user@example.com>: User Unknown", "5.1.1 : user unknown"),
        ("5.1.1 <USER@Example.COM>: gone", "5.1.1 : gone"),
        ("no mailbox user@example.com here", "no mailbox here"),
        ("gone\nfor good", "gone for good"),
        ("<other@example.net> is not <user@example.com>", "<addr> is not"),
        ("see https://example.net/help?p=NoSuchUser", "see https://example.net/help?p=nosuchuser"),
        ("Boîte aux lettres Œuvre", "boite aux lettres œuvre"),
        ("Empfänger ungültig, Straße", "empfanger ungultig, strasse"),
        ("can\N{RIGHT SINGLE QUOTATION MARK}t", "can't"),
        ("  a \t b  ", "a b"),
        ("", ""),
    ],
)
def test_normal_text(text: str, expected: str) -> None:
    """Lines are joined, case and accents folded, the recipient cut, other addresses masked, URLs kept."""
    assert _normalise(text) == expected


@pytest.mark.parametrize(
    ("recipient", "text", "expected"),
    [
        ("jane.doe@example.com", "unknown user jane.doe", "unknown user"),
        ("jane.doe@example.com", '"jane.doe" unknown', "unknown"),
        ("jane.doe@example.com", "jane.doe-smith unknown", "jane.doe-smith unknown"),
        ("user@example.com", "user unknown", "user unknown"),
        ("unknown@example.com", "<unknown>: user unknown", ": user unknown"),
        ("550@example.com", "code 550", "code 550"),
    ],
)
def test_local_part_is_cut(recipient: str, text: str, expected: str) -> None:
    """An echoed local part goes too; one that is a word of replies only where brackets show the echo."""
    assert _normalise(text, recipient) == expected


def test_same_text_for_postmaster() -> None:
    """What a server says of everybody is the same text for every recipient."""
    said = "550 5.7.1 <{}>: Recipient address rejected: Access denied ({})"
    texts = {
        _normalise(said.format(address, address), address)
        for address in ("user@example.com", "postmaster@example.com", "a.b+c@example.com")
    }
    assert len(texts) == 1


def test_text_is_bounded() -> None:
    """What a reply means stands at its beginning; the rest is not read."""
    assert len(_normalise("word " * 10_000)) <= TEXT_LIMIT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<user@example.com>: is closed", "mailbox : is closed"),
        ("5.1.1 USER@example.com gone", "5.1.1 mailbox gone"),
        ("somebody else is closed", None),
    ],
)
def test_naming_the_recipient(text: str, expected: str | None) -> None:
    """Where the address is the subject of the sentence, a word can stand for it."""
    assert name_recipient(Reply(550, (text,)), RECIPIENT) == expected


def test_naming_nobody() -> None:
    """Without a recipient there is nobody to name."""
    assert name_recipient(Reply(550, ("gone",)), "") is None
    assert name_recipient(Reply(550, ("gone",)), "gone") is None


def test_no_code_in_an_address() -> None:
    """Digits in a local part are no enhanced status code."""
    assert "5.1.1" not in cut_address("john5.1.1@example.com is fine", "")
    assert cut_address("5.1.1 plain", "") == "5.1.1 plain"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("greylisted, try again in 300 seconds", 300),
        ("please retry in 5 minutes", 300),
        ("try again after 1 hour", 3600),
        ("come back in 00:04:58", 298),
        ("try again in 1 hour(s) 25 minute(s)", 5100),
        ("retry in 2 minutes 30 seconds", 150),
        ("retry in 2 min and 30 sec", 150),
        ("try again in an hour", 3600),
        ("try again in half an hour", 1800),
        ("wait 60s", 60),
        ("try again in 0 seconds", 1),
        ("retry after 900000 seconds", LONGEST_WAIT),
        ("bitte in 10 minuten erneut versuchen", 600),
        ("reessayez dans 5 minutes", 300),
        ("intentelo de nuevo en 15 minutos", 900),
        ("tente novamente em 2 horas", 7200),
        ("riprova tra 3 minuti", 180),
        ("повторите через 10 минут", 600),
        ("sprobuj ponownie za 5 minut", 300),
        ("probeer het over 5 minuten opnieuw", 300),
        ("5 dakika sonra tekrar deneyin", 300),
        ("请在10分钟后重试", 600),
        ("5分後に再送してください", 300),
        ("too many messages, 100 per hour", None),
        ("limit of 20 messages per 60 seconds, try later", None),
        ("try again later", None),
        ("it took 30 seconds", None),
        ("user unknown", None),
        ("see 10.0.0.1:25:30:30, try again", None),
    ],
)
def test_wait(text: str, seconds: int | None) -> None:
    """A wait is read in several languages and bounded to a day; a rate is not a wait."""
    assert find_wait(text) == seconds
