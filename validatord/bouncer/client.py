"""The HTTP client of the Bouncer API: six calls, every outcome a value or a typed error.

The key travels in a header and nowhere else; redirects are not followed with it. Bodies are read in pieces
up to a limit. Nothing is ever repeated here: whether a call may be made again is the story's business.
"""

import asyncio
import hashlib
import io
import time
import zlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import NoReturn, TypeVar
from urllib.parse import quote

import aiohttp

from validatord import metrics
from validatord.bouncer import wire
from validatord.bouncer.wire import Kind, Refusal
from validatord.errors import (
    BouncerOutOfCredits,
    BouncerRateLimited,
    BouncerRejected,
    BouncerUnavailable,
    BouncerUnclear,
)
from validatord.settings import BouncerSettings
from validatord.store.bouncer_batches import StatusReport

Value = TypeVar("Value")

_VERSIONS = ("/v1.1", "/v1")
_PATH = "/v1.1/email/verify/batch"
_CREDITS = "/v1.1/credits"
_PIECE = 64 * 1024
_PART = 1024 * 1024  # bytes of a stored piece of a download
_SMALL_BODY = 1024 * 1024
_GZIP = 31  # zlib's window bits for a gzip stream
_CONNECTIONS = 20
# Nothing left this machine: the connection did not come about.
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
_BREAKDOWNS = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class Access:
    """Where and as whom to call, and how patiently; one snapshot of the settings."""

    base_url: str
    key: str
    connect_seconds: float
    read_seconds: float
    call_seconds: float
    download_seconds: float
    max_bytes: int

    @classmethod
    def of(cls, settings: BouncerSettings, tier: str = "main") -> "Access":
        """Take what a pass needs from the settings."""
        key = settings.deep_api_key if tier == "deep" else settings.api_key
        return cls(
            base_url=strip_version(settings.base_url),
            key=key.get_secret_value(),
            connect_seconds=settings.connect_timeout.total_seconds(),
            read_seconds=settings.read_timeout.total_seconds(),
            call_seconds=settings.call_timeout.total_seconds(),
            download_seconds=settings.download_timeout.total_seconds(),
            max_bytes=settings.max_download_bytes,
        )

    def __repr__(self) -> str:
        return f"<Access {self.base_url}>"


def strip_version(url: str) -> str:
    """Return the host part of a base URL: each path brings its own version."""
    url = url.rstrip("/")
    for version in _VERSIONS:
        url = url.removesuffix(version)
    return url


@dataclass(frozen=True, slots=True)
class Download:
    """The results of a batch: a gzip stream in parts, and size and checksum of what is in it."""

    parts: tuple[bytes, ...]
    size: int
    sha256: str


class BouncerClient:
    """Holds the connections; `aclose` when done."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._create_session: aiohttp.ClientSession | None = None

    async def aclose(self) -> None:
        """Close every connection."""
        for session in (self._session, self._create_session):
            if session is not None:
                await session.close()
        self._session = self._create_session = None

    # --- the six calls -------------------------------------------------------------------------

    async def create(self, access: Access, emails: Sequence[str], callback: str = "") -> tuple[str, StatusReport]:
        """Make a batch and return the provider's name of it: money moves here, and only here.

        Raises:
            BouncerUnavailable: nothing was sent.
            BouncerUnclear: something was sent and no readable answer came; it may have been made.
            BouncerRateLimited, BouncerOutOfCredits, BouncerRejected: surely not made.
        """
        payload = await asyncio.to_thread(wire.make_payload, emails)
        params = {"callback": callback} if callback else None
        try:
            # A connection of its own: one that was idle may break just when the body is on its way.
            async with self._call(access, "POST", _PATH, data=io.BytesIO(payload), params=params) as response:
                body = await _read_small(response)
        except _NOT_SENT as error:
            raise BouncerUnavailable(_tell(error), Kind.NETWORK_ERROR) from None
        except _BREAKDOWNS as error:
            raise BouncerUnclear(_tell(error)) from None
        refusal = wire.classify(response.status, body)
        if refusal is not None:
            _refuse_create(refusal, response)
        try:
            return wire.read_created(body)
        except wire.Unreadable as error:
            raise BouncerUnclear(str(error)) from None

    async def read_status(self, access: Access, ref: str, *, with_stats: bool) -> StatusReport:
        """Ask how far a batch is."""
        params = {"with-stats": "true"} if with_stats else None
        body = await self._ask(access, "GET", _name_batch(ref), params=params)
        return _read(lambda: wire.read_status(body, ref))

    async def download(self, access: Access, ref: str) -> Download:
        """Fetch the results as they come, packed again on the way: memory holds no whole body."""
        path = f"{_name_batch(ref)}/download"
        try:
            async with self._call(access, "GET", path, is_download=True, params={"download": "all"}) as response:
                if response.status != 200 or response.content_type != "application/json":  # noqa: PLR2004
                    _refuse_unless_fine(response, await _read_small(response))
                return await _pack(response, access.max_bytes)
        except _BREAKDOWNS as error:
            raise BouncerUnavailable(_tell(error), Kind.NETWORK_ERROR) from None

    async def finish(self, access: Access, ref: str) -> bool:
        """End a running batch early; False where the provider says that it does not run."""
        try:
            await self._ask(access, "POST", f"{_name_batch(ref)}/finish")
        except BouncerRejected as error:
            if error.kind == Kind.NOT_RUNNING:
                return False
            raise
        return True

    async def delete(self, access: Access, ref: str) -> None:
        """Have the provider forget a batch; that it has already is just as well."""
        try:
            await self._ask(access, "DELETE", _name_batch(ref))
        except BouncerRejected as error:
            if error.kind not in {Kind.NOT_FOUND, Kind.REMOVED}:
                raise

    async def get_credits(self, access: Access) -> int:
        """Ask how many credits are left."""
        body = await self._ask(access, "GET", _CREDITS)
        return _read(lambda: wire.read_credits(body))

    # --- below ---------------------------------------------------------------------------------

    async def _ask(self, access: Access, method: str, path: str, params: dict[str, str] | None = None) -> bytes:
        """Make a call that may be repeated, and return its small body."""
        try:
            async with self._call(access, method, path, params=params) as response:
                body = await _read_small(response)
        except _BREAKDOWNS as error:
            raise BouncerUnavailable(_tell(error), Kind.NETWORK_ERROR) from None
        _refuse_unless_fine(response, body)
        return body

    @asynccontextmanager
    async def _call(
        self,
        access: Access,
        method: str,
        path: str,
        *,
        is_download: bool = False,
        data: io.BytesIO | None = None,
        params: dict[str, str] | None = None,
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        # Only a create has a body.
        session = self._open() if data is None else self._open_create()
        timeout = aiohttp.ClientTimeout(
            total=access.download_seconds if is_download else access.call_seconds,
            connect=access.connect_seconds,
            sock_connect=access.connect_seconds,
            sock_read=access.read_seconds,
        )
        headers = {"x-api-key": access.key, "Accept": "application/json", "Accept-Encoding": "gzip"}
        if data is not None:
            headers["Content-Type"] = "application/json"
        began, outcome = time.monotonic(), "breakdown"
        try:
            async with session.request(
                method,
                f"{access.base_url}{path}",
                data=data,
                params=params,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                outcome = f"{response.status // 100}xx"
                yield response
        except _BREAKDOWNS:
            outcome = "breakdown"
            raise
        finally:
            metrics.observe_bouncer_call(_name_act(method, path), outcome, time.monotonic() - began)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = _make_session(aiohttp.TCPConnector(limit=_CONNECTIONS))
        return self._session

    def _open_create(self) -> aiohttp.ClientSession:
        if self._create_session is None:
            self._create_session = _make_session(aiohttp.TCPConnector(limit=_CONNECTIONS, force_close=True))
        return self._create_session


def _make_session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        headers={"User-Agent": "validatord"},
    )


def _name_act(method: str, path: str) -> str:
    """Name a call for the metrics; the path holds the provider's name of a batch, which is no label."""
    if path == _CREDITS:
        return "credits"
    act = {"POST": "create", "DELETE": "delete"}.get(method, "status")
    return next((word for word in ("download", "finish") if path.endswith(f"/{word}")), act)


