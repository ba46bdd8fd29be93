"""Cancelled at every await: no socket, no task and no usable half-read session is left."""

import asyncio
import contextlib
import gc
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock, settle
from tests.fakes.mx_script import WITH_TLS, MXScript
from tests.unit.smtp.talk import CONTROL, IDENTITY, Pace, make_guide, make_plan, make_settings, session_with
from validatord.smtp.conversation import converse
from validatord.smtp.dialogue import Session
from validatord.smtp.pool import SessionPool
from validatord.smtp.session import open_session


def open_sockets() -> int:
    """Count the sockets of this process."""
    found = 0
    for held in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the listing's own descriptor
            found += str(held.readlink()).startswith("socket:")
    return found


async def run_until_step(make: Callable[[], Awaitable[object]], step: int) -> bool:
    """Run for so many turns of the loop, then cancel; true if it had ended before."""
    task = asyncio.ensure_future(make())
    for _ in range(step):
        if task.done():
            break
        await asyncio.sleep(0)
    is_done = task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return is_done


@pytest.mark.parametrize("ehlo", ["250-mx\n250 PIPELINING", WITH_TLS])
async def test_opening_leaks_nothing(ehlo: str) -> None:
    """Whichever turn the opening is cancelled in, its socket is closed."""
    async with MXScript({"EHLO": ehlo}) as host:
        settings = make_settings()

        async def open_and_close() -> None:
            session = await open_session(host.target(), IDENTITY, settings, FakeClock())
            session.abort()

        await run_until_step(open_and_close, 10_000)
        await settle()
        before, tasks, step, is_done = open_sockets(), len(asyncio.all_tasks()), 0, False
        while not is_done:
            is_done = await run_until_step(open_and_close, step)
            step += 1
            await settle(60)
            gc.collect()
            assert open_sockets() == before
            assert len(asyncio.all_tasks()) == tasks
        assert step > 5


async def test_a_cancelled_conversation_leaves_no_usable_session() -> None:
    """Cancelled with replies under way: the session is dead. Cancelled between groups: it is as before."""
    script = {f"RCPT TO:<{CONTROL[0]}>": "550 no"}
    async with MXScript(script) as host:
        plan = make_plan("a", "b", "c", control=CONTROL, rcpt_per_envelope=2)
        step, is_done, states = 0, False, set[str]()
        while not is_done:
            async with session_with(host) as session:

                async def talk(session: Session = session) -> None:
                    await converse(session, plan, make_guide())

                is_done = await run_until_step(talk, step)
                states.add(session.state)
                in_step = session._wire._expected == 0 and not session._wire._replies
                assert session.check_idle() or session.state in {"failed", "closed", "closing"}
                assert in_step or not session.is_reusable
            step += 1
        assert {"open", "envelope", "closed"} <= states


async def test_cancelled_while_waiting_for_the_pace() -> None:
    """Nothing was asked yet: the session can serve somebody else."""
    pace = Pace()
    pace.before = lambda _: asyncio.Event().wait()
    async with MXScript() as host, session_with(host) as session:
        task = asyncio.create_task(converse(session, make_plan("a"), make_guide(pace)))
        await settle()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert session.is_reusable
    assert host.rcpts == []


async def test_cancelled_while_closing_the_connection_still_goes() -> None:
    """Nobody waits for the end any more, it comes all the same."""
    async with MXScript({"QUIT": "221 bye"}) as host, session_with(host, quit_timeout=0.03) as session:
        task = asyncio.create_task(session.close())
        await settle()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        gone = asyncio.Event()
        session.when_closed(gone.set)
        await gone.wait()
        assert session.state == "closed"


async def test_cancelled_while_making_room() -> None:
    """The count stays right when nobody waits for the closing any more."""
    async with MXScript({"QUIT": "221 bye"}) as host:
        clock = FakeClock()
        pool = SessionPool(clock, make_settings().idle_timeout)
        pool.opened("lane")
        session = await open_session(host.target(), IDENTITY, make_settings(quit_timeout=0.03), clock)
        pool.give_back("lane", session)
        task = asyncio.create_task(pool.make_room("lane", 1))
        await settle()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert pool.open_count("lane") == 1
        gone = asyncio.Event()
        session.when_closed(gone.set)
        await gone.wait()
        await clock.advance(0.25)
        assert pool.open_count("lane") == 0
