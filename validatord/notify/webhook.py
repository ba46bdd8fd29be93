"""Sends one message to one URL: signed, judged, bounded.

A URL comes from a client, so it may not lead into our own network: the name is looked up once, every address
is judged, and only those very addresses are connected to. Redirects are not followed, certificates are
verified, nothing of an answer is read that is not needed, and neither URL nor secret stands in what is told.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import SplitResult, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from validatord.clock import Clock
from validatord.notify.message import Answer, Message
from validatord.notify.signature import sign

_EXCERPT_BYTES = 2048
_EXCERPT_LENGTH = 300
_LONGEST_WAIT_SECONDS = 3600.0
_LONGEST_URL = 2000
_OK, _REDIRECTS, _GONE = range(200, 300), range(300, 400), 410
_SCHEMES = {"https": 443, "http": 80}


class Reach(StrEnum):
    """How an address may be reached: by anybody, because the operator says so, or not at all."""

    PUBLIC = "public"
    OWN = "own"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a message goes and what signs it; the newest secret first."""

    url: str
    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<Endpoint at {name_host(self.url)}>"


Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


def find_fault(url: str) -> str:
    """Say what is wrong with a URL as text, or return an empty text."""
    parts = _split(url)
    if parts is None or parts.scheme not in _SCHEMES or not parts.hostname:
        return "it must begin with https:// and name a host"
    if parts.username is not None or parts.password is not None:
        return "user and password do not belong into it: messages are signed"
    if len(url) > _LONGEST_URL or any(not character.isprintable() or character.isspace() for character in url):
        return f"it holds blanks or control characters, or is longer than {_LONGEST_URL} characters"
    return "what follows # never reaches a server" if parts.fragment else ""


def name_host(url: str) -> str:
    """Return the host of a URL, for logs: the rest may hold a token."""
    parts = _split(url)
    return (parts.hostname or "") if parts is not None else ""


async def look_up(host: str, port: int) -> Sequence[str]:
    """Return a host's addresses as the system knows them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


class WebhookSender:
    """`judge` says of an address how it may be reached; `tls` replaces the usual trust in authorities."""

    def __init__(
        self,
        judge: Callable[[str], Reach],
        clock: Clock,
        *,
        resolve: Resolve = look_up,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._judge = judge
        self._clock = clock
        self._resolve = resolve
        self._tls = tls

    async def send(self, endpoint: Endpoint, message: Message, timeout_seconds: float) -> Answer:
        """Send a message once; whatever happens is an answer."""
        fault = find_fault(endpoint.url)
        if fault:
            return Answer(is_taken=False, error=f"the URL cannot be used: {fault}", is_final=True)
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._send(endpoint, message)
        except TimeoutError:
            return Answer(is_taken=False, error=f"no answer within {timeout_seconds:g} s")
        except (aiohttp.ClientError, OSError, UnicodeError, ValueError) as error:
            return Answer(is_taken=False, error=_tell(error))

    async def _send(self, endpoint: Endpoint, message: Message) -> Answer:
        parts = urlsplit(endpoint.url)
        host, port = str(parts.hostname), parts.port or _SCHEMES[parts.scheme]
        addresses = await self._resolve(host, port)
        refusal = self._find_refusal(parts.scheme, addresses)
        if refusal:
            return Answer(is_taken=False, error=refusal)
        body = message.to_json()
        timestamp = int(self._clock.now().timestamp())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "validatord",
            "webhook-id": message.event_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(endpoint.secrets, message.event_id, timestamp, body),
        }
        async with (
            _open_session(addresses, self._tls) as session,
            session.post(endpoint.url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            return await _read(response)

    def _find_refusal(self, scheme: str, addresses: Sequence[str]) -> str:
        """Every address is judged: a name with one forbidden address is forbidden."""
        if not addresses:
            return "the host has no address"
        reaches = {self._judge(address) for address in addresses}
        if Reach.REFUSED in reaches:
            return "the host leads to an address that is not public (see webhooks.allow_targets)"
        if scheme == "http" and Reach.PUBLIC in reaches:
            return "http:// is only for networks of webhooks.allow_targets; use https://"
        return ""


class _Pinned(AbstractResolver):
    """Knows the addresses that were judged, and no others."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the judged addresses, whatever the family asked for."""
        del family
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """There is nothing to close."""


def _open_session(addresses: Sequence[str], tls: ssl.SSLContext | None) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        resolver=_Pinned(addresses), use_dns_cache=False, force_close=True, ssl=tls if tls is not None else True
    )
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False
    )


async def _read(response: aiohttp.ClientResponse) -> Answer:
    """Judge the status; of the body only the beginning of a refusal is read."""
    status = response.status
    with closing(response):
        if status in _OK:
            return Answer(is_taken=True, http_status=status)
        if status in _REDIRECTS:
            return Answer(is_taken=False, http_status=status, error="a redirect, which is not followed")
        excerpt = await response.content.read(_EXCERPT_BYTES)
    return Answer(
        is_taken=False,
        error=f"HTTP {status}",
        http_status=status,
        excerpt=_clean(excerpt),
        is_gone=status == _GONE,
        is_final=status == _GONE,
        retry_after_seconds=_read_wait(response.headers.get("Retry-After", "")),
    )


def _clean(excerpt: bytes) -> str:
    text = excerpt.decode("utf-8", "replace")[:_EXCERPT_LENGTH]
    return "".join(character if character.isprintable() else " " for character in text).strip()


def _read_wait(text: str) -> float:
    # RFC 9110 10.2.3: seconds; the form with a date is left to the schedule.
    return min(float(text), _LONGEST_WAIT_SECONDS) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0  # noqa: PLR2004 longer ones are no waits


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _tell(error: Exception) -> str:
    """Name a breakdown without its arguments: they hold the URL."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return "the certificate cannot be verified"
    if isinstance(error, socket.gaierror):
        return "the host cannot be looked up"
    number = error.errno if isinstance(error, OSError) else None
    return f"{type(error).__name__} ({os.strerror(number)})" if number else type(error).__name__
