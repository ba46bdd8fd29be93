"""Addresses: the gate that everything passes before it is stored, looked up or sent."""

import os
import string
import time
import tomllib
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from validatord.errors import AddressSyntaxError
from validatord.mail.address import Mailbox
from validatord.mail.parse import is_wire_safe, parse_address, parse_domain, unicode_domain

_CASES = tomllib.loads((Path(__file__).parents[2] / "cases" / "addresses.toml").read_text(encoding="utf-8"))


def _name(case: Any) -> str:
    return ascii(case["text"])[:60] if isinstance(case, dict) else str(case)


@pytest.mark.parametrize("case", _CASES["valid"], ids=_name)
def test_good_address_has_one_normal_form(case: dict[str, str]) -> None:
    """A good address comes out in its normal form, and that form parses to itself."""
    mailbox = parse_address(case["text"])

    assert str(mailbox) == case["mailbox"]
    assert parse_address(str(mailbox)) == mailbox


@pytest.mark.parametrize("case", _CASES["invalid"], ids=_name)
def test_bad_address_names_its_rule(case: dict[str, str]) -> None:
    """A bad address is refused by a stable rule and with a sentence."""
    with pytest.raises(AddressSyntaxError) as caught:
        parse_address(case["text"])

    assert caught.value.rule == case["rule"]
    assert len(str(caught.value)) > 10
    assert "\n" not in str(caught.value)


def test_pitfall_34_nothing_that_injects_gets_through() -> None:
    """CR, LF, NUL, space and angle brackets are refused in every place of an address."""
    whole = "user@mail.example.com"
    for character in "\r\n\0\t <>\x7f\x1b\u2028":
        for place in range(len(whole) + 1):
            with pytest.raises(AddressSyntaxError):
                parse_address(whole[:place] + character + whole[place:])


def test_special_use_names_pass_only_when_asked_for() -> None:
    """Tests and the sandbox may use .example and .test; what never has public mail stays refused."""
    assert parse_address("a@mail.example", allow_special_use=True).domain == "mail.example"
    assert parse_address("a@mail.test", allow_special_use=True).domain == "mail.test"
    for domain in ("mail.local", "mail.onion", "mail.invalid", "mail.internal"):
        with pytest.raises(AddressSyntaxError) as caught:
            parse_address(f"a@{domain}", allow_special_use=True)
        assert caught.value.rule == "special_use"


def test_bare_top_level_stays_refused_where_special_use_is_allowed() -> None:
    """A domain has a dot, even `test`, even in another script's letters."""
    for domain in ("test", "\uff54\uff45\uff53\uff54"):
        with pytest.raises(AddressSyntaxError) as caught:
            parse_address(f"a@{domain}", allow_special_use=True)
        assert caught.value.rule == "domain_without_dot"


def test_lone_surrogate_is_broken_text() -> None:
    """What cannot be written in UTF-8 is refused before anything else looks at it."""
    for text in ("\ud800@example.com", "a@\udfff.com"):
        with pytest.raises(AddressSyntaxError) as caught:
            parse_address(text)
        assert caught.value.rule == "broken_text"


def test_whole_address_has_254_octets_at_most() -> None:
    """RFC 5321 4.5.3.1.3: the path, less its angle brackets."""
    label = "d" * 60
    fits = f"{'a' * 9}@{label}.{label}.{label}.{label}"
    assert len(fits) == 253

    assert parse_address(fits).domain.startswith(label)
    assert parse_address("a" + fits)
    with pytest.raises(AddressSyntaxError) as caught:
        parse_address("aa" + fits)
    assert caught.value.rule == "too_long"


def test_domain_has_253_octets_at_most() -> None:
    """RFC 1035 2.3.4, before and after IDNA."""
    with pytest.raises(AddressSyntaxError) as caught:
        parse_address("a@" + "x." * 126 + "com")
    assert caught.value.rule == "domain_too_long"
    with pytest.raises(AddressSyntaxError):
        parse_address("a@" + "ü." * 60 + "com")


def test_megabyte_is_refused_at_once() -> None:
    """Text beyond a thousand characters costs nothing, whatever is in it."""
    for text in ("a" * 2**20, "a@" + "." * 2**20, "\0" * 2**20, "\ud800" * 2**20, "@" * 2**20):
        start = time.process_time()
        with pytest.raises(AddressSyntaxError) as caught:
            parse_address(text)
        assert caught.value.rule == "too_long"
        assert time.process_time() - start < 0.005


