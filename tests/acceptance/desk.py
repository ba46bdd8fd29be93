"""A person at the command line: an internet in this process, a ledger, and commands as child processes."""

import asyncio
import csv
import io
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.acceptance.play import merge
from validatord.sandbox.internet import Sandbox
from validatord.sandbox.spec import SandboxSpec
from validatord.stage import SandboxAddress, Stage

# Nothing is paced, hours are seconds, and visits at a stop get a moment.
SETTINGS: dict[str, dict[str, Any]] = {
    "pacing": {
        "sessions": 4,
        "session_interval": "0s",
        "rcpt_per_minute": 600_000,
        "is_slow_start": False,
        "unknown_ratio": 1.0,
    },
    "retry": {"delays": ["2s", "3s", "4s"], "jitter": 0.0, "min_wait": "1s"},
    "store": {"dispatch_interval": "100ms", "flush_interval": "20ms"},
}
# What every engine at a desk says, since it may connect to loopback.
OPEN = "lookup.public_addresses_only is off: any address may be connected to"
FIELDS = [
    "email",
    "status",
    "reason",
    "reasons",
    "confidence",
    "flags",
    "suggestion",
    "mx_host",
    "reply",
    "attempts",
    "checked_at",
    "due_at",
    "source",
]


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it said."""

    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, str]]:
        """The results, where it wrote them as CSV to standard output."""
        return read_csv(self.out)

    @property
    def complaint(self) -> str:
        """The one line it said about what was wrong."""
        assert "Traceback" not in self.err
        [line] = self.err.splitlines()
        return line


@dataclass
class Desk:
    """Where the person sits: an empty folder with a settings file beside it."""

    stage: Stage
    sandbox: Sandbox

    @property
    def folder(self) -> Path:
        """The person's own folder."""
        return self.stage.folder / "home"

    async def start(
        self, *words: str, stdin: int = asyncio.subprocess.DEVNULL, terminal: int | None = None
    ) -> asyncio.subprocess.Process:
        """Start a command; with a terminal it speaks there, else into pipes."""
        pipe = asyncio.subprocess.PIPE if terminal is None else terminal
        command = [sys.executable, "-m", "validatord", "--config", str(self.stage.config_path), *words]
        root = str(Path(__file__).parents[2])
        environment = {**os.environ, "PYTHONPATH": root, "PYTHONUTF8": "1", "TERM": "xterm", "COLUMNS": "120"}
        return await asyncio.create_subprocess_exec(
            *command, stdin=stdin, stdout=pipe, stderr=pipe, cwd=self.folder, env=environment
        )

    async def run(self, *words: str, stdin: bytes | None = None) -> Ran:
        """Run a command to its end."""
        process = await self.start(
            *words, stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE
        )
        return await end(process, stdin)

    def write(self, name: str, data: bytes) -> str:
        """Put a file into the folder."""
        (self.folder / name).write_bytes(data)
        return name

    def read(self, name: str) -> str:
        """Read a file of the folder."""
        return (self.folder / name).read_text(encoding="utf-8")


async def end(process: asyncio.subprocess.Process, stdin: bytes | None = None) -> Ran:
    """Wait for the end of a command."""
    async with asyncio.timeout(45):
        out, err = await process.communicate(stdin)
    assert process.returncode is not None
    said = [line for line in err.decode().splitlines() if not line.endswith(OPEN)]
    return Ran(process.returncode, out.decode(), "\n".join(said))


def read_csv(text: str) -> list[dict[str, str]]:
    """Read results as a spreadsheet does."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def read_jsonl(text: str) -> list[dict[str, Any]]:
    """Read results as a program does."""
    return [json.loads(line) for line in text.splitlines()]


def verdicts(rows: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """What matters most of each result."""
    return [(row["email"], row["status"], row["reason"]) for row in rows]


@asynccontextmanager
async def open_desk(
    folder: Path, dsn: str, spec: SandboxSpec, settings: Mapping[str, Mapping[str, Any]] = {}
) -> AsyncIterator[Desk]:
    """Open a desk."""
    stage = Stage(folder, overrides=merge(SETTINGS, settings), dsn=dsn)
    async with Sandbox(spec) as sandbox:
        stage.sandbox = SandboxAddress(sandbox.resolver, sandbox.smtp_port, sandbox.control_port)
        stage.write_config()
        desk = Desk(stage, sandbox)
        desk.folder.mkdir()
        try:
            yield desk
        finally:
            await stage.stop()
