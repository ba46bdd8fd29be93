"""Figures, times and words of outcomes as pages show them: pure functions, used as filters by the templates."""

from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup, escape

from validatord.mail.verdict import Reason, Status
from validatord.rules import words

_STEPS = ((86_400, "day", "days"), (3_600, "hour", "hours"), (60, "min", "min"), (1, "s", "s"))
_FINEST = 2  # nobody counts the seconds of a minute
_MOMENT_SECONDS = 5
_SAY_TWO_BELOW = 3  # "2 hours 10 min", but "5 hours"
_CHARACTERS_SHOWN = 4000
_KNOWN = frozenset({*(item.value for item in Status), "waiting"})
NONE = "\N{EN DASH}"  # what is not known, or not there


def count(number: int | None) -> str:
    """Return a count with its thousands apart; a dash where there is none."""
    return NONE if number is None else f"{number:,}"


def share(part: float, whole: float) -> str:
    """Return a part in per cent; what is there is never shown as 0 %, what is missing never as 100 %."""
    if not whole or not part:
        return "0 %"
    percent = 100 * part / whole
    if percent < 1:
        return "< 1 %"
    return "> 99 %" if part < whole and percent > 99 else f"{percent:.0f} %"  # noqa: PLR2004 per cent


def span(length: timedelta | float | None) -> str:
    """Return a length of time in words; plain numbers are seconds."""
    if length is None:
        return NONE
    left = round(length.total_seconds() if isinstance(length, timedelta) else length)
    for place, (size, _, _) in enumerate(_STEPS):
        amount, rest = divmod(left, size)
        if amount:
            said = _say(amount, place)
            minor = rest // _STEPS[place + 1][0] if place < _FINEST and amount < _SAY_TWO_BELOW else 0
            return f"{said} {_say(minor, place + 1)}" if minor else said
    return "less than 1 s"


def _say(amount: int, place: int) -> str:
    _, one, many = _STEPS[place]
    return f"{amount} {one if amount == 1 else many}"


def moment(instant: datetime | None) -> Markup:
    """Return an instant as a `time` element: UTC, which the script turns into the reader's own time."""
    if instant is None:
        return escape(NONE)
    instant = instant.astimezone(UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        instant.isoformat(timespec="seconds"), instant.strftime("%Y-%m-%d %H:%M")
    )


def since(instant: datetime | None, now: datetime) -> Markup:
    """Return how long ago, or how soon, an instant is; the instant itself stands in the title."""
    if instant is None:
        return escape(NONE)
    distance = (now - instant).total_seconds()
    if abs(distance) < _MOMENT_SECONDS:
        said = "just now" if distance >= 0 else "in a moment"
    else:
        said = f"{span(distance)} ago" if distance > 0 else f"in {span(-distance)}"
    stamp = instant.astimezone(UTC).isoformat(timespec="seconds")
    return Markup('<time datetime="{0}" data-relative="yes" title="{0}">{1}</time>').format(stamp, said)


def status(word: str | None) -> Markup:
    """Return a status as a word with its sign."""
    name = str(word or "waiting")
    known = name if name in _KNOWN else "unknown"
    return Markup('<span class="status {}">{}</span>').format(known, name)


def reason_says(word: str | None) -> str:
    """Return the sentence of a reason; empty for a word that is none."""
    try:
        return words.REASONS[Reason(word or "")]
    except (ValueError, KeyError):
        return ""


def status_says(word: str | None) -> str:
    """Return the half-sentence of a status; empty for a word that is none."""
    try:
        return words.STATUSES[Status(word or "")]
    except (ValueError, KeyError):
        return ""


def plain(text: object) -> Markup:
    """Return remote text escaped and bounded, with a sign for every character that a terminal or eye would not see."""
    shown = str(text)[:_CHARACTERS_SHOWN]
    # Bidirectional controls would show an address in another order than it is stored.
    return escape("".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in shown))


FILTERS: dict[str, Any] = {
    "count": count,
    "share": share,
    "span": span,
    "moment": moment,
    "since": since,
    "status": status,
    "reason_says": reason_says,
    "status_says": status_says,
    "plain": plain,
}
