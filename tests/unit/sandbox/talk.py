"""A client that says exactly what it is told, for looking at an MX host from outside."""

import asyncio
import ssl
from typing import Self

from validatord.sandbox.internet import Sandbox

PATIENCE = 5.0
SENDER = "MAIL FROM:<probe@verify.example>"


class Talk:
    """One connection to one MX host; replies are given back whole, lines joined by a newline."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def dial(cls, sandbox: Sandbox, host: str, *, source: str = "") -> Self:
        """Connect, without waiting for the greeting."""
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(
                sandbox.addresses[host], sandbox.smtp_port, limit=2**24, local_addr=(source, 0) if source else None
            )
        return cls(reader, writer)

    @classmethod
    async def greet(cls, sandbox: Sandbox, host: str, *, source: str = "") -> Self:
        """Connect, read the greeting and say EHLO."""
        talk = await cls.dial(sandbox, host, source=source)
        assert (await talk.read()).startswith("220")
        assert (await talk.say("EHLO verify.example"))[0].startswith("250")
        return talk

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()

    async def read(self) -> str:
        """Read one reply; an empty string at the end of the connection."""
        lines: list[str] = []
        async with asyncio.timeout(PATIENCE):
            while line := await self.reader.readline():
                lines.append(line.decode("utf-8", "replace").rstrip("\r\n"))
                if lines[-1][3:4] != "-":
                    break
        return "\n".join(lines)

    async def say(self, *commands: str) -> list[str]:
        """Send all commands in one packet, and read as many replies."""
        self.send(*commands)
        return [await self.read() for _ in commands]

    async def rcpt(self, *addresses: str) -> list[str]:
        """Ask for recipients in an envelope of their own, all in one packet; the reply to MAIL is left out."""
        return (await self.say(SENDER, *(f"RCPT TO:<{address}>" for address in addresses)))[1:]

    def send(self, *commands: str) -> None:
        """Send all commands in one packet."""
        self.writer.write("".join(f"{command}\r\n" for command in commands).encode())

    async def is_closed(self) -> bool:
        """Whether the other side ends the connection without another word."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read(1) == b""
            except ConnectionResetError:
                return True

    async def start_tls(self) -> None:
        """Shake hands, after STARTTLS was answered; certificates are not looked at."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        async with asyncio.timeout(PATIENCE):
            await self.writer.start_tls(context)


def codes(replies: list[str]) -> list[int]:
    """The reply codes, of each reply's last line."""
    return [int(reply.splitlines()[-1][:3]) if reply else 0 for reply in replies]
