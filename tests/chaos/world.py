"""A whole validatord with a gate before every server: PostgreSQL, Redis, name server, MX hosts, Bouncer.

Everything behind the gates is real. The test moves the gates, kills what it likes, and asks the oracle.
"""

import asyncio
import contextlib
import re
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.acceptance.play import CLIENT, SUBMISSION, Play, merge, open_play, until
from tests.chaos import oracle, vitals
from tests.chaos.gate import Gate, NameGate
from validatord import crash
from validatord.embedded.redis import EmbeddedRedis
from validatord.intake import client
from validatord.mail.verdict import Reason, Status
from validatord.sandbox.bouncer import SandboxBouncer
from validatord.sandbox.bouncer_world import BouncerSpec
from validatord.sandbox.command import Scenario
from validatord.sandbox.spec import SandboxSpec
from validatord.sandbox.worlds import Sample, SampleAddress
from validatord.stage import SandboxAddress

BACK_SECONDS = 5.0  # how soon work goes on after an outage
# Hours are seconds, so that what is put off comes back within a test.
SOON: dict[str, dict[str, Any]] = {"retry": {"delays": ["1s", "1s", "1s"], "jitter": 0.0, "min_wait": "500ms"}}


@dataclass
class Gates:
    """A gate before every server."""

    postgres: Gate
    names: NameGate
    smtp: Gate
    redis: Gate | None = None
    bouncer: Gate | None = None


@dataclass(kw_only=True)
class World(Play):
    """A play behind gates."""

    gates: Gates
    redis: EmbeddedRedis | None = None
    bouncer: SandboxBouncer | None = None

    @property
    def pid(self) -> int:
        """The daemon."""
        return self.daemon.pid

    # --- acting --------------------------------------------------------------------------------

    async def launch(self, *, crash_at: str = "") -> None:
        """Start the daemon and wait for nothing; it may be told where to die."""
        self.stage.environment[crash.VARIABLE] = crash_at
        await self.stage.launch_daemon()

    async def start(self) -> None:
        """Start the daemon and wait until it says that it is ready."""
        ready = self.count_ready()
        await self.launch()
        await until(lambda: self.count_ready() > ready, "ready", check=self.stage.check_daemon)

    async def until_crashed(self, seconds: float = 60) -> None:
        """Wait until the daemon has died at the point it was told, and keep what could be seen then."""
        async with asyncio.timeout(seconds):
            status = await self.daemon.wait()
        assert status == -signal.SIGKILL, self.log[-2000:]
        await self.kill()

    async def kill(self) -> None:
        """Kill the daemon with signal 9, wait until everybody has noticed, and keep what can be seen then."""
        with contextlib.suppress(ProcessLookupError):
            self.daemon.kill()
        await self.daemon.wait()
        await until(self._is_alone, "the killed daemon's connections to end")
        await until(self._is_quiet, "the killed daemon's sessions to end")
        self.cut.append(await self.look())

    async def send(self, *addresses: str, submission: str = SUBMISSION, is_confirmed: bool = False) -> None:
        """Send addresses, by default the list, through Redis, as another service does."""
        assert self.redis is not None
        redis = await client.open_redis(self.redis.url)
        try:
            listed = list(addresses or self.addresses)
            await client.enqueue(redis, listed, client=CLIENT, submission=submission, is_confirmed=is_confirmed)
        finally:
            await redis.aclose(close_connection_pool=True)

    async def stop_well(self) -> None:
        """End the daemon in order: it says that all went well, and leaves no lease."""
        status, _ = await self.stop()
        assert (status, await self.count_leases()) == (0, 0)

    # --- looking -------------------------------------------------------------------------------

    def count_ready(self) -> int:
        """How often a daemon said that it is ready."""
        return len(re.findall(r" ready .*node=", self.log))

    async def look_at_hosts(self) -> dict[str, Any]:
        """The books of the sandbox."""
        return await self.stage.counters()

    def vitals(self) -> vitals.Vitals:
        """What the daemon uses now."""
        return vitals.look_at(self.pid)

    async def until_back(self, since: float, seconds: float = BACK_SECONDS) -> float:
        """Wait until something more is finished; return the seconds since then, which may not be too many."""
        before = await self.finished()
        if before < len(self.sample.addresses):
            await self.until_finished(before + 1, seconds + 30)
        took = time.monotonic() - since
        assert took < seconds
        return took

    async def wait_out(self, seconds: float) -> None:
        """Let time pass; the daemon must be there all the time."""
        end = time.monotonic() + seconds
        await until(lambda: time.monotonic() > end, "the end", seconds + 5, self.stage.check_daemon)

    async def until_said(self, pattern: str, seconds: float = 30) -> None:
        """Wait until the daemon's log says so."""
        await until(lambda: re.search(pattern, self.log), f"{pattern!r} in the log", seconds)

    async def judge(self, *, errors: str = "", retried: bool = False) -> None:
        """Ask the oracle; `errors` is a pattern of what the test itself brought about."""
        await oracle.judge(self, errors=errors, retried=retried)


