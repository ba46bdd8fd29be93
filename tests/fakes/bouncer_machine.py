"""A machine that may lose any message between us and Bouncer, kill the driver, and act as an operator.

Each rule sets up one trouble and runs some rounds; the sandbox's books are read after every step. Real
driver, real ledger, real HTTP: only the order of events is made up.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.fakes import bouncer_child
from tests.fakes.bouncer_rig import Rig, hand_over
from validatord.sandbox.bouncer import SandboxBouncer
from validatord.sandbox.bouncer_faults import Fault
from validatord.sandbox.bouncer_world import BouncerSpec
from validatord.store.database import Database

_KINDS = st.sampled_from(["create", "status", "download", "delete", "credits"])
# The request is lost, or its answer is; with silence, with a reset, or with a gateway's words in its place.
_LOSSES = st.sampled_from(["request", "answer"])
_WAYS = st.sampled_from(["reset", "truncate", "503", "silence"])
_CLEAN = """
TRUNCATE requests, submissions, clients, email_validation, outbox, bouncer_batches, bouncer_queue, bouncer_members,
    bouncer_results, bouncer_downloads, bouncer_incoming, bouncer_dead_letter_queue, bouncer_budgets,
    bouncer_rate_limit RESTART IDENTITY CASCADE
"""
_RESET = """
UPDATE bouncer_accounts SET credits = NULL, credits_ts = NULL, key_hash = '', stopped_ts = NULL, paused_ts = NULL,
    pause_reason = NULL, check_ts = NULL
"""


class BouncerMachine(RuleBasedStateMachine):
    """Addresses come in, messages get lost, processes die; nobody pays twice and nobody is forgotten."""

    dsn = ""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.emails: list[str] = []
        self.number = 0
        self.rig: Rig = self.run(self._open())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a piece of work to its end."""
        return self.loop.run_until_complete(work)

    async def _open(self) -> Rig:
        database = await Database.open(self.dsn, pool_size=4)
        await database.fetch(_CLEAN)
        await database.fetch(_RESET)
        service = SandboxBouncer(BouncerSpec(speed=20_000.0, is_limited=False))
        await service.start()
        return Rig(
            database,
            service,
            batch_size=8,
            read_timeout=timedelta(milliseconds=60),
            poll_interval=timedelta(milliseconds=2),
            retry_wait=timedelta(milliseconds=1),
            max_retry_wait=timedelta(milliseconds=4),
        )

    @initialize(count=st.integers(4, 20))
    def begin(self, count: int) -> None:
        """There is something to do."""
        self.submit(count)

    @rule(count=st.integers(1, 12))
    def submit(self, count: int) -> None:
        """Addresses are handed over; some of them are known already."""
        self.number += 1
        fresh = [f"user{self.number}x{place}@domain{place % 3}.example" for place in range(count)]
        again = self.emails[:2]
        self.run(hand_over(self.rig.database, [*fresh, *again], submission=f"list{self.number}"))
        self.emails += fresh

    @rule(kind=_KINDS, loss=_LOSSES, way=_WAYS, skip=st.integers(0, 2))
    def lose(self, kind: str, loss: str, way: str, skip: int) -> None:
        """A message gets lost on its way there, or its answer on the way back."""
        act, answer = ("replace", (503, "")) if way == "503" else (way, None)
        self.rig.service.faults.append(Fault(kind, skip=skip, act=act, answer=answer, is_worked_on=loss == "answer"))

    @rule(rounds=st.integers(1, 6))
    def drive(self, rounds: int) -> None:
        """The driver goes on."""
        self.run(self._drive(rounds))

    async def _drive(self, rounds: int) -> None:
        for _ in range(rounds):
            await self.rig.driver.run_once()
            await asyncio.sleep(0.001)

    @rule(turns=st.integers(1, 400))
    def crash(self, turns: int) -> None:
        """The driver dies somewhere in the middle; another one starts."""
        self.run(self._crash(turns))

    async def _crash(self, turns: int) -> None:
        task = asyncio.ensure_future(self.rig.driver.run_once())
        for _ in range(turns):
            await asyncio.sleep(0)
        for step in [task, *self.rig.driver._active.values()]:
            step.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        await self.rig.driver.aclose(0)
        self.rig.driver = self.rig.make_driver()

    @rule()
    def restart_service(self) -> None:
        """Bouncer is away for a moment: connections are refused."""
        self.run(self._restart_service())

    async def _restart_service(self) -> None:
        port = self.rig.service.port
        await self.rig.service.aclose()
        await self._drive(2)
        await self.rig.service.start(port)

    @precondition(lambda self: self.emails)
    @rule()
    def resolve(self) -> None:
        """An operator looks at the books there and decides what is unknown."""
        self.run(bouncer_child.resolve_unknown(self.rig.database, self.rig.service))

    @invariant()
    def nobody_paid_twice(self) -> None:
        """No address was charged more than once, and no create was sent again by itself."""
        assert self.rig.service.ledger.doubled_charges() == {}
        unknown = self.run(self.rig.fetch("SELECT count(*) FROM bouncer_batches WHERE state = 'submit_unknown'"))
        assert unknown <= 1

    def teardown(self) -> None:
        """In the end, with nothing lost any more, everybody has a verdict and the books agree."""
        try:
            self.run(self._end())
        finally:
            self.run(self._close())
            self.loop.close()

    async def _end(self) -> None:
        self.rig.service.faults.clear()
        async with asyncio.timeout(20):
            while await self.rig.fetch(
                "SELECT (SELECT count(*) FROM requests WHERE state = 'handed_over')"
                " + (SELECT count(*) FROM bouncer_batches WHERE state NOT IN ('cleaned', 'parked'))"
            ):
                await self._drive(1)
                await bouncer_child.resolve_unknown(self.rig.database, self.rig.service)
        assert self.rig.service.ledger.doubled_charges() == {}
        assert set(await self.rig.results()) == set(self.emails)

    async def _close(self) -> None:
        await self.rig.aclose()
        await self.rig.service.aclose()
        await self.rig.database.aclose()
