"""One SMTP reply as a value: code, enhanced status code, lines.

A refusal is a reply like any other. Reading bytes off a wire is `smtp/`'s work; what a reply means
is `rules/`'s.
"""

import re
from dataclasses import dataclass

# RFC 3463 2: class.subject.detail. The guards keep it from matching inside an IP address.
_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d]|\.\d)")


@dataclass(frozen=True, slots=True, order=True)
class EnhancedCode:
    """An enhanced status code (RFC 3463), such as 5.1.1."""

    klass: int
    subject: int
    detail: int

    def __str__(self) -> str:
        return f"{self.klass}.{self.subject}.{self.detail}"

    @classmethod
    def find(cls, text: str) -> "EnhancedCode | None":
        """Return the first enhanced status code anywhere in `text`, or None."""
        found = _ENHANCED.search(text)
        return cls(int(found[1]), int(found[2]), int(found[3])) if found else None


@dataclass(frozen=True, slots=True)
class Reply:
    """All lines of one answer; `lines` are without the code and its separator.

    `code` is the last line's; `has_mixed_codes` says that an earlier line carried another one.
    """

    code: int
    lines: tuple[str, ...] = ()
    has_mixed_codes: bool = False

    @property
    def text(self) -> str:
        """All lines joined by a newline."""
        return "\n".join(self.lines)

    @property
    def enhanced(self) -> EnhancedCode | None:
        """The last line's enhanced status code, else the first found in any line.

        If its class differs from the reply code's first digit it is dropped: the reply code wins.
        """
        candidates = [code for line in self.lines if (code := EnhancedCode.find(line))]
        if not candidates:
            return None
        chosen = EnhancedCode.find(self.lines[-1]) or candidates[0]
        return chosen if chosen.klass == self.code // 100 else None

    @property
    def is_positive(self) -> bool:
        """2xx."""
        return 200 <= self.code < 300  # noqa: PLR2004 RFC 5321 4.2.1

    @property
    def is_transient(self) -> bool:
        """4xx."""
        return 400 <= self.code < 500  # noqa: PLR2004 RFC 5321 4.2.1

    @property
    def is_permanent(self) -> bool:
        """5xx."""
        return 500 <= self.code < 600  # noqa: PLR2004 RFC 5321 4.2.1

    @property
    def is_refusal(self) -> bool:
        """4xx or 5xx."""
        return self.is_transient or self.is_permanent

    def __str__(self) -> str:
        if not self.lines:
            return str(self.code)
        head = [f"{self.code}-{line}" for line in self.lines[:-1]]
        return "\n".join([*head, f"{self.code} {self.lines[-1]}"])