_EXAMPLES = int(os.environ.get("EXAMPLES", "400"))
_ODD = st.text(
    st.sampled_from("aA1.@-_\"'\\<> \r\n\t\0\u0301\u0338\u0660\u05d0éßI\u0130\u200b\u202e\ud800。xn\uff0d:[]")
)
_NEAR = st.builds(
    "{}@{}.{}".format,
    st.text(st.sampled_from(string.ascii_letters + string.digits + ".+-_éüß\u0301"), min_size=1, max_size=70),
    st.text(st.sampled_from(string.ascii_letters + string.digits + ".-éüß例"), min_size=1, max_size=70),
    st.sampled_from(["com", "example.org", "рф", "example", "xn--p1ai"]),
)


@settings(max_examples=_EXAMPLES, deadline=None)
@given(st.one_of(st.text(), _ODD, _NEAR, st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape"))))
@example("a@" + "\u0660" * 250)
@example("a@" + "xn--" * 60 + ".com")
@example("\u0301@" + "a" * 900)
def test_any_text_is_a_mailbox_or_a_syntax_error(text: str) -> None:
    """Whatever comes in: a mailbox that is safe and stable, or AddressSyntaxError, in no time."""
    start = time.process_time()
    mailbox: Mailbox | None = None
    rule = "none"
    try:
        mailbox = parse_address(text, allow_special_use=True)
    except AddressSyntaxError as error:
        rule = error.rule
    assert time.process_time() - start < 0.05
    assert rule.replace("_", "").isalpha()

    if mailbox is not None:
        on_the_wire = str(mailbox).encode()
        assert not set(on_the_wire) & {*range(0x21), 0x7F, *b"<>"}
        assert on_the_wire.count(b"@") == 1
        assert len(on_the_wire) <= 254
        assert mailbox.domain.isascii()
        assert mailbox.domain == mailbox.domain.lower()
        assert mailbox.local_part == unicodedata.normalize("NFC", text.rpartition("@")[0])
        assert parse_address(str(mailbox), allow_special_use=True) == mailbox
        assert is_wire_safe(mailbox)


@pytest.mark.parametrize(
    ("local_part", "domain"),
    [
        ("a>", "example.com"),
        ("a\r\n", "example.com"),
        ("a b", "example.com"),
        ("a\ud800", "example.com"),
        ("a@b", "example.com"),
        ("", "example.com"),
        ("a", "exam ple.com"),
        ("a", "example"),
        ("a", "-example.com"),
        ("a", "EXAMPLE.com"),
        ("a", "example.com."),
        ("a" * 65, "example.com"),
        ("a" * 60, ".".join(["d" * 60] * 4)),
    ],
)
def test_wire_gate_holds_for_mailboxes_from_elsewhere(local_part: str, domain: str) -> None:
    """A mailbox that nobody parsed is not sent if it could say more than itself."""
    assert not is_wire_safe(Mailbox(local_part, domain))
    assert is_wire_safe(Mailbox("büro", "example.com"))


def test_gate_refuses_what_the_grammar_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate stands behind the library and does not trust it; plain addresses are read without either."""
    monkeypatch.setattr("validatord.mail.parse.is_wire_safe", lambda _: False)
    with pytest.raises(AddressSyntaxError) as caught:
        parse_address("büro@example.com")
    assert caught.value.rule == "unsafe_character"
    assert parse_address("a@example.com") == Mailbox("a", "example.com")


def test_domain_reads_like_the_one_of_an_address() -> None:
    """Lists and commands that take a domain use the same rules."""
    assert parse_domain("BÜCHER.example") == "xn--bcher-kva.example"
    for text in ("a@b.com", "", "nodot", "x" * 2000):
        with pytest.raises(AddressSyntaxError):
            parse_domain(text)


def test_people_read_u_labels() -> None:
    """A-labels are shown as people write them; what is no IDNA stays as it is."""
    assert unicode_domain("xn--bcher-kva.example") == "bücher.example"
    assert unicode_domain("example.com") == "example.com"
    assert unicode_domain("xn--a.example.com") == "xn--a.example.com"


def test_only_the_local_part_needs_smtputf8() -> None:
    """RFC 6531: domains travel as A-labels."""
    assert parse_address("büro@example.com").needs_smtputf8
    assert not parse_address("a@bücher.example.org").needs_smtputf8
