"""A driver, its ledger and a sandbox Bouncer put together; everything real but the time between polls."""

import asyncio
import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import SecretStr

from validatord.clock import SystemClock
from validatord.loops.bouncer_driver import BouncerDriver
from validatord.mail.request import Finding
from validatord.rules.policy import ClientPolicy
from validatord.rules.policy import read as read_policy
from validatord.sandbox.bouncer import SandboxBouncer
from validatord.settings import Settings
from validatord.store import rows
from validatord.store.database import Database

KEY = "sandbox-key"
FAST: dict[str, Any] = {
    "max_open_batches": 4,
    "batch_size": 50,
    "fill_wait": timedelta(0),
    "calls_per_minute": 600_000,
    "creates_per_minute": 60_000,
    "polls_per_minute": 600_000,
    "downloads_per_minute": 600_000,
    "credit_reads_per_minute": 600_000,
    "rate_limit_wait": timedelta(milliseconds=80),
    "tick": timedelta(milliseconds=1),
    "poll_interval": timedelta(milliseconds=20),
    "retry_wait": timedelta(milliseconds=10),
    "max_retry_wait": timedelta(milliseconds=100),
    "connect_timeout": timedelta(seconds=1),
    "read_timeout": timedelta(milliseconds=300),
    "call_timeout": timedelta(seconds=3),
    "download_timeout": timedelta(seconds=20),
    "lost_after": timedelta(milliseconds=60),
    "keep_results": timedelta(0),
    "check_interval": timedelta(milliseconds=50),
    "metrics_interval": timedelta(hours=1),
    "breaker_failures": 1000,
}
OWN = Finding("unknown", "greylisted", ("mx", "greylisted"), 45, mx_host="mx.example", source="probe")
POLICY: dict[str, Any] = {"bouncer": {"mode": "local_then_bouncer"}}
_INSERT = """
WITH client AS (
    INSERT INTO clients (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING name
), submission AS (
    INSERT INTO submissions (client, submission, requests) SELECT name, $2, cardinality($3::text[]) FROM client
    RETURNING id
)
INSERT INTO requests (submission_id, idx, address, email, domain, priority, due_at, contact_id)
SELECT s.id, u.idx - 1, u.email, u.email, split_part(u.email, '@', 2), $4, now(),
       CASE WHEN $5 THEN gen_random_uuid() END
FROM submission AS s, unnest($3::text[]) WITH ORDINALITY AS u (email, idx)
RETURNING submission_id
"""
_HAND_OVER = """
UPDATE requests SET state = 'handed_over', due_at = NULL, attempt = attempt + 1, deferral_reason = 'handed_over', probe = $2
WHERE submission_id = $1
"""


def make_settings(url: str, **changes: Any) -> Settings:
    """Settings that wait for nothing; what is changed here may lie beyond the bounds of a settings file."""
    settings = Settings.of(bouncer={"base_url": url, "api_key": KEY})
    deep = changes.pop("deep_api_key", "")
    bouncer = settings.bouncer.model_copy(update={**FAST, **changes, "deep_api_key": SecretStr(deep)})
    return settings.model_copy(update={"bouncer": bouncer})


async def hand_over(
    database: Database,
    emails: list[str],
    *,
    client: str = "shop",
    submission: str = "list",
    priority: int = 50,
    with_contacts: bool = False,
) -> int:
    """Put addresses into the ledger as a visit would leave them: handed over, our own finding beside."""
    async with database.transaction() as connection:
        added = await connection.fetchval(_INSERT, client, submission, emails, priority, with_contacts)
        await connection.execute(_HAND_OVER, added, rows.finding_to_json(OWN))
    return added


def make_emails(count: int, *, domains: int = 7, prefix: str = "user") -> list[str]:
    """Addresses that are all different."""
    return [f"{prefix}{number}@domain{number % domains}.example" for number in range(count)]


class Rig:
    """One driver against one service."""

    def __init__(self, database: Database, service: SandboxBouncer, **changes: Any) -> None:
        self.database = database
        self.service = service
        self.settings = make_settings(service.url, **changes)
        self.policies: dict[str, ClientPolicy] = {}
        self.driver = self.make_driver()

    def make_driver(self) -> BouncerDriver:
        """Another driver with the same settings and policies."""
        return BouncerDriver(self.database, lambda: self.settings, self.policy_of, SystemClock(), random.Random(1))

    def policy_of(self, client: str) -> ClientPolicy:
        """What a client wants; without anything said, local_then_bouncer."""
        return self.policies.get(client) or read_policy(POLICY)

    def change(self, **changes: Any) -> None:
        """What a reload of the settings does."""
        key = changes.pop("api_key", None)
        if key is not None:
            changes["api_key"] = SecretStr(key)
        self.settings = self.settings.model_copy(update={"bouncer": self.settings.bouncer.model_copy(update=changes)})

    async def run_until(self, query: str, wanted: Any = True, *, seconds: float = 15.0) -> None:
        """Run rounds until a query on the ledger says so."""
        async with asyncio.timeout(seconds):
            while await self.fetch(query) != wanted:
                await self.driver.run_once()
                await asyncio.sleep(0.002)

    async def run_to_end(self, *, seconds: float = 20.0) -> None:
        """Run rounds until no request is handed over and every batch is cleaned or parked."""
        await self.run_until(
            "SELECT (SELECT count(*) FROM requests WHERE state = 'handed_over')"
            " + (SELECT count(*) FROM bouncer_batches WHERE state NOT IN ('cleaned', 'parked'))",
            0,
            seconds=seconds,
        )

    async def fetch(self, query: str, *args: object) -> Any:
        """One value of the ledger."""
        return await self.database.fetch_value(query, *args)

    async def states(self) -> dict[str, int]:
        """Batches by state."""
        found = await self.database.fetch("SELECT state, count(*) AS n FROM bouncer_batches GROUP BY state")
        return {row["state"]: row["n"] for row in found}

    async def results(self) -> Mapping[str, str]:
        """Status of every finished request, by address."""
        found = await self.database.fetch("SELECT email, status FROM requests WHERE state = 'done'")
        return {row["email"]: row["status"] for row in found}

    async def aclose(self) -> None:
        """Stop the driver."""
        await self.driver.aclose(0.5)


async def check_books(rig: Rig, emails: list[str]) -> None:
    """The oracle: every address one verdict, none paid twice, counters right, nothing left behind."""
    results = await rig.results()
    assert set(results) == set(emails)
    assert rig.service.ledger.check(most_open=rig.settings.bouncer.max_open_batches) == []
    assert await rig.fetch("SELECT count(*) FROM requests WHERE state = 'done'") == await rig.fetch(
        "SELECT coalesce(sum(finished), 0) FROM submissions"
    )
    assert await rig.fetch("SELECT coalesce(sum(requests), 0) FROM submission_counts") == len(emails)
    assert await rig.fetch("SELECT count(*) FROM bouncer_incoming") == 0
    assert await rig.fetch("SELECT count(*) FROM bouncer_members WHERE is_live") == 0
    assert await rig.fetch("SELECT count(*) FROM bouncer_downloads") == 0
    # What an operator had resubmitted may have cost its credits, so the budgets keep them.
    used = await rig.fetch(
        "SELECT coalesce(sum(credits), 0) - (SELECT coalesce(sum(quantity), 0) FROM bouncer_batches"
        " WHERE resolution = 'resubmitted') FROM bouncer_budgets WHERE client = '' AND period = 'day'"
    )
    assert used == sum(rig.service.world.charges.values())
