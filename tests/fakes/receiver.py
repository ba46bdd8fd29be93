"""A receiver of webhooks on loopback that answers by script: kindly, slowly, hugely, or not at all."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import orjson

OK = b"HTTP/1.1 204 No Content\r\n\r\n"
HANG = b""  # take the message and say nothing


@dataclass(frozen=True, slots=True)
class Got:
    """One message as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event_id(self) -> str:
        """What names the message."""
        return self.headers["webhook-id"]

    @property
    def data(self) -> dict[str, object]:
        """What the message says."""
        return orjson.loads(self.body)["data"]


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Make an answer."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Receiver:
    """`reply` makes the bytes of an answer out of what came; `taken` is how many bytes of answers went out."""

    reply: Callable[[Got], bytes] = field(default=lambda _: OK)
    tls: ssl.SSLContext | None = None
    got: list[Got] = field(default_factory=list)
    port: int = 0
    connections: int = 0
    taken: int = 0
    came: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._open:
            writer.transport.abort()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """Where messages go."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/hook"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            got = await _read(reader)
            self.got.append(got)
            self.came.set()
            text = self.reply(got)
            if text == HANG:
                await reader.read()
            for start in range(0, len(text), 65_536):
                writer.write(text[start : start + 65_536])
                await writer.drain()
                self.taken += len(text[start : start + 65_536])
        except (OSError, EOFError):
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort() if self.taken == 0 else writer.close()


async def _read(reader: asyncio.StreamReader) -> Got:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Got(head[0].split()[1], headers, body)
