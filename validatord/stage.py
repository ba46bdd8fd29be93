"""A whole validatord on loopback, for the demo, the benchmark and the acceptance tests.

Real PostgreSQL, real Redis, the sandbox internet and the daemon, each a process of its own, all owned
by this one: whatever happens, nothing is left running. The daemon's settings stand in a file in the
stage's folder, so everything can be looked at afterwards.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from validatord.embedded.postgres import EmbeddedPostgres
from validatord.embedded.process import make_death_bond
from validatord.embedded.redis import EmbeddedRedis, find_redis_server
from validatord.errors import ConfigurationError
from validatord.store import migrations, nodes
from validatord.store.database import Database

_READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class SandboxAddress:
    """Where the sandbox listens."""

    resolver: str
    smtp_port: int
    control_port: int
    disposable_domains: tuple[str, ...] = ()
    free_domains: tuple[str, ...] = ()


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(slots=True)
class Stage:
    """Starts the parts in order and stops them in reverse."""

    folder: Path
    sandbox_arguments: tuple[str, ...] = ()
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    postgres: EmbeddedPostgres | None = None
    redis: EmbeddedRedis | None = None
    dsn: str = ""
    redis_url: str = ""
    environment: dict[str, str] = field(default_factory=dict[str, str])  # of the daemon, beside this process's own
    program: tuple[str, ...] = ("-m", "validatord")  # what Python runs as the daemon
    output_path: Path | None = None  # where the daemon writes, if not to its log
    sandbox: SandboxAddress | None = None
    sandbox_process: asyncio.subprocess.Process | None = None
    bouncer_process: asyncio.subprocess.Process | None = None
    daemon_process: asyncio.subprocess.Process | None = None
    web_port: int = field(default_factory=_find_free_port)

    @property
    def web_url(self) -> str:
        """Where the daemon's API and console are."""
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def config_path(self) -> Path:
        """The daemon's settings file."""
        return self.folder / "validatord.toml"

    @property
    def log_path(self) -> Path:
        """What the daemon logs."""
        return self.folder / "validatord.log"

    async def start_stores(self) -> None:
        """Start PostgreSQL, and Redis where one is found."""
        self.postgres = EmbeddedPostgres(self.folder / "postgres")
        self.dsn = await asyncio.to_thread(self.postgres.start)
        if find_redis_server() is not None:
            self.redis = EmbeddedRedis(self.folder / "redis")
            self.redis_url = await asyncio.to_thread(self.redis.start)

    async def start_sandbox(self) -> SandboxAddress:
        """Start the sandbox internet and return where it listens."""
        ready = self.folder / "sandbox.json"
        ready.unlink(missing_ok=True)
        self.sandbox_process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "validatord.sandbox.command",
            "--ready-file",
            str(ready),
            "--smtp-port",
            "0",
            *self.sandbox_arguments,
            preexec_fn=make_death_bond(signal.SIGTERM),
        )
        data = await _wait_for_json(ready, self.sandbox_process)
        self.sandbox = SandboxAddress(
            data["resolver"],
            int(data["smtp_port"]),
            int(data["control"].rpartition(":")[2]),
            tuple(data["disposable_domains"]),
            tuple(data["free_domains"]),
        )
        return self.sandbox

    async def start_bouncer(self, *arguments: str) -> None:
        """Start a Bouncer of the sandbox and let the daemon's settings name it."""
        ready = self.folder / "bouncer.json"
        self.bouncer_process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "validatord.sandbox.bouncer_command",
            "--ready-file",
            str(ready),
            *arguments,
            preexec_fn=make_death_bond(signal.SIGTERM),
        )
        data = await _wait_for_json(ready, self.bouncer_process)
        named = {"api_key": data["key"], "base_url": data["url"]}
        self.overrides["bouncer"] = named | self.overrides.get("bouncer", {})

    def write_config(self) -> Path:
        """Write the daemon's settings for this stage."""
        if self.sandbox is None:
            raise ConfigurationError(["the sandbox must run before the settings can be written"])
        sections: dict[str, dict[str, Any]] = {
            "service": {"node": "stage", "log_format": "text"},
            "database": {"url": self.dsn},
            "redis": {"url": self.redis_url, "is_enabled": bool(self.redis_url)},
            "web": {"port": self.web_port},
            "lookup": {"resolvers": [self.sandbox.resolver], "public_addresses_only": False},
            "smtp": {"port": self.sandbox.smtp_port},
            "policy": {
                "disposable_file": self._write_names("disposable.txt", self.sandbox.disposable_domains),
                "free_file": self._write_names("free.txt", self.sandbox.free_domains),
            },
        }
        # No host of the sandbox is a provider anybody knows: all are paced by the stage's own settings.
        providers = self.folder / "providers.toml"
        providers.write_text("", encoding="utf-8")
        # … all are in one network, and some of them call any address listed: neither says anything there.
        sections["pacing"] = {"providers_file": str(providers), "is_network_counted": False, "listing_pause": "0s"}
        for name, values in self.overrides.items():
            sections[name] = sections.get(name, {}) | values
        identity = (
            '[[identities]]\nhelo_name = "probe.validatord.example"\nenvelope_sender = "probe@validatord.example"\n'
        )
        beside = self.config_path.with_suffix(".new")
        beside.write_text(identity + "".join(_toml_table(*item) for item in sections.items()), encoding="utf-8")
        beside.replace(self.config_path)  # in one step: a daemon may be reading it
        return self.config_path

    def _write_names(self, name: str, names: tuple[str, ...]) -> str:
        path = self.folder / name
        path.write_text("".join(f"{item}\n" for item in names), encoding="utf-8")
        return str(path)

    async def start_daemon(self) -> None:
        """Start the daemon and wait until its node is seen in the ledger."""
        await self.launch_daemon()
        assert self.daemon_process is not None  # noqa: S101 it was launched above
        await self._wait_for_node(self.daemon_process)

    async def launch_daemon(self) -> None:
        """Start the daemon and wait for nothing."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("VALIDATORD_")}
        environment["RUNTIME_DIRECTORY"] = str(self.folder)
        with (self.output_path or self.log_path).open("ab") as log:
            self.daemon_process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self.program,
                "--config",
                str(self.config_path),
                "serve",
                stdout=log,
                stderr=log,
                env=environment | self.environment,
                preexec_fn=make_death_bond(signal.SIGTERM),
            )

    async def _wait_for_node(self, process: asyncio.subprocess.Process) -> None:
        database = await Database.open(self.dsn, pool_size=2)
        try:
            await migrations.migrate(database)
            async with asyncio.timeout(_READY_SECONDS):
                while not await nodes.is_running(database):
                    self.check_daemon(process)
                    await asyncio.sleep(0.02)
        finally:
            await database.aclose()

    def check_daemon(self, process: asyncio.subprocess.Process | None = None) -> None:
        """Raise ConfigurationError with its last lines if the daemon has ended."""
        checked = process or self.daemon_process
        if checked is None or checked.returncode is not None:
            tail = "\n".join(self.log_path.read_text(errors="replace").splitlines()[-15:])
            raise ConfigurationError([f"the daemon has ended; its last lines:\n{tail}"])

    async def counters(self) -> dict[str, Any]:
        """Return what the sandbox's servers have counted."""
        return await self.tell_sandbox("counters")

    async def tell_sandbox(self, line: str) -> dict[str, Any]:
        """Say a line to the sandbox's control port and return its answer."""
        if self.sandbox is None:
            raise ConfigurationError(["the sandbox does not run"])
        reader, writer = await asyncio.open_connection("127.0.0.1", self.sandbox.control_port, limit=64 * 2**20)
        try:
            writer.write(line.encode() + b"\n")
            await writer.drain()
            return orjson.loads(await reader.readline())
        finally:
            writer.close()
            await writer.wait_closed()

    async def stop(self) -> int:
        """Stop everything that was started, daemon first; return the daemon's exit status."""
        status = await _end(self.daemon_process)
        await _end(self.bouncer_process)
        await _end(self.sandbox_process)
        if self.redis is not None:
            await asyncio.to_thread(self.redis.stop)
        if self.postgres is not None:
            await asyncio.to_thread(self.postgres.stop)
        return status


def _toml_table(name: str, values: dict[str, Any]) -> str:
    # JSON's strings, numbers, booleans and lists of them are TOML's, too.
    return f"\n[{name}]\n" + "".join(f"{key} = {orjson.dumps(value).decode()}\n" for key, value in values.items())


async def _wait_for_json(path: Path, process: asyncio.subprocess.Process) -> dict[str, Any]:
    async with asyncio.timeout(_READY_SECONDS):
        while process.returncode is None:
            with contextlib.suppress(FileNotFoundError, orjson.JSONDecodeError):
                return orjson.loads(path.read_bytes())  # noqa: ASYNC240 a file of one line
            await asyncio.sleep(0.02)
    raise ConfigurationError([f"the sandbox ended with exit status {process.returncode} before it was ready"])


async def _end(process: asyncio.subprocess.Process | None) -> int:
    if process is None:
        return 0
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(20):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return process.returncode or 0
