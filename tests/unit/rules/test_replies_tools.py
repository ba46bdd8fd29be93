"""The reply tool: JSON in, JSON out, never an exception."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validatord.mail.reply import Reply
from validatord.rules.tools import parse_reply, tools_reply


def test_reply_tells_the_meaning() -> None:
    """A line comes back with what its reply means, and with everything it brought."""
    assert tools_reply({"id": 7, "reply": "550 5.1.1 User unknown", "stage": "rcpt"}) == {
        "id": 7,
        "reply": "550 5.1.1 User unknown",
        "stage": "rcpt",
        "meaning": "no_such_mailbox",
        "scope": "recipient",
        "temporary": False,
        "rule": "text:user_unknown:who-unknown",
        "retry_after_seconds": None,
    }


def test_stage_is_rcpt_unless_told() -> None:
    """Where the line names no stage, the reply answers RCPT."""
    text = "550 user unknown"
    assert tools_reply({"reply": text})["meaning"] == tools_reply({"reply": text, "stage": "rcpt"})["meaning"]
    assert tools_reply({"reply": text, "stage": "mail"})["meaning"] == "sender_rejected"


def test_host_and_recipient_count() -> None:
    """Who said it and about whom change what it means."""
    line = {"reply": "550 5.4.1 [spam@example.com]: Recipient address rejected: Access denied"}
    assert tools_reply(line)["meaning"] == "policy_rejected"
    told = {"mx_host": "example-com.mail.protection.outlook.com", "recipient": "spam@example.com"}
    assert tools_reply({**line, **told})["meaning"] == "no_such_mailbox"


def test_wait_is_told() -> None:
    """The wait a reply asks for is part of the answer."""
    assert tools_reply({"reply": "450 Greylisted, try again in 300 seconds"})["retry_after_seconds"] == 300


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("550 gone", Reply(550, ("gone",))),
        ("550-one\n550 two", Reply(550, ("one", "two"))),
        ("550-one\ntwo", Reply(550, ("one", "two"))),
        ("550 5.1.1 one\r\n two", Reply(550, ("5.1.1 one", "two"))),
        ("550", Reply(550, ("",))),
        ("450-one\n550 two", Reply(550, ("one", "two"), has_mixed_codes=True)),
        ("550 1234 is no code", Reply(550, ("1234 is no code",))),
    ],
)
def test_lines(text: str, reply: Reply) -> None:
    """Lines come with or without their code, and the last code counts."""
    assert parse_reply(text) == reply


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ({}, "reply: missing"),
        ({"reply": None}, "reply: text expected, got NoneType"),
        ({"reply": 550}, "reply: text expected, got int"),
        ({"reply": ""}, "reply: no line begins with a reply code"),
        ({"reply": "user unknown"}, "reply: no line begins with a reply code"),
        ({"reply": "999 odd"}, "reply: no line begins with a reply code"),
        ({"reply": "550 no", "stage": "data"}, "'data' is not a valid Stage"),
        ({"reply": "550 no", "stage": ["rcpt"]}, "stage: text expected, got list"),
        ({"reply": "550 no", "mx_host": 1}, "mx_host: text expected, got int"),
        ({"reply": "550 no", "recipient": {}}, "recipient: text expected, got dict"),
    ],
)
def test_bad_lines_are_answered(line: dict[str, Any], error: str) -> None:
    """A line that cannot be read keeps its members and gets an error, and nothing else."""
    assert tools_reply({"id": 1, **line}) == {"id": 1, **line, "error": error}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["reply", "stage", "mx_host", "recipient", "id"]) | st.text(), _JSON))
def test_any_line_is_answered(line: dict[str, Any]) -> None:
    """Whatever a line holds, it comes back with a meaning or an error."""
    answer = tools_reply(line)
    assert ("meaning" in answer) != ("error" in answer) or {"meaning", "error"} & line.keys()
    assert all(answer[key] == line[key] for key in line.keys() - {"meaning", "scope", "temporary", "rule", "error"})
