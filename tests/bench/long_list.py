"""A list of 200,000 addresses through arq and the daemon: is its memory flat, do leases stay fast?

The hosts answer almost at once and take many sessions, so that the ledger and the daemon are what takes
time. Run with
`python -m tests.bench.long_list [--addresses N]`; it takes several minutes.
"""

import argparse
import asyncio
import re
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench import report, usage, verification
from tests.bench.report import Figure
from tests.bench.verification import CLIENT, SUBMISSION, Load
from tests.services import open_state_dir
from validatord.stage import Stage
from validatord.store import submissions
from validatord.store.database import Database

_LEASE = re.compile(r"duration: ([\d.]+) ms +(?:bind|execute) [^:]*: /\* leases\.(?:lease_domains|take_due) \*/")
_SESSIONS = 40
_PARTS = 10
_MOST_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the run was at one moment; `log_size` says how far the server's log reached."""

    seconds: float
    finished: int
    memory: float
    log_size: int


async def run(folder: Path, addresses: int) -> list[Figure]:
    """Send the list, note a mark for every tenth of it, compare the first with the last."""
    pacing = {"pacing": verification.OVERRIDES["pacing"] | {"sessions": _SESSIONS}}
    load = Load(addresses, domains=addresses // 20, speed=1000.0, overrides=pacing)
    stage = load.make_stage(folder)
    try:
        await stage.start_stores()
        await stage.start_sandbox()
        stage.write_config()
        await stage.start_daemon()
        database = await Database.open(stage.dsn, pool_size=1, application_name="bench")
        try:
            await _log_durations(database)
            await verification.send(stage, [line.address for line in load.scenario.make_sample().addresses])
            marks = [mark async for mark in _watch(stage, database, addresses)]
        finally:
            await database.aclose()
        assert stage.postgres is not None
        return list_figures(marks, stage.postgres.log_path)
    finally:
        await stage.stop()
        if stage.postgres is not None:
            stage.postgres.remove()


async def _log_durations(database: Database) -> None:
    for setting in ("log_min_duration_statement = 0", "log_parameter_max_length = 0"):
        await database.fetch(f"ALTER SYSTEM SET {setting}")
    await database.fetch("SELECT pg_reload_conf()")


async def _watch(stage: Stage, database: Database, addresses: int) -> AsyncIterator[Mark]:
    assert stage.daemon_process is not None
    assert stage.postgres is not None
    started, part = time.monotonic(), 0
    while part <= _PARTS and time.monotonic() - started < _MOST_SECONDS:
        stage.check_daemon()
        progress = await submissions.get_progress(database, CLIENT, SUBMISSION)
        finished = progress.finished if progress is not None else 0
        while part <= _PARTS and finished >= addresses * part // _PARTS:
            memory = usage.read_memory(stage.daemon_process.pid)
            mark = Mark(time.monotonic() - started, finished, memory, stage.postgres.log_path.stat().st_size)
            report.say(f"  {mark.seconds:6.0f} s  {finished:>9,}  {memory:5.0f} MB")
            yield mark
            part += 1
        await asyncio.sleep(0.5)


def list_figures(marks: list[Mark], log: Path) -> list[Figure]:
    """Compare the second tenth with the last; the first is still being taken in."""
    early, late = (marks[1], marks[2]), (marks[-2], marks[-1])
    leases = [statistics.median(_read_leases(log, first, last)) for first, last in (early, late)]
    rates = [(last.finished - first.finished) / (last.seconds - first.seconds) for first, last in (early, late)]
    return [
        Figure("addresses", marks[-1].finished),
        Figure("seconds", marks[-1].seconds),
        Figure("memory after a fifth, MB", early[1].memory),
        Figure("memory at the end, MB", late[1].memory, most=250),
        Figure("a leasing statement in the second tenth, ms", leases[0], digits=2),
        Figure("a leasing statement in the last tenth, ms", leases[1], most=leases[0] * 2, digits=2),
        Figure("addresses per second in the second tenth", rates[0]),
        Figure("addresses per second in the last tenth", rates[1]),
    ]


def _read_leases(log: Path, first: Mark, last: Mark) -> Iterator[float]:
    text = log.read_bytes()[first.log_size : last.log_size].decode(errors="replace")
    yield from (float(found[1]) for found in _LEASE.finditer(text))


def main() -> int:
    """Measure, and return 1 where a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--addresses", type=int, default=200_000)
    addresses = parser.parse_args().addresses
    with open_state_dir(is_on_disk=True) as folder:
        return report.show(asyncio.run(run(folder, addresses)))


if __name__ == "__main__":
    sys.exit(main())
