"""PostgreSQL and Redis are examined as they are, and nothing is changed in them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from redis import Redis

from validatord.clock import SystemClock
from validatord.doctor import stores
from validatord.doctor.check import Check, Level
from validatord.doctor.run import run_doctor
from validatord.doctor.stores import examine_postgres, examine_redis
from validatord.settings import DatabaseSettings, Settings

GOOD: Mapping[str, Any] = {
    "version": 180004,
    "version_name": "18.4",
    "places": 97,
    "others": 3,
    "synchronous_commit": "on",
    "fsync": "on",
    "full_page_writes": "on",
    "is_standby": False,
    "oldest_seconds": None,
}


async def examine(dsn: str, **settings: Any) -> list[Check]:
    return await examine_postgres(dsn, DatabaseSettings(**settings), SystemClock())


def judge(facts: Mapping[str, Any]) -> list[Check]:
    settings = DatabaseSettings(pool_size=10)
    return [
        *stores._judge_server("PostgreSQL", facts),
        *stores._judge_room("PostgreSQL", facts, settings),
        *stores._judge_activity("PostgreSQL", facts),
    ]


async def test_a_server_that_keeps_nothing_is_found(dsn: str) -> None:
    """The tests' own server is fast and loose, and every looseness is named with its remedy."""
    checks = await examine(dsn)
    assert [(check.level.value, check.fix) for check in checks[:-1]] == [
        ("fail", "set fsync = on"),
        ("fail", "set full_page_writes = on"),
        ("warn", "set synchronous_commit = on"),
    ]
    assert (checks[-1].name, checks[-1].level) == ("clock", Level.OK)


