"""arq's worker inside our process, made safe: nothing is unpickled, and nothing ends without being stored.

arq 0.28 deletes a job it cannot read, does not know, found expired, or whose function raised or took too
long, and a broken key in Redis ends its main loop. Here a job leaves the queue only after its chunk, or
the reason why it was rejected, is in the ledger. Built on `Worker`'s four steps: `start_jobs`, `run_job`,
`finish_job`, `finish_failed_job`.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import orjson
from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix, job_key_prefix, retry_key_prefix
from arq.worker import Worker, func
from redis.exceptions import ResponseError

from validatord import crash, metrics
from validatord.errors import StoreAway
from validatord.intake import wire
from validatord.intake.client import taken_key
from validatord.intake.jobs import Jobs

Function = Callable[..., Coroutine[Any, Any, dict[str, Any]]]

# A killed daemon's jobs are taken up again when arq's key of 10 s more has expired.
_JOB_TIMEOUT_SECONDS = 20
_TAKEN = timedelta(minutes=10)
_LARGEST_JOB = 8_000_000  # bytes; 10,000 addresses of ordinary length have 300,000
_PUT_OFF_MILLISECONDS = 5000
_NOT_ITS_TYPE = ("WRONGTYPE", "value is not an integer")


@dataclass(frozen=True, slots=True)
class WorkerRules:
    """How the worker takes jobs: which queue, how often it looks, how many at once."""

    queue: str
    poll_delay: timedelta
    max_jobs: int


class IntakeWorker(Worker):
    """One arq worker on one connection pool; built inside the running loop, it leaves signals alone."""

    def __init__(self, redis: ArqRedis, jobs: Jobs, rules: WorkerRules) -> None:
        functions = jobs.list_functions()
        names = frozenset(functions)
        calls = {**functions, wire.REJECT: jobs.reject}
        super().__init__(
            functions=[func(self._settling(call), name=name) for name, call in calls.items()],
            redis_pool=redis,
            queue_name=rules.queue,
            handle_signals=False,
            max_jobs=rules.max_jobs,
            poll_delay=rules.poll_delay.total_seconds(),
            job_timeout=_JOB_TIMEOUT_SECONDS,
            keep_result=0,
            max_tries=1_000_000,
            log_results=False,
            # Used for results only, which are not kept; exceptions among them must not fill the log.
            job_serializer=partial(orjson.dumps, default=str),
            job_deserializer=lambda data: wire.read_job(data, names),
        )
        self._jobs = jobs
        self._settled: set[str] = set()

    def _settling(self, call: Function) -> Callable[..., Any]:
        """Remember which jobs returned: only those may leave the queue."""

        async def run(context: dict[Any, Any], *arguments: Any) -> dict[str, Any]:
            answer = await call(context, *arguments)
            self._settled.add(context["job_id"])
            return answer

        return run

    async def record_health(self) -> None:
        """Write no health key: `IntakeState` knows better, and a Redis that refuses writes would end the loop."""

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        """Start jobs; an id that is no text would end the main loop, so it is taken out first."""
        readable: list[bytes] = []
        for job_id in job_ids:
            try:
                job_id.decode()
            except UnicodeDecodeError:
                await self._drop_unreadable_id(job_id)
            else:
                readable.append(job_id)
        await super().start_jobs(readable)

    async def _drop_unreadable_id(self, job_id: bytes) -> None:
        try:
            name = job_id.decode("ascii", "backslashreplace")
            await self._jobs.store_rejection(name, "", "the job id is no UTF-8 text")
        except StoreAway:
            return
        await self.pool.zrem(self.queue_name, job_id)

    async def run_job(self, job_id: str, score: int) -> None:
        """Run a job; what cannot even be fetched is rejected, whatever else happens the job stays queued."""
        try:
            size = await self.pool.strlen(job_key_prefix + job_id)
            if size > _LARGEST_JOB:
                await self._drop(job_id, f"the payload has {size} bytes; send chunks of 500 addresses")
            else:
                await super().run_job(job_id, score)
        except StoreAway:
            # Its rejection could not be stored: arq's own key lets the next try wait.
            return
        except ResponseError as error:
            if not any(words in str(error) for words in _NOT_ITS_TYPE):
                raise
            await self._repair(job_id)

    async def _repair(self, job_id: str) -> None:
        """One of arq's keys has another type: throw the counter away, or a job that is none."""
        if await self.pool.type(job_key_prefix + job_id) in {b"string", b"none"}:
            await self.pool.delete(retry_key_prefix + job_id, in_progress_key_prefix + job_id)
        else:
            await self._drop(job_id, "a key of another type stands where the job should be")

    async def _drop(self, job_id: str, reason: str) -> None:
        await self._jobs.store_rejection(job_id, "", reason)
        await super().finish_failed_job(job_id, None)

    async def finish_failed_job(self, job_id: str, result_data: bytes | None) -> None:
        """End a job that arq gave up; with our reading of jobs that is only one without a payload."""
        await self._jobs.store_rejection(job_id, "", "expired: the payload was gone before it was taken in")
        await super().finish_failed_job(job_id, result_data)

    async def finish_job(  # noqa: PLR0913, PLR0917 arq's own signature
        self,
        job_id: str,
        finish: bool,
        result_data: bytes | None,
        result_timeout_s: float | None,
        keep_result_forever: bool,
        incr_score: int | None,
        keep_in_progress: float | None,
    ) -> None:
        """End a job that is settled, and say so; put off every other, whatever arq thinks of it."""
        is_settled = job_id in self._settled
        self._settled.discard(job_id)
        metrics.count_intake_job("settled" if is_settled else "put_off")
        if is_settled:
            await self.pool.set(taken_key(self.queue_name, job_id), b"1", px=_TAKEN)
            crash.point("intake.taken")
        elif finish:
            finish, incr_score = False, _PUT_OFF_MILLISECONDS
        await super().finish_job(
            job_id, finish, result_data, result_timeout_s, keep_result_forever, incr_score, keep_in_progress
        )
