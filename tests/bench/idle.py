"""What a daemon without work costs: CPU, statements and memory, over `--seconds`."""

import argparse
import asyncio
import sys
from pathlib import Path

from tests.bench import report, usage, verification
from tests.bench.report import Figure
from tests.bench.verification import Load
from tests.services import open_state_dir
from validatord.stage import Stage
from validatord.store.database import Database

_SETTLING_SECONDS = 5.0


async def run(folder: Path, seconds: float) -> list[Figure]:
    """Start everything, send nothing, and count."""
    stage = Load(addresses=10, domains=5, overrides={}).make_stage(folder)
    try:
        await stage.start_stores()
        await stage.start_sandbox()
        stage.write_config()
        await stage.start_daemon()
        await _log_every_statement(stage)
        await asyncio.sleep(_SETTLING_SECONDS)
        return await _measure(stage, seconds)
    finally:
        await stage.stop()
        if stage.postgres is not None:
            stage.postgres.remove()


async def _log_every_statement(stage: Stage) -> None:
    """The server's own log counts BEGIN and COMMIT too."""
    database = await Database.open(stage.dsn, pool_size=1, application_name="bench")
    await database.fetch("ALTER SYSTEM SET log_statement = 'all'")
    await database.fetch("SELECT pg_reload_conf()")
    await database.aclose()


async def _measure(stage: Stage, seconds: float) -> list[Figure]:
    assert stage.daemon_process is not None
    assert stage.postgres is not None
    before, statements = verification.read_usage(stage), _count_statements(stage.postgres.log_path)
    await asyncio.sleep(seconds)
    used = verification.read_usage(stage) - before
    statements = _count_statements(stage.postgres.log_path) - statements
    return [
        Figure("CPU of the idle daemon, %", 100 * used.daemon / seconds, most=2.0, digits=2),
        Figure("    PostgreSQL, %", 100 * used.postgres / seconds, digits=2),
        Figure("    Redis, %", 100 * used.redis / seconds, digits=2),
        Figure("statements per second", statements / seconds, most=5.0, digits=2),
        Figure("memory of the daemon, MB", usage.read_memory(stage.daemon_process.pid), most=120),
    ]


def _count_statements(log: Path) -> int:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return sum("LOG:  statement: " in line or "LOG:  execute " in line for line in lines)


def main() -> int:
    """Measure, and return 1 where a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    seconds = parser.parse_args().seconds
    with open_state_dir() as folder:
        return report.show(asyncio.run(run(folder, seconds)))


if __name__ == "__main__":
    sys.exit(main())
