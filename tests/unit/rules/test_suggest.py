"""Suggestions: what was probably meant, and above all what is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from publicsuffixlist import PublicSuffixList

from validatord.mail.address import Mailbox
from validatord.rules import suggest
from validatord.rules.lists import read_entry, read_own_list

_SUGGESTER = suggest.Suggester()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gmial.com", "gmail.com"),
        ("gmal.com", "gmail.com"),
        ("gmaill.com", "gmail.com"),
        ("mgail.com", "gmail.com"),
        ("gmail.co", "gmail.com"),
        ("gmail.cm", "gmail.com"),
        ("gmail.con", "gmail.com"),
        ("gmail.de", "gmail.com"),
        ("gnail.con", "gmail.com"),
        ("gmaill.cm", "gmail.com"),
        ("googlmail.com", "googlemail.com"),
        ("hotmial.com", "hotmail.com"),
        ("hotmail.co", "hotmail.com"),
        ("hotmal.con", "hotmail.com"),
        ("yaho.com", "yahoo.com"),
        ("yhaoo.co.uk", "yahoo.co.uk"),
        ("outlok.com", "outlook.com"),
        ("icould.com", "icloud.com"),
        ("protonmial.com", "protonmail.com"),
        ("rotonmail.com", "protonmail.com"),
        ("comcst.net", "comcast.net"),
        ("comcast.ne", "comcast.net"),
        ("t-onlin.de", "t-online.de"),
        ("company.con", "company.com"),
        ("company.ogr", "company.org"),
        ("aol.con", "aol.com"),
        ("company.nte", "company.net"),
    ],
)
def test_slip_is_corrected(typed: str, meant: str) -> None:
    """A slip at a name that most people use, or a top level that does not exist, is named."""
    assert _SUGGESTER.suggest(Mailbox("First.Last", typed)) == f"First.Last@{meant}"


@pytest.mark.parametrize(
    "domain",
    [
        "gmail.com",
        "mail.com",
        "email.com",
        "ymail.com",
        "gmx.com",
        "aol.com",
        "hmail.com",
        "hotmart.com",
        "cloud.com",
        "never.com",
        "chapter.net",
        "rodgers.com",
        "comcast.com",
        "foo.co",
        "example.org",
        "a.b.gmail.com.example",
        "live.at",
        "yahoo.com.vn",
    ],
)
def test_what_may_be_meant_so_is_left_alone(domain: str) -> None:
    """A known provider, and a name that may be a firm's own, is never corrected."""
    assert _SUGGESTER.suggest(Mailbox("a", domain)) == ""


def test_no_known_provider_is_ever_corrected() -> None:
    """None of the free providers is taken for a slip at another one."""
    names = read_own_list("free", "free_providers.txt", read_entry).names
    assert [name for name in sorted(names) if _SUGGESTER.suggest(Mailbox("a", name))] == []


def test_slips_of_top_levels_do_not_exist() -> None:
    """A top level that is delegated is no slip, or a firm under it would be sent elsewhere."""
    suffixes = PublicSuffixList(accept_unknown=False)
    slips = suggest._SLIPS
    assert [top for top in slips if suffixes.publicsuffix(f"a.{top}")] == []


@given(st.from_regex(r"[a-z]{1,12}\.(com|net|de|con|co|co\.uk)", fullmatch=True))
def test_suggestion_is_another_address_and_stands(domain: str) -> None:
    """A suggestion is never the input, needs no second one, and keeps the local part."""
    found = _SUGGESTER.suggest(Mailbox("a", domain))
    assert found != f"a@{domain}"
    if found:
        assert found == _SUGGESTER.suggest(Mailbox("a", domain))
        assert _SUGGESTER.suggest(Mailbox("a", found.removeprefix("a@"))) == ""
