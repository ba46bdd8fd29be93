"""One message to one URL, whatever the receiver is or does."""

import asyncio
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from tests.fakes.receiver import HANG, Receiver, answer
from validatord.clock import SystemClock
from validatord.lookup import addresses
from validatord.notify.message import Answer, Message
from validatord.notify.signature import make_secret
from validatord.notify.webhook import Endpoint, Reach, WebhookSender, find_fault, name_host
from validatord.sandbox import certificate

_MESSAGE = Message("8d1c", "webhook.test", datetime(2026, 5, 1, tzinfo=UTC), {"n": 1})
_HUGE = 10_000_000


def _judge(address: str) -> Reach:
    """Loopback belongs to us here; the rest is judged as ever."""
    if address == "127.0.0.1":
        return Reach.OWN
    return Reach.PUBLIC if addresses.is_public(address) else Reach.REFUSED


def _answers(*found: str):  # noqa: ANN202 what a resolver is
    async def resolve(host: str, port: int) -> Sequence[str]:
        return found

    return resolve


async def _send(url: str, seconds: float = 10.0, **more: object) -> Answer:
    sender = WebhookSender(_judge, SystemClock(), **more)  # type: ignore[arg-type]
    return await sender.send(Endpoint(url, (make_secret(),)), _MESSAGE, seconds)


async def test_taken() -> None:
    """A 2xx means taken; the message is signed JSON under its id."""
    async with Receiver() as receiver:
        found = await _send(receiver.url)

    assert found == Answer(is_taken=True, http_status=204)
    (got,) = receiver.got
    assert (got.path, got.event_id, got.body) == ("/hook", "8d1c", _MESSAGE.to_json())
    assert got.headers["content-type"] == "application/json"
    assert got.headers["webhook-signature"].startswith("v1,")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    """A redirect, to loopback or anywhere, is a failure and leads to no further connection."""
    async with Receiver() as inner, Receiver(lambda _: answer(status, Location=inner.url)) as outer:
        found = await _send(outer.url)

    assert (found.is_taken, found.http_status, found.is_final) == (False, status, False)
    assert inner.connections == 0


@pytest.mark.parametrize("status", [200, 500])
async def test_huge_answer(status: int) -> None:
    """Ten megabytes of an answer are not read: of a refusal a line is kept, of a yes nothing."""
    async with Receiver(lambda _: answer(status, b"x" * _HUGE)) as receiver:
        found = await _send(receiver.url)
        taken = receiver.taken

    assert found.is_taken is (status == 200)
    assert len(found.excerpt) == (0 if status == 200 else 300)
    assert taken < _HUGE


@pytest.mark.parametrize(
    "reply",
    [
        HANG,
        b"HTTP/1.1 200",
        b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\n1",
    ],
)
async def test_silence(reply: bytes) -> None:
    """A receiver that says nothing, or half of something, is left after the time an attempt has."""
    async with Receiver(lambda _: reply) as receiver:
        found = await _send(receiver.url, seconds=0.3)

    assert not found.is_taken
    assert found.error


@pytest.mark.parametrize("reply", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"])
async def test_nonsense(reply: bytes) -> None:
    """What is no HTTP, or has no end, is a failure that names its kind and no URL."""
    async with Receiver(lambda _: reply) as receiver:
        found = await _send(receiver.url)

    assert not found.is_taken
    assert found.error
    assert "127.0.0.1" not in found.error


async def test_nobody_there() -> None:
    """A closed port is a failure."""
    async with Receiver() as receiver:
        url = receiver.url

    assert "refused" in (await _send(url)).error.lower()


async def test_what_a_refusal_says() -> None:
    """Of a refusal stay the status, a bounded wait, and its beginning without control characters."""
    async with Receiver(lambda _: answer(503, b"not\r\nnow\x1b[2J", Retry_After="90")) as receiver:
        found = await _send(receiver.url)
    async with Receiver(lambda _: answer(410)) as receiver:
        gone = await _send(receiver.url)
    async with Receiver(lambda _: answer(429, Retry_After="999999")) as receiver:
        far = await _send(receiver.url)

    assert (found.http_status, found.retry_after_seconds, found.excerpt) == (503, 90.0, "not  now [2J")
    assert (gone.is_gone, gone.is_final) == (True, True)
    assert far.retry_after_seconds == 3600.0


@pytest.mark.parametrize(
    "host",
    [
        *("10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "[2002:a00:1::]"),
        *("0.0.0.0", "2130706434", "0x7f.0.0.2", "127.2", "[fe80::1]"),
    ],
)
async def test_private_targets(host: str) -> None:
    """No form of a private address is connected to."""
    found = await _send(f"https://{host}:1/")

    assert not found.is_taken
    assert "not public" in found.error


async def test_one_bad_address_is_enough() -> None:
    """Every address of a name is judged: a public one beside it opens no way in."""
    async with Receiver() as receiver:
        resolve = _answers("127.0.0.1", "10.0.0.1")
        found = await _send(f"http://hooks.example:{receiver.port}/", resolve=resolve)

    assert "not public" in found.error
    assert receiver.connections == 0


async def test_judged_is_connected() -> None:
    """What was judged is what is connected to: the name is looked up once."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ("127.0.0.1",)

    async with Receiver() as receiver:
        found = await _send(f"http://hooks.example:{receiver.port}/in?token=1", resolve=resolve)

    assert found.is_taken
    assert asked == ["hooks.example"]
    assert receiver.got[0].path == "/in?token=1"
    assert receiver.got[0].headers["host"] == f"hooks.example:{receiver.port}"


async def test_plain_text_stays_at_home() -> None:
    """Without TLS only networks of our own are told anything."""
    found = await _send("http://hooks.example/", resolve=_answers("1.1.1.1"))

    assert "use https://" in found.error


def _trust(port: int) -> ssl.SSLContext:
    """Trust the certificate that stands there, and only that."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ssl.get_server_certificate(("127.0.0.1", port)))
    return context


async def test_certificates_are_verified() -> None:
    """A certificate nobody vouches for, or of another name, ends the attempt before a byte of the message."""
    resolve = _answers("127.0.0.1")
    async with Receiver(tls=certificate.server_context()) as receiver:
        url = f"https://sandbox.example:{receiver.port}/"
        trust = await asyncio.to_thread(_trust, receiver.port)
        unknown = await _send(url, resolve=resolve)
        misnamed = await _send(url.replace("sandbox", "other"), resolve=resolve, tls=trust)
        assert receiver.got == []
        trusted = await _send(url, resolve=resolve, tls=trust)

    assert unknown.error == misnamed.error == "the certificate cannot be verified"
    assert trusted.is_taken


@pytest.mark.parametrize(
    "url",
    [
        *("", "hooks.example", "ftp://hooks.example/", "https://", "https://user:secret@hooks.example/"),
        *("https://hooks.example/#part", "https://hooks.example/a b", "https://hooks.example:99999/", "https://[::1"),
        "https://hooks.example/" + "x" * 2000,
    ],
)
async def test_urls_that_cannot_be_used(url: str) -> None:
    """A URL that can never work is said to be so, and is never tried again."""
    assert find_fault(url)
    assert (await _send(url)).is_final


def test_nothing_secret_is_told() -> None:
    """Neither path nor secret stands in a repr."""
    endpoint = Endpoint("https://hooks.example/path?token=abc", ("whsec_abc",))

    assert name_host(endpoint.url) == "hooks.example"
    assert repr(endpoint) == "<Endpoint at hooks.example>"
