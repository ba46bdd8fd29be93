"""What is out of date is asked again by itself: some a day, each once, contacts only."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from tests.fakes.clock import FakeClock
from validatord.loops.reverifier import CLIENT, Reverifier
from validatord.mail.address import Mailbox
from validatord.mail.request import Priority
from validatord.settings import Settings
from validatord.store.database import Database
from validatord.store.submissions import Chunk, ChunkItem, add_chunk

CONTACT = UUID("00000000-0000-4000-8000-000000000001")


class Door:
    """Takes what is asked again into the ledger, as the daemon's own does, and remembers the places."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.places: list[tuple[str, int, int]] = []

    async def submit(self, submission: str, place: int, emails: Sequence[str], contacts: Sequence[UUID]) -> None:
        self.places.append((submission, place, len(emails)))
        items = tuple(
            ChunkItem(place + index, email, Mailbox(*email.split("@")), contact)
            for index, (email, contact) in enumerate(zip(emails, contacts, strict=True))
        )
        await add_chunk(self.database, Chunk(CLIENT, submission, Priority.LOW.weight, items))


def make_reverifier(database: Database, node: str = "one", per_day: int = 1000) -> tuple[Reverifier, Door]:
    door = Door(database)
    settings = Settings.of(upkeep={"reverify_per_day": per_day})
    clock = FakeClock()
    return Reverifier(database, lambda: settings, node, clock, door.submit), door


async def keep_verdicts(database: Database, count: int, *, expired: bool = True, contact: bool = True) -> None:
    await database.fetch(
        """
        INSERT INTO email_validation (email, domain, status, reason, ttl_expires_at, contact_id)
        SELECT $5 || n || '@one.example', 'one.example', 'valid', 'accepted', $2, CASE WHEN $3 THEN $4::uuid END
        FROM generate_series(1, $1::int) AS n
        """,
        count,
        datetime.now(UTC) + timedelta(days=-1 if expired else 1),
        contact,
        CONTACT,
        uuid4().hex,
    )


async def test_out_of_date_contacts_are_asked_again_once(database: Database) -> None:
    """In chunks that follow one another; what has no contact or still holds is left alone."""
    await keep_verdicts(database, 700)
    await keep_verdicts(database, 3, expired=False)
    await keep_verdicts(database, 3, contact=False)
    reverifier, door = make_reverifier(database)

    assert await reverifier.run_once() == 700
    assert await reverifier.run_once() == 0

    (day, *_), _ = door.places
    assert door.places == [(day, 0, 500), (day, 500, 200)]
    assert day.endswith(" one")


async def test_a_day_has_its_share(database: Database) -> None:
    """Over all nodes: the second one gets what the first one left, in a submission of its own."""
    await keep_verdicts(database, 30)
    first, _ = make_reverifier(database, per_day=20)
    second, door = make_reverifier(database, node="two", per_day=25)

    assert await first.run_once() == 20
    assert await first.run_once() == 0
    assert await second.run_once() == 5

    assert [(place, count) for _, place, count in door.places] == [(0, 5)]


async def test_nothing_is_asked_again_where_nobody_wants_it(database: Database) -> None:
    """A share of nothing is nothing."""
    await keep_verdicts(database, 5)
    reverifier, door = make_reverifier(database, per_day=0)

    assert await reverifier.run_once() == 0
    assert door.places == []
