"""The guard against a refusal of us that reads like a refusal of many mailboxes.

A provider that turns us away does so with one text. If that text, no word of which says "no such user",
is all that several domains of one provider answer within minutes, it is about us: what was concluded from
it is taken back. Pure and bounded; the caller retracts and opens the breaker.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from validatord.mail.verdict import Meaning, ReplyReading

_MOST_PROVIDERS = 1_000
_MOST_TEXTS = 100  # per provider
_MOST_REFUSALS = 1_000  # per text

_Value = TypeVar("_Value")

_CLEARLY_ABOUT_A_MAILBOX = frozenset(
    {
        Meaning.OK,
        Meaning.NO_SUCH_MAILBOX,
        Meaning.MAILBOX_FULL,
        Meaning.MAILBOX_DISABLED,
        Meaning.RECIPIENT_RATE_LIMITED,
    }
)


def is_guarded(reading: ReplyReading) -> bool:
    """Whether a refusal at RCPT is of a kind the guard must see: permanent, and not plainly about a mailbox."""
    return not reading.temporary and reading.meaning not in _CLEARLY_ABOUT_A_MAILBOX


@dataclass(frozen=True, slots=True)
class Affected:
    """What was refused with one text inside the window, oldest first."""

    domains: tuple[str, ...] = ()
    request_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Refusal:
    at: datetime
    domain: str
    request_ids: tuple[int, ...]


# Of one provider: text to the refusals that said it, the text heard longest ago first.
_Texts = OrderedDict[str, deque[_Refusal]]


class IdenticalRefusals:
    """Remembers which text which domains of a provider answered lately."""

    def __init__(self, window: timedelta = timedelta(minutes=10), domains: int = 3) -> None:
        self._window = window
        self._domains = domains
        self._providers: OrderedDict[str, _Texts] = OrderedDict()

    def __repr__(self) -> str:
        texts = sum(len(texts) for texts in self._providers.values())
        return f"<IdenticalRefusals providers={len(self._providers)} texts={texts}>"

    def observe(
        self, provider_key: str, domain: str, text: str, now: datetime, *, request_ids: Iterable[int] = ()
    ) -> bool:
        """Note a refusal for which `is_guarded` holds; return whether all with its text must be taken back.

        `text` is normalised, without the address; `request_ids` are what `find_affected` will name.
        """
        if not text:
            return False
        texts = _touch(self._providers, provider_key, OrderedDict(), _MOST_PROVIDERS)
        refusals = _touch(texts, text, deque[_Refusal](maxlen=_MOST_REFUSALS), _MOST_TEXTS)
        refusals.append(_Refusal(now, domain, tuple(request_ids)))
        self._forget_old(refusals, now)
        return len({refusal.domain for refusal in refusals}) >= self._domains

    def observe_other(self, provider_key: str, domain: str) -> None:
        """Note that a domain answered some recipient otherwise: it tells mailboxes apart and counts no more."""
        texts = self._providers.get(provider_key, OrderedDict())
        for text, refusals in list(texts.items()):
            kept = [refusal for refusal in refusals if refusal.domain != domain]
            if not kept:
                del texts[text]
            elif len(kept) < len(refusals):
                texts[text] = deque(kept, maxlen=_MOST_REFUSALS)

    def find_affected(self, provider_key: str, text: str, now: datetime) -> Affected:
        """Return which domains and requests were refused with this text inside the window."""
        refusals = self._providers.get(provider_key, OrderedDict()).get(text)
        if refusals is None:
            return Affected()
        self._forget_old(refusals, now)
        domains = tuple(dict.fromkeys(refusal.domain for refusal in refusals))
        ids = tuple(dict.fromkeys(number for refusal in refusals for number in refusal.request_ids))
        return Affected(domains, ids)

    def _forget_old(self, refusals: deque[_Refusal], now: datetime) -> None:
        while refusals and refusals[0].at < now - self._window:
            refusals.popleft()


def _touch(store: OrderedDict[str, _Value], key: str, empty: _Value, most: int) -> _Value:
    """Return what stands under `key`, now the youngest; the oldest goes where there are too many."""
    found = store.setdefault(key, empty)
    store.move_to_end(key)
    if len(store) > most:
        store.popitem(last=False)
    return found
