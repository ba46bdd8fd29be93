"""Suggestions: what was probably meant, and above all what is left alone."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from publicsuffixlist import PublicSuffixList

from validatord.mail.address import Mailbox
from validatord.rules import packages, suggest
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


@pytest.fixture(scope="module")
def cases() -> dict[str, Any]:
    """The labelled domains."""
    return tomllib.loads((Path(__file__).parents[2] / "cases" / "typos.toml").read_text(encoding="utf-8"))


def test_labelled_slips(cases: dict[str, Any]) -> None:
    """Of labelled domains nearly every slip is found, and hardly ever is something else said."""
    meant = {typed: target for target, slips in cases["slips"].items() for typed in slips}
    meant |= dict.fromkeys(cases["kept"]["domains"], "")
    found = {typed: _SUGGESTER.find_better(typed) for typed in meant}
    right = [typed for typed, better in found.items() if better and better == meant[typed]]
    said = [typed for typed, better in found.items() if better]
    wrong = sorted(set(said) - set(right))
    slips = sum(1 for target in meant.values() if target)

    assert slips > 290
    assert len(meant) - slips > 290
    assert len(right) / len(said) >= 0.99, wrong
    assert len(right) / slips >= 0.9


def test_thousands_of_real_providers_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Providers that only a package knows would not be corrected even if nobody knew them, slips among them aside."""
    ours = read_own_list("free", "free_providers.txt", read_entry)
    known = frozenset(ours.names) | frozenset(suggest._PROVIDERS)
    monkeypatch.setattr(suggest, "_known", lambda: known)
    fresh = suggest.Suggester()
    unknown = packages.read_free().names.keys() - known
    corrected = {name: better for name in unknown if (better := fresh.find_better(name))}

    assert len(unknown) > 4000
    assert {name for name in corrected if name not in ours.taken_out} <= {"hitmail.com", "prontomail.com"}


def test_own_domains_only_where_a_finger_slipped() -> None:
    """A domain of the operator's is suggested for a neighbouring key or swapped letters, not for another word."""
    fresh = suggest.Suggester()
    fresh.learn(["widgetworks.com", "acme.com", "mail.host.example", "xn--bcher-kva.de"], {"gmail.com"})

    assert fresh.find_better("widgetwroks.com") == "widgetworks.com"
    assert fresh.find_better("widgetworks.con") == "widgetworks.com"
    assert fresh.find_better("widgetworkz.com") == "widgetworks.com"
    assert fresh.find_better("midgetworks.com") == ""  # somebody else's
    assert fresh.find_better("widgetwork.com") == ""
    assert fresh.find_better("acne.com") == ""  # too short to tell
    assert fresh.find_better("gmial.com") == ""  # known to take no mail
    assert fresh.find_better("widgetworks.com") == ""


def test_answers_are_remembered_within_bounds() -> None:
    """However many domains are asked about, only so many answers are kept."""
    fresh = suggest.Suggester()
    for number in range(suggest._KEPT + 10):
        fresh.find_better(f"n{number}.example")
    assert len(fresh._answers) <= suggest._KEPT


_SLIPPED = st.builds(
    lambda domain, place, letter: domain[: place % len(domain)] + letter + domain[place % len(domain) + 1 :],
    st.sampled_from(suggest._PROVIDERS),
    st.integers(0, 20),
    st.sampled_from("abcdefghijklmnopqrstuvwxyz.-"),
)


@given(_SLIPPED)
def test_suggestion_is_a_known_domain_or_a_repaired_top(domain: str) -> None:
    """Whatever is typed, what is suggested is another domain, which needs no correction itself."""
    better = _SUGGESTER.find_better(domain)
    assert better != domain
    if better:
        assert _SUGGESTER.find_better(better) == ""


@given(st.from_regex(r"[a-z]{1,12}\.(com|net|de|con|co|co\.uk)", fullmatch=True))
def test_suggestion_is_another_address_and_stands(domain: str) -> None:
    """A suggestion is never the input, needs no second one, and keeps the local part."""
    found = _SUGGESTER.suggest(Mailbox("a", domain))
    assert found != f"a@{domain}"
    if found:
        assert found == _SUGGESTER.suggest(Mailbox("a", domain))
        assert _SUGGESTER.suggest(Mailbox("a", found.removeprefix("a@"))) == ""
