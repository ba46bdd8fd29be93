"""Signatures are those of Standard Webhooks, verified by its reference implementation."""

import base64
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from validatord.notify.message import Message
from validatord.notify.signature import is_secret, make_secret, sign

_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def _headers(keys: tuple[str, ...], body: bytes) -> dict[str, str]:
    timestamp = int(datetime.now(UTC).timestamp())
    signature = sign(keys, "msg_1", timestamp, body)
    return {"webhook-id": "msg_1", "webhook-timestamp": str(timestamp), "webhook-signature": signature}


def test_known_answer() -> None:
    """HMAC-SHA256 over id, timestamp and body, joined by dots, in base64 after "v1,"."""
    signature = sign((_SECRET,), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_receivers_verify() -> None:
    """The reference implementation takes what we sign, and refuses it once a byte is changed."""
    secret = make_secret()
    body = Message("msg_1", "webhook.test", datetime.now(UTC), {"address": "ä@example.com"}).to_json()
    headers = _headers((secret,), body)

    assert Webhook(secret).verify(body, headers)["data"] == {"address": "ä@example.com"}
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body.replace(b"test", b"best"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(make_secret()).verify(body, headers)


def test_two_secrets() -> None:
    """While a secret is changed, a receiver with either of them can verify."""
    old, new = make_secret(), make_secret()
    headers = _headers((new, old), b"{}")

    assert Webhook(old).verify(b"{}", headers) == {}
    assert Webhook(new).verify(b"{}", headers) == {}


def test_form_of_secrets() -> None:
    """A secret is whsec_ and 24 to 64 bytes in base64; a made one is never made twice."""
    short, long = ("whsec_" + base64.b64encode(bytes(size)).decode() for size in (23, 65))

    assert is_secret(make_secret())
    assert make_secret() != make_secret()
    assert [is_secret(text) for text in (short, long, "", "whsec_", "whsec_***", _SECRET[6:])] == [False] * 6


def test_body_is_stable() -> None:
    """The same message is the same bytes at every attempt: type, time, data."""
    message = Message("id", "alert", datetime(2026, 5, 1, 12, 0, 0, 5000, tzinfo=UTC), {"b": 1, "a": None})

    assert message.to_json() == b'{"type":"alert","timestamp":"2026-05-01T12:00:00.005+00:00","data":{"b":1,"a":null}}'
