"""One mailbox leaves the ledger: everything that says that it was ever here.

Repeatable, and each step stands for itself: a crash in between leaves less than before. Requests keep
their place, outcome and count, without address and contact; so a list that is sent in again brings the
address back only under another submission. Nothing here is logged with the address.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from validatord.mail.address import Mailbox
from validatord.mail.request import Finding
from validatord.mail.verdict import Reason, Status
from validatord.store import outcomes, queries, rows
from validatord.store.database import Database

_SQL = queries.load("erasure")
_RANGE = 20_000  # requests looked at in one statement
_DELETES = (
    "delete_events",
    "delete_bouncer_results",
    "delete_bouncer_queue",
    "delete_dead_letters",
    "delete_rejected",
)


@dataclass(frozen=True, slots=True)
class Erasure:
    """What went, by kind of row; `at_bouncer`: how often it stays in a batch that is not over yet.

    `is_visited`: nothing was done, since the mailbox's domain is being visited this moment.
    """

    gone: Counter[str] = field(default_factory=Counter[str])
    at_bouncer: int = 0
    is_visited: bool = False


async def erase(database: Database, mailbox: Mailbox, tell: Callable[[float], None] = lambda _: None) -> Erasure:
    """Erase a mailbox; `tell` hears the share of the requests that were looked at.

    Where it says `is_visited`, or `at_bouncer`, it is to be called again later.
    """
    email = str(mailbox)
    gone: Counter[str] = Counter()
    # 1  what is under way ends, so that nothing about it is written later
    if not await _settle(database, mailbox, gone):
        return Erasure(is_visited=True)
    # 2  what is found by the address goes
    async with database.transaction() as connection:
        gone["verdicts"] += len(await connection.fetch(_SQL["delete_validations"], email))
        await connection.fetch(_SQL["delete_suggestions"], email)
        for block in _DELETES:
            name = block.removeprefix("delete_").replace("_", " ")
            gone[name] = len(await connection.fetch(_SQL[block], email.lower()))
    # 3  finished requests are looked through in ranges, since nothing finds them by their address
    last = await database.fetch_value(_SQL["last_request"])
    for start in range(0, last, _RANGE):
        rows_blanked = await database.fetch(_SQL["blank_requests"], start, start + _RANGE, email.lower())
        gone["requests"] += len(rows_blanked)
        tell(min(1.0, (start + _RANGE) / last))
    return Erasure(+gone, await database.fetch_value(_SQL["count_at_bouncer"], email))


async def _settle(database: Database, mailbox: Mailbox, gone: Counter[str]) -> bool:
    """End the unfinished requests of a mailbox; False while its domain is being visited."""
    async with database.transaction() as connection:
        row = await connection.fetchrow(_SQL["lock_domain"], mailbox.domain)
        if row is not None and row["is_visited"]:
            return False
        found = await connection.fetch(_SQL["lock_unfinished"], mailbox.domain, str(mailbox))
        # What `finish` writes about the mailbox goes again before anybody sees it.
        gone["verdicts"] += len(await connection.fetch(_SQL["delete_validations"], str(mailbox)))
        finding = Finding(Status.UNKNOWN.value, Reason.ERASED.value, (Reason.ERASED.value,), 0, source="operator")
        ended = await outcomes.finish(connection, [(rows.request_of(one), finding, one["attempt"]) for one in found])
        await connection.fetch(_SQL["delete_validations"], str(mailbox))
        await outcomes.count(connection, ended)
    gone["unfinished requests"] += len(found)
    return True
