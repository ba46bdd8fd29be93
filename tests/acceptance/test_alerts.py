"""Word of what needs a person reaches somebody who looks at nothing: by mail, and by a webhook of the operator."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.acceptance.play import Play, open_play, until
from tests.fakes.relay import Relay, open_relay
from validatord.sandbox.command import Scenario

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def heard() -> AsyncIterator[tuple[str, list[dict[str, object]]]]:
    """A receiver of webhooks on loopback: where it is, and what it heard."""
    found: list[dict[str, object]] = []

    async def take(request: web.Request) -> web.Response:
        found.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook", found
    await runner.cleanup()


def settings_of(relay: Relay) -> dict[str, dict[str, object]]:
    """Return settings that tell at once, by way of the relay."""
    return {
        "alerts": {
            "recipients": ["ops@example.com"],
            "sender": "validatord@example.com",
            "smtp_host": "127.0.0.1",
            "smtp_port": relay.port,
            "smtp_tls": "none",
            "interval": "200ms",
            "digest": "0s",
            "clear_after": "0s",
        },
        "webhooks": {"interval": "100ms", "allow_targets": ["127.0.0.0/8"]},
    }


async def run(play: Play, *words: str) -> tuple[int, str]:
    """Run a command and return its exit status and what it said."""
    process = await play.launch_another(*words)
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_from_a_wrong_file_to_a_mailbox(
    tmp_path: Path, dsn: str, heard: tuple[str, list[dict[str, object]]]
) -> None:
    """A refused reload is told by mail and webhook, listed while it lasts, and told again when it is mended."""
    url, hooks = heard
    async with open_relay() as relay, open_play(tmp_path, Scenario("demo", 1, 60), dsn=dsn) as play:
        play.stage.overrides |= settings_of(relay)
        play.write_settings()
        await play.start()
        assert (await run(play, "webhooks", "add", url, "--operator"))[0] == 0
        await try_out(play, relay)

        good = play.stage.config_path.read_text()
        play.write_settings(good.replace("port = ", "prot = ", 1))
        assert (await run(play, "reload"))[0] == 2
        await until(lambda: len(relay.mails) == 2, "the mail")
        play.write_settings(good)
        status, listed = await run(play, "alerts", "list")
        assert status == 1
        assert "ReloadRefused" in listed
        assert (await run(play, "reload"))[0] == 0
        await until(lambda: len(relay.mails) == 3, "the mail about its end")
        await until(lambda: len(hooks) == 3, "the webhooks")
        status, shown = await run(play, "status")
        await play.stop()

    assert "WARNING  ReloadRefused" in relay.mails[1].text
    assert "OVER  ReloadRefused" in relay.mails[2].text
    assert [hook["type"] for hook in hooks] == ["alert"] * 3
    assert status == 0
    assert "well" in shown
    assert "postgresql since" in shown


async def try_out(play: Play, relay: Relay) -> None:
    """Nothing fires, and a test arrives by mail."""
    assert await run(play, "alerts", "list") == (0, "nothing needs a person, and nothing did lately\n")
    status, said = await run(play, "alerts", "test")
    assert (status, said.splitlines()[0]) == (0, "mail to ops@example.com: delivered")
    assert [mail.recipients for mail in relay.mails] == [["ops@example.com"]]
    assert "This is a test" in relay.mails[0].text


async def test_nobody_would_hear(tmp_path: Path, dsn: str) -> None:
    """Where nothing is set up the test says so, and without a daemon it says that."""
    async with open_play(tmp_path, Scenario("demo", 1, 60), dsn=dsn) as play:
        assert (await run(play, "alerts", "test"))[0] == 3
        await play.start()
        status, said = await run(play, "alerts", "test")
        await play.stop()

    assert status == 1
    assert "nobody would hear" in said
