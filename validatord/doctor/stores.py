"""Whether PostgreSQL and Redis are there, keep what they are given, and have room for us."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from validatord import errors
from validatord.clock import Clock
from validatord.doctor.check import Check, fail, ok, warn
from validatord.settings import DatabaseSettings
from validatord.store import queries
from validatord.store.database import Database

_SQL = queries.load("doctor")
_OLDEST_VERSION = 150000  # UNIQUE NULLS NOT DISTINCT
_OLD_TRANSACTION = timedelta(minutes=5)
_LOCK_CONNECTIONS = 2
_CLOCK_WARN = timedelta(seconds=2)
_CLOCK_FAIL = timedelta(seconds=30)
_REDIS_SECONDS = 5.0

Facts = Mapping[str, Any]


async def examine_postgres(dsn: str, settings: DatabaseSettings, clock: Clock) -> list[Check]:
    """Examine the ledger's server; changes nothing there."""
    name = "PostgreSQL"
    if not dsn:
        return [ok(name, "not examined: database.url is empty, so the daemon starts one of its own")]
    try:
        database = await Database.open(dsn, pool_size=1, statement_timeout=timedelta(seconds=10))
    except errors.StoreAway as away:
        return [fail(name, str(away), "look at database.url, and whether the server runs and lets us in")]
    try:
        began = clock.now()
        [row] = await database.fetch(_SQL["server_facts"])
        ended = clock.now()
    finally:
        await database.aclose()
    facts = dict(row)
    found = [*_judge_server(name, facts), *_judge_room(name, facts, settings), *_judge_activity(name, facts)]
    said = ok(name, f"PostgreSQL {facts['version_name']}, reachable, keeps what it confirms")
    is_good = all(check.level == "ok" for check in found)
    return [*([said] if is_good else found), _judge_clock(facts["clock"] - (began + (ended - began) / 2))]


def _judge_server(name: str, facts: Facts) -> list[Check]:
    found: list[Check] = []
    if facts["version"] < _OLDEST_VERSION:
        found.append(fail(name, f"version {facts['version_name']} is too old", "PostgreSQL 15 or newer is needed"))
    if facts["is_standby"]:
        found.append(fail(name, "it is a standby: nothing can be written", "point database.url to the primary"))
    for setting in ("fsync", "full_page_writes"):
        if facts[setting] != "on":
            what = f"{setting} is {facts[setting]}: a crash of the machine may destroy the ledger"
            found.append(fail(name, what, f"set {setting} = on"))
    if facts["synchronous_commit"] == "off":
        what = "synchronous_commit is off: the last answers may be lost in a crash, and are then asked again"
        found.append(warn(name, what, "set synchronous_commit = on"))
    return found


def _judge_room(name: str, facts: Facts, settings: DatabaseSettings) -> list[Check]:
    wanted = settings.pool_size + _LOCK_CONNECTIONS
    free = facts["places"] - facts["others"]
    if free >= wanted:
        return []
    what = f"{facts['places']} connections allowed, {facts['others']} taken by others, {wanted} needed by us"
    fix = "raise max_connections there or lower database.pool_size"
    return [fail(name, what, fix) if facts["places"] < wanted else warn(name, what, fix)]


def _judge_activity(name: str, facts: Facts) -> list[Check]:
    oldest = timedelta(seconds=facts["oldest_seconds"] or 0)
    if oldest < _OLD_TRANSACTION:
        return []
    what = f"a transaction has been open for {oldest.total_seconds() / 60:.0f} minutes: dead rows pile up behind it"
    return [warn(name, what, "find it in pg_stat_activity (xact_start) and end it")]


def _judge_clock(ahead: timedelta) -> Check:
    name = "clock"
    what = f"this machine and PostgreSQL differ by {abs(ahead.total_seconds()):.1f} s"
    fix = "let both machines follow a time server"
    if abs(ahead) >= _CLOCK_FAIL:
        return fail(name, what, fix)
    return warn(name, what, fix) if abs(ahead) >= _CLOCK_WARN else ok(name, what)


async def examine_redis(url: str, *, is_enabled: bool) -> list[Check]:
    """Examine the server of the arq queue; changes nothing there."""
    name = "Redis"
    if not is_enabled:
        return [ok(name, "not examined: redis.is_enabled is off, no work is taken from arq")]
    if not url:
        return [ok(name, "not examined: redis.url is empty, so the daemon starts one of its own if it finds one")]
    client: Redis = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  # untyped there
        url, socket_connect_timeout=_REDIS_SECONDS, socket_timeout=_REDIS_SECONDS
    )
    try:
        info = cast("Facts", await client.info())  # pyright: ignore[reportUnknownMemberType]
    except (RedisError, OSError) as failure:
        what = f"it cannot be asked: {type(failure).__name__}"
        return [fail(name, what, "look at redis.url, and whether the server runs and lets us in")]
    finally:
        await client.aclose()
    version = info.get("valkey_version") or info.get("redis_version", "")
    return _judge_redis(name, info) or [ok(name, f"version {version}, reachable, keeps what it is given")]


def _judge_redis(name: str, info: Facts) -> list[Check]:
    found: list[Check] = []
    if info.get("role") != "master":
        found.append(fail(name, "it is a replica: nothing can be written", "point redis.url to the primary"))
    if not info.get("aof_enabled"):
        what = "no append-only file: chunks that wait in the queue are lost when it stops"
        found.append(warn(name, what, "set appendonly yes"))
    elif info.get("aof_last_write_status", "ok") != "ok":
        found.append(fail(name, "it cannot write its append-only file", "look at its disk and its log"))
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        what = f"maxmemory-policy is {policy}: it may throw waiting work away when memory is short"
        found.append(fail(name, what, "set maxmemory-policy noeviction"))
    return found
