"""What must not be read in a log cannot be written into it, whoever writes it and however it is dressed."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

from validatord import logs, settings_text
from validatord.settings import Settings

SECRET = 'pä$$"w\\ord/%@:x'


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What was written; at the end there is no log again."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook)
    yield lambda: capsys.readouterr().err
    logger.remove()
    root.handlers[:], root.level, sys.excepthook = before


@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_in_every_dress(shown: Callable[[], str], form: str) -> None:
    """In fields, messages, nested values, URLs, library records and traces a secret reads ***."""
    logs.set_up_logs(level="DEBUG", form=form, secrets=[SECRET])  # pyright: ignore[reportArgumentType]

    logger.bind(key=SECRET, nested={"a": [SECRET]}).debug(SECRET.replace("{", ""))
    logger.bind(body=json.dumps({"key": SECRET})).info("body")
    logging.getLogger("aiohttp").warning("GET %s", f"https://host/?key={quote(SECRET, safe='')}")
    logger.opt(exception=RuntimeError(SECRET)).error("failed")

    said = shown()
    assert said.count("***") >= 6
    for dress in (SECRET, json.dumps(SECRET)[1:-1], quote(SECRET, safe="")):
        assert dress not in said
    if form == "json":
        assert all(json.loads(line) for line in said.splitlines())


def test_locals_are_not_shown(shown: Callable[[], str]) -> None:
    """A trace has the lines of code and no values of variables."""
    logs.set_up_logs(form="json")
    key = "planted" + "-value"

    def fail() -> None:
        inner = key * 2
        raise ValueError(len(inner))

    try:
        fail()
    except ValueError:
        logger.exception("failed")

    assert key not in shown()


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("RCPT TO:<jane.doe@example.com>", "RCPT TO:<j***@example.com>"),
        ('{"email": "jane@example.com"}', '{"email": "j***@example.com"}'),
        ("a@b.example, ü@c.example", "a***@b.example, ü***@c.example"),
        ("j***@example.com", "j***@example.com"),
        ("postgresql://user@localhost/x", "postgresql://user@localhost/x"),
        ("nothing at all", "nothing at all"),
    ],
)
def test_addresses(line: str, masked: str) -> None:
    """Of an address the first character and the domain are left, unless it is wanted whole."""
    assert logs.make_redactor((), is_address_masked=True)(line) == masked
    assert logs.make_redactor((), is_address_masked=False)(line) == line


@given(st.text(min_size=8), st.text(max_size=20), st.text(max_size=20))
def test_any_secret(secret: str, before: str, after: str) -> None:
    """Any text of eight characters and more that is a secret is gone from any line it stands in."""
    redact = logs.make_redactor([secret], is_address_masked=False)

    assert secret not in redact(before + secret + after).replace("***", "") or secret in before + after
    assert redact(secret) == "***"


@pytest.mark.parametrize("secret", ["u00e", "\\\\u00", "00e4", '": "', "level", "e4\\n"])
def test_a_line_stays_json(shown: Callable[[], str], secret: str) -> None:
    """A secret that looks like JSON's own signs never makes a line that no reader can take, nor two of them."""
    logs.set_up_logs(form="json", secrets=[secret])

    logger.bind(text='ä\n": "level').info("an event")

    [line] = shown().splitlines()
    assert json.loads(line)


def test_short_words_are_no_secrets() -> None:
    """An empty or tiny secret takes nothing out of a line."""
    assert logs.make_redactor(["", "a", "abc"], is_address_masked=False)("abcabc") == "abcabc"


def test_every_secret_setting_is_known() -> None:
    """Every secret of the settings is taken out, of URLs the password alone as well."""
    settings = Settings.of(
        database={"url": "postgresql://me:first-word@127.0.0.1/x"},
        redis={"url": "redis://:second-word@127.0.0.1"},
        bouncer={"api_key": "third-word"},
        accept_all={"secret": "fourth-word"},
        identities=[{"proxy": "socks5://me:fifth-word@127.0.0.1:1080"}],
        alerts={"smtp_password": "sixth-word"},
    )
    redact = logs.make_redactor(settings_text.list_secrets(settings), is_address_masked=False)

    for word in ("first", "second", "third", "fourth", "fifth", "sixth"):
        assert redact(f"x {word}-word y") == "x *** y"


def test_what_nobody_caught() -> None:
    """An error that ends the process is one event, redacted like any other."""
    program = (
        "from validatord import logs\n"
        "logs.set_up_logs(form='json', secrets=['planted-word'])\n"
        "raise RuntimeError('planted-word jane@example.com')\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert found.returncode == 1
    [line] = found.stderr.splitlines()
    assert json.loads(line)["level"] == "CRITICAL"
    assert "RuntimeError" in line
    assert "planted-word" not in line
    assert "jane@" not in line
