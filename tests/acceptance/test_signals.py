"""SIGTERM, SIGINT and SIGHUP: an orderly stop under load, a hasty one, and settings that change meanwhile."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acceptance.play import Play, open_play, until
from validatord.sandbox.command import Scenario

pytestmark = pytest.mark.timeout(120)
SLOW = "slow0001@postfix-001.example"


@pytest.fixture
async def slow_play(tmp_path: Path, dsn: str) -> AsyncIterator[Play]:
    """A play in which one mailbox is answered only after a minute, and visits may take as long at a stop."""
    waits = {"rcpt_timeout": "90s", "session_timeout": "100s"}
    settings = {"service": {"stop_grace": "60s"}, "smtp": waits}
    async with open_play(tmp_path, Scenario("demo", 1, 600), dsn=dsn, speed=10 / 60, settings=settings) as play:
        yield play


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_orderly_stop_under_load(tmp_path: Path, dsn: str, number: signal.Signals) -> None:
    """Conversations end between two answers, nothing stays leased, and nobody is asked again afterwards."""
    # Latencies of 10 to 100 ms: at any moment most sessions wait for an answer.
    async with open_play(tmp_path, Scenario("bench", 5, 1200, 50), dsn=dsn, speed=2) as play:
        await play.submit()
        await play.start()
        await play.until_finished(300)
        assert await play.count_sessions() > 10

        status, seconds = await play.stop(number)

        assert (status, await play.count_leases()) == (0, 0)
        assert seconds < 10
        assert await play.finished() < 1100
        await until(lambda: play.count_sessions_is(0), "the sessions of the stopped daemon to end")
        await play.start()
        await play.until_finished()
        await play.stop()
        await play.judge()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_at_once(slow_play: Play, number: signal.Signals) -> None:
    """Whoever asks twice does not want to wait for a slow receiver; the next start takes up what was cut."""
    play = slow_play
    await play.submit(SLOW)
    await play.start()
    await until(lambda: play.count_sessions_is(1), "the conversation")
    await until(lambda: play.was_asked(SLOW), "the question")
    play.daemon.send_signal(number)
    await until(lambda: "stopping: doors first" in play.log, "the stop to begin")
    assert play.daemon.returncode is None

    status, seconds = await play.stop(number)

    assert seconds < 2
    assert status == 0
    assert await play.count_leases() == 0


async def test_hangups_change_what_may_change(slow_play: Play) -> None:
    """Pace and log level hold within a second, no session is dropped, and the log says old → new."""
    play = slow_play
    await play.submit(SLOW)
    await play.start()
    await until(lambda: play.was_asked(SLOW), "the question")
    play.stage.overrides["service"] |= {"log_level": "DEBUG", "node": "other"}
    play.stage.overrides["pacing"] |= {"visit_size": 7}
    play.write_settings()

    play.daemon.send_signal(signal.SIGHUP)

    await until(lambda: " reloaded " in play.log, "the reload", 5)
    assert 'setting changed change="pacing.visit_size: 100 → 7"' in play.log
    assert 'setting changed change="service.log_level: \\"INFO\\" → \\"DEBUG\\""' in play.log
    assert 'setting needs a restart change="service.node' in play.log
    assert await play.count_sessions() == 1
    play.judge_log()
    await stop_at_once(play)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[smtp]\nport = 0\n", "smtp.port"),
        ("[smtp]\nprot = 25\n", "smtp.prot"),
        ("[smtp\n", "line"),
        ('[policy]\ndisposable_file = "/nonexistent/list"\n', "/nonexistent/list"),
        ('[pacing]\nproviders_file = "/nonexistent/table"\n', "pacing.providers_file"),
        ('[smtp]\nport = "mail"\n', "smtp.port"),
        ("\n", "the file is empty"),
        ("[smtp]\nport = 25\n[pacing]\nvisit_si", "line 4"),
    ],
    ids=["range", "unknown", "syntax", "list", "table", "type", "empty", "half written"],
)
async def test_wrong_settings_change_nothing(slow_play: Play, text: str, said: str) -> None:
    """The old settings stay in force, one line names file and key, and a good file is taken again."""
    play = slow_play
    await play.start()
    good = play.stage.config_path.read_text()
    play.write_settings(text)

    play.daemon.send_signal(signal.SIGHUP)

    await until(lambda: "reload refused" in play.log, "the refusal", 5)
    refusals = [line for line in play.log.splitlines() if "reload refused" in line]
    assert len(refusals) == 1
    assert said in refusals[0]
    assert " ERROR " in refusals[0]
    assert str(play.stage.config_path) in refusals[0] or "/nonexistent/" in refusals[0]
    checking = await play.launch_another("config", "check")
    assert said.encode() in (await checking.communicate())[0]
    assert checking.returncode == 2
    play.write_settings(good)
    play.daemon.send_signal(signal.SIGHUP)
    await until(lambda: " reloaded " in play.log, "the reload", 5)
    await play.stop()


async def test_a_hundred_hangups_are_harmless(tmp_path: Path, dsn: str) -> None:
    """Reloads under load lose nothing, the last settings win, and no file stays open."""
    async with open_play(tmp_path, Scenario("bench", 7, 1000, 40), dsn=dsn) as play:
        await play.submit()
        await play.start()
        before = count_descriptors(play.daemon.pid)
        for count in range(1, 101):
            play.stage.overrides["pacing"]["visit_size"] = 50 + count
            play.write_settings()
            play.daemon.send_signal(signal.SIGHUP)
            await asyncio.sleep(0)
        await until(lambda: "→ 150" in play.log, "the last reload", 10, play.stage.check_daemon)
        await play.until_finished()
        await until(lambda: count_descriptors(play.daemon.pid) <= before + 20, "descriptors to be given back")
        status, _ = await play.stop()
        assert status == 0
        await play.judge()


def count_descriptors(pid: int) -> int:
    """How many files and sockets a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def test_hangups_during_a_stop(slow_play: Play) -> None:
    """A SIGHUP that comes while the daemon lets a conversation end neither ends it nor keeps it."""
    play = slow_play
    await play.submit(SLOW)
    await play.start()
    await until(lambda: play.was_asked(SLOW), "the question")
    play.daemon.send_signal(signal.SIGTERM)
    await until(lambda: "stopping: doors first" in play.log, "the stop to begin")
    for _ in range(50):
        play.daemon.send_signal(signal.SIGHUP)
    await until(lambda: " reloaded " in play.log, "a reload meanwhile", 5)
    assert play.daemon.returncode is None

    status, _ = await play.stop()

    assert status == 0
    assert await play.count_leases() == 0


