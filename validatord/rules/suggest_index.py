"""An index of names by what is left of them when a letter or two are missing: near names without comparing all.

Two names that differ by an edit have a remainder in common, so a handful of look-ups finds every candidate
among any number of domains (the symmetric delete idea of Wolf Garbe's SymSpell); only those are measured.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations

from rapidfuzz.distance import OSA

from validatord.rules.keyboard import measure_slip

_SHORTEST = 5  # letters: too much is near to a shorter name
_SHORTEST_OWN = 6
_TWO_SLIPS_FROM = 9  # hotmart.com is two letters from hotmail.com and a firm
_TWO_GONE_FROM = 7  # a name of nine letters may have lost two
_FIRST_LETTER_COUNTS_UP_TO = 8  # hmail.com may be anybody's, hotmial.com is not; eastmail is not fastmail
_ONE_SLIP, _TWO_SLIPS, _FINGERS_ALONE = 0.8, 1.6, 0.5
_OTHER_ORDER = 2.0  # icould.com: the right letters in another order


class SlipIndex:
    """The domains that are suggested: `providers` for any slip, `own` ones where a finger alone explains it."""

    __slots__ = ("_by_suffix", "_longest", "_own_from")

    def __init__(self, providers: Sequence[str], own: Sequence[str] = ()) -> None:
        self._by_suffix: dict[str, dict[str, list[tuple[int, str]]]] = {}
        self._longest = 0
        self._own_from = len(providers)
        for rank, domain in enumerate((*providers, *own)):
            self._add(rank, domain, _SHORTEST if rank < self._own_from else _SHORTEST_OWN)

    def _add(self, rank: int, domain: str, shortest: int) -> None:
        name, _, suffix = domain.partition(".")
        if len(name) < shortest:
            return
        self._longest = max(self._longest, len(name))
        index = self._by_suffix.setdefault(suffix, {})
        for remainder in _remainders(name):
            index.setdefault(remainder, []).append((rank, name))

    def find(self, name: str, suffix: str) -> str:
        """Return the domain under `suffix` whose name is a slip away, the nearest, or an empty text.

        A name that is there as it stands is no slip.
        """
        index = self._by_suffix.get(suffix)
        if index is None or len(name) > self._longest + 2:
            return ""
        candidates = {one for remainder in _remainders(name) for one in index.get(remainder, ())}
        best = min(
            ((away, rank, meant) for rank, meant in candidates if (away := self._measure(name, meant, rank))),
            default=None,
        )
        return f"{best[2]}.{suffix}" if best is not None else ""

    def _measure(self, name: str, meant: str, rank: int) -> float:
        """Return how far the name is away, or 0 where it is the same or too far."""
        if name == meant or (len(meant) <= _FIRST_LETTER_COUNTS_UP_TO and not _starts_alike(name, meant)):
            return 0.0
        edits, limit = self._get_limits(name, meant, rank)
        if OSA.distance(name, meant, score_cutoff=edits) > edits:  # in C, before the dear measure
            return 0.0
        away = measure_slip(name, meant, limit)
        return away if away <= limit else 0.0

    def _get_limits(self, name: str, meant: str, rank: int) -> tuple[int, float]:
        """Return how many edits are allowed, and how far they may lead together."""
        if rank >= self._own_from:
            return 1, _FINGERS_ALONE
        if sorted(name) == sorted(meant):
            return 2, _OTHER_ORDER
        return (2, _TWO_SLIPS) if len(meant) >= _TWO_SLIPS_FROM else (1, _ONE_SLIP)


def _remainders(name: str) -> Iterator[str]:
    """Yield the name, and what is left of it without one letter, or two of a longer one."""
    yield name
    for place in range(len(name)):
        yield name[:place] + name[place + 1 :]
    if len(name) >= _TWO_GONE_FROM:
        for first, second in combinations(range(len(name)), 2):
            yield name[:first] + name[first + 1 : second] + name[second + 1 :]


def _starts_alike(name: str, meant: str) -> bool:
    """Whether the first letter is right, or the first two stand the wrong way round."""
    return name[:1] == meant[:1] or (name[:1] == meant[1:2] and name[1:2] == meant[:1])