async def test_a_good_server(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where everything is as it should be one line says so, with the version, and one about the clock."""
    looser = "current_setting('fsync')", "current_setting('full_page_writes')", "current_setting('synchronous_commit')"
    statement = stores._SQL["server_facts"]
    for setting in looser:
        statement = statement.replace(setting, "'on'")
    monkeypatch.setitem(stores._SQL, "server_facts", statement)
    first, second = await examine(dsn)
    assert first.level is second.level is Level.OK
    assert first.what.startswith("PostgreSQL 1")
    assert second.what.startswith("this machine and PostgreSQL differ by 0.")


@pytest.mark.parametrize(
    ("changed", "level", "words"),
    [
        ({"version": 140012, "version_name": "14.12"}, Level.FAIL, "14.12 is too old"),
        ({"is_standby": True}, Level.FAIL, "standby"),
        ({"fsync": "off"}, Level.FAIL, "fsync is off"),
        ({"synchronous_commit": "off"}, Level.WARN, "synchronous_commit is off"),
        ({"places": 10}, Level.FAIL, "10 connections allowed"),
        ({"others": 90}, Level.WARN, "90 taken by others, 12 needed"),
        ({"oldest_seconds": 301.0}, Level.WARN, "open for 5 minutes"),
    ],
)
def test_each_fault_of_a_server(changed: dict[str, Any], level: Level, words: str) -> None:
    """One fault is one finding."""
    assert judge(GOOD) == []
    [check] = judge({**GOOD, **changed})
    assert check.level is level
    assert words in check.what
    assert check.fix


async def test_an_old_transaction_is_found(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that somebody left open is seen from outside; our own is none."""
    monkeypatch.setattr(stores, "_OLD_TRANSACTION", timedelta(microseconds=1))
    assert not any("a transaction has been open" in check.what for check in await examine(dsn))
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.fetchval("SELECT 1")
            assert any("a transaction has been open" in check.what for check in await examine(dsn))
    finally:
        await connection.close()


async def test_others_are_counted_and_we_are_not(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A running daemon's own connections do not speak against it."""
    places = 57  # of the tests' server: 60, less 3 for superusers
    ours = await asyncpg.connect(dsn, server_settings={"application_name": "validatord"})
    try:
        assert not any("connections allowed" in check.what for check in await examine(dsn, pool_size=places - 2))
    finally:
        await ours.close()
    theirs = await asyncpg.connect(dsn)
    try:
        checks = await examine(dsn, pool_size=places - 2)
        assert any("1 taken by others" in check.what and check.level is Level.WARN for check in checks)
    finally:
        await theirs.close()


@pytest.mark.parametrize(
    ("dsn", "level", "words"),
    [
        ("", Level.OK, "not examined"),
        ("postgresql://nobody@127.0.0.1:1/none", Level.FAIL, "cannot be used now"),
    ],
)
async def test_no_server(dsn: str, level: Level, words: str) -> None:
    """A server that is not there, and none at all, are two things."""
    [check] = await examine(dsn)
    assert check.level is level
    assert words in check.what


@pytest.mark.parametrize(("seconds", "level"), [(0.1, "ok"), (-3, "warn"), (3, "warn"), (31, "fail"), (-86400, "fail")])
def test_clocks(seconds: float, level: str) -> None:
    """Clocks that differ by seconds are a nuisance, by half a minute a fault, in either direction."""
    assert stores._judge_clock(timedelta(seconds=seconds)).level.value == level


@contextmanager
def changed_redis(url: str, *commands: tuple[str, ...], undo: tuple[str, ...] = ()) -> Iterator[None]:
    with Redis.from_url(url, decode_responses=True) as client:
        for command in commands:
            client.execute_command(*command)
        try:
            yield
        finally:
            client.execute_command(*undo)


async def test_a_good_redis(redis_url: str) -> None:
    """A Redis with an append-only file that never evicts is good."""
    [check] = await examine_redis(redis_url, is_enabled=True)
    assert check.level is Level.OK
    assert "reachable" in check.what


@pytest.mark.parametrize(
    ("command", "undo", "level", "words"),
    [
        (
            ("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"),
            ("CONFIG", "SET", "maxmemory-policy", "noeviction"),
            Level.FAIL,
            "maxmemory-policy is allkeys-lru",
        ),
        (("CONFIG", "SET", "appendonly", "no"), ("CONFIG", "SET", "appendonly", "yes"), Level.WARN, "append-only"),
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"), Level.FAIL, "replica"),
    ],
)
async def test_each_fault_of_a_redis(
    redis_url: str, command: tuple[str, ...], undo: tuple[str, ...], level: Level, words: str
) -> None:
    """One fault is one finding."""
    with changed_redis(redis_url, command, undo=undo):
        [check] = await examine_redis(redis_url, is_enabled=True)
    assert check.level is level
    assert words in check.what
    assert check.fix


def test_a_full_disk_under_redis() -> None:
    """An append-only file that cannot be written is no append-only file."""
    info = {"role": "master", "aof_enabled": 1, "aof_last_write_status": "err", "maxmemory_policy": "noeviction"}
    [check] = stores._judge_redis("Redis", info)
    assert "cannot write" in check.what


@pytest.mark.parametrize(
    ("url", "is_enabled", "level", "words"),
    [
        ("", True, Level.OK, "redis.url is empty"),
        ("redis://127.0.0.1:1", False, Level.OK, "is_enabled is off"),
        ("redis://127.0.0.1:1", True, Level.FAIL, "cannot be asked: ConnectionError"),
    ],
)
async def test_no_redis(url: str, is_enabled: bool, level: Level, words: str) -> None:
    """A Redis that is not there, not wanted, or our own, are three things."""
    [check] = await examine_redis(url, is_enabled=is_enabled)
    assert check.level is level
    assert words in check.what


async def test_the_doctor_comes_to_the_stores_it_is_led_to(dsn: str, redis_url: str) -> None:
    """Stores of our own, which no setting names, are examined when the caller says where they run."""
    settings = Settings.of(lookup={"resolvers": ["127.0.0.1:1"], "timeout": "50ms"}, doctor={"dnsbl_zones": []})
    checks = await run_doctor(settings, dsn=dsn, redis_url=redis_url, find_local_address=lambda: "")
    found = {check.name: check for check in checks}
    assert found["clock"].level is Level.OK
    assert found["Redis"].level is Level.OK
    assert found["resolver"].level is Level.FAIL
