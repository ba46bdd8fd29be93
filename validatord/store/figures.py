"""What the ledger looks like in figures: what waits, what is stuck, how its tables are; cheap enough to ask often."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from validatord.store import bouncer_limits, queries
from validatord.store.bouncer_limits import Account
from validatord.store.database import Database, Row

_SQL = queries.load("figures")
By = Mapping[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class LedgerFigures:
    """Figures of one moment.

    `bouncer_queue` and `bouncer_batches` go by pass and state, `tables` by name and live or dead, `calls` by
    bucket: calls within its minute. Ages are seconds.
    """

    unfinished: int = 0
    handed_over: int = 0
    domains_due: int = 0
    domains_later: int = 0
    domains_leased: int = 0
    oldest_due_seconds: float = 0.0
    messages_pending: int = 0
    messages_dead: int = 0
    bouncer_letters: int = 0
    rejected_jobs: int = 0
    oldest_transaction_seconds: float = 0.0
    bouncer_queue: By = field(default_factory=dict[tuple[str, ...], float])
    bouncer_batches: By = field(default_factory=dict[tuple[str, ...], float])
    tables: By = field(default_factory=dict[tuple[str, ...], float])
    calls: Mapping[str, int] = field(default_factory=dict[str, int])
    accounts: Mapping[str, Account] = field(default_factory=dict[str, Account])


async def measure(database: Database) -> LedgerFigures:
    """Take all figures; each is of its own moment.

    Raises:
        StoreAway: PostgreSQL is not there.
    """
    requests = await _fetch_one(database, "count_unfinished")
    domains = await _fetch_one(database, "count_domains")
    messages = await _fetch_one(database, "count_messages")
    dead = await _fetch_one(database, "count_dead")
    tables = await database.fetch(_SQL["measure_tables"])
    queue = await database.fetch(_SQL["count_bouncer_queue"])
    batches = await database.fetch(_SQL["count_open_batches"])
    return LedgerFigures(
        unfinished=requests["unfinished"],
        handed_over=requests["handed_over"],
        domains_due=domains["due"],
        domains_later=domains["later"],
        domains_leased=domains["leased"],
        oldest_due_seconds=domains["oldest_due_seconds"],
        messages_pending=messages["pending"],
        messages_dead=messages["dead"],
        bouncer_letters=dead["bouncer_letters"],
        rejected_jobs=dead["rejected_jobs"],
        oldest_transaction_seconds=await database.fetch_value(_SQL["find_oldest_transaction"]),
        bouncer_queue={(row["pass"], row["status"]): row["addresses"] for row in queue},
        bouncer_batches={(row["pass"], row["state"]): row["batches"] for row in batches},
        tables={(row["name"], state): row[state] for row in tables for state in ("live", "dead")},
        calls={bucket.bucket: bucket.request_count for bucket in await bouncer_limits.load_buckets(database)},
        accounts=await bouncer_limits.load_accounts(database),
    )


async def _fetch_one(database: Database, name: str) -> Row:
    row = await database.fetch_row(_SQL[name])
    assert row is not None  # noqa: S101 counts are always one row
    return row
