"""A daemon does what an operator says about the queue."""

from collections.abc import Collection

from validatord.loops.pauses import Pauses
from validatord.store import pauses
from validatord.store.database import Database
from validatord.store.pauses import PauseKind


class Book:
    """Stands where the book of lanes is: remembers what it was told."""

    def __init__(self) -> None:
        self.paused: Collection[str] = ()
        self.reset_lanes: list[str] = []
        self.wakes = 0

    def pause(self, names: Collection[str]) -> None:
        self.paused = names

    def reset(self, name: str) -> bool:
        self.reset_lanes.append(name)
        return True

    def wake(self) -> None:
        self.wakes += 1


def listen(database: Database) -> tuple[Pauses, Book]:
    book = Book()
    return Pauses(database, book.pause, book.reset, book.wake), book


async def test_everything_that_rests_is_passed_on(database: Database) -> None:
    """Lanes to the book, domains and verification to the next lease, intake to whoever picks jobs."""
    heard, book = listen(database)
    await pauses.pause(database, PauseKind.INTAKE, reason="disk")
    await pauses.pause(database, PauseKind.VERIFICATION)
    await pauses.pause(database, PauseKind.DOMAIN, "one.example")
    await pauses.pause(database, PauseKind.LANE, "google")

    assert await heard.run_once() == 4

    assert list(book.paused) == ["google"]
    assert heard.domains == ("one.example",)
    assert heard.is_verification_paused
    assert heard.find_intake_pause() == "paused by an operator: disk"
    assert book.wakes == 0


async def test_what_may_go_on_goes_on_at_once(database: Database) -> None:
    """The dispatcher is woken when something no longer rests, and only then."""
    heard, book = listen(database)
    await pauses.pause(database, PauseKind.DOMAIN, "one.example")
    await heard.run_once()

    await pauses.resume(database, PauseKind.DOMAIN, "one.example")
    assert await heard.run_once() == 0
    await heard.run_once()

    assert heard.domains == ()
    assert book.wakes == 1


async def test_a_lane_is_reset_once(database: Database) -> None:
    """What was asked before the start concerns the kept states alone; what comes later is passed on once."""
    await pauses.reset_lane(database, "default/early")
    heard, book = listen(database)
    await heard.run_once()

    await pauses.reset_lane(database, "default/google")
    await heard.run_once()
    await heard.run_once()

    assert book.reset_lanes == ["default/google"]
    assert book.wakes == 1
