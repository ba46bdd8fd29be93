"""One event is one line, whatever it holds."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

from tests.fakes.clock import FakeClock
from validatord import logs

Form = Literal["text", "json"]
NASTY = 'a\r\nERROR forged {0.__class__} {x} \x1b[31m \u2028 \x85 "quoted" ä'


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Set up logs as a test asks, and return what was written; at the end there is no log again."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield lambda: capsys.readouterr().err
    logger.remove()
    root.handlers[:], root.level = before


@pytest.mark.parametrize("form", ["text", "json"])
def test_one_event_is_one_line(shown: Callable[[], str], form: Form) -> None:
    """Line breaks and braces in messages, fields and foreign records never make a second line or a format error."""
    logs.set_up_logs(form=form)

    logger.bind(reply=NASTY).info(NASTY)
    logging.getLogger("aiohttp.server").warning("%s", NASTY)

    lines = shown().splitlines()
    assert len(lines) == 2
    assert "{0.__class__}" in lines[0]


def test_json_lines_parse(shown: Callable[[], str]) -> None:
    """JSON lines hold the message, the level and every field, and a field cannot replace them."""
    logs.set_up_logs(form="json")

    logger.bind(reply=NASTY, count=3, level="mine").warning("something happened")

    event = json.loads(shown())
    assert event["message"] == "something happened"
    assert event["level"] == "WARNING"
    assert event["level_"] == "mine"
    assert (event["reply"], event["count"]) == (NASTY, 3)


@pytest.mark.parametrize("form", ["text", "json"])
def test_traces_show_no_values(shown: Callable[[], str], form: Form) -> None:
    """A trace tells where, and never what the variables held."""
    logs.set_up_logs(form=form)
    api_key = "hunter" + "2"

    try:
        len(api_key) / 0
    except ZeroDivisionError:
        logger.exception("it broke")

    text = shown()
    assert "ZeroDivisionError" in text
    assert "hunter2" not in text
    assert len(text.splitlines()) == 1 or all(line.startswith("    ") for line in text.splitlines()[1:])


def test_libraries_are_quiet(shown: Callable[[], str]) -> None:
    """Arq and its like log arguments at INFO: that is not let through, their warnings are."""
    logs.set_up_logs(level="DEBUG")

    logging.getLogger("arq.worker").info("0.01s → submit(addresses=['person@example.com'])")
    logging.getLogger("arq.worker").warning("job expired")

    text = shown()
    assert "person@example.com" not in text
    assert "job expired" in text


def test_level(shown: Callable[[], str]) -> None:
    """What is below the level does not appear."""
    logs.set_up_logs(level="WARNING")
    logger.info("quiet")

    assert shown() == ""


def test_a_closed_stderr_does_not_stop_the_work(monkeypatch: pytest.MonkeyPatch, shown: Callable[[], str]) -> None:
    """Logging to nowhere is no error."""
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    logs.set_up_logs()

    logger.info("nobody hears")

    assert shown() == ""


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        ("person@example.com", "p***@example.com"),
        ("@example.com", "***@example.com"),
        ("no mailbox at all", "***"),
        ("", "***"),
        ("a@b@example.com", "a***@example.com"),
        ("x@b\u00fccher.example", "x***@b\\xfccher.example"),
    ],
)
def test_mask(address: str, masked: str) -> None:
    """Of an address the log shows its first character and its domain."""
    assert logs.mask(address) == masked


@given(st.text())
def test_mask_takes_any_text(text: str) -> None:
    """Any text at all can be masked, shortly and in ASCII."""
    masked = logs.mask(text)

    assert masked.isascii()
    assert len(masked) <= 100


async def test_seldom() -> None:
    """A repeated event is logged at once, then once a minute, and what was left out is counted."""
    clock = FakeClock()
    seldom = logs.Seldom(clock)

    assert [seldom.is_due() for _ in range(3)] == [True, False, False]
    await clock.advance(60)
    assert seldom.is_due()
    assert seldom.take_left_out() == 2
    assert seldom.take_left_out() == 0
