"""A mail relay on loopback that takes whole messages: for the one sender of the project that sends any."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

CERTIFICATE = Path(__file__).with_name("mx_certificate.pem")


@dataclass
class Mail:
    """One message as it arrived."""

    sender: str
    recipients: list[str]
    text: str
    user: str = ""
    is_encrypted: bool = False


@dataclass
class Relay:
    """Answers as it is told: `refuse` maps a command word to the line it is answered with."""

    port: int = 0
    refuse: dict[str, str] = field(default_factory=dict)
    is_silent: bool = False
    mails: list[Mail] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hold one conversation."""
        mail = Mail("", [], "")
        try:
            if not self.is_silent:
                await self._say(writer, "220 relay.example ESMTP")
            while line := (await reader.readline()).decode().rstrip("\r\n"):
                self.heard.append(line)
                word = line.split(" ")[0].split(":")[0].upper()
                if word in self.refuse:
                    await self._say(writer, self.refuse[word])
                elif word == "STARTTLS":
                    await self._say(writer, "220 go ahead")
                    await writer.start_tls(make_server_tls())
                    mail.is_encrypted = True
                elif word == "DATA":
                    mail.text = await self._take_data(reader, writer)
                    self.mails.append(mail)
                    self.arrived.set()
                    mail = Mail("", [], "")
                    await self._say(writer, "250 taken")
                elif word == "QUIT":
                    await self._say(writer, "221 bye")
                    break
                else:
                    await self._say(writer, self._answer(word, line, mail))
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()

    def _answer(self, word: str, line: str, mail: Mail) -> str:
        if word == "EHLO":
            return "250-relay.example\r\n250-STARTTLS\r\n250-AUTH PLAIN\r\n250 SIZE 1000000"
        if word == "AUTH":
            mail.user = base64.b64decode(line.split(" ")[2]).decode().split("\0")[1]
            return "235 welcome"
        if word == "MAIL":
            mail.sender = line.partition("<")[2].partition(">")[0]
        elif word == "RCPT":
            mail.recipients.append(line.partition("<")[2].partition(">")[0])
        return "250 ok"

    async def _take_data(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        await self._say(writer, "354 go on")
        lines: list[str] = []
        while (line := (await reader.readline()).decode()) != ".\r\n":
            lines.append(line)
        return "".join(lines)

    async def _say(self, writer: asyncio.StreamWriter, line: str) -> None:
        writer.write(f"{line}\r\n".encode())
        await writer.drain()


def make_server_tls() -> ssl.SSLContext:
    """Return the relay's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


@asynccontextmanager
async def open_relay(*, tls: ssl.SSLContext | None = None) -> AsyncIterator[Relay]:
    """Run a relay on a free port of loopback."""
    relay = Relay()
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0, ssl=tls)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
