"""The log says how it goes, every so many verdicts."""

from collections.abc import Iterator

import pytest
from loguru import logger

from tests.fakes.clock import FakeClock
from tests.unit.verification.made import make_case
from validatord.mail.request import Finding
from validatord.store.records import Finished, VisitRecord
from validatord.verification.tally import Tally


@pytest.fixture
def said() -> Iterator[list[dict[str, object]]]:
    """The fields of each line."""
    lines: list[dict[str, object]] = []
    number = logger.add(lambda message: lines.append(dict(message.record["extra"])), format="{message}")
    yield lines
    logger.remove(number)


def finish(*statuses: str) -> VisitRecord:
    """Return a record with these outcomes."""
    [request] = make_case("a").requests
    outcomes = [Finding(status=status, reason="accepted", reasons=(), confidence=90) for status in statuses]
    return VisitRecord("acme.example", finished=tuple(Finished(request, outcome, 1) for outcome in outcomes))


async def test_a_line_every_so_many(said: list[dict[str, object]]) -> None:
    """After the number that was asked for comes one line with all counts and the speed since the last one."""
    clock = FakeClock()
    tally = Tally(clock, lambda: 4)
    tally.hear(finish("valid", "valid", "invalid"))
    assert said == []
    await clock.advance(2)

    tally.hear(finish("unknown"))
    tally.hear(finish(*["valid"] * 5))

    assert said[0] == {"processed": 4, "last": 4, "per_second": 2.0, "valid": 2, "invalid": 1, "unknown": 1}
    assert (said[1]["processed"], said[1]["last"]) == (8, 4)
    assert len(said) == 2


def test_zero_says_nothing(said: list[dict[str, object]]) -> None:
    """Zero is never; a reload may change it at any moment."""
    every = [0]
    tally = Tally(FakeClock(), lambda: every[0])
    tally.hear(finish(*["valid"] * 1000))
    assert said == []

    every[0] = 1000
    tally.hear(finish("valid"))

    assert [line["processed"] for line in said] == [1001]
