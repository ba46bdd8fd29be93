"""Planted secrets are found nowhere but where they belong: not in logs, reports, figures, notes or arguments."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.acceptance.play import Play, open_play, until
from validatord.sandbox.command import Scenario
from validatord.store import keys
from validatord.store.keys import Scope

pytestmark = pytest.mark.timeout(120)
PLANTED = {
    name: f"Planted-{name}-0123456789"
    for name in ("bouncer", "deep", "control", "proxy", "smtp", "redis", "database", "broken")
}


def settings_of(dsn: str) -> dict[str, dict[str, Any]]:
    """Return settings full of secrets, each used where it fails."""
    return {
        # `trust` asks for no password, and takes any.
        "database": {"url": dsn.replace("@", f":{PLANTED['database']}@", 1)},
        "redis": {"url": f"redis://:{PLANTED['redis']}@127.0.0.1:9", "is_enabled": True},
        "bouncer": {
            "api_key": PLANTED["bouncer"],
            "deep_api_key": PLANTED["deep"],
            "base_url": "http://127.0.0.1:9",
            "tick": "100ms",
        },
        "accept_all": {"secret": PLANTED["control"]},
        "service": {"log_level": "DEBUG", "log_format": "json"},
        "alerts": {
            "interval": "200ms",
            "recipients": ["ops@example.com"],
            "sender": "validatord@example.com",
            "smtp_host": "127.0.0.1",
            "smtp_port": 9,
            "smtp_tls": "none",
            "smtp_user": "robot",
            "smtp_password": PLANTED["smtp"],
        },
        "webhooks": {"interval": "100ms"},
    }


async def test_planted_secrets(tmp_path: Path, dsn: str) -> None:
    """A daemon whose every way out fails at DEBUG, reloads that are refused, a crash: none of it tells a secret."""
    async with open_play(tmp_path, Scenario("bench", 3, 60, 6), dsn=dsn) as play:
        play.stage.overrides |= settings_of(dsn)
        play.write_settings()
        key = (await keys.create_key(play.database, "crm", [Scope.ADMIN])).text
        secrets = [*PLANTED.values(), key]
        await play.submit()
        await play.stage.start_daemon()
        await until(lambda: '"message": "ready"' in play.log, "ready", check=play.stage.check_daemon)
        await play.until_finished()
        answers = [await ask(play, path, key) for path in ("/metrics", "/health", "/readyz", "/v1/nothing", "/health")]
        answers += [await ask(play, "/health", key[:-1] + "x")]
        said = [
            await run(play, *words) for words in (("config", "show"), ("status",), ("alerts", "test", "--wait", "3"))
        ]
        said += [await break_settings(play)]
        arguments = [path.read_bytes().decode() for path in Path("/proc").glob(f"{play.daemon.pid}/cmdline")]
        notes = [path.read_text() for path in tmp_path.rglob("*.run.json")]
        play.daemon.send_signal(signal.SIGABRT)
        await play.daemon.wait()

        assert arguments
        assert notes
        assert "validatord_verdicts_total" in answers[0]
        for text in (play.log, *answers, *said, *arguments, *notes):
            assert [secret for secret in secrets if secret in text] == []
        assert play.log.count("arq intake interrupted") > 0


async def ask(play: Play, path: str, key: str) -> str:
    """Return an answer with its headers."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(play.stage.web_url + path, headers={"Authorization": f"Bearer {key}"}) as response,
    ):
        return f"{response.headers} {await response.text()}"


async def run(play: Play, *words: str) -> str:
    """Return what a command says."""
    process = await play.launch_another(*words)
    return (await process.communicate())[0].decode()


async def break_settings(play: Play) -> str:
    """Put secrets where they are wrong, reload each time, and return what is said."""
    whole = play.stage.config_path.read_text()
    planted = PLANTED["broken"]
    said = []
    for wrong in (
        f'[database]\nurl = "mysql://me:{planted}@host/x"\n',
        f'[redis]\nurl = "{planted}"\n',
        f'[bouncer]\napi_key = [1, "{planted}"]\n',
        f'[[identities]]\nproxy = "ftp://me:{planted}@host"\n',
        f'[bouncer]\napi_key = "{planted}',
        f'[alerts]\nsmtp_pasword = "{planted}"\n',
    ):
        play.write_settings(wrong)
        said += [await run(play, "reload"), await run(play, "config", "check")]
        assert "refused" in said[-2], said[-2]
    play.write_settings(whole)
    await until(lambda: play.log.count("reload refused") >= 6, "refusals")
    await asyncio.sleep(0)
    return "\n".join(said) + sys.executable
