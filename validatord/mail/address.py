"""A mailbox as a parsed value. Parsing text into one is `parse_address`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mailbox:
    """`local_part@domain` (RFC 5321 2.3.11); the local part as given, the domain as lower-case A-labels."""

    local_part: str
    domain: str

    @property
    def needs_smtputf8(self) -> bool:
        """RFC 6531: only a non-ASCII local part needs the extension; domains go as A-labels."""
        return not self.local_part.isascii()

    def __str__(self) -> str:
        return f"{self.local_part}@{self.domain}"
