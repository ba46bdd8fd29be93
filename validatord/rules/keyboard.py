"""How likely one name is a slip of another: an edit distance that knows keyboards and hands.

Optimal string alignment (Damerau and Levenshtein, each letter edited once) with weights below 1 for what
fingers do: a neighbouring key on QWERTY, QWERTZ or AZERTY, two letters the wrong way round, a letter
doubled or a double letter typed once. A letter too few is likelier than one too many, and both than another one.
"""

from functools import cache
from itertools import combinations

_HALF = 0.5
_OTHER = 1.7  # another letter that no finger explains: photon is not a slip of proton
_MISSED = 0.8  # a letter that was not typed: common, and says less than a neighbouring key
_ROWS = {
    "qwerty": ("1234567890-", "qwertyuiop", "asdfghjkl", "zxcvbnm"),
    "qwertz": ("1234567890", "qwertzuiop", "asdfghjkl", "yxcvbnm-"),
    "azerty": ("1234567890", "azertyuiop", "qsdfghjklm", "wxcvbn"),
}
_SHIFTS = (-0.5, 0.0, 0.25, 0.75)  # how far each row stands to the right, in keys
_REACH = 1.3  # keys
_LOOK_ALIKE = ("0o", "1l", "1i", "il", "vu", "ck")


def measure_slip(typed: str, meant: str, limit: float) -> float:
    """Return the distance from `meant` to `typed`, or infinity where it is above `limit`."""
    if typed == meant:
        return 0.0
    typed, meant = _cut_common(typed, meant)
    width = len(meant)
    before: list[float] = []
    above = [_missed_before(meant, place) for place in range(width + 1)]
    for row, letter in enumerate(typed, start=1):
        current = [above[0] + _extra(typed, row - 1, meant, 0)]
        for column, wanted in enumerate(meant, start=1):
            swap = above[column - 1] if letter == wanted else above[column - 1] + _swap(letter, wanted)
            best = min(
                swap,
                above[column] + _extra(typed, row - 1, meant, column),
                current[column - 1] + _missed(meant, column - 1),
            )
            if row > 1 and column > 1 and letter == meant[column - 2] != wanted == typed[row - 2]:
                best = min(best, before[column - 2] + _HALF)
            current.append(best)
        if min(current) > limit < min(above):  # the row above counts: two letters may be the wrong way round
            return float("inf")
        before, above = above, current
    return above[width] if above[width] <= limit else float("inf")


def _cut_common(typed: str, meant: str) -> tuple[str, str]:
    """Leave the middle that differs, with one letter on each side: what is doubled shows there."""
    shorter = min(len(typed), len(meant))
    start = 0
    while start < shorter and typed[start] == meant[start]:
        start += 1
    start = max(0, start - 1)
    end = 0
    while end < shorter - start and typed[-1 - end] == meant[-1 - end]:
        end += 1
    end = max(0, end - 1)
    return typed[start : len(typed) - end], meant[start : len(meant) - end]


def are_neighbours(one: str, other: str) -> bool:
    """Whether two keys lie side by side on a common keyboard, or two characters look alike."""
    return frozenset((one, other)) in _neighbours()


def _swap(typed: str, wanted: str) -> float:
    return _HALF if (typed, wanted) in _pairs() else _OTHER


def _extra(typed: str, place: int, meant: str, column: int) -> float:
    """A letter too many: the same one twice, or the key beside the one that was meant."""
    letter = typed[place]
    around = (typed[place - 1] if place else "", typed[place + 1] if place + 1 < len(typed) else "")
    if letter in around:
        return _HALF
    beside = (meant[column - 1] if column else "", meant[column] if column < len(meant) else "")
    return _MISSED if any((letter, other) in _pairs() for other in beside if other) else 1.0


def _missed(meant: str, place: int) -> float:
    """A letter too few: of a double one, or any."""
    letter = meant[place]
    is_double = (place > 0 and meant[place - 1] == letter) or (place + 1 < len(meant) and meant[place + 1] == letter)
    return _HALF if is_double else _MISSED


def _missed_before(meant: str, place: int) -> float:
    return sum(_missed(meant, one) for one in range(place))


@cache
def _pairs() -> frozenset[tuple[str, str]]:
    return frozenset(
        pair for both in _neighbours() for one, other in [tuple(both)] for pair in ((one, other), (other, one))
    )


@cache
def _neighbours() -> frozenset[frozenset[str]]:
    found = {frozenset(pair) for pair in _LOOK_ALIKE}
    for rows in _ROWS.values():
        keys = {
            key: (place + shift, number)
            for number, (row, shift) in enumerate(zip(rows, _SHIFTS, strict=True))
            for place, key in enumerate(row)
        }
        for (one, (x, y)), (other, (other_x, other_y)) in combinations(keys.items(), 2):
            if (x - other_x) ** 2 + (y - other_y) ** 2 <= _REACH**2:
                found.add(frozenset((one, other)))
    return frozenset(found)
