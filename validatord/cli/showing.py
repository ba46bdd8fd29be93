"""What a person sees: the progress bar, the results on a terminal, the sentence at the end."""

import sys
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from validatord.store.submissions import Progress as SubmissionProgress
from validatord.store.submissions import ResultRow

_COLOURS = {"valid": "green", "invalid": "red", "accept_all": "yellow", "risky": "yellow", "unknown": "blue"}
_BAD = frozenset({"syntax", "unreadable"})


@dataclass(slots=True)
class Tally:
    """Counts what came out."""

    by_status: Counter[str] = field(default_factory=Counter[str])
    bad: int = 0
    unfinished: int = 0

    def count(self, row: ResultRow) -> None:
        """Count one result."""
        self.by_status[row.status or "unknown"] += 1
        self.bad += row.reason in _BAD
        self.unfinished += row.status is None

    def sentence(self) -> str:
        """Return all counts in one line."""
        parts = [f"{count:,} {status}" for status, count in self.by_status.most_common()]
        if self.bad:
            parts.append(f"{self.bad:,} of them no address at all")
        if self.unfinished:
            parts.append(f"{self.unfinished:,} not decided yet")
        return ", ".join(parts) or "nothing to show"


class Bar:
    """The progress bar, or nothing where nobody watches."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._task: TaskID | None = progress.add_task("taking in", total=None, note="") if progress else None

    def taken(self, count: int) -> None:
        """Show how many addresses are in the ledger."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=count)

    def finished(self, progress: SubmissionProgress) -> None:
        """Show how many are verified, and why the rest waits."""
        if self._progress is None or self._task is None:
            return
        waiting = [f"{count:,} {reason}" for reason, count in progress.waiting.items() if reason != "not_tried"]
        note = ("waiting: " + ", ".join(waiting)) if waiting else ""
        self._progress.update(
            self._task, description="verifying", total=progress.requests, completed=progress.finished, note=note
        )

    def warn(self, text: str) -> None:
        """Say something above the bar."""
        if self._progress is not None:
            self._progress.console.print(text, markup=False, highlight=False)


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever watches; on stderr, since stdout carries the results."""

    console: Console
    is_watching: bool
    is_quiet: bool = False

    @classmethod
    def of(cls, is_quiet: bool) -> "Person":
        """Return the person at the terminal; nobody if stderr is none."""
        return cls(Console(stderr=True, soft_wrap=True), sys.stderr.isatty() and not is_quiet, is_quiet)

    def say(self, text: str) -> None:
        """Say one line."""
        if self.is_watching:
            self.console.print(text, markup=False, highlight=False)

    def insist(self, text: str) -> None:
        """Say one line that matters to a log or a script, too."""
        if not self.is_quiet:
            self.console.print(text, markup=False, highlight=False)

    @contextmanager
    def bar(self) -> Generator[Bar]:
        """Show a progress bar while something runs."""
        if not self.is_watching:
            yield Bar(None)
            return
        columns = (
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            yield Bar(progress)


def show_results(console: Console) -> Callable[[dict[str, Any]], None]:
    """Return what shows one result on a terminal, a line or two each."""

    def show(row: dict[str, Any]) -> None:
        status = str(row["status"])
        colour = _COLOURS.get(status, "white")
        words = [row["reason"]]
        words += [f"due {row['due_at']}"] if row["due_at"] else []
        words += [f"did you mean {row['suggestion']}?"] if row["suggestion"] else []
        words += row["flags"]
        confidence = "" if row["confidence"] is None else f"{row['confidence']:>4}"
        line = f"[{colour}]{status:<10}[/]{confidence:>4}  {escape(row['email'])}  [dim]{escape(', '.join(words))}[/]"
        console.print(line, highlight=False, soft_wrap=True)

    return show
