"""Observations in memory: as columns of plain numbers, and never more than a fixed number of them.

What is over is sampled (Vitter 1985, algorithm R), so that ten million verdicts take no more memory than
the bound, and every one had the same chance.
"""

import random
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from validatord.learning.labels import Label
from validatord.learning.observe import Observation
from validatord.rules.features import NAMES

MOST_ROWS = 150_000
_WIDTH = len(NAMES)
_LABELS = tuple(Label)
_DAY = 86_400.0


@dataclass(slots=True)
class Sample:
    """Columns of equal length; `numbers` holds a row of features after the other, `moments` seconds since 1970."""

    most: int = MOST_ROWS
    rng: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 a choice of rows
    seen: int = 0
    numbers: "array[float]" = field(default_factory=lambda: array("d"))
    moments: "array[float]" = field(default_factory=lambda: array("d"))
    rules: "array[float]" = field(default_factory=lambda: array("d"))
    labels: "array[int]" = field(default_factory=lambda: array("b"))
    domains: "array[int]" = field(default_factory=lambda: array("L"))

    def __len__(self) -> int:
        return len(self.moments)

    def add(self, observation: Observation) -> None:
        """Take an observation in, or throw one of all seen so far away."""
        self.seen += 1
        if len(self.moments) < self.most:
            self.numbers.extend(observation.numbers)
            self.moments.append(observation.moment.timestamp())
            self.rules.append(observation.rules)
            self.labels.append(_LABELS.index(observation.label))
            self.domains.append(zlib.crc32(observation.domain.encode()))
            return
        place = self.rng.randrange(self.seen)
        if place < self.most:
            self._put(place, observation)

    def _put(self, place: int, observation: Observation) -> None:
        self.numbers[place * _WIDTH : (place + 1) * _WIDTH] = array("d", observation.numbers)
        self.moments[place] = observation.moment.timestamp()
        self.rules[place] = observation.rules
        self.labels[place] = _LABELS.index(observation.label)
        self.domains[place] = zlib.crc32(observation.domain.encode())

    def row(self, place: int) -> "array[float]":
        """Return the features of a row."""
        return self.numbers[place * _WIDTH : (place + 1) * _WIDTH]

    def is_alive(self, place: int) -> int:
        """Return 1 for alive, 0 for dead."""
        return int(_LABELS[self.labels[place]].is_alive)

    def count_labels(self, places: Iterable[int]) -> Counter[Label]:
        """Count what told the outcome of rows."""
        return Counter(_LABELS[self.labels[place]] for place in places)

    def sort_places(self) -> list[int]:
        """Return the rows' places, oldest verdict first."""
        return sorted(range(len(self.moments)), key=lambda place: (self.moments[place], self.domains[place]))