def _name_batch(ref: str) -> str:
    return f"{_PATH}/{quote(ref, safe='')}"


async def _read_small(response: aiohttp.ClientResponse) -> bytes:
    found = bytearray()
    async for piece in response.content.iter_chunked(_PIECE):
        found += piece
        if len(found) > _SMALL_BODY:
            raise aiohttp.ClientPayloadError("an answer that should be short is not")
    return bytes(found)


async def _pack(response: aiohttp.ClientResponse, most: int) -> Download:
    packer = zlib.compressobj(1, wbits=_GZIP)
    digest = hashlib.sha256()
    parts: list[bytes] = []
    rest = bytearray()
    size = 0
    async for piece in response.content.iter_chunked(_PIECE):
        size += len(piece)
        if size > most:
            raise BouncerUnavailable(f"the results are longer than {most} bytes", Kind.TOO_LARGE)
        digest.update(piece)
        rest += packer.compress(piece)
        if len(rest) >= _PART:
            parts.append(bytes(rest))
            rest.clear()
    rest += packer.flush()
    return Download((*parts, bytes(rest)), size, digest.hexdigest())


def _read(read: Callable[[], Value]) -> Value:
    try:
        return read()
    except wire.Unreadable as error:
        raise BouncerUnavailable(str(error), Kind.UNREADABLE) from None


def _tell(error: BaseException) -> str:
    """Name a breakdown without its arguments: they may hold the URL, and with it our callback's token."""
    return f"{type(error).__name__}" + (f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else "")


def _refuse_unless_fine(response: aiohttp.ClientResponse, body: bytes) -> None:
    refusal = wire.classify(response.status, body)
    if refusal is not None:
        _refuse(refusal, response)


def _refuse_create(refusal: Refusal, response: aiohttp.ClientResponse) -> NoReturn:
    """Only a clear no is a no: behind a 5xx, or a "see other", the batch may have been made."""
    if refusal.kind is Kind.API_ERROR or refusal.http_status in {302, 303}:
        raise BouncerUnclear(f"HTTP {refusal.http_status}: {refusal.message}")
    _refuse(refusal, response)


def _refuse(refusal: Refusal, response: aiohttp.ClientResponse) -> NoReturn:
    text = f"HTTP {refusal.http_status}: {refusal.message}"
    if refusal.kind is Kind.RATE_LIMIT:
        seconds = wire.read_wait(response.headers.get("Retry-After"), response.headers.get("Date"))
        raise BouncerRateLimited(text, wait=None if seconds is None else timedelta(seconds=seconds))
    if refusal.kind is Kind.PAYMENT_REQUIRED:
        raise BouncerOutOfCredits(text)
    if refusal.kind is Kind.API_ERROR:
        raise BouncerUnavailable(text, Kind.API_ERROR)
    raise BouncerRejected(text, refusal.http_status, refusal.kind)
