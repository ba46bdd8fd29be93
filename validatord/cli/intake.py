"""Puts a list into the ledger, chunk by chunk, through the same door as arq jobs."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from uuid import UUID

from validatord.clock import SystemClock
from validatord.intake.reading import InputRow
from validatord.intake.results import load_policy
from validatord.intake.submit import IntakeRules, Submitter
from validatord.intake.wire import SubmittedChunk
from validatord.mail.request import Priority
from validatord.settings import Settings
from validatord.store.database import Database

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """In whose name a list goes in, and how."""

    client: str
    submission: str
    priority: Priority = Priority.NORMAL
    is_recheck: bool = False
    campaign_at: datetime | None = None


def new_submission_name() -> str:
    """Return a name nobody has used: the time, and something random behind it."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


async def submit_rows(
    database: Database, settings: Settings, rows: Iterable[InputRow], wanted: Wanted, tell: Callable[[int], None]
) -> int:
    """Put rows into the ledger and return how many; `tell` hears the count after every chunk."""
    policy = await load_policy(database, wanted.client)
    submitter = Submitter(database, SystemClock(), IntakeRules.of(settings), policy_of=lambda _: policy)
    count = 0
    async for chunk in _cut(iter(rows)):
        await submitter.submit(
            SubmittedChunk(
                client=wanted.client,
                submission=wanted.submission,
                addresses=tuple(row.address for row in chunk),
                first_index=count,
                contact_ids=_contact_ids(chunk),
                priority=wanted.priority,
                is_revalidation=wanted.is_recheck,
                campaign_at=wanted.campaign_at,
            )
        )
        count += len(chunk)
        tell(count)
    return count


async def _cut(rows: Iterator[InputRow]) -> AsyncIterator[list[InputRow]]:
    while chunk := list(islice(rows, _CHUNK)):
        yield chunk


def _contact_ids(chunk: list[InputRow]) -> tuple[UUID | None, ...]:
    if not any(row.contact_id for row in chunk):
        return ()
    return tuple(_read_contact(row.contact_id) for row in chunk)


def _read_contact(text: str) -> UUID | None:
    """Return the contact, or None for what is no UUID: the address is checked all the same."""
    try:
        return UUID(text)
    except ValueError:
        return None
