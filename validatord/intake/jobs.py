"""What arq jobs do here: `submit`, `revalidate`, `record_events`, and `reject` for what cannot be read.

A job that returns is settled: its work is committed, or its rejection is. Nothing else ends a job. What
went wrong for a while (PostgreSQL away, a bug of ours) asks arq to come back later, so that nothing that
was accepted is lost; the ledger takes a repeated chunk as known.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from arq import Retry
from loguru import logger

from validatord import metrics
from validatord.clock import Clock
from validatord.errors import StoreAway
from validatord.intake import events, wire
from validatord.intake.submit import Submitter
from validatord.logs import Seldom
from validatord.store import rejected
from validatord.store.database import Database

# Less than arq's own limit, which would end the job and with it the chunk.
JOB_SECONDS = 15.0
_AWAY_SECONDS = 1
_LONGEST_WAIT_SECONDS = 300

Arguments = dict[str, Any]
Answer = dict[str, Any]


@dataclass(slots=True)
class Counts:
    """What intake has done since the process started."""

    jobs: int = 0
    addresses: int = 0
    added: int = 0
    events: int = 0
    rejected: int = 0
    put_off: int = 0


class Jobs:
    """The functions arq may call, by name; `away` is told when PostgreSQL does not answer."""

    def __init__(
        self, database: Database, submitter: Submitter, clock: Clock, away: Callable[[], None] = lambda: None
    ) -> None:
        self.counts = Counts()
        self._database = database
        self._submitter = submitter
        self._clock = clock
        self._away = away
        self._trouble = Seldom(clock)

    def list_functions(self) -> Mapping[str, Callable[..., Coroutine[Any, Any, Answer]]]:
        """Return what jobs may ask for."""
        return {"submit": self.submit, "revalidate": self.revalidate, "record_events": self.record_events}

    async def submit(self, context: Mapping[str, Any], arguments: Arguments, data: bytes) -> Answer:
        """Take a chunk of addresses in."""
        return await self._settle(context, "submit", data, self._take_in(arguments, is_revalidation=False))

    async def revalidate(self, context: Mapping[str, Any], arguments: Arguments, data: bytes) -> Answer:
        """Take a chunk in that is to be asked again whatever is known."""
        return await self._settle(context, "revalidate", data, self._take_in(arguments, is_revalidation=True))

    async def record_events(self, context: Mapping[str, Any], arguments: Arguments, data: bytes) -> Answer:
        """Keep what campaigns told."""
        sent_at = context.get("enqueue_time")
        received_at = sent_at.astimezone(UTC) if isinstance(sent_at, datetime) else datetime.now(UTC)
        job_id = str(context["job_id"])
        return await self._settle(context, "record_events", data, self._keep_events(job_id, arguments, received_at))

    async def reject(self, context: Mapping[str, Any], function: str, reason: str, data: bytes) -> Answer:
        """Keep a job that could not be read, for a person to look at."""
        return await self._settle(context, function, data, self._refuse(reason))

    async def store_rejection(self, job_id: str, function: str, reason: str, data: bytes = b"") -> None:
        """Commit that a job was rejected, and why."""
        if await rejected.add(self._database, job_id, function, reason, data):
            self.counts.rejected += 1
            metrics.count_intake_job("rejected")
            logger.bind(job=job_id[:100], function=function, reason=reason).warning("arq job rejected")

    async def _take_in(self, arguments: Arguments, *, is_revalidation: bool) -> Answer:
        chunk = wire.read_chunk(arguments, is_revalidation=is_revalidation)
        result = await self._submitter.submit(chunk)
        self.counts.addresses += len(chunk.addresses)
        self.counts.added += result.added
        return {"added": result.added, "known": result.known, "answered": result.answered}

    async def _keep_events(self, job_id: str, arguments: Arguments, received_at: datetime) -> Answer:
        """Keep what can be read; what cannot is kept apart for a person to look at."""
        reading = wire.read_events(arguments, received_at)
        settings, now = self._submitter.rules.settings, self._clock.now()
        found = await events.record_events(self._database, reading.events, settings, now)
        self.counts.events += len(reading.events)
        if reading.problems:
            left_out = f"{len(reading.problems)} of {len(arguments['events'])} events left out: "
            bad = "\n".join(reading.problems).encode()
            await self.store_rejection(job_id, "record_events", left_out + reading.problems[0], bad)
        return {"added": found.added, "known": found.known, "rejudged": found.rejudged}

    async def _refuse(self, reason: str) -> Answer:
        raise wire.Unreadable(reason)

    async def _settle(self, context: Mapping[str, Any], function: str, data: bytes, work: Awaitable[Answer]) -> Answer:
        """Do the work, or commit why it cannot be done, or ask arq to come back."""
        self.counts.jobs += 1
        try:
            async with asyncio.timeout(JOB_SECONDS):
                try:
                    return await work
                except wire.Unreadable as error:
                    await self.store_rejection(str(context["job_id"]), function, str(error), data)
                    return {"rejected": str(error)}
        except (StoreAway, TimeoutError) as error:
            self.counts.put_off += 1
            self._away()
            raise Retry(defer=_AWAY_SECONDS) from error
        except Exception as error:
            self.counts.put_off += 1
            metrics.count_failure("arq job")
            if self._trouble.is_due():
                logger.bind(job=context["job_id"], function=function).exception("arq job put off")
            raise Retry(defer=min(_LONGEST_WAIT_SECONDS, 5 * int(context["job_try"]))) from error
