"""What is known of domains (`domain_cache`)."""

from collections.abc import Iterable, Sequence

from validatord.mail.mx import DomainMail
from validatord.mail.request import DomainFacts
from validatord.store import queries, rows
from validatord.store.database import Database, Queryable

_SQL = queries.load("domains")
_COLUMNS = 20
_SAMPLED_VALIDATIONS = 500_000


async def load_facts(source: Database | Queryable, domains: Sequence[str]) -> dict[str, DomainFacts]:
    """Return the facts of those domains that are known."""
    if not domains:
        return {}
    found = await source.fetch(_SQL["load_facts"], list(domains))
    return {row["domain"]: rows.facts_of(row) for row in found}


async def load_mails(source: Database | Queryable, domains: Iterable[str]) -> dict[str, DomainMail]:
    """Return the mail of those domains that were looked up some time, however long ago."""
    wanted = sorted(domains)
    found = await source.fetch(_SQL["load_mails"], wanted) if wanted else []
    return {row["domain"]: DomainMail(row["has_mx"], tuple(row["mx_hosts"])) for row in found}


async def find_frequent(database: Database, least: int, most: int) -> list[str]:
    """Return the domains at which at least so many mailboxes are valid, most frequent first; a sample says it, too."""
    validations = await database.fetch_value(_SQL["count_validations"])
    percent = min(100.0, 100.0 * _SAMPLED_VALIDATIONS / max(1.0, validations))
    return [row["domain"] for row in await database.fetch(_SQL["find_frequent"], least, most, percent)]


async def save_facts(connection: Queryable, facts: Sequence[DomainFacts]) -> None:
    """Keep facts; of a domain that stands twice the last wins."""
    if facts:
        unique = {item.domain: rows.facts_to_row(item) for item in facts}
        await connection.execute(_SQL["upsert_facts"], *rows.columns_of(list(unique.values()), _COLUMNS))
