"""A small real name server on loopback, UDP and TCP, that answers out of a dict and misbehaves on demand.

    async with FakeDNS({("example.com", "MX"): ["10 mx1.example.com."]}) as server:
        settings = LookupSettings(resolvers=(server.endpoint,))

A script is a list of records, a `Zone`, a `Fault`, or a `Turns` of these, one per query, the last one for
ever. A name without any script does not exist; a name with scripts of other types has no data.
"""

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Self, cast

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset


class Fault(Enum):
    """What can go wrong on the way to an answer."""

    NO_ANSWER = auto()
    SERVFAIL = auto()
    REFUSED = auto()
    NOT_IMPLEMENTED = auto()  # FORMERR, with EDNS and without
    NO_EDNS = auto()  # FORMERR to EDNS, the real answer without it
    TRUNCATED = auto()  # UDP cut, TCP whole
    TRUNCATED_TWICE = auto()  # cut over TCP as well
    TRUNCATED_NO_TCP = auto()  # UDP cut, TCP closed without a word
    LATE = auto()  # the answer only after `release()`
    WRONG_ID = auto()
    WRONG_ID_FIRST = auto()  # a forged datagram, then the real one
    GARBAGE = auto()
    GARBAGE_FIRST = auto()
    FORGED_SECTION = auto()  # right question, records of another name
    FORGED_NXDOMAIN = auto()  # NXDOMAIN together with an answer
    REFERRAL = auto()  # only the names of other servers


@dataclass(frozen=True)
class Zone:
    """Records with their TTL; without records a negative answer. `soa_minimum` None: no SOA goes with it."""

    records: Sequence[str] = ()
    ttl: int = 300
    soa_minimum: int | None = 900
    is_nxdomain: bool = False
    fault: Fault | None = None


class Turns(list["Script"]):
    """One script per query, the last for ever."""


Script = Sequence[str] | Zone | Fault | Turns
Key = tuple[str, str]


class FakeDNS:
    """The server; `endpoint` is where, `queries` what was asked as (name, type, transport)."""

    def __init__(
        self,
        scripts: Mapping[Key, Script] | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        is_chasing: bool = True,
    ) -> None:
        self.scripts: dict[Key, Script] = {}
        self.queries: list[tuple[str, str, str]] = []
        self.has_edns: list[bool] = []
        self._host = host
        self._is_chasing = is_chasing  # whether it follows aliases itself, as resolvers do
        self._port = port
        self._turns: Counter[Key] = Counter()
        self._released = asyncio.Event()
        self._stack = contextlib.AsyncExitStack()
        self._tasks: set[asyncio.Task[None]] = set()
        self.update(scripts or {})

    @property
    def endpoint(self) -> str:
        """The address as `lookup.resolvers` takes it."""
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    def update(self, scripts: Mapping[Key, Script]) -> None:
        """Change what is answered from now on."""
        self.scripts |= {(name.lower().rstrip("."), rdtype): script for (name, rdtype), script in scripts.items()}

    def count(self, rdtype: str, name: str = "") -> int:
        """Return how many queries came for a type (and a name), TCP repeats left out."""
        return sum(q[1] == rdtype and q[2] == "udp" and name in ("", q[0]) for q in self.queries)

    def release(self) -> None:
        """Let the late answers go."""
        self._released.set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        for _ in range(50):
            transport, _protocol = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self), local_addr=(self._host, self._port), family=family
            )
            port = transport.get_extra_info("sockname")[1]
            try:
                streams = await asyncio.start_server(self._serve_stream, self._host, port)
            except OSError:  # that number is taken for TCP: take another
                transport.close()
                continue
            self._port = port
            self._stack.callback(transport.close)
            self._stack.callback(streams.close)
            return self
        raise OSError("no port is free for both UDP and TCP")

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):  # a fault of the fake itself is no answer that did not come
                raise outcome

    def start(self, wire: bytes, send: "_Datagrams", peer: tuple[str, int]) -> None:
        """Answer one datagram in a task of its own."""
        task = asyncio.ensure_future(self._answer_datagram(wire, send, peer))
        self._tasks.add(task)

    async def _answer_datagram(self, wire: bytes, datagrams: "_Datagrams", peer: tuple[str, int]) -> None:
        for answer in await self._answer(wire, "udp"):
            datagrams.transport.sendto(answer, peer)

    async def _serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            for answer in await self._answer(await reader.readexactly(length), "tcp"):
                writer.write(struct.pack("!H", len(answer)) + answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, wire: bytes, transport: str) -> list[bytes]:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        key = (question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype))
        self.queries.append((*key, transport))
        self.has_edns.append(query.edns >= 0)
        zone = self._find_zone(key, transport)
        if zone.fault is Fault.LATE:
            await self._released.wait()
        return _write(query, zone, transport, self._build(query, zone, key))

    def _find_zone(self, key: Key, transport: str) -> Zone:
        script = self.scripts.get(key)
        if isinstance(script, Turns):
            turn = self._turns[key] if transport == "udp" else self._turns[key] - 1
            self._turns[key] += transport == "udp"
            script = script[min(turn, len(script) - 1)]
        if isinstance(script, Fault):
            return Zone(fault=script)
        if isinstance(script, Zone):
            return script
        if script is None:
            exists = any(name == key[0] for name, _ in self.scripts)
            return Zone(is_nxdomain=not exists)
        return Zone(script)

    def _build(self, query: dns.message.Message, zone: Zone, key: Key) -> dns.message.Message:
        answer = dns.message.make_response(query, recursion_available=True)
        name, rdtype = key
        for _ in range(12):
            alias = self.scripts.get((name, "CNAME"))
            if zone.records or zone.fault or not isinstance(alias, list) or rdtype == "CNAME":
                break
            answer.answer.append(_rrset(name, zone.ttl, "CNAME", alias))
            if not self._is_chasing:
                return answer
            name = alias[0].lower().rstrip(".")
            zone = self._find_zone((name, rdtype), "alias")
        if zone.records:
            answer.answer.append(_rrset(name, zone.ttl, rdtype, zone.records))
        elif zone.soa_minimum is not None:
            soa = f"ns.invalid. hostmaster.invalid. 1 3600 600 86400 {zone.soa_minimum}"
            answer.authority.append(_rrset(name.rsplit(".", maxsplit=1)[-1], 86400, "SOA", [soa]))
        if zone.is_nxdomain:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: FakeDNS) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own datagram transport does not derive from the abstract one everywhere.
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._server.start(data, self, addr)


