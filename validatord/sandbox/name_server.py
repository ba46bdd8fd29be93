"""The sandbox's name server: the zones over UDP and TCP, troubles included.

It answers for the whole tree of names and sets "recursion available", so that a daemon may use it in
place of its resolver.
"""

import asyncio
import errno
import struct
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.rdatatype

from validatord.sandbox import streams, zones
from validatord.sandbox.counters import Counters
from validatord.sandbox.spec import DNSOutcome
from validatord.sandbox.zones import ZoneAnswer, Zones

_PLAIN_UDP = 512  # RFC 1035 4.2.1
_TRIES = 50


@dataclass(frozen=True, slots=True)
class Packet:
    """What goes out for one question, and when; no data: nothing does."""

    data: bytes
    delay_seconds: float


class NameServer:
    """UDP and TCP on one port of 127.0.0.1."""

    def __init__(self, known: Zones, counters: Counters, speed: float) -> None:
        self._zones = known
        self._counters = counters
        self._speed = speed
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp = streams.StreamServer(self._serve_stream)
        self.address = ""
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes one that is free for both."""
        for _ in range(_TRIES):
            self.port = await self._tcp.start(host, port)
            try:
                loop = asyncio.get_running_loop()
                self._udp, _ = await loop.create_datagram_endpoint(lambda: _UDP(self), local_addr=(host, self.port))
            except OSError:
                await self.aclose()
                if port:
                    raise
            else:
                self.address = f"{host}:{self.port}"
                return
        raise OSError(errno.EADDRINUSE, "no port is free for both UDP and TCP")

    async def aclose(self) -> None:
        """Stop."""
        if self._udp is not None:
            self._udp.close()
        await self._tcp.aclose()

    def answer(self, wire: bytes, *, is_udp: bool) -> Packet:
        """Return what goes out for one packet that came in; broken ones get nothing."""
        try:
            query = dns.message.from_wire(wire)
        except (dns.exception.DNSException, ValueError):
            return Packet(b"", 0)
        if not query.question:
            return Packet(b"", 0)
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        rdtype = dns.rdatatype.to_text(query.question[0].rdtype)
        self._counters.queries[f"{rdtype} {name}"] += 1
        found = self._zones.find_answer(name, rdtype)
        return Packet(_write(query, found, is_udp=is_udp), found.delay_seconds / self._speed)

    async def _serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            # RFC 1035 4.2.2: two bytes of length before each message.
            (size,) = struct.unpack("!H", await reader.readexactly(2))
            packet = self.answer(await reader.readexactly(size), is_udp=False)
            await asyncio.sleep(packet.delay_seconds)
            if packet.data:
                writer.write(struct.pack("!H", len(packet.data)) + packet.data)
                await writer.drain()


class _UDP(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        packet = self._server.answer(data, is_udp=True)
        if packet.data:
            asyncio.get_running_loop().call_later(packet.delay_seconds, self._send, packet.data, addr)

    def _send(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, addr)


def _write(query: dns.message.Message, found: ZoneAnswer, *, is_udp: bool) -> bytes:
    if found.outcome is DNSOutcome.TIMEOUT:
        return b""
    if found.outcome is DNSOutcome.GARBAGE:
        return b"\xff" * 40
    response = dns.message.make_response(query, recursion_available=True)
    response.set_rcode(found.rcode)
    if found.outcome is DNSOutcome.WRONG_ID:
        response.id ^= 1
    if is_udp and found.outcome is DNSOutcome.TRUNCATED:
        response.flags |= dns.flags.TC
        return response.to_wire()
    response.answer.extend(found.rrsets)
    if not found.rrsets:
        response.authority.append(zones.authority())
    room = max(query.payload, _PLAIN_UDP) if is_udp else 0xFFFF
    return response.to_wire(max_size=room, prefer_truncation=True)
