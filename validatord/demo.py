"""The demo: everything on one machine, from an arq job to a verdict, against the sandbox internet.

Sends the sample list through arq with the client helper, as another service would, watches the ledger
until every request is finished, then shows what was found, why, and what it cost.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from validatord.errors import ConfigurationError
from validatord.intake import client
from validatord.mail.request import Finding
from validatord.rules.explain import explain, list_exchanges
from validatord.sandbox.sample import sample_list
from validatord.stage import Stage
from validatord.store import clients, keys, migrations, submissions, validations
from validatord.store.database import Database
from validatord.store.keys import Scope

_CLIENT = "demo"
_SUBMISSION = "sample"
_MOST_SECONDS = 150.0
OVERRIDES: dict[str, dict[str, Any]] = {
    # A sandbox needs no politeness towards strangers; the lanes still hold their four sessions.
    "pacing": {
        "sessions": 4,
        "session_interval": "10ms",
        "rcpt_per_minute": 60_000,
        "is_slow_start": False,
        "unknown_ratio": 1.0,
    },
    # Hours become seconds, so that greylists and silent hosts are seen to their end.
    "retry": {"delays": ["1s", "2s", "3s"], "jitter": 0.1, "max_wait": "1m", "give_up_after": "8s"},
    "smtp": {
        "connect_timeout": "1s",
        "greeting_timeout": "1s",
        "ehlo_timeout": "1s",
        "mail_timeout": "1s",
        "rcpt_timeout": "1s",
        "session_timeout": "8s",
    },
    "lookup": {"timeout": "500ms", "total": "2s"},
    "store": {"dispatch_interval": "100ms"},
    "bouncer": {
        "fill_wait": "1s",
        "tick": "100ms",
        "poll_interval": "500ms",
        "polls_per_minute": 200,
        "downloads_per_minute": 200,
        "creates_per_minute": 60,
        "unexplained_credits": -1,
    },
}
# What our own probe could not decide is handed over to the paid second opinion: here the sandbox's.
_POLICY: dict[str, Any] = {"bouncer": {"mode": "local_then_bouncer", "statuses": ["unknown"]}}
_PAID = "bouncer"
_TELLING = ("greylisted", "no_such_mailbox", "accept_all", "sender_ip_blocked", "mailbox_full", "accepted")


@dataclass(frozen=True, slots=True)
class Shown:
    """What the demo found, for its last lines and for the tests."""

    requests: int
    finished: int
    by_status: dict[str, int]
    counters: dict[str, Any]
    seconds: float


async def run_demo(console: Console, *, folder: Path, hold: Path | None = None) -> Shown:
    """Run the whole demo in `folder`.

    With `hold` everything is left running afterwards: that file is written, and this process, which owns
    all others, waits for SIGTERM or SIGINT.
    """
    stage = Stage(folder, sandbox_arguments=("--speed", "300"), overrides=OVERRIDES)
    try:
        await raise_curtain(console, stage)
        shown = await _verify_sample(console, stage)
        if hold is not None:
            _tell_where(console, stage, await _make_key(stage))
            await _hold(hold)
    finally:
        await stage.stop()
        if stage.postgres is not None:
            await asyncio.to_thread(stage.postgres.remove)
        shutil.rmtree(folder, ignore_errors=True)
    return shown


async def _hold(done: Path) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await asyncio.to_thread(done.touch)
    await stop.wait()


def run_demo_kept(folder: Path) -> int:
    """Run the demo in a process of its own that holds everything; return once the demo is over."""
    done = folder / "done"
    command = [sys.executable, "-m", "validatord", "demo", "--folder", str(folder), "--hold", str(done)]
    holder = subprocess.Popen(command, start_new_session=True)  # noqa: S603 our own program
    try:
        while holder.poll() is None:
            if done.exists():
                # It is meant to outlive us.
                holder.returncode = 0
                return 0
            time.sleep(0.1)
    except KeyboardInterrupt:
        holder.terminate()
        holder.wait()
        raise
    return holder.returncode


async def raise_curtain(console: Console, stage: Stage) -> None:
    """Start everything on a stage, up to the daemon."""
    with console.status("starting PostgreSQL and Redis"):
        await stage.start_stores()
    if not stage.redis_url:
        raise ConfigurationError(
            ["the demo sends its list through arq and found no Redis: install redis-server or valkey-server"]
        )
    with console.status("starting the sandbox internet and the daemon"):
        sandbox = await stage.start_sandbox()
        await stage.start_bouncer("--speed", "1000", "--unlimited")
        await _set_policy(stage)
        stage.write_config()
        await stage.start_daemon()
    console.print(
        f"PostgreSQL, Redis, a sandbox internet (DNS {sandbox.resolver}, SMTP port {sandbox.smtp_port}), the daemon"
    )


async def _set_policy(stage: Stage) -> None:
    database = await Database.open(stage.dsn, pool_size=2)
    try:
        await migrations.migrate(database)
        await clients.set_policy(database, _CLIENT, _POLICY)
    finally:
        await database.aclose()


async def _verify_sample(console: Console, stage: Stage) -> Shown:
    started = time.monotonic()
    addresses = [entry.address for entry in sample_list().addresses]
    await _enqueue(console, stage, addresses)
    database = await Database.open(stage.dsn, pool_size=2)
    try:
        progress = await _watch(console, stage, database, len(addresses))
        counters = await stage.counters()
        seconds = time.monotonic() - started
        _show_summary(console, progress, seconds)
        paid = await _show_stories(console, database, progress.submission_id)
    finally:
        await database.aclose()
    _show_cost(console, counters, progress.finished)
    _show_savings(console, paid, progress.finished)
    return Shown(progress.requests, progress.finished, dict(progress.by_status), counters, seconds)


async def _enqueue(console: Console, stage: Stage, addresses: list[str]) -> None:
    redis = await client.open_redis(stage.redis_url)
    try:
        result = await client.enqueue(redis, addresses, client=_CLIENT, submission=_SUBMISSION)
    finally:
        await redis.aclose()
    console.print(f"{len(addresses):,} addresses enqueued through arq in {result.chunks} jobs")


async def _watch(console: Console, stage: Stage, database: Database, expected: int) -> submissions.Progress:
    bar = Progress(
        TextColumn("[bold]verifying"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        console=console,
    )
    with bar:
        task = bar.add_task("", total=expected, note="")
        deadline = time.monotonic() + _MOST_SECONDS
        while True:
            progress = await submissions.get_progress(database, _CLIENT, _SUBMISSION)
            if time.monotonic() > deadline:
                left = progress.waiting if progress is not None else "everything"
                raise ConfigurationError([f"the demo took longer than {_MOST_SECONDS:.0f} s; still waiting: {left}"])
            if progress is not None:
                waiting = progress.requests - progress.finished
                note = "waiting for greylists" if 0 < waiting < expected // 20 else ""
                bar.update(task, completed=progress.finished, note=note)
                if progress.finished >= expected:
                    return progress
            stage.check_daemon()
            await asyncio.sleep(0.1)


def _show_summary(console: Console, progress: submissions.Progress, seconds: float) -> None:
    table = Table(title=f"{progress.finished:,} addresses verified in {seconds:.1f} s", title_justify="left")
    for name in ("status", "reason", "addresses"):
        table.add_column(name, justify="right" if name == "addresses" else "left")
    for (status, reason), count in sorted(progress.by_reason.items(), key=lambda item: (item[0][0], -item[1])):
        table.add_row(status, reason, f"{count:,}")
    console.print(table)


async def _show_stories(console: Console, database: Database, submission_id: int) -> int:
    """Show five verdicts with their conversations; return how many addresses were paid for."""
    chosen: dict[str, str] = {}
    paid: set[str] = set()
    after = -1
    while True:
        rows = await submissions.fetch_results(database, submission_id, after, 1000)
        if not rows:
            break
        after = rows[-1].idx
        for row in rows:
            reason = "greylisted" if row.attempts > 1 and row.status == "valid" else str(row.reason)
            if row.source == _PAID and row.email:
                paid.add(row.email)
            elif reason in _TELLING and row.email:
                chosen.setdefault(reason, row.email)
    for reason in [name for name in _TELLING if name in chosen][:5]:
        found = await validations.find(database, chosen[reason])
        console.print(f"\n[bold]{chosen[reason]}", highlight=False)
        if found is not None:
            _show_story(console, found.finding)
    return len(paid)


def _show_story(console: Console, finding: Finding) -> None:
    for line in explain(finding):
        console.print(f"  {line}", highlight=False, markup=False)
    for line in list_exchanges(finding):
        console.print(f"    {line}", highlight=False, markup=False, style="dim")


def _show_cost(console: Console, counters: dict[str, Any], addresses: int) -> None:
    total = counters["total"]
    table = Table(title="what it cost", title_justify="left")
    for name in ("", "all", "per address"):
        table.add_column(name, justify="left" if not name else "right")
    counted = {
        "connections": total["connections"],
        "RCPT commands": total["commands"].get("RCPT", 0),
        "round trips": total["flights"],
    }
    for label, count in counted.items():
        table.add_row(label, f"{count:,}", f"{count / max(1, addresses):.2f}")
    console.print()
    console.print(table)
    console.print(f"messages sent (DATA seen by the servers): {total['alarms']}")


def _show_savings(console: Console, paid: int, addresses: int) -> None:
    share = 100 * (1 - paid / max(1, addresses))
    console.print(
        f"paid second opinion: asked about {paid:,} addresses our own probe could not decide; sending all "
        f"{addresses:,} would have cost {addresses - paid:,} credits more ({share:.0f} % saved)",
        highlight=False,
    )


async def _make_key(stage: Stage) -> str:
    """Make a key that opens the console, for this demo alone."""
    database = await Database.open(stage.dsn, pool_size=1)
    try:
        return (await keys.create_key(database, _CLIENT, [Scope.ADMIN], label="make demo")).text
    finally:
        await database.aclose()


def _tell_where(console: Console, stage: Stage, key: str) -> None:
    sandbox, daemon = stage.sandbox_process, stage.daemon_process
    console.print(f"\nthe console: [bold]{stage.web_url}/console/[/]", highlight=False)
    console.print(f"log in with: [bold]{key}[/]", highlight=False)
    console.print(f"\nleft running in {stage.folder}; to end all of it: kill {os.getpid()}", highlight=False)
    console.print(f"  database   {stage.dsn}", highlight=False)
    console.print(f"  redis      {stage.redis_url}", highlight=False)
    console.print(f"  settings   {stage.config_path}", highlight=False)
    console.print(f"  daemon     process {daemon.pid if daemon else '-'}, log {stage.log_path}", highlight=False)
    console.print(f"  sandbox    process {sandbox.pid if sandbox else '-'}", highlight=False)