def _rrset(name: str, ttl: int, rdtype: str, records: Sequence[str]) -> dns.rrset.RRset:
    return dns.rrset.from_text_list(dns.name.from_text(name), ttl, "IN", rdtype, list(records))


_RCODES = {
    Fault.SERVFAIL: dns.rcode.SERVFAIL,
    Fault.REFUSED: dns.rcode.REFUSED,
    Fault.NOT_IMPLEMENTED: dns.rcode.FORMERR,
}
_GARBAGE = b"\xde\xad\xbe\xef" * 5


def _write(query: dns.message.Message, zone: Zone, transport: str, answer: dns.message.Message) -> list[bytes]:
    """Turn the answer into what goes over the wire, with the fault the script asks for."""
    fault = zone.fault
    if fault is Fault.NO_ANSWER or (fault is Fault.TRUNCATED_NO_TCP and transport == "tcp"):
        return []
    _bend(query, fault, transport, answer)
    wire = answer.to_wire(max_size=65535)
    if transport == "udp" and len(wire) > max(512, query.payload):
        answer.flags |= dns.flags.TC
        answer.answer = []
        wire = answer.to_wire()
    wrong = ((query.id + 1) % 65536).to_bytes(2, "big") + wire[2:]
    special = {
        Fault.WRONG_ID: [wrong],
        Fault.WRONG_ID_FIRST: [wrong, wire],
        Fault.GARBAGE: [_GARBAGE],
        Fault.GARBAGE_FIRST: [_GARBAGE, wire],
    }
    return special.get(fault, [wire]) if fault else [wire]


def _bend(query: dns.message.Message, fault: Fault | None, transport: str, answer: dns.message.Message) -> None:
    if fault in _RCODES:
        answer.set_rcode(_RCODES[fault])
    elif fault is Fault.NO_EDNS and query.edns >= 0:
        answer.set_rcode(dns.rcode.FORMERR)
    elif fault in (Fault.FORGED_SECTION, Fault.FORGED_NXDOMAIN):
        forged = "bank.example." if fault is Fault.FORGED_SECTION else query.question[0].name.to_text()
        rdtype = dns.rdatatype.to_text(query.question[0].rdtype)
        answer.answer = [_rrset(forged, 300, rdtype, ["192.0.2.66" if rdtype == "A" else "1 evil.example."])]
        if fault is Fault.FORGED_NXDOMAIN:
            answer.set_rcode(dns.rcode.NXDOMAIN)
    elif fault is Fault.REFERRAL:
        answer.flags &= ~dns.flags.RA
        answer.answer = []
        answer.authority = [_rrset("com.", 300, "NS", ["ns.example."])]
    elif fault is Fault.TRUNCATED_TWICE or (fault in (Fault.TRUNCATED, Fault.TRUNCATED_NO_TCP) and transport == "udp"):
        answer.flags |= dns.flags.TC
        answer.answer = []
