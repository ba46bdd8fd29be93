"""What single MX providers mean by words and codes that mean something else elsewhere.

Each row of `quirks.toml` is bound to the provider's MX host names, or to a mark only that provider puts
into its replies, and carries its source with a date. A row outranks the text tables: it knows who talks.
"""

import re
from dataclasses import dataclass
from typing import NotRequired, TypedDict, cast

from validatord.mail.verdict import Meaning
from validatord.rules.reply_rule import load_data


class _Row(TypedDict):
    name: str
    meaning: str
    hosts: list[str]
    pattern: str
    source: str
    mark: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Quirk:
    """One provider's habit: `hosts` are MX suffixes, `mark` a sign in the text; either one suffices."""

    name: str
    meaning: Meaning
    hosts: tuple[str, ...]
    pattern: re.Pattern[str]
    source: str
    mark: re.Pattern[str] | None = None

    def fits(self, text: str, mx_host: str) -> bool:
        """Whether the reply is this provider's and says this."""
        return (mx_host.endswith(self.hosts) or self._is_marked(text)) and bool(self.pattern.search(text))

    def _is_marked(self, text: str) -> bool:
        return self.mark is not None and bool(self.mark.search(text))


def _make_quirk(row: _Row) -> Quirk:
    mark = row.get("mark")
    return Quirk(
        name=row["name"],
        meaning=Meaning(row["meaning"]),
        hosts=tuple(row["hosts"]),
        pattern=re.compile(row["pattern"]),
        source=row["source"],
        mark=re.compile(mark) if mark else None,
    )


QUIRKS: tuple[Quirk, ...] = tuple(_make_quirk(row) for row in cast("list[_Row]", load_data("quirks.toml")["quirk"]))
# Without any of the marks and from none of the hosts no row need be tried.
_ANY_MARK = re.compile("|".join(f"(?:{quirk.mark.pattern})" for quirk in QUIRKS if quirk.mark))
_ALL_HOSTS = tuple({host for quirk in QUIRKS for host in quirk.hosts})


def find_quirk(text: str, mx_host: str) -> Quirk | None:
    """Return the first quirk that fits folded `text` from `mx_host`, or None."""
    host = "." + mx_host.casefold().rstrip(".") if mx_host else ""
    if not host.endswith(_ALL_HOSTS) and not _ANY_MARK.search(text):
        return None
    for quirk in QUIRKS:
        if quirk.fits(text, host):
            return quirk
    return None
