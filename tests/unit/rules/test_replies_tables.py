"""The tables: every row is sourced, reachable and found by its words."""

import re
from collections import Counter
from dataclasses import replace
from functools import cache

import pytest

from tests.unit.rules.reply_cases import load_cases
from validatord.mail.verdict import Meaning, Stage
from validatord.rules.quirks import QUIRKS, find_quirk
from validatord.rules.replies import HINTS, INDEX, SCOPES, normalise_text
from validatord.rules.reply_rule import RuleIndex, TextRule
from validatord.rules.tools import parse_reply

_YEAR = re.compile(r"\b20\d\d\b")
_RULES = INDEX.rules + HINTS.rules


@cache
def _count_used_rules() -> Counter[str]:
    used = Counter(case.read().rule for case in load_cases())
    return Counter({re.sub(r"(?:@\w+|:doubted|:code:[\d.]+)+$", "", rule): count for rule, count in used.items()})


def _list_texts() -> list[tuple[str, str]]:
    texts: list[tuple[str, str]] = []
    for case in load_cases():
        reply = parse_reply(case.text)
        if reply.is_refusal:
            texts.append((normalise_text(reply, case.recipient), str(reply.code)))
    return texts


def test_every_row_is_used() -> None:
    """No row stands in the tables for which there is no reply among the cases."""
    used = _count_used_rules()
    rows = [f"text:{rule.name}" for rule in _RULES] + [f"quirk:{quirk.name}" for quirk in QUIRKS]
    assert [name for name in rows if not used[name]] == []


def test_names_are_unique() -> None:
    """A rule's name leads to one row."""
    names = Counter([rule.name for rule in _RULES] + [quirk.name for quirk in QUIRKS])
    assert [name for name, count in names.items() if count > 1] == []


def test_rows_are_sourced() -> None:
    """Every table names where its wordings come from; a provider's habit also since when it is known."""
    assert [rule.name for rule in _RULES if not rule.source] == []
    assert [quirk.name for quirk in QUIRKS if not _YEAR.search(quirk.source)] == []


def test_quirks_are_bound() -> None:
    """A provider's habit applies to its hosts or its mark, never to everybody."""
    assert [quirk.name for quirk in QUIRKS if not quirk.hosts and quirk.mark is None] == []
    assert all(host.startswith(".") for quirk in QUIRKS for host in quirk.hosts)
    assert find_quirk("5.4.1 recipient address rejected: access denied", "mx.example.com") is None


def test_no_row_means_ok() -> None:
    """Words never turn a refusal into an acceptance."""
    assert Meaning.OK not in {rule.meaning for rule in _RULES} | {quirk.meaning for quirk in QUIRKS}
    assert {rule.meaning for rule in _RULES} <= set(SCOPES)


@pytest.mark.parametrize("index", [INDEX, HINTS], ids=["tables", "hints"])
def test_words_find_what_patterns_match(index: RuleIndex) -> None:
    """Looking only at rows whose words stand in a text gives what looking at all of them would."""

    def scan(text: str, code: str) -> TextRule | None:
        return next((rule for rule in index.rules if rule.matches(text, code)), None)

    texts = _list_texts()
    assert [text for text, code in texts if index.find(text, code) is not scan(text, code)] == []


def test_the_first_row_wins() -> None:
    """Order in the table is order of judgement."""
    rule = INDEX.rules[0]
    text, code = next(found for found in _list_texts() if rule.matches(*found))
    for position, meaning in ((0, Meaning.OK), (1, rule.meaning)):
        rules = [rule, rule]
        rules[position] = replace(rule, meaning=meaning)
        found = RuleIndex(rules).find(text, code)
        assert found is not None
        assert found.meaning is rules[0].meaning


@pytest.mark.parametrize(
    "words",
    ["über empfänger", "ящик не найден", "該当するユーザー", "用户不存在"],
)
def test_words_are_folded(words: str) -> None:
    """Rows written with accents and other scripts meet texts folded the same way."""
    assert all(word == word.casefold() for rule in _RULES for word in rule.words)
    assert normalise_text(parse_reply(f"550 {words}"), "") == normalise_text(parse_reply(f"550 {words.upper()}"), "")


def test_stages_hold_names() -> None:
    """A meaning that was held back for its stage says so in the rule's name."""
    held = [case for case in load_cases() if case.stage is not Stage.RCPT and "@" in case.read().rule]
    assert held
    assert all(case.read().rule.endswith(f"@{case.stage.value}") for case in held)
