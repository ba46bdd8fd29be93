"""Our side: the engine as the daemon runs it, over a list of addresses, to the last verdict."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.interop import name_server
from validatord.clock import SystemClock
from validatord.engine import Engine
from validatord.mail.parse import parse_address
from validatord.settings import Settings
from validatord.store import submissions
from validatord.store.database import Database

# A mailbox that is put off is asked again in time for a test; the rest is as it comes.
RETRY_SECONDS = 3
_SECTIONS: dict[str, dict[str, Any]] = {
    "lookup": {"resolvers": [f"{name_server.ADDRESS}:{name_server.PORT}"], "public_addresses_only": False},
    "pacing": {"session_interval": "100ms", "rcpt_per_minute": 6000, "unknown_ratio": 1.0},
    "smtp": {"idle_timeout": "1s"},
    "retry": {"delays": [f"{RETRY_SECONDS}s"] * 3, "jitter": 0.0, "min_wait": "1s"},
    "store": {"dispatch_interval": "100ms", "flush_interval": "20ms"},
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found out about one address; prints as the reply that decided."""

    status: str
    reason: str
    reply: str
    attempts: int

    @property
    def verdict(self) -> tuple[str, str]:
        """Status and main reason."""
        return self.status, self.reason


@dataclass(frozen=True, slots=True)
class Prober:
    """Verifies addresses; every call is a daemon's life of its own, over one ledger."""

    database: Database
    port: int
    providers_file: str

    async def verify(
        self, addresses: Sequence[str], *, seconds: float = 30.0, **sections: dict[str, Any]
    ) -> dict[str, Answer]:
        """Return an answer for each address; `sections` are settings that differ."""
        identity = {
            "helo_name": name_server.HELO_NAME,
            "envelope_sender": name_server.ENVELOPE_SENDER,
            "source_address": name_server.SOURCE_ADDRESS,
        }
        merged = {name: values | sections.get(name, {}) for name, values in _SECTIONS.items()}
        merged["smtp"]["port"] = self.port
        # Nobody here is a provider anybody knows: the settings' own pace.
        merged["pacing"]["providers_file"] = self.providers_file
        identity |= sections.get("identity", {})
        settings = Settings.of(identities=[identity], **merged)
        engine = Engine(self.database, lambda: settings, SystemClock(), random.Random(1))
        await self._submit(addresses)
        await engine.start()
        try:
            async with asyncio.timeout(seconds):
                submission_id = await self._wait_finished()
        finally:
            await engine.stop()
        rows = await submissions.fetch_results(self.database, submission_id, -1, len(addresses))
        return {row.address: Answer(row.status or "", row.reason or "", row.reply or "", row.attempts) for row in rows}

    async def verify_mailboxes(self, domain: str, *names: str, **more: Any) -> dict[str, tuple[str, str]]:
        """Return status and reason by local part."""
        found = await self.verify([f"{name}@{domain}" for name in names], **more)
        return {address.rpartition("@")[0]: answer.verdict for address, answer in found.items()}

    async def _submit(self, addresses: Sequence[str]) -> None:
        items = tuple(
            submissions.ChunkItem(index, address, parse_address(address, allow_special_use=True))
            for index, address in enumerate(addresses)
        )
        await submissions.add_chunk(self.database, submissions.Chunk("interop", "list", 50, items))

    async def _wait_finished(self) -> int:
        while True:
            progress = await submissions.get_progress(self.database, "interop", "list")
            if progress is not None and progress.finished == progress.requests:
                return progress.submission_id
            await asyncio.sleep(0.05)
