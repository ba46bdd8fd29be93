"""An MX host that follows a script, on loopback: a list of lines, and odd behaviour where a test wants it.

A script maps the beginning of a command to what happens then. What happens is a *step* or a tuple of
steps; a list holds one entry per time the command comes, its last entry repeats. A step is

- a text: sent as a reply, each line with CRLF; bytes: sent as they are;
- `DROP` (close in order), `RESET` (cut hard), `HANG` (say nothing more, read on), `TLS` (start TLS as a server);
- an `asyncio.Event`: wait for it; a function of the connection: called, awaited if need be.

Empty bytes send nothing. Everything that came in stands in `Connection.commands` and `MXScript.seen`.
"""

import asyncio
import inspect
import ssl
import struct
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, Self

from validatord.smtp.session import Target


class Act(Enum):
    """What a host can do besides speaking."""

    DROP = "drop"
    RESET = "reset"
    HANG = "hang"
    TLS = "tls"


DROP, RESET, HANG, TLS = Act.DROP, Act.RESET, Act.HANG, Act.TLS

Step = str | bytes | Act | asyncio.Event | Callable[["Connection"], Any]
Reaction = Step | tuple[Step, ...]
Script = Mapping[str, Reaction | list[Reaction]]

PIPELINING = "250-mx.example.com\n250-PIPELINING\n250 ENHANCEDSTATUSCODES"
PLAIN = "250-mx.example.com\n250 ENHANCEDSTATUSCODES"
WITH_TLS = "250-mx.example.com\n250-PIPELINING\n250 STARTTLS"

_USUAL: Script = {
    "EHLO": PIPELINING,
    "HELO": "250 mx.example.com",
    "STARTTLS": ("220 2.0.0 go ahead", TLS),
    "MAIL": "250 2.1.0 Ok",
    "RCPT": "250 2.1.5 Ok",
    "RSET": "250 2.0.0 Ok",
    "NOOP": "250 2.0.0 Ok",
    "QUIT": ("221 2.0.0 Bye", DROP),
}

CERTIFICATE = Path(__file__).with_name("mx_certificate.pem")


class _Gone(Exception):
    """The connection is over."""


class Connection:
    """One connection as the host sees it."""

    def __init__(self, script: Script, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.commands: list[str] = []
        self.chunks: list[bytes] = []  # as they came off the socket
        self.reader = reader
        self.writer = writer
        self._script = script
        self._turns: dict[str, int] = {}

    @property
    def peer_address(self) -> str:
        """Where the client came from."""
        return self.writer.get_extra_info("peername")[0]

    async def run(self, greeting: Reaction) -> None:
        """Greet, then answer commands until somebody closes."""
        try:
            await self._react(greeting)
            buffer = b""
            while chunk := await self.reader.read(65536):
                self.chunks.append(chunk)
                buffer += chunk
                while b"\n" in buffer:
                    line, buffer = buffer.split(b"\n", 1)
                    await self._obey(line.rstrip(b"\r").decode("utf-8", "surrogateescape"))
        except (_Gone, ConnectionError, ssl.SSLError):
            pass
        finally:
            self.writer.close()

    async def send(self, data: bytes) -> None:
        """Send bytes at once."""
        self.writer.write(data)
        await self.writer.drain()

    async def _obey(self, command: str) -> None:
        self.commands.append(command)
        known = [*self._script, *_USUAL]
        beginning = max((key for key in known if command.upper().startswith(key.upper())), key=len, default="")
        reaction = self._script.get(beginning, _USUAL.get(beginning, "500 5.5.2 what?"))
        if isinstance(reaction, list):
            turn = self._turns.get(beginning, 0)
            self._turns[beginning] = turn + 1
            reaction = reaction[min(turn, len(reaction) - 1)]
        await self._react(reaction)

    async def _react(self, reaction: Reaction) -> None:
        for step in reaction if isinstance(reaction, tuple) else (reaction,):
            if isinstance(step, str):
                await self.send(step.replace("\n", "\r\n").encode("utf-8", "surrogateescape") + b"\r\n")
            elif isinstance(step, bytes):
                await self.send(step)
            elif isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, Act):
                await self._act(step)
            else:
                result = step(self)
                if inspect.isawaitable(result):
                    await result

    async def _act(self, act: Act) -> None:
        if act is TLS:
            await self.writer.start_tls(server_context())
            return
        if act is HANG:
            while await self.reader.read(65536):
                pass
        if act is RESET:
            linger = struct.pack("ii", 1, 0)
            self.writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, linger)
            self.writer.transport.abort()
        raise _Gone


class MXScript:
    """`async with MXScript(script) as host:` listens on loopback; `host.target()` leads there."""

    def __init__(self, script: Script | None = None, *, greeting: Reaction = "220 mx.example.com ESMTP") -> None:
        self.connections: list[Connection] = []
        self.open = 0
        self.most_open = 0
        self._script = script or {}
        self._greeting = greeting
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def seen(self) -> list[str]:
        """All commands of all connections, in order of the connections."""
        return [command for connection in self.connections for command in connection.commands]

    @property
    def rcpts(self) -> list[str]:
        """The addresses of all RCPT."""
        return [command[9:-1] for command in self.seen if command.startswith("RCPT TO:<")]

    @property
    def port(self) -> int:
        """The port on loopback."""
        assert self._server is not None
        return self._server.sockets[0].getsockname()[1]

    def target(self, host_name: str = "mx.example.com") -> Target:
        """Return whom to connect to."""
        return Target(host_name, "127.0.0.1", self.port)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in self.connections:
            connection.writer.transport.abort()
        await asyncio.sleep(0)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(self._script, reader, writer)
        self.connections.append(connection)
        task = asyncio.create_task(self._serve(connection), name="mx script")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: Connection) -> None:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await connection.run(self._greeting)
        finally:
            self.open -= 1


def server_context() -> ssl.SSLContext:
    """Return the context of a host with a certificate of its own making."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def mailbox_script(replies: Mapping[str, Reaction], **others: Reaction) -> dict[str, Reaction | list[Reaction]]:
    """Return a script with one reaction per RCPT address; other keys are verbs."""
    return {**{f"RCPT TO:<{address}>": reaction for address, reaction in replies.items()}, **others}


def answers(*replies: Reaction) -> list[Reaction]:
    """Return reactions that come one after the other; the last one repeats."""
    return list(replies)
