"""One row of the text tables, and the index that finds the few rows worth trying on a reply.

Every row names words of which at least one stands in any text it can match; a row whose words are absent
is never run. Order in the table is order of judgement: the first row that matches decides.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from validatord.mail.verdict import Meaning
from validatord.rules.reply_text import fold, strip_accents

# The first letters of a word: inflected forms share them, so one trigger serves a family.
TRIGGER_LENGTH = 4
# Scripts without spaces between words, after folding: Kana, Han, Hangul.
_FIRST_UNSPACED = "\u1100"

_WORD = re.compile(r"[^\W_]+")
# "Your address", "the IP address", "from address" speak of us, not of whom we ask for.
_NOT_OURS = "".join(f"(?<!{word} )" for word in ("your", "ip", "from", "from:", "return", "source", "client", "host", "sender", "sender's", "reply", "network"))
_WHO = (
    rf"{_NOT_OURS}(?:users?|usr|user ?(?:name|id)|mail[ -]?box(?:es)?|accounts?|recipients?|addressees?|address(?:es)?|alias|"
    r"in ?box|e-?mail (?:address(?:es)?|account|name|user)|rcpt|customer|subscriber|person|member|local[ -]?part|mail ?(?:user|drop)|mailname)"
)
_BOX = (
    rf"{_NOT_OURS}(?:users?|user ?(?:name|id)|mail[ -]?box(?:es)?|accounts?|recipients?|addressees?|alias|in ?box|"
    r"e-?mail (?:address|account)|address|contact|customer|subscriber)"
)
# Who or what may be unknown besides a mailbox.
_UNKNOWN = r"unknown(?! (?:or unauth\w+ )?(?:client|host|server|sender|ip\b|domain|error|reason|source|network|command|isp|mta|mailer|relay))"
_MACROS = {
    "{who}": _WHO,
    "{box}": _BOX,
    "{not_ours}": _NOT_OURS,
    "{unknown}": _UNKNOWN,
    "{ip}": r"\[?(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]?\w)\]?|\[?(?:ipv6:)?(?:[0-9a-f]{1,4}:){3,7}:?[0-9a-f]{0,4}\]?",
    "{our}": r"(?:your|this|the|sending|connecting|source|client|remote|originating|sender'?s?)",
    "{host}": r"(?:ips?|ip[ -]?address(?:es)?|ip[ -]?range|hosts?|hostname|servers?|mta|mail ?servers?|network|"
    r"netblock|subnet|machine|remotehost)",
    # A dot inside a name or an IP address ends no sentence.
    "{gap}": r"(?:[^.;]|\.(?=\w)){0,60}?",
    "{near}": r"(?: \S{1,40}){0,3}? ?",
}


@dataclass(frozen=True, slots=True)
class TextRule:
    """A row: `words` trigger it, `pattern` decides, `codes` limits it to replies whose code starts so."""

    name: str
    meaning: Meaning
    words: tuple[str, ...]
    pattern: re.Pattern[str]
    codes: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one text class: its name, what it means, where the wording is from."""

    name: str
    meaning: Meaning
    source: str
    rows: tuple[tuple[str, str, str] | tuple[str, str, str, str], ...]

    def rules(self) -> list[TextRule]:
        """Compile the rows; a fourth field such as "4 50" limits a row to codes that start so."""
        return [self._rule(*row) for row in self.rows]

    def _rule(self, name: str, words: str, pattern: str, codes: str = "") -> TextRule:
        for macro, text in _MACROS.items():
            pattern = pattern.replace(macro, text)
        return TextRule(
            name=f"{self.name}:{name}",
            meaning=self.meaning,
            words=tuple(fold(word) for word in words.split()),
            pattern=re.compile(strip_accents(pattern)),
            codes=tuple(codes.split()),
            source=self.source,
        )


class RuleIndex:
    """Finds the first matching rule of an ordered table."""

    def __init__(self, rules: Sequence[TextRule]) -> None:
        self.rules = tuple(rules)
        self._by_word: dict[str, list[int]] = {}
        self._unspaced: list[int] = []
        for position, rule in enumerate(rules):
            for word in rule.words:
                if word[0] >= _FIRST_UNSPACED:
                    self._unspaced.append(position)
                else:
                    self._by_word.setdefault(word[:TRIGGER_LENGTH], []).append(position)

    def find(self, text: str, code: str) -> TextRule | None:
        """Return the first rule that matches folded `text` of a reply with `code`, or None."""
        for position in self._candidates(text):
            rule = self.rules[position]
            if rule.codes and not code.startswith(rule.codes):
                continue
            if rule.pattern.search(text):
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
