"""Which mailboxes exist in the sandbox: a rule on the local part alone.

A list whose truth is known can therefore be generated, and every MX host agrees without any table.
Control recipients (16 letters and digits, or a name with digits after it) never exist by this rule.
"""

import re
import zlib
from enum import StrEnum


class MailboxState(StrEnum):
    """What an MX host knows of a mailbox; the values name the phrase it answers with."""

    ACCEPTED = "accepted"
    UNKNOWN = "unknown"
    FULL = "full"
    FULL_FOR_NOW = "full_for_now"
    DISABLED = "disabled"
    BUSY = "busy"  # exists, but gets too much mail at the moment
    FORWARDED = "forwarded"
    NOT_LOCAL = "not_local"
    UNCLEAR = "unclear"  # refused with a text that says nothing about the mailbox
    SLOW = "slow"  # accepted, after a long wait


# A letter after the prefix makes it another name: "username" is not "user" with a tail.
PREFIXES: dict[str, MailboxState] = {
    "user": MailboxState.ACCEPTED,
    "büro": MailboxState.ACCEPTED,
    "unknown": MailboxState.UNKNOWN,
    "nobody": MailboxState.UNKNOWN,
    "brimful": MailboxState.FULL_FOR_NOW,
    "full": MailboxState.FULL,
    "disabled": MailboxState.DISABLED,
    "busy": MailboxState.BUSY,
    "forward": MailboxState.FORWARDED,
    "moved": MailboxState.NOT_LOCAL,
    "policy": MailboxState.UNCLEAR,
    "slow": MailboxState.SLOW,
}
ROLES = frozenset({"postmaster", "abuse", "info", "sales", "support", "contact", "office", "admin", "webmaster"})

_PREFIXED = re.compile(f"({'|'.join(PREFIXES)})(?![^\\W\\d_])")
_PEOPLE_LIKE = re.compile(r"[a-z]{2,}\.[a-z]{2,}")
_ABSENT_OF_PEOPLE = 8  # one people-like name in so many does not exist


def find_state(local_part: str) -> MailboxState:
    """Return what every MX host of the sandbox knows of this local part; tags after `+` and case are ignored."""
    name = local_part.lower().partition("+")[0]
    if name in ROLES:
        return MailboxState.ACCEPTED
    if found := _PREFIXED.match(name):
        return PREFIXES[found[1]]
    if _PEOPLE_LIKE.fullmatch(name) and zlib.crc32(name.encode()) % _ABSENT_OF_PEOPLE:
        return MailboxState.ACCEPTED
    return MailboxState.UNKNOWN
