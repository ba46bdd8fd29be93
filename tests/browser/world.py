"""A staged validatord with example data: the sandbox internet, a daemon, lists of every fate, troubles of every kind."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from validatord import demo
from validatord.intake import client
from validatord.sandbox.sample import sample_list
from validatord.stage import Stage
from validatord.store import clients, keys, pauses, submissions, webhooks
from validatord.store.database import Database
from validatord.store.keys import Scope
from validatord.store.pauses import PauseKind
from validatord.store.webhooks import Change

Found = TypeVar("Found")
SLOW = "slow-answer.example"  # rests, so that one list is never finished
_PATIENCE_SECONDS = 120
_FINISHED = 240
_TROUBLES = """
INSERT INTO bouncer_batches (user_id, quantity, state, credits_before, credits_after, error_kind, submitting_ts,
    creates, payload_hash, error_message)
VALUES ('crm', 500, 'submit_unknown', 12000, 11500, 'timeout', now() - interval '20 minutes', 1, 'made',
    'no answer came in time');
INSERT INTO bouncer_dead_letter_queue (user_id, email, reason, error_message, failed_ts)
VALUES ('crm', 'hanna@acme.example', 'missing', 'Bouncer answered the batch without this address, three times',
    now() - interval '2 hours');
INSERT INTO email_events (email, event_type, event_at)
SELECT v.email, k.kind, now() - interval '3 days'
FROM (SELECT email FROM email_validation WHERE reason = 'accepted' ORDER BY email LIMIT 3) AS v
CROSS JOIN (VALUES ('open'), ('reply')) AS k (kind);
"""


@dataclass
class World:
    """Everything that runs, and the keys to it; `run` waits for something of it."""

    folder: Path
    stage: Stage = field(init=False)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    admin_key: str = ""
    client_key: str = ""

    def __post_init__(self) -> None:
        """Stage it with the pace of the demo."""
        # In a thread: the browser's own loop runs in this one.
        self._thread = threading.Thread(target=self.loop.run_forever, name="world", daemon=True)
        self._thread.start()
        self.stage = Stage(self.folder, sandbox_arguments=("--speed", "300"), overrides=dict(demo.OVERRIDES))

    @property
    def url(self) -> str:
        """Where the console is."""
        return self.stage.web_url

    def run(self, work: Coroutine[Any, Any, Found]) -> Found:
        """Do something of the world and return what came of it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def ask(self, work: Callable[[Database], Awaitable[Found]]) -> Found:
        """Return what the ledger says, over a connection of its own."""

        async def connect() -> Found:
            database = await Database.open(self.stage.dsn, pool_size=1)
            try:
                return await work(database)
            finally:
                await database.aclose()

        return self.run(connect())

    def open(self) -> None:
        """Start everything and wait until the finished lists are."""
        self.run(demo.raise_curtain(Console(quiet=True), self.stage))
        self.ask(self._prepare)
        addresses = [entry.address for entry in sample_list().addresses]
        self.run(self._enqueue("demo", "spring newsletter", addresses[:_FINISHED]))
        self.run(self._enqueue("crm", "contacts of June", addresses[_FINISHED : _FINISHED + 60]))
        waiting = [f"reader{number:02}@{SLOW}" for number in range(30)]
        self.run(self._enqueue("demo", "autumn prospects", [*addresses[400:430], *waiting]))
        self.ask(self._wait)
        self.ask(self._add_troubles)

    def close(self) -> None:
        """Stop everything."""
        self.run(self.stage.stop())
        if self.stage.postgres is not None:
            self.stage.postgres.remove()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _prepare(self, database: Database) -> None:
        self.admin_key = (await keys.create_key(database, "operator", [Scope.ADMIN], label="console")).text
        scopes = [Scope.READ, Scope.SUBMIT]
        self.client_key = (await keys.create_key(database, "crm", scopes, label="nightly import")).text
        await clients.set_policy(database, "crm", {"accept_all": "risky", "min_confidence": 60})
        await pauses.pause(database, PauseKind.DOMAIN, SLOW, reason="their admin asked us to wait", by="operator")
        hook = await webhooks.add_webhook(database, "crm", "https://crm.example/hooks/validatord", "whsec_none", [])
        # Nothing leaves this machine.
        await webhooks.change_webhook(database, hook.id, Change(is_enabled=False))

    async def _enqueue(self, name: str, submission: str, addresses: Sequence[str]) -> None:
        redis = await client.open_redis(self.stage.redis_url)
        try:
            await client.enqueue(redis, addresses, client=name, submission=submission)
        finally:
            await redis.aclose()

    async def _wait(self, database: Database) -> None:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                found = await submissions.list_submissions(database)
                left = sum(item.requests - item.finished for item in found)
                if len(found) == 3 and left <= 30:
                    return
                self.stage.check_daemon()
                await asyncio.sleep(0.1)

    async def _add_troubles(self, database: Database) -> None:
        async with database.transaction() as connection:
            await connection.execute(_TROUBLES)
