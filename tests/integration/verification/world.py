"""A small world for tests of visits: the sandbox, a real ledger, the engine's own tools, and time that leaps.

    async with World(database, SandboxSpec.of({"acme.example": "postfix"})) as world:
        await world.submit("user1@acme.example")
        await world.run()
        assert await world.outcome("user1@acme.example") == "valid accepted"

No loop runs: `visit` leases one domain and visits it, `run` does so until nothing is due, `leap` lets
time pass for the clock of visits, for the sandbox's greylists and for what is due in the ledger.
"""

import asyncio
import random
import re
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.integration.store.ledger import look
from validatord.lookup.resolver import Resolver
from validatord.mail.parse import parse_address
from validatord.mail.request import Finding
from validatord.rules.policy import ClientPolicy
from validatord.sandbox.counters import HostCounters
from validatord.sandbox.internet import Sandbox
from validatord.sandbox.spec import SandboxSpec
from validatord.settings import Settings
from validatord.store import lanes, leases, migrations, submissions, validations
from validatord.store.database import Database
from validatord.store.leases import DomainVisit
from validatord.store.nodes import NodeLock
from validatord.verification.context import Tools
from validatord.verification.outfit import Place, build_tools
from validatord.verification.visit import Visitor

CLIENT, SUBMISSION = "crm", "spring"
HELO = "probe.example.net"
SENDER = "probe@example.net"
# Nothing waits but where a test wants it to.
_USUAL: dict[str, dict[str, Any]] = {
    "lookup": {"public_addresses_only": False},
    "smtp": {"tls": "only_when_required", "quit_timeout": "500ms"},
    "pacing": {
        "sessions": 4,
        "session_interval": "0s",
        "rcpt_per_minute": 1_000_000,
        "is_slow_start": False,
        "unknown_ratio": 1.0,
        "is_network_counted": False,
        "jitter": 0.0,
    },
    "retry": {"jitter": 0.0},
    "store": {"flush_interval": "0s"},
}


class LeapingClock:
    """The machine's clock, running `speed` times as fast and moved forward by `leap`."""

    def __init__(self, speed: float = 1.0) -> None:
        self.ahead = 0.0
        self.speed = speed
        self._started, self._started_at = time.monotonic(), datetime.now(UTC)

    def now(self) -> datetime:
        """Return the wall clock."""
        return self._started_at + timedelta(seconds=self.monotonic() - self._started)

    def monotonic(self) -> float:
        """Return seconds that leap, too."""
        return self._started + (time.monotonic() - self._started) * self.speed + self.ahead

    async def sleep(self, seconds: float) -> None:
        """Wait on this clock."""
        await asyncio.sleep(max(0.0, seconds) / self.speed)


