"""A whole validatord on a stage, with the eyes of a judge: what was submitted, asked, finished, and said.

The judge's rules are the same after every fault: each address has exactly one result, and nobody was
asked twice but those whose conversation was cut.
"""

import asyncio
import itertools
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.store import ledger
from validatord.cli.intake import Wanted, submit_rows
from validatord.embedded.postgres import FAST_AND_LOOSE, EmbeddedPostgres
from validatord.intake.reading import InputRow
from validatord.sandbox.command import Scenario
from validatord.sandbox.internet import Sandbox
from validatord.sandbox.worlds import Sample
from validatord.settings import Settings
from validatord.stage import SandboxAddress, Stage
from validatord.store import migrations, submissions
from validatord.store.database import Database

CLIENT, SUBMISSION = "crm", "spring"
RCPT_PER_SESSION = 20
_POLL_SECONDS = 0.02
# As fast as the machine allows; the lanes still hold their sessions.
FAST: dict[str, dict[str, Any]] = {
    "pacing": {
        "sessions": 16,
        "session_interval": "0s",
        "rcpt_per_minute": 600_000,
        "is_slow_start": False,
        "unknown_ratio": 1.0,
        "per_domain_concurrency": 4,
    },
    "smtp": {"rcpt_per_session": RCPT_PER_SESSION, "refusals_per_session": 20, "resets_per_session": 30},
    "store": {"dispatch_interval": "100ms", "flush_interval": "20ms"},
}