def make_sample(spec: SandboxSpec, outcomes: Mapping[str, str]) -> Sample:
    """Make a list with its truth: address → the right answers, as "valid accepted | unknown no_connection"."""
    found: list[SampleAddress] = []
    for address, answers in outcomes.items():
        words = [answer.split() for answer in answers.split("|")]
        right = tuple((Status(status), Reason(reason)) for status, reason in words)
        found.append(SampleAddress(address, "", right))
    return Sample(spec, tuple(found))


@asynccontextmanager
async def open_world(
    folder: Path,
    scenario: Scenario | Sample,
    *,
    dsn: str = "",
    has_redis: bool = False,
    bouncer: BouncerSpec | None = None,
    is_gated: bool = True,
    speed: float = 50,
    settings: Mapping[str, Mapping[str, Any]] = {},
) -> AsyncIterator[World]:
    """Set up a world: a PostgreSQL of its own unless one is given, a Redis and a Bouncer where asked for.

    Without gates in the way it is as fast as the machine allows.
    """
    async with contextlib.AsyncExitStack() as stack:
        play = await stack.enter_async_context(
            open_play(folder / "stage", scenario, dsn=dsn, speed=speed, settings=settings)
        )
        sandbox = play.stage.sandbox
        assert sandbox is not None
        gates = await _open_gates(stack, play.stage.dsn, sandbox)
        overrides = _lead_through(gates, play.stage.dsn) if is_gated else {}
        redis = await _start_redis(stack, folder) if has_redis else None
        if redis is not None:
            gates.redis = await stack.enter_async_context(Gate(Path(redis.url.removeprefix("unix://"))))
            through = f"redis://127.0.0.1:{gates.redis.port}/0"
            overrides["redis"] = {"url": through if is_gated else redis.url, "is_enabled": True}
        service = await stack.enter_async_context(SandboxBouncer(bouncer)) if bouncer is not None else None
        if service is not None:
            where = urlsplit(service.url)
            gates.bouncer = await stack.enter_async_context(Gate((str(where.hostname), int(where.port or 0))))
            url = f"http://127.0.0.1:{gates.bouncer.port}{where.path}"
            overrides["bouncer"] = {"base_url": url, "api_key": service.spec.keys[0][0]}
        play.stage.overrides = merge(overrides, play.stage.overrides)
        play.stage.write_config()
        play.stage.log_path.touch()
        parts = {field.name: getattr(play, field.name) for field in fields(play)}
        yield World(**parts, gates=gates, redis=redis, bouncer=service)


async def _open_gates(stack: contextlib.AsyncExitStack, dsn: str, sandbox: SandboxAddress) -> Gates:
    where = parse_qs(urlsplit(dsn).query)
    host, _, port = sandbox.resolver.rpartition(":")
    return Gates(
        postgres=await stack.enter_async_context(Gate(Path(where["host"][0]) / f".s.PGSQL.{where['port'][0]}")),
        names=await stack.enter_async_context(NameGate((host, int(port)))),
        smtp=await stack.enter_async_context(Gate(sandbox.smtp_port)),
    )


def _lead_through(gates: Gates, dsn: str) -> dict[str, dict[str, Any]]:
    name = urlsplit(dsn).path
    return {
        "database": {"url": f"postgresql://validatord@127.0.0.1:{gates.postgres.port}{name}?sslmode=disable"},
        "lookup": {"resolvers": [gates.names.address]},
        "smtp": {"port": gates.smtp.port},
    }


async def _start_redis(stack: contextlib.AsyncExitStack, folder: Path) -> EmbeddedRedis:
    redis = EmbeddedRedis(folder / "redis")
    await asyncio.to_thread(redis.start)
    stack.push_async_callback(asyncio.to_thread, redis.stop)
    return redis
