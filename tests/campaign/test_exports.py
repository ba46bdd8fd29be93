"""A million results to a slow reader: memory stays flat, no transaction stays open (L10).

Run with: pytest tests/campaign/test_exports.py -m campaign -s
"""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.bench.usage import read_memory
from validatord.store.database import Database

_ROWS = 1_000_000
_RATE = 100_000  # bytes a second …
_SLOW_SECONDS = 60.0  # … for so long; the rest is read as it comes
_MOST_GROWTH = 50.0  # MB
_ROOT = Path(__file__).parents[2]
_FILL = """
WITH c AS (INSERT INTO clients (name) VALUES ('crm') RETURNING name),
s AS (
    INSERT INTO submissions (client, submission, requests, finished, finished_at)
    SELECT c.name, 'long', $1::bigint, $1::bigint, now() FROM c RETURNING id
)
INSERT INTO requests (
    submission_id, idx, address, email, domain, state, finished_at, status, reason, reasons, confidence, mx_host,
    reply, source, attempt, checked_at
)
SELECT
    s.id, n, 'user' || n || '@domain' || n % 9973 || '.example', 'user' || n || '@domain' || n % 9973 || '.example',
    'domain' || n % 9973 || '.example', 'done', now(), 'valid', 'accepted', '["accepted", "mx_found"]'::jsonb, 95,
    'mx.domain' || n % 9973 || '.example', '250 2.1.5 OK', 'probe', 1, now()
FROM s, generate_series(0, $1::bigint - 1) AS n
"""
_OLDEST = """
SELECT coalesce(max(extract(EPOCH FROM now() - xact_start)), 0)::float8 FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND backend_type = 'client backend'
"""


@asynccontextmanager
async def _open_door(dsn: str) -> AsyncIterator[tuple[Process, str, str]]:
    command = (sys.executable, "-m", "tests.fakes.door_child", dsn)
    child = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, cwd=_ROOT)
    assert child.stdout is not None
    assert child.stdin is not None
    try:
        url, key = (await child.stdout.readline()).decode().split()
        yield child, url, key
    finally:
        child.stdin.close()
        await child.wait()


@pytest.mark.campaign
@pytest.mark.timeout(3600)
async def test_a_million_results_to_a_slow_reader(database: Database, dsn: str) -> None:
    """CSV, JSON lines and Parquet of 1,000,000 results: the door grows by 50 MB at most, no transaction gets old."""
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL statement_timeout = 0")
        await connection.execute(_FILL, _ROWS)
    async with _open_door(dsn) as (child, url, key), aiohttp.ClientSession(read_bufsize=65_536) as session:
        session.headers["Authorization"] = f"Bearer {key}"
        path = f"{url}/v1/submissions/1/export"
        for form in ("csv", "ndjson", "parquet"):  # what is loaded once is no growth
            async with session.get(f"{path}.{form}?until=20000") as answer:
                await answer.read()
        before = read_memory(child.pid)
        for form in ("csv", "ndjson", "parquet"):
            began = time.monotonic()
            size, most, oldest = 0, 0.0, 0.0
            timeout = aiohttp.ClientTimeout(total=None)
            plain = {"Accept-Encoding": "identity"}  # so that bytes read are bytes on the wire
            async with session.get(f"{path}.{form}", timeout=timeout, headers=plain) as answer:
                looked_at = began
                async for piece in answer.content.iter_chunked(65_536):
                    size += len(piece)
                    if time.monotonic() - began < _SLOW_SECONDS:
                        await asyncio.sleep(len(piece) / _RATE)
                    if time.monotonic() - looked_at > 1.0:
                        looked_at = time.monotonic()
                        most = max(most, read_memory(child.pid))
                        oldest = max(oldest, await database.fetch_value(_OLDEST))
            seconds = time.monotonic() - began - _SLOW_SECONDS
            sys.stdout.write(
                f"\n{form}: {size / 1e6:.0f} MB, {_ROWS / seconds:,.0f} rows/s once read fast, memory {before:.0f} MB, at"
                f" most {most:.0f} MB, oldest transaction {oldest:.1f} s\n"
            )
            assert size > 10_000_000
            assert most - before <= _MOST_GROWTH
            assert oldest < _SLOW_SECONDS