async def until(
    condition: Callable[[], Awaitable[object] | object], what: str, seconds: float = 30, check: Callable[[], None] = int
) -> None:
    """Wait until a condition holds; fail with `what` did not come about."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return
        check()
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what}"
        await asyncio.sleep(_POLL_SECONDS)


@dataclass(frozen=True)
class Sight:
    """What could be seen at one moment: how often each address was asked, and who was finished."""

    rcpts: Counter[str] = field(default_factory=Counter[str])
    done: frozenset[str] = frozenset()
    totals: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass
class Play:
    """A stage, a list with its truth, and a connection of the judge's own to the ledger."""

    stage: Stage
    sample: Sample
    database: Database
    starts: int = 0
    cut: list[Sight] = field(default_factory=list)

    @property
    def addresses(self) -> list[str]:
        """The list."""
        return [one.address for one in self.sample.addresses]

    @property
    def log(self) -> str:
        """Everything every daemon of this play has said."""
        return self.stage.log_path.read_text(errors="replace")

    @property
    def daemon(self) -> asyncio.subprocess.Process:
        """The daemon."""
        assert self.stage.daemon_process is not None
        return self.stage.daemon_process

    # --- acting --------------------------------------------------------------------------------

    async def submit(self, *addresses: str) -> None:
        """Put addresses, by default the list, into the ledger through the door of the command line."""
        rows = [InputRow(number, address) for number, address in enumerate(addresses or self.addresses)]
        wanted = Wanted(CLIENT, SUBMISSION)
        await submit_rows(self.database, Settings.of(lookup={"public_addresses_only": False}), rows, wanted, int)

    async def start(self) -> None:
        """Start the daemon and wait until it says that it is ready."""
        await self.stage.start_daemon()
        self.starts += 1
        await until(lambda: self.log.count(" ready node=") == self.starts, "ready", check=self.stage.check_daemon)

    def write_settings(self, text: str = "") -> None:
        """Put other settings in place in one step, as an editor does; by default those of the stage."""
        if not text:
            self.stage.write_config()
            return
        beside = self.stage.config_path.with_suffix(".new")
        beside.write_text(text)
        beside.replace(self.stage.config_path)

    async def launch_another(self, *words: str) -> asyncio.subprocess.Process:
        """Start one more process with the daemon's settings; what it says is read from it."""
        command = [sys.executable, "-m", "validatord", "--config", str(self.stage.config_path), *words]
        pipe = asyncio.subprocess.PIPE
        environment = {**os.environ, "RUNTIME_DIRECTORY": str(self.stage.folder)}
        return await asyncio.create_subprocess_exec(
            *command, stdout=pipe, stderr=asyncio.subprocess.STDOUT, env=environment
        )

    async def kill(self) -> None:
        """Kill the daemon with signal 9, wait until everybody has noticed, and keep what can be seen then."""
        self.daemon.kill()
        await self.daemon.wait()
        await until(self._is_alone, "the killed daemon's connections to end")
        await until(self._is_quiet, "the killed daemon's sessions to end")
        self.cut.append(await self.look())

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """End the daemon by a signal; return its exit status and the seconds it took."""
        began = time.monotonic()
        self.daemon.send_signal(number)
        async with asyncio.timeout(30):
            status = await self.daemon.wait()
        return status, time.monotonic() - began

    async def _is_alone(self) -> bool:
        return not await self.database.fetch_value(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'validatord%'"
        )

    async def _is_quiet(self) -> bool:
        return await self.count_sessions() == 0

    # --- looking -------------------------------------------------------------------------------

    async def finished(self) -> int:
        """How many requests are finished."""
        progress = await submissions.get_progress(self.database, CLIENT, SUBMISSION)
        return progress.finished if progress is not None else 0

    async def until_finished(self, count: int | None = None, seconds: float = 60) -> None:
        """Wait until so many requests, by default all, are finished; the daemon must be there all the time."""
        wanted = len(self.sample.addresses) if count is None else count

        async def is_enough() -> bool:
            return await self.finished() >= wanted

        await until(is_enough, f"{wanted} finished", seconds, self.stage.check_daemon)

    async def look(self) -> Sight:
        """See who was asked and who is finished now."""
        rows = await self.database.fetch("SELECT email FROM requests WHERE state = 'done' AND email IS NOT NULL")
        counters = await self.stage.counters()
        return Sight(Counter(counters["rcpts"]), frozenset(row["email"] for row in rows), counters["total"])

    async def count_sessions(self) -> int:
        """How many sessions the sandbox has open."""
        return (await self.stage.counters())["total"]["sessions"]

    async def count_sessions_is(self, count: int) -> bool:
        """Whether so many sessions are open."""
        return await self.count_sessions() == count

    async def was_asked(self, address: str) -> bool:
        """Whether somebody was asked about an address."""
        return await self.count_asked(address, 1)

    async def count_asked(self, address: str, count: int) -> bool:
        """Whether somebody was asked about an address so many times."""
        return (await self.stage.counters())["rcpts"].get(address, 0) == count

    async def count_leases(self) -> int:
        """How many domains are leased."""
        return await self.database.fetch_value("SELECT count(*) FROM domain_queue WHERE leased_until IS NOT NULL")

    async def is_put_off(self, reason: str) -> bool:
        """Whether a request waits for this reason."""
        return await self.database.fetch_value(
            "SELECT count(*) FROM requests WHERE state = 'queued' AND deferral_reason = $1", reason
        )

    # --- judging -------------------------------------------------------------------------------

    async def judge(self) -> None:
        """Hold everything against the rules."""
        await self.judge_results()
        await self.judge_manners()
        self.judge_log()
        assert await ledger.find_broken(self.database) == []

    async def judge_results(self) -> None:
        """Each address has exactly one result, at its own place, and it is a right one."""
        progress = await submissions.get_progress(self.database, CLIENT, SUBMISSION)
        assert progress is not None
        rows = await submissions.fetch_results(self.database, progress.submission_id, -1, progress.requests + 1)
        assert [row.address for row in rows] == self.addresses
        wrong = [
            (row.address, row.status, row.reason)
            for row, one in zip(rows, self.sample.addresses, strict=True)
            if (row.status, row.reason) not in one.outcomes
        ]
        assert wrong == []

    async def judge_manners(self) -> None:
        """Nobody was asked twice but who was asked without a result when the daemon was killed."""
        end = await self.look()
        assert (end.totals["alarms"], end.totals["complaints"]) == (0, {})
        listed, allowed = set(self.addresses), Counter(self.addresses)
        for before, sight in itertools.pairwise([Sight(), *self.cut]):
            # What is committed is never asked again.
            assert {one for one in sight.done if end.rcpts[one] != sight.rcpts[one]} == set()
            asked = {one for one, count in sight.rcpts.items() if count > before.rcpts[one]} & listed
            allowed += Counter(asked - sight.done)
            # What is not was asked in a session that was open then, or closed in the moment before.
            assert len(asked - sight.done) <= end.totals["most_sessions"] * RCPT_PER_SESSION
        assert {one: count for one, count in end.rcpts.items() if one in listed and count > allowed[one]} == {}
        domains = {one.rpartition("@")[2] for one in listed}
        controls = sum(count for one, count in end.rcpts.items() if one not in listed)
        assert controls <= 2 * (len(domains) + len(self.cut) * end.totals["most_sessions"])

    def judge_log(self) -> None:
        """Nothing went wrong in the daemon that the test did not bring about."""
        assert [line for line in self.log.splitlines() if re.search(r" (ERROR|CRITICAL) |Traceback", line)] == []


