"""What verdicts rest on, for many addresses at once (`email_validation`)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from validatord.mail.transcript import Transcript
from validatord.store import queries
from validatord.store.database import Database

_SQL = queries.load("traces")


@dataclass(frozen=True, slots=True)
class Trace:
    """The MX hosts of an address, and the conversation that decided."""

    mx_hosts: tuple[str, ...] = ()
    transcript: Transcript = field(default_factory=Transcript)


NOTHING = Trace()


async def load_traces(database: Database, emails: Sequence[str]) -> dict[str, Trace]:
    """Return what the newest verdicts on these addresses rest on, by address."""
    found = await database.fetch(_SQL["load_traces"], list(emails))
    return {
        row["email"]: Trace(tuple(row["mx_hosts"] or ()), Transcript.from_json(row["smtp_trace"] or {}))
        for row in found
    }
