"""What the sandbox Bouncer thinks of an address: a pure function of seed and address, in the shape of its rows.

A local part may ask for an answer by its first word (`greylist+7@…`); the rest is drawn. Rows are as sparse
as the real ones: an address that is no address has neither domain nor account, a timeout has no score.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

FREE_DOMAIN = "sandbox.usebouncer.com"  # charged nothing there, and here
_PROVIDERS = ("google.com", "microsoft.com", "yahoo.com", "ovh.net", "mimecast.com", "")
# Of ten thousand: what the draw gives, as (status, reason), up to which number.
_DRAW = (
    (6200, "deliverable", "accepted_email"),
    (7200, "risky", "low_deliverability"),
    (7600, "risky", "low_quality"),
    (9300, "undeliverable", "rejected_email"),
    (9500, "undeliverable", "invalid_domain"),
    (9800, "unknown", "timeout"),
    (9900, "unknown", "unavailable_smtp"),
    (10000, "unknown", "unsupported"),
)
_WORDS = {
    "deliverable": ("deliverable", "accepted_email"),
    "free": ("deliverable", "accepted_email"),
    "disposable": ("risky", "low_quality"),
    "accept-all": ("risky", "low_deliverability"),
    "undeliverable": ("undeliverable", "rejected_email"),
    "unknown": ("unknown", "unknown"),
    "other": ("risky", "low_quality"),
    "greylist": ("unknown", "timeout"),
    "full": ("risky", "low_deliverability"),
    "typo": ("undeliverable", "invalid_domain"),
    "syntax": ("undeliverable", "invalid_email"),
    "noscore": ("deliverable", "accepted_email"),
    "role": ("risky", "low_quality"),
    "disabled": ("undeliverable", "rejected_email"),
}
_SCORES = {"deliverable": (85, 100), "risky": (30, 70), "undeliverable": (0, 5)}
_START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Opinion:
    """One answer: status, reason, the word that asked for it, and a number for everything that is drawn."""

    status: str
    reason: str
    word: str
    number: int

    @property
    def is_accept_all(self) -> bool:
        """Whether the domain takes everything."""
        return self.word == "accept-all" or (self.reason == "low_deliverability" and self.word != "full")


def judge(seed: int, email: str, *, is_deep: bool = False) -> Opinion:
    """Return the opinion on an address; the deep one knows more about accept-all domains."""
    digest = hashlib.blake2b(f"{seed}|{email.lower()}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    number = int.from_bytes(digest, "big")
    word = email.partition("@")[0].partition("+")[0].lower()
    status, reason = _WORDS.get(word) or next((s, r) for most, s, r in _DRAW if number % 10_000 < most)
    word = word if word in _WORDS else ""
    found = Opinion(status, reason, word, number >> 16)
    if is_deep and found.is_accept_all:
        is_there = found.number % 3 > 0
        return Opinion(
            "deliverable" if is_there else "undeliverable", "accepted_email" if is_there else "rejected_email", "", 7
        )
    return found


def is_free(email: str) -> bool:
    """Whether the address costs nothing, whatever the answer."""
    return email.lower().rpartition("@")[2] == FREE_DOMAIN


def make_row(email: str, opinion: Opinion, now: float) -> dict[str, Any]:
    """Return the row as it goes over the wire."""
    row: dict[str, Any] = {"email": email, "status": opinion.status, "reason": opinion.reason}
    if opinion.word in {"syntax", "typo"}:
        row["didYouMean"] = f"{email.partition('@')[0]}@example.com"
    if opinion.word == "syntax":
        return row
    domain = email.rpartition("@")[2]
    row["domain"] = {
        "name": domain,
        "acceptAll": "yes" if opinion.is_accept_all else "no",
        "disposable": "yes" if opinion.word == "disposable" else "no",
        "free": "yes" if opinion.word == "free" else "no",
    }
    row["account"] = {
        "role": "yes" if opinion.word == "role" else "no",
        "disabled": "yes" if opinion.word == "disabled" else "no",
        "fullMailbox": "yes" if opinion.word == "full" else "no",
    }
    row["dns"] = {"type": "MX", "record": f"mx{opinion.number % 3}.{domain}."}
    if provider := _PROVIDERS[opinion.number % len(_PROVIDERS)]:
        row["provider"] = provider
    if opinion.status in _SCORES and opinion.word != "noscore":
        lowest, highest = _SCORES[opinion.status]
        row["score"] = lowest + opinion.number % (highest - lowest + 1)
    row["toxic"] = "unknown"
    row["toxicity"] = opinion.number % 6 if opinion.number % 50 == 0 else 0
    if opinion.word == "greylist":
        row["retryAfter"] = write_time(now + 1800)
    if opinion.number % 97 == 0:
        row["somethingNew"] = {"since": 2026}
    return row


def write_time(seconds: float) -> str:
    """Write a moment of the sandbox's time as the API does."""
    return (_START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
