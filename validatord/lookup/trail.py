"""What was asked and answered, as bounded lines of text for `dns_trace`."""

from validatord import errors
from validatord.lookup.answer import Answer, AnswerKind

MAX_LINES = 40
MAX_LINE = 300
MAX_SHOWN = 10  # records of one answer
_WORDS = {AnswerKind.NXDOMAIN: "NXDOMAIN", AnswerKind.NO_DATA: "no data"}


class Trail:
    """Lines in the order things happened; after `MAX_LINES` only their number grows."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._left_out = 0

    def add(self, line: str) -> None:
        """Keep one line, cut where it is too long."""
        if len(self._lines) < MAX_LINES:
            self._lines.append(line if len(line) <= MAX_LINE else line[: MAX_LINE - 1] + "…")
        else:
            self._left_out += 1

    @property
    def lines(self) -> tuple[str, ...]:
        """All lines so far."""
        more = (f"… and {self._left_out} more lines",) if self._left_out else ()
        return (*self._lines, *more)


def describe(name: str, rdtype: str, outcome: Answer | errors.LookupFailed, *, is_second: bool = False) -> str:
    """Return one line such as "MX example.com → 10 mx1.example.com (300 s)"."""
    said = outcome.kind if isinstance(outcome, errors.LookupFailed) else _describe_answer(outcome)
    return f"{rdtype} {name} → {said}{', second opinion' if is_second else ''}"


def _describe_answer(answer: Answer) -> str:
    alias = f"CNAME {answer.canonical_name} → " if answer.canonical_name != answer.name.lower() else ""
    if answer.kind is not AnswerKind.FOUND:
        return alias + _WORDS[answer.kind]
    is_mx = answer.rdtype == "MX"
    shown = [f"{record.preference} {record.value}" if is_mx else record.value for record in answer.records]
    more = f" … and {len(shown) - MAX_SHOWN} more" if len(shown) > MAX_SHOWN else ""
    return f"{alias}{', '.join(shown[:MAX_SHOWN])}{more} ({int(answer.ttl.total_seconds())} s)"
