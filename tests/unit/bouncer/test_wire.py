"""Answers and rows as they come over the wire."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validatord.bouncer import rows, wire
from validatord.bouncer.client import strip_version
from validatord.bouncer.wire import Kind


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"status": "400", "error": "Bad Request", "message": "too many emails"}, Kind.PERMANENT_FAILURE),
        (400, {"status": "404", "error": "Bad", "message": "batch has to be running to finish"}, Kind.NOT_RUNNING),
        (401, {"status": 401, "error": "Unauthorized", "message": "user not found"}, Kind.UNAUTHORISED),
        (402, {"status": "402", "error": "Payment Required", "message": "1 credits left"}, Kind.PAYMENT_REQUIRED),
        (403, {"error": "Forbidden", "message": "who knows"}, Kind.UNAUTHORISED),
        (403, {"error": "Forbidden", "message": "Too many requests"}, Kind.RATE_LIMIT),
        (403, {"error": "Forbidden", "message": "12 credits left"}, Kind.PAYMENT_REQUIRED),
        (404, {"error": "Not Found", "message": "request 1 does not exist"}, Kind.NOT_FOUND),
        (405, {"error": "Method Not Allowed", "message": "batch is not completed"}, Kind.NOT_READY),
        (405, {"error": "x", "message": "email addresses and results have been removed"}, Kind.REMOVED),
        (405, {"error": "x", "message": "batch cannot be deleted in current state"}, Kind.NOT_DELETABLE),
        (405, {"error": "x", "message": "something else"}, Kind.PERMANENT_FAILURE),
        (413, None, Kind.PERMANENT_FAILURE),
        (429, {"status": 429, "error": "Too Many Requests", "message": "too many requests"}, Kind.RATE_LIMIT),
        (500, None, Kind.API_ERROR),
        (503, {"error": "Unavailable"}, Kind.API_ERROR),
        (301, None, Kind.REDIRECT),
        (200, {"status": "400", "error": "Bad Request", "message": "batch has to be running"}, Kind.NOT_RUNNING),
        (200, {"status": "odd", "error": "something"}, Kind.API_ERROR),
        (200, {"batchId": "1"}, None),
        (202, None, None),
    ],
)
def test_classes_of_answers(status: int, body: dict[str, Any] | None, kind: Kind | None) -> None:
    """Every documented answer has its class: by the HTTP status first, then by what it says."""
    found = wire.classify(status, json.dumps(body).encode() if body is not None else b"")

    assert (found.kind if found else None) == kind


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("30", None, 30.0),
        ("0", None, None),
        ("86400", None, None),
        ("-5", None, None),
        ("soon", None, None),
        ("", None, None),
        (None, None, None),
        ("Sat, 21 Nov 2026 10:01:00 GMT", "Sat, 21 Nov 2026 10:00:00 GMT", 60.0),
        ("Sat, 21 Nov 2026 10:01:00 GMT", None, None),
        ("Sat, 21 Nov 2026 09:00:00 GMT", "Sat, 21 Nov 2026 10:00:00 GMT", None),
        ("1e3", None, None),
        ("١٢", None, None),
    ],
)
def test_retry_after(value: str | None, date: str | None, seconds: float | None) -> None:
    """A Retry-After is believed if it is sane; a date counts from the answer's own, never from our clock."""
    assert wire.read_wait(value, date) == seconds


def test_created_needs_a_name() -> None:
    """An answer to a create that names no batch is no answer: whether one was made is not known."""
    ref, report = wire.read_created(b'{"batchId": "abc", "status": "queued", "quantity": "7", "duplicates": 0}')

    assert (ref, report.status, report.quantity, report.duplicates) == ("abc", "queued", 7, 0)
    for body in (b"", b"{}", b"[]", b'{"batchId": ""}', b'{"batchId": 5}', b'{"requestId": "abc"}', b"<html>"):
        with pytest.raises(wire.Unreadable):
            wire.read_created(body)