async def test_the_reload_command_says_how_it_went(slow_play: Play) -> None:
    """It waits for the daemon's answer: what changed, or what is wrong, and its exit status says which."""
    play = slow_play
    await play.start()
    play.stage.overrides["pacing"]["visit_size"] = 7
    play.stage.overrides["service"]["node"] = "other"
    play.write_settings()
    assert await say_reload(play) == (
        0,
        [
            "applied: 1 changed",
            "  pacing.visit_size: 100 → 7",
            '  needs a restart: service.node: "stage" → "other"',
        ],
    )
    play.write_settings("[smtp]\nprot = 25\n")

    status, lines = await say_reload(play)

    assert status == 2
    assert lines[0] == "refused; stage goes on with the settings it had:"
    assert "validatord.toml:2: smtp.prot: no such setting; port was meant?" in lines[1]
    await play.stop()
    assert (await say_reload(play))[0] == 3


async def say_reload(play: Play) -> tuple[int, list[str]]:
    """Run `validatord reload`, which reads no settings itself."""
    process = await play.launch_another("reload")
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode().splitlines()


async def test_every_reloadable_tool_is_renewed(slow_play: Play) -> None:
    """Name servers are asked anew after a reload: one that answers nothing stops verification, a good one resumes it."""
    play = slow_play
    await play.start()
    good = play.stage.overrides.get("lookup", {})
    play.stage.overrides["lookup"] = {"resolvers": ["127.0.0.1:9"], "timeout": "200ms", "total": "1s"}
    play.write_settings()
    assert (await say_reload(play))[0] == 0
    await play.submit("first@postfix-002.example")
    await until(lambda: play.is_put_off("dns_failure"), "a deferral")
    play.stage.overrides["lookup"] = good
    play.write_settings()
    assert (await say_reload(play))[0] == 0
    await play.database.fetch("UPDATE requests SET due_at = now()")
    await play.database.fetch("UPDATE domain_queue SET next_due = now(), not_before = NULL")
    await play.until_finished(1)
    await play.stop()


async def stop_at_once(play: Play) -> None:
    """End a daemon that waits for a slow receiver."""
    play.daemon.send_signal(signal.SIGTERM)
    await until(lambda: "stopping: doors first" in play.log, "the stop to begin")
    await play.stop()


async def restart_often(play: Play, times: int) -> None:
    """Stop the daemon again and again while it waits for the same slow receiver, then let that one answer."""
    await play.submit(SLOW)
    for count in range(1, times + 1):
        await play.start()
        await until(lambda wanted=count: play.count_asked(SLOW, wanted), f"question {count}")
        assert (await play.stop())[0] == 0
    [row] = await play.database.fetch("SELECT state, attempt, deferrals FROM requests")
    assert dict(row) == {"state": "queued", "attempt": 0, "deferrals": 0}
    await play.stage.tell_sandbox("become mx1.postfix-001.example accept-all")
    await play.start()
    await play.until_finished(1)
    await play.stop()


@pytest.fixture
async def hasty_play(tmp_path: Path, dsn: str) -> AsyncIterator[Play]:
    """A play in which a stop waits for nobody."""
    settings = {"service": {"stop_grace": "50ms"}, "smtp": {"rcpt_timeout": "90s", "session_timeout": "100s"}}
    async with open_play(tmp_path, Scenario("demo", 1, 600), dsn=dsn, speed=10 / 60, settings=settings) as play:
        yield play


async def test_restarts_exhaust_nothing(hasty_play: Play) -> None:
    """A conversation that our own stop cut is no attempt, however often it happens."""
    await restart_often(hasty_play, 4)


@pytest.mark.campaign
@pytest.mark.timeout(300)
async def test_many_restarts_exhaust_nothing(hasty_play: Play) -> None:
    """The same, twenty times."""
    await restart_often(hasty_play, 20)