def merge(*layers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Lay settings over one another, section by section."""
    found: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for name, values in layer.items():
            found[name] = found.get(name, {}) | dict(values)
    return found


@asynccontextmanager
async def open_play(
    folder: Path,
    scenario: Scenario | Sample,
    *,
    dsn: str = "",
    redis_url: str = "",
    speed: float = 50,
    settings: Mapping[str, Mapping[str, Any]] = {},
) -> AsyncIterator[Play]:
    """Set a stage: the stores given or its own, the sandbox; the daemon is not started yet.

    The sandbox of a scenario is a child process, that of a sample lives in this one.
    """
    folder.mkdir(exist_ok=True)
    stage = Stage(folder, overrides=merge(FAST, settings), dsn=dsn, redis_url=redis_url)
    database: Database | None = None
    sandbox: Sandbox | None = None
    try:
        sample, sandbox = await start_sandbox(stage, scenario, speed)
        if not dsn:
            # Without fsync a killed server loses nothing, only a machine would; its own buffers must be written.
            options = {**FAST_AND_LOOSE, "synchronous_commit": "on"}
            stage.postgres = EmbeddedPostgres(folder / "postgres", options=options)
            stage.dsn = await asyncio.to_thread(stage.postgres.start)
        stage.write_config()
        database = await Database.open(stage.dsn, pool_size=2, application_name="judge")
        await migrations.migrate(database)
        yield Play(stage, sample, database)
    finally:
        if database is not None:
            await database.aclose()
        await stage.stop()
        if sandbox is not None:
            await sandbox.aclose()
        if stage.postgres is not None:
            await asyncio.to_thread(stage.postgres.remove)


async def start_sandbox(stage: Stage, scenario: Scenario | Sample, speed: float) -> tuple[Sample, Sandbox | None]:
    """Start the sandbox and return the list; of a sample also what has to be closed."""
    if isinstance(scenario, Scenario):
        stage.sandbox_arguments = arguments_of(scenario, speed)
        await stage.start_sandbox()
        return scenario.make_sample(speed), None
    sandbox = Sandbox(scenario.spec)
    await sandbox.start()
    stage.sandbox = SandboxAddress(sandbox.resolver, sandbox.smtp_port, sandbox.control_port)
    return scenario, sandbox


def arguments_of(scenario: Scenario, speed: float) -> tuple[str, ...]:
    """The words that make the sandbox's command play this scenario."""
    words = {"scenario": scenario.name, "addresses": scenario.addresses, "domains": scenario.domains}
    words |= {"seed": scenario.seed, "speed": speed}
    return tuple(word for name, value in words.items() for word in (f"--{name}", str(value)))


def is_alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def children_of(pid: int) -> list[int]:
    """The processes that were started by a process."""
    try:
        found = [task.joinpath("children").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return []
    return [int(word) for word in " ".join(found).split()]
