"""What a DNS query can answer, as plain values without any library's types.

Answers are facts, NXDOMAIN and "no such data" among them; no answer at all is `errors.LookupFailed`.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class AnswerKind(StrEnum):
    """The three things a name server can say about a name and a record type."""

    FOUND = "found"
    NO_DATA = "no_data"  # RFC 2308 2.2: the name exists, nothing of that type does
    NXDOMAIN = "nxdomain"  # RFC 2308 2.1: the name does not exist


@dataclass(frozen=True, slots=True)
class Record:
    """One record: an address, a name without its final dot (the root is "."), or a text.

    `preference` is set for MX records only.
    """

    value: str
    preference: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer for one name and type, aliases followed.

    `canonical_name` is the end of the CNAME chain, the name itself without one. `ttl` is the least of
    the chain and the records, or how long the negative answer holds (RFC 2308 5).
    """

    name: str
    rdtype: str
    kind: AnswerKind
    canonical_name: str
    ttl: timedelta
    records: tuple[Record, ...] = ()

    @property
    def values(self) -> tuple[str, ...]:
        """The records' values in the order they came."""
        return tuple(record.value for record in self.records)
