"""Risk lists: what is known of an address without asking anybody, and who has the last word."""

from pathlib import Path

import pytest

from validatord.errors import ConfigurationError
from validatord.mail.address import Mailbox
from validatord.mail.verdict import Reason
from validatord.rules import lists
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


def test_bare_top_level_covers_all_below(tmp_path: Path) -> None:
    """An operator may list a whole top level."""
    found = RiskLists.load(PolicySettings(disposable_file=_write(tmp_path, "d.txt", "zip\n")))
    assert found.flags(Mailbox("a", "anything.zip")).is_disposable


def test_every_list_says_where_it_comes_from(tmp_path: Path) -> None:
    """Source, version and size of each list can be shown."""
    path = _write(tmp_path, "r.txt", "one\ntwo\n!three\n")
    found = {source.source: source for source in RiskLists.load(PolicySettings(role_file=path)).describe()}

    assert found["disposable-email-domains"].version
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
    for file in ("role_accounts.txt", "free_providers.txt", "disposable_domains.txt"):
        text = lists.data.read_text(f"config/{file}")
        names = [line for line in text.splitlines() if line and not line.startswith("#")]
        assert len(names) == len(set(names)), file
    own = RiskLists.load(PolicySettings())
    assert [name for name in sorted(own.free.names) if own.disposable.covers(name)] == []


def test_parents_walk_up() -> None:
    """A domain's parents are itself first, the top level last."""
    assert list(lists.parents("a.b.example")) == ["a.b.example", "b.example", "example"]
    assert list(lists.parents("")) == []