class World:
    """See the module.

    `sections` are the settings that differ from the usual; `providers` is the table of providers, empty
    by default: every host is then paced by the settings. `speed` makes waits short, deadlines on the wire not.
    """

    def __init__(
        self,
        database: Database,
        spec: SandboxSpec,
        *,
        providers: str = "",
        speed: float = 1.0,
        **sections: Mapping[str, Any],
    ) -> None:
        self.database = database
        self.clock = LeapingClock(speed)
        self.sandbox = Sandbox(spec, self.clock)
        self._folder = Path()
        self._providers = providers
        self._sections = sections
        self._stack = AsyncExitStack()
        self.settings = Settings()
        self.epoch = 0
        self.visits = 0
        self._place = 0
        self.policy = ClientPolicy()
        self.tools: Tools
        self.visitor: Visitor

    # --- set up and taken down --------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await migrations.migrate(self.database)
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="vd-world-")))
        await self._stack.enter_async_context(self.sandbox)
        self.settings = self.make_settings(**self._sections)
        lock = await NodeLock.acquire(self.database, self.settings.service.node)
        self._stack.push_async_callback(lock.aclose)
        self.epoch = lock.epoch
        await self.build()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close_tools()
        await self._stack.aclose()

    def make_settings(self, **sections: Mapping[str, Any]) -> Settings:
        """Return the usual settings with some sections changed."""
        found: dict[str, Any] = {name: dict(values) for name, values in _USUAL.items()}
        found["lookup"]["resolvers"] = [self.sandbox.resolver]
        found["smtp"]["port"] = self.sandbox.smtp_port
        path = self._folder / "providers.toml"
        path.write_text(self._providers)
        found["pacing"]["providers_file"] = str(path)
        identity = {"helo_name": HELO, "envelope_sender": SENDER}
        found["identities"] = [identity | dict(each) for each in sections.pop("identities", ({},))]
        for name, values in sections.items():
            found[name] = found.get(name, {}) | dict(values)
        return Settings.of(**found)

    async def build(self) -> None:
        """Make tools as a start does: nothing is remembered but what the ledger keeps."""
        self._resolver = Resolver(self.settings.lookup, self.clock)
        node, rng = self.settings.service.node, random.Random(7)
        place = Place(self.database, node, lambda: self.epoch, self.clock, rng, lambda _: self.policy)
        self.tools = await build_tools(self.settings, self._resolver, place)
        self._recording = asyncio.create_task(self.tools.recorder.run())
        self.visitor = Visitor(self.tools)

    async def restart(self) -> None:
        """Forget everything that a restart forgets; lanes are saved before, as a stop does."""
        await lanes.save_states(self.database, self.settings.service.node, self.tools.lanes.snapshot())
        await self._close_tools()
        await self.build()

    async def _close_tools(self) -> None:
        await self.tools.pool.aclose()
        self.tools.recorder.close()
        await self._recording
        await self.tools.lookup.aclose()
        await self._resolver.aclose()

    def change(self, **sections: Mapping[str, Any]) -> None:
        """Put other settings in force for the visits to come."""
        self.settings = self.make_settings(**{**self._sections, **sections})

    # --- work -------------------------------------------------------------------------------------

    async def submit(self, *addresses: str, client: str = CLIENT, submission: str = SUBMISSION) -> None:
        """Submit addresses; further ones of the same submission come after those before."""
        items = [
            submissions.ChunkItem(place, address, parse_address(address, allow_special_use=True))
            for place, address in enumerate(addresses, self._place)
        ]
        self._place += len(items)
        for start in range(0, len(items), 500):
            chunk = submissions.Chunk(client, submission, 50, tuple(items[start : start + 500]))
            await submissions.add_chunk(self.database, chunk)

    async def lease(self, limit: int = 1) -> list[DomainVisit]:
        """Lease what is due."""
        await self._tell_ledger()
        spec = leases.LeaseSpec(
            node=self.settings.service.node,
            epoch=self.epoch,
            limit=limit,
            per_domain=self.settings.pacing.visit_size,
            per_lane=1000,
            lease=timedelta(minutes=2),
        )
        return await leases.lease_domains(self.database, spec)

    async def visit(self) -> bool:
        """Visit one due domain; false if none is due."""
        works = await self.lease()
        for work in works:
            await self.visitor.visit(work, self.settings)
            self.visits += 1
        return bool(works)

    async def visit_all(self, limit: int = 1000) -> int:
        """Visit all due domains side by side; return how many."""
        works = await self.lease(limit)
        await asyncio.gather(*(self.visitor.visit(work, self.settings) for work in works))
        self.visits += len(works)
        return len(works)

    async def run(self, most_visits: int = 50) -> None:
        """Visit until nothing is due now."""
        for _ in range(most_visits):
            if not await self.visit():
                return
        raise AssertionError("the visits have no end")

    async def check(self, *addresses: str) -> list[str]:
        """Submit addresses, visit what is due, and say what came out of each."""
        await self.submit(*addresses)
        await self.run()
        return [await self.outcome(address) for address in addresses]

    # --- time -------------------------------------------------------------------------------------

    async def leap(self, seconds: float) -> None:
        """Let so much time pass."""
        self.clock.ahead += seconds

    async def leap_to_due(self) -> float:
        """Let time pass until the next domain is due; return the seconds."""
        now = self.clock.now()
        [row] = await look(self.database, "SELECT min(next_due) AS due FROM domain_queue WHERE next_due > $1", now)
        assert row["due"] is not None, "nothing waits"
        wait = (row["due"] - now).total_seconds()
        await self.leap(wait + 0.01)
        return wait

    async def _tell_ledger(self) -> None:
        """PostgreSQL has a clock of its own: what is due by ours becomes due by that."""
        now = self.clock.now()
        await self.database.fetch(
            "UPDATE requests SET due_at = least(due_at, now()) WHERE state = 'queued' AND due_at <= $1", now
        )
        await self.database.fetch(
            "UPDATE domain_queue SET next_due = least(next_due, now()), not_before = NULL WHERE next_due <= $1", now
        )

    async def finish(self, most_waits: int = 20) -> list[float]:
        """Visit and wait until every request is finished; return the waits in seconds."""
        waits: list[float] = []
        await self.run()
        while await self.count_unfinished():
            assert len(waits) < most_waits, "the waits have no end"
            waits.append(await self.leap_to_due())
            await self.run()
        return waits

    # --- what came out ----------------------------------------------------------------------------

    async def count_unfinished(self) -> int:
        """How many requests wait."""
        return await submissions.count_unfinished(self.database)

    async def request(self, address: str) -> dict[str, Any]:
        """The newest request for an address."""
        query = "SELECT * FROM requests WHERE address = $1 ORDER BY id DESC LIMIT 1"
        return (await look(self.database, query, address))[0]

    async def outcome(self, address: str) -> str:
        """`status reason` of the newest request for an address, or `waits reason`."""
        row = await self.request(address)
        if row["state"] == "done":
            return f"{row['status']} {row['reason']}"
        return f"waits {row['deferral_reason']}"

    async def finding(self, address: str) -> Finding:
        """The verdict on an address with its evidence."""
        mailbox = parse_address(address, allow_special_use=True)
        stored = await validations.find(self.database, str(mailbox))
        assert stored is not None, f"no verdict on {address}"
        return stored.finding

    async def facts(self, domain: str) -> dict[str, Any]:
        """What the ledger knows of a domain."""
        return (await look(self.database, "SELECT * FROM domain_cache WHERE domain = $1", domain))[0]

    async def count_outcomes(self) -> dict[str, int]:
        """How many requests came out how."""
        query = (
            "SELECT coalesce(status || ' ' || reason, 'waits ' || coalesce(deferral_reason, '')) AS outcome,"
            " count(*) AS number FROM requests GROUP BY 1"
        )
        return {row["outcome"]: row["number"] for row in await look(self.database, query)}

    @property
    def total(self) -> HostCounters:
        """What all hosts counted."""
        return self.sandbox.counters.total

    def seen(self, host: str) -> HostCounters:
        """What one host counted."""
        return self.sandbox.counters.hosts[host]

    @property
    def controls(self) -> dict[str, int]:
        """RCPT of addresses that nobody submitted: control recipients and postmaster."""
        return {address: count for address, count in self.sandbox.counters.rcpts.items() if is_made_up(address)}


def is_made_up(address: str) -> bool:
    """Whether an address is a control recipient by its shape."""
    local_part = address.partition("@")[0]
    return bool(re.fullmatch(r"[a-z][a-z2-7]{15}|[a-z]{6}\.[a-z]{6}\d{4}", local_part))