def test_status_must_be_about_our_batch() -> None:
    """A poll's answer about another batch, or without a status, says nothing."""
    assert wire.read_status(b'{"batchId": "abc", "status": "Completed", "credits": 5}', "abc").is_complete
    for body in (b'{"batchId": "other", "status": "completed"}', b'{"batchId": "abc"}', b'{"status": 7}', b"null"):
        with pytest.raises(wire.Unreadable):
            wire.read_status(body, "abc")


@pytest.mark.parametrize("body", [b"{}", b'{"credits": "many"}', b'{"credits": true}', b"[1]", b""])
def test_credits_must_be_a_number(body: bytes) -> None:
    """Credits that are no number are not known."""
    assert wire.read_credits(b'{"credits": 17}') == 17
    with pytest.raises(wire.Unreadable):
        wire.read_credits(body)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.example", "https://api.example"),
        ("https://api.example/", "https://api.example"),
        ("https://api.example/v1.1", "https://api.example"),
        ("https://api.example/v1.1/", "https://api.example"),
        ("https://api.example/v1", "https://api.example"),
    ],
)
def test_a_version_in_the_base_url_is_dropped(url: str, host: str) -> None:
    """Each path brings its own version, so the plan's base URL with one works, too."""
    assert strip_version(url) == host


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,]",
        "[1] 2",
        "[NaN]",
        "[-Infinity]",
        "\ufeff[]",
        "[1 2]",
        "[" * 5000,
        "nul",
    ],
)
def test_broken_results(text: str) -> None:
    """Whatever is not one whole JSON array is not believed at all."""
    with pytest.raises(wire.Unreadable):
        list(rows.iterate_rows(text))


@given(
    st.lists(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5), max_size=8)
)
def test_rows_as_json_has_them(members: list[Any]) -> None:
    """Every JSON array, written in whatever layout, yields its members."""
    for indent in (None, 2):
        assert list(rows.iterate_rows(json.dumps(members, indent=indent))) == members


@given(st.text(max_size=60))
def test_any_text_as_results(text: str) -> None:
    """No text raises anything but the one error."""
    with contextlib.suppress(wire.Unreadable):
        list(rows.iterate_rows(text))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)
_ROWS = st.fixed_dictionaries(
    {},
    optional={
        name: _JSON | st.sampled_from(["deliverable", "user@domain.example", "yes", 7, {"acceptAll": True}])
        for name in ("email", "status", "reason", "domain", "account", "dns", "score", "toxicity", "provider", "toxic")
    },
)


@given(_JSON | _ROWS)
def test_any_row(raw: Any) -> None:
    """No row raises: it is read, or set aside as it came."""
    row = rows.read_row(raw, 1, 0)

    assert row.is_quarantined or (row.email and row.bouncer_status)
    assert row.score is None or 0 <= row.score <= 100
    assert row.extra is None or len(json.dumps(row.extra)) <= 20_000


@pytest.mark.parametrize(
    ("echo", "email"),
    [
        ("User@Domain.example", "user@domain.example"),
        (" user@domain.example ", "user@domain.example"),
        ("user@domain.example.", "user@domain.example"),
        ("user@bücher.example", "user@xn--bcher-kva.example"),
        ("user@BÜCHER.example", "user@xn--bcher-kva.example"),
        ("jose\u0301@domain.example", "jos\u00e9@domain.example"),
        ("USER+TAG@DOMAIN.EXAMPLE", "user+tag@domain.example"),
    ],
)
def test_keys(echo: str, email: str) -> None:
    """An address is matched however it is echoed."""
    assert rows.make_key(echo) == rows.make_key(email) == email


@pytest.mark.parametrize("echo", ["", "@", "user", "user@", "user@xn--\ud800", "a@b@c.example", "user@..."])
def test_keys_of_no_address(echo: str) -> None:
    """What is no address has a key all the same; it matches nothing."""
    assert isinstance(rows.make_key(echo), str)


def test_the_weight_of_rows() -> None:
    """Of two rows the more decisive counts, and no rather than yes; an unknown word counts least."""
    weights = [
        rows.read_row({"email": "a@b.example", "status": status}, 1, 0).weight
        for status in ("maybe", "unknown", "risky", "deliverable", "undeliverable")
    ]

    assert weights == sorted(weights)
    assert len(set(weights)) == 5
