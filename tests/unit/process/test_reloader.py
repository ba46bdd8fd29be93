"""A reload happens as a whole or not at all, whatever fails in it."""

import asyncio
from collections.abc import Callable

import pytest

from tests.fakes.clock import FakeClock
from validatord.errors import ConfigurationError
from validatord.reloader import Reloader, ReloadState
from validatord.settings import Settings, SettingsHolder


def make(load: Callable[[], Settings], prepare: Callable[[Settings], str] = lambda _: "prepared") -> Reloader[str]:
    """Make a reloader over default settings."""
    return Reloader(SettingsHolder(Settings()), load, prepare, FakeClock())


async def test_applied_in_one_stroke() -> None:
    """New settings are swapped and every part is told; the state says what changed and what waits."""
    told: list[tuple[str, int]] = []
    reloader = make(lambda: Settings.of(smtp={"port": 2525}, service={"node": "other"}))
    reloader.call(lambda prepared: told.append((prepared, reloader._holder.snapshot().smtp.port)))

    state = await reloader.run_once()

    assert told == [("prepared", 2525)]
    assert state.changed == ("smtp.port: 25 → 2525",)
    assert state.needs_restart == ('service.node: "validatord" → "other"',)
    assert (state.begun, state.done, state.is_refused) == (1, 1, False)


def refuse(_: object = None) -> Settings:
    """Fail as a wrong file does."""
    raise ConfigurationError(["file:3: smtp.port: wrong"])


def break_down(_: object = None) -> str:
    """Fail as a bug does."""
    msg = "a bug"
    raise RuntimeError(msg)


@pytest.mark.parametrize(
    ("load", "prepare", "said"),
    [
        (refuse, lambda _: "", "file:3: smtp.port: wrong"),
        (lambda: Settings.of(smtp={"port": 2525}), refuse, "file:3: smtp.port: wrong"),
        (lambda: Settings.of(smtp={"port": 2525}), break_down, "unexpected RuntimeError; see the log"),
        (break_down, lambda _: "", "unexpected RuntimeError; see the log"),
    ],
    ids=["settings", "file they name", "bug while preparing", "bug while loading"],
)
async def test_refused_as_a_whole(load: Callable[[], Settings], prepare: Callable[[Settings], str], said: str) -> None:
    """Whatever cannot be read refuses everything: nothing is swapped and nobody is told."""
    reloader = make(load, prepare)
    told: list[str] = []
    reloader.call(told.append)

    state = await reloader.run_once()

    assert state.problems == (said,)
    assert reloader._holder.snapshot() == Settings()
    assert told == []


async def test_a_good_reload_ends_a_refusal() -> None:
    """After a refusal was mended the state shows no problem any more."""
    loads = iter([refuse, lambda: Settings.of(smtp={"port": 2525})])

    def load() -> Settings:
        return next(loads)()

    reloader = make(load)

    assert (await reloader.run_once()).is_refused
    assert not (await reloader.run_once()).is_refused
    assert reloader._holder.snapshot().smtp.port == 2525


async def test_a_late_part_hears_of_what_it_missed() -> None:
    """Who comes after a reload is told of it at once; without a reload there is nothing to tell."""
    reloader = make(lambda: Settings.of(smtp={"port": 2525}))
    early: list[str] = []
    reloader.call(early.append)
    assert early == []

    await reloader.run_once()
    late: list[str] = []
    reloader.call(late.append)

    assert (early, late) == (["prepared"], ["prepared"])


async def test_requests_that_come_together_are_one() -> None:
    """A thousand requests before the first is taken up cost one reload; one more while it runs costs one more."""
    reloader = make(Settings)
    began, ended = asyncio.Event(), asyncio.Semaphore(0)
    states: list[ReloadState] = []
    reloader.tell = states.append
    task = asyncio.create_task(reloader.run(began.set, ended.release))
    for _ in range(1000):
        reloader.wanted.set()

    await ended.acquire()
    assert reloader.state.done == 1
    reloader.wanted.set()
    await ended.acquire()

    assert (began.is_set(), reloader.state.done) == (True, 2)
    assert [state.begun for state in states] == [1, 1, 2, 2]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_note_is_told_before_anything_is_read() -> None:
    """A command that asks can tell a reload that began before it asked from one that began after."""
    seen: list[ReloadState] = []
    reloader = make(lambda: Settings.of(smtp={"port": 2500 + seen[-1].begun}))
    reloader.tell = seen.append

    await reloader.run_once()

    assert (seen[0].begun, seen[0].done) == (1, 0)
    assert seen[-1].changed == ("smtp.port: 25 → 2501",)
