"""Figures with their bounds, as a table; a missed bound is the exit status."""

import importlib.metadata
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: a value, and the most or the least that it may be."""

    name: str
    value: float
    most: float | None = None
    least: float | None = None
    digits: int = 0

    @property
    def is_kept(self) -> bool:
        """Whether the bound holds."""
        return (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)

    def __str__(self) -> str:
        bound = ""
        if self.most is not None:
            bound = f"≤ {self.most:,.{self.digits}f}"
        elif self.least is not None:
            bound = f"≥ {self.least:,.{self.digits}f}"
        return (
            f"{self.name:<44}{self.value:>12,.{self.digits}f}   {bound:<12}{'' if self.is_kept else 'MISSED'}".rstrip()
        )


def say(words: object = "") -> None:
    """Write a line for the person who waits."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def show(figures: Sequence[Figure]) -> int:
    """Write the table and return the exit status: 1 where a bound is missed."""
    for figure in figures:
        say(figure)
    return int(not all(figure.is_kept for figure in figures))


def describe_machine() -> str:
    """Return what the figures depend on, in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = (
        datetime.now(UTC).date().isoformat(),
        f"{os.cpu_count()} cores ({_read_model()})",
        f"{memory:.0f} GiB",
        f"Linux {platform.release()}",
        f"Python {platform.python_version()}",
        f"asyncpg {importlib.metadata.version('asyncpg')}",
        f"load {os.getloadavg()[0]:.1f} before",
    )
    return ", ".join(parts)


def _read_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
