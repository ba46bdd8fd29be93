"""One row of the text tables, and the index that finds the few rows worth trying on a reply.

Every row names words of which at least one stands in any text it can match; a row whose words are absent
is never run. Order in the tables is order of judgement: the first row that matches decides.
"""

import functools
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, NotRequired, TypedDict, cast

from validatord.mail.verdict import Meaning
from validatord.rules.reply_text import fold, strip_accents

# The first letters of a word: inflected forms share them, so one trigger serves a family.
TRIGGER_LENGTH = 4
# Hosts say the same words about thousands of mailboxes, and the rows are tried once. A text has at most 2 KiB.
REMEMBERED_TEXTS = 1024
# Scripts without spaces between words, after folding: Kana, Han, Hangul.
_FIRST_UNSPACED = "\u1100"

_WORD = re.compile(r"[^\W_]+")

# "Your address", "the IP address", "from address" speak of us, not of whom we ask for.
_NOT_OURS = "".join(
    f"(?<!{word} )"
    for word in "your ip from from: return source client host sender sender's reply network".split(" ")  # noqa: SIM905
)
_MACROS = {
    "{ip}": (
        r"(?:\[?(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]?\w)\]?|"
        r"\[?(?<![\w:])(?:ipv6:)?(?:(?:[0-9a-f]{1,4}:){1,6}:|(?:[0-9a-f]{1,4}:){3,7})[0-9a-f]{0,4}\]?)"
    ),
    "{our}": r"(?:your|this|the|sending|connecting|source|client|remote|originating|sender'?s?)",
    "{host}": (
        r"(?:ips?|ip[ -]?address(?:es)?|ip[ -]?range|hosts?|hostname|servers?|mta|mail ?servers?|network|"
        r"netblock|subnet|machine|remotehost|provider|isp)"
    ),
    "{not_ours}": _NOT_OURS,
    "{who}": (
        rf"{_NOT_OURS}(?:users?|usr|user ?(?:name|id)|m(?:ail)?[ -]?box(?:es)?|accounts?|recipients?|addressees?|"
        r"address(?:es)?|alias|in ?box|e-?mail (?:address(?:es)?|account|name|user)|rcpt|customer|subscriber|"
        r"person|member|employee|student|pupil|colleague|local[ -]?part|mail ?(?:user|drop)|mailname)"
    ),
    "{box}": (
        rf"{_NOT_OURS}(?:users?|user ?(?:name|id)|m(?:ail)?[ -]?box(?:es)?|accounts?|recipients?|addressees?|alias|"
        r"in ?box|e-?mail (?:address|account)|address|contact|customer|subscriber|person)"
    ),
    # Who or what may be unknown besides a mailbox.
    "{unknown}": (
        r"unknown(?! (?:or unauth\w+ )?(?:client|host|server|sender|ip\b|domain|error|reason|source|network|"
        r"command|isp|mta|mailer|relay))"
    ),
    # A dot inside a name or an IP address ends no sentence.
    "{gap}": r"(?:[^.;]|\.(?=\w)){0,60}?",
    # Between two words of a hint: anything of the same clause.
    "{hint}": r"[^;]{0,80}?",
    "{near}": r"(?: \S{1,40}){0,3}? ?",
}


class _Row(TypedDict):
    name: str
    words: str
    any: list[str]
    all: NotRequired[str]
    unless: NotRequired[str]
    codes: NotRequired[str]


class _Table(TypedDict):
    name: str
    meaning: str
    source: str
    row: list[_Row]


@dataclass(frozen=True, slots=True)
class TextRule:
    """A row: `words` trigger it, the patterns decide, `codes` limits it to replies whose code starts so."""

    name: str
    meaning: Meaning
    words: tuple[str, ...]
    pattern: re.Pattern[str]
    also: re.Pattern[str] | None
    unless: re.Pattern[str] | None
    codes: tuple[str, ...]
    source: str

    def matches(self, text: str, code: str) -> bool:
        """Whether folded `text` of a reply with `code` is one of this row's."""
        if self.codes and not code.startswith(self.codes):
            return False
        if not self.pattern.search(text) or (self.also is not None and not self.also.search(text)):
            return False
        return self.unless is None or not self.unless.search(text)


def load_rules(name: str) -> list[TextRule]:
    """Return the rows of the packaged table file `name`, in order."""
    tables = cast("list[_Table]", load_data(name)["table"])
    return [_make_rule(table, row) for table in tables for row in table["row"]]


def load_data(name: str) -> dict[str, Any]:
    """Return the data file `name` beside this module."""
    return tomllib.loads(resources.files("validatord.rules").joinpath(name).read_text(encoding="utf-8"))


def _make_rule(table: _Table, row: _Row) -> TextRule:
    return TextRule(
        name=f"{table['name']}:{row['name']}",
        meaning=Meaning(table["meaning"]),
        words=tuple(fold(word) for word in row["words"].split()),
        pattern=_compile("|".join(row["any"])),
        also=_compile(row["all"]) if "all" in row else None,
        unless=_compile(row["unless"]) if "unless" in row else None,
        codes=tuple(row.get("codes", "").split()),
        source=table["source"],
    )


def _compile(pattern: str) -> re.Pattern[str]:
    for macro, text in _MACROS.items():
        pattern = pattern.replace(macro, text)
    return re.compile(strip_accents(pattern))


class RuleIndex:
    """Finds the first matching rule of an ordered table."""

    def __init__(self, rules: Sequence[TextRule]) -> None:
        self.rules = tuple(rules)
        self._by_word: dict[str, list[int]] = {}
        self._unspaced: list[int] = []
        self._find = functools.lru_cache(REMEMBERED_TEXTS)(self._search)
        for position, rule in enumerate(rules):
            for word in rule.words:
                if word[0] >= _FIRST_UNSPACED:
                    self._unspaced.append(position)
                else:
                    self._by_word.setdefault(word[:TRIGGER_LENGTH], []).append(position)

    def find(self, text: str, code: str) -> TextRule | None:
        """Return the first rule that matches folded `text` of a reply with `code`, or None."""
        return self._find(text, code)

    def _search(self, text: str, code: str) -> TextRule | None:
        for position in self._candidates(text):
            rule = self.rules[position]
            if rule.matches(text, code):
                return rule
        return None

    def _candidates(self, text: str) -> Iterable[int]:
        found: set[int] = set()
        for word in {word[:TRIGGER_LENGTH] for word in _WORD.findall(text)}:
            positions = self._by_word.get(word)
            if positions is not None:
                found.update(positions)
        if not text.isascii() and any(char >= _FIRST_UNSPACED for char in text):
            found.update(self._unspaced)
        return sorted(found)
