"""DNS queries: the one place that knows dnspython.

A query goes to one server over UDP with EDNS, over TCP if the answer was cut, to the next server if it
stayed silent, failed, refused or answered nonsense. Only records that belong to the question and its
chain of aliases are believed. It caches nothing and judges no address.
"""

import asyncio
import errno
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import dns.asyncbackend
import dns.asyncquery
import dns.exception
import dns.flags
import dns.inet
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.PTR
import dns.rdtypes.ANY.SOA
import dns.rdtypes.ANY.TXT
import dns.resolver
import dns.rrset

from validatord import errors, metrics
from validatord.clock import Clock
from validatord.lookup import servers
from validatord.lookup.answer import Answer, AnswerKind, Record
from validatord.mail.mx import NO_RESOURCES
from validatord.settings import LookupSettings

MAX_ALIASES = 8
MAX_SERVERS = 3  # asked for one query
MAX_RECORDS = 256
MAX_TEXT = 4096
MAX_TTL = timedelta(days=7)
# The size that no path on the internet has to cut into fragments (DNS flag day 2020).
EDNS_PAYLOAD = 1232

_KINDS = {dns.rcode.SERVFAIL: "servfail", dns.rcode.REFUSED: "refused"}
_NO_EDNS = frozenset({dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS})
# What is told when several servers failed in several ways: the one that said most.
# Our own shortage, in which no server has a part.
_SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_TELLING = ("servfail", "refused", "malformed", "timeout", "unreachable", NO_RESOURCES)
_UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"
_AVOIDED = frozenset({"timeout", "unreachable", "refused"})


@dataclass(frozen=True, slots=True)
class _Piece:
    """What one message said; `is_open`: a chain of aliases that ends without saying what is there."""

    kind: AnswerKind
    target: dns.name.Name
    aliases: int
    ttl: int
    records: tuple[Record, ...] = ()
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Servers:
    """Whom to ask, and whom for a second opinion."""

    asked: tuple[servers.Server, ...]
    confirming: tuple[servers.Server, ...] = ()


def find_servers(settings: LookupSettings) -> Servers:
    """Return the configured name servers, or the system's.

    Raises:
        ConfigurationError: one of them is no address, or there are none at all.
    """
    asked = [servers.parse_server(text) for text in settings.resolvers] or _read_system_servers()
    return Servers(tuple(asked), tuple(servers.parse_server(text) for text in settings.confirm_resolvers))


class Resolver:
    """Asks the configured name servers, or the system's, and those for a second opinion."""

    def __init__(self, settings: LookupSettings, clock: Clock) -> None:
        self._clock = clock
        self._running = 0
        self._is_closed = False
        self.apply(settings, find_servers(settings))

    def apply(self, settings: LookupSettings, found: Servers) -> None:
        """Ask these servers from now on; what is under way ends as it began."""
        self._ring = servers.ServerRing(found.asked, self._clock)
        # The same ring again where there is no other: it has moved on to its next server by then.
        self._confirming = servers.ServerRing(found.confirming, self._clock) if found.confirming else self._ring
        self._timeout_seconds = settings.timeout.total_seconds()
        self._slots = asyncio.Semaphore(settings.concurrency)

    def __repr__(self) -> str:
        return f"Resolver(servers={len(self._ring)}, running={self._running})"

    async def query(self, name: str, rdtype: str) -> Answer:
        """Return the answer for a name and a type such as "MX", aliases followed.

        Raises:
            LookupFailed: nobody answered; `kind` is servfail, refused, malformed, timeout, unreachable, or
                no_resources where we could not even ask.
        """
        return await self._query(self._ring, name, rdtype)

    async def confirm(self, name: str, rdtype: str) -> Answer:
        """Ask again as `query`, but the servers of `confirm_resolvers` where there are some."""
        return await self._query(self._confirming, name, rdtype)

    async def ping(self) -> None:
        """Ask for the root's name servers: whether there is any DNS at all.

        Raises:
            LookupFailed: there is none.
        """
        await self.query(".", "NS")

    async def aclose(self) -> None:
        """Take no further query; sockets live only as long as their query."""
        self._is_closed = True

    async def _query(self, ring: servers.ServerRing, name: str, rdtype: str) -> Answer:
        target = _parse_name(name)
        seen = {target}
        aliases, ttl = 0, int(MAX_TTL.total_seconds())
        while True:
            piece = await self._ask_servers(ring, target, dns.rdatatype.from_text(rdtype))
            aliases, ttl = aliases + piece.aliases, min(ttl, piece.ttl)
            if not piece.is_open:
                break
            target = piece.target
            if target in seen or aliases > MAX_ALIASES:
                raise errors.LookupFailed("malformed", f"{name}: the aliases have no end")
            seen.add(target)
        return Answer(name, rdtype, piece.kind, _to_text(piece.target), timedelta(seconds=ttl), piece.records)

    async def _ask_servers(
        self, ring: servers.ServerRing, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
    ) -> _Piece:
        chosen = ring.choose()[:MAX_SERVERS]
        # The only server gets a second chance: one lost datagram is no silence.
        chosen = chosen * 2 if len(chosen) == 1 else chosen
        failures: list[errors.LookupFailed] = []
        for server in chosen:
            if failures and server is chosen[0] and failures[-1].kind != "timeout":
                break
            began = self._clock.monotonic()
            try:
                piece = await self._ask_server(server, name, rdtype)
            except errors.LookupFailed as failure:
                metrics.observe_dns_query(failure.kind, self._clock.monotonic() - began)
                failures.append(failure)
                if failure.kind in _AVOIDED:
                    ring.note_failure(server)
            else:
                metrics.observe_dns_query("answered", self._clock.monotonic() - began)
                ring.note_answer(server)
                return piece
        raise min(failures, key=lambda failure: _TELLING.index(failure.kind))

    async def _ask_server(self, server: servers.Server, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> _Piece:
        if self._is_closed:
            raise errors.LookupFailed("unreachable", "the resolver is closed")
        async with self._slots:
            self._running += 1
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    message = await _exchange(server, name, rdtype)
            except TimeoutError:
                raise errors.LookupFailed("timeout", f"{server} did not answer for {name}") from None
            except (OSError, EOFError) as failure:
                kind = NO_RESOURCES if getattr(failure, "errno", None) in _SHORT else "unreachable"
                raise errors.LookupFailed(kind, f"{server}: {type(failure).__name__}") from failure
            except dns.exception.DNSException as failure:
                raise errors.LookupFailed("malformed", f"{server}: {type(failure).__name__}") from failure
            finally:
                self._running -= 1
        return _read_message(message, name, rdtype)


async def _exchange(
    server: servers.Server, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
) -> dns.message.Message:
    query = dns.message.make_query(name, rdtype, use_edns=0, payload=EDNS_PAYLOAD)
    message = await _send(server, query)
    if message.rcode() in _NO_EDNS:
        # RFC 6891 7: a server that knows no EDNS is asked without it.
        message = await _send(server, dns.message.make_query(name, rdtype, use_edns=False))
    return message


async def _send(server: servers.Server, query: dns.message.Message) -> dns.message.Message:
    family = dns.inet.af_for_address(server.address)
    backend = dns.asyncbackend.get_default_backend()
    # Connected: the kernel drops what others send, and tells at once when nobody listens there.
    connected = cast(
        "Any",
        await backend.make_socket(  # pyright: ignore[reportUnknownMemberType]  # untyped there
            family, socket.SOCK_DGRAM, destination=(server.address, server.port)
        ),
    )
    try:
        async with connected:
            # ignore_errors: a datagram with a wrong id or garbage is not the answer; the real one may still come.
            return await dns.asyncquery.udp(
                query,
                server.address,
                port=server.port,
                sock=connected,
                ignore_unexpected=True,
                raise_on_truncation=True,
                ignore_errors=True,
            )
    except dns.message.Truncated:
        message = await dns.asyncquery.tcp(query, server.address, port=server.port)
    if message.flags & dns.flags.TC:
        raise dns.exception.FormError("cut over TCP too")
    return message


def _read_message(message: dns.message.Message, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> _Piece:
    rcode = message.rcode()
    if rcode not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        raise errors.LookupFailed(_KINDS.get(rcode, "malformed"), f"{name}: {dns.rcode.to_text(rcode)}")
    target, aliases, ttl = _follow_aliases(message.answer, name, rdtype)
    found = _find(message.answer, target, rdtype)
    is_nxdomain = rcode == dns.rcode.NXDOMAIN
    if (found is not None and is_nxdomain) or (message.answer and found is None and not aliases):
        raise errors.LookupFailed("malformed", f"{name}: the answer does not fit the question")
    if found is not None:
        return _Piece(AnswerKind.FOUND, target, aliases, min(ttl, found.ttl), _read_records(found))
    negative = _read_negative_ttl(message, target)
    ttl = min(ttl, negative or 0)
    # RFC 6604 2: the code speaks about the end of the chain.
    if is_nxdomain:
        return _Piece(AnswerKind.NXDOMAIN, target, aliases, ttl)
    if negative is None and _is_referral(message):
        raise errors.LookupFailed("malformed", f"{name}: sent on to other servers instead of answered")
    return _Piece(AnswerKind.NO_DATA, target, aliases, ttl, is_open=bool(aliases) and negative is None)


def _follow_aliases(
    answer: Sequence[dns.rrset.RRset], name: dns.name.Name, rdtype: dns.rdatatype.RdataType
) -> tuple[dns.name.Name, int, int]:
    target, aliases, ttl = name, 0, int(MAX_TTL.total_seconds())
    while rdtype != dns.rdatatype.CNAME:
        alias = _find(answer, target, dns.rdatatype.CNAME)
        if alias is None:
            break
        aliases += 1
        if aliases > MAX_ALIASES:
            raise errors.LookupFailed("malformed", f"{name}: the aliases have no end")
        target, ttl = dns.name.from_text(_read_records(alias)[0].value), min(ttl, alias.ttl)
    return target, aliases, ttl


def _find(
    section: Sequence[dns.rrset.RRset], name: dns.name.Name, rdtype: dns.rdatatype.RdataType
) -> dns.rrset.RRset | None:
    for rrset in section:
        if rrset.name == name and rrset.rdtype == rdtype and rrset.rdclass == dns.rdataclass.IN and len(rrset):
            return rrset
    return None


def _read_negative_ttl(message: dns.message.Message, target: dns.name.Name) -> int | None:
    """Return the least of the SOA's TTL and its minimum field (RFC 2308 5), None without a fitting SOA."""
    for rrset in message.authority:
        soa = next(iter(_get_rdatas(rrset)), None)
        if isinstance(soa, dns.rdtypes.ANY.SOA.SOA) and target.is_subdomain(rrset.name):
            return min(rrset.ttl, soa.minimum)
    return None


def _is_referral(message: dns.message.Message) -> bool:
    """Whether it only names other servers (RFC 2308 2.2): a lame server, and no statement about the name."""
    return not message.answer and any(rrset.rdtype == dns.rdatatype.NS for rrset in message.authority)


def _read_records(rrset: dns.rrset.RRset) -> tuple[Record, ...]:
    return tuple(_to_record(rdata) for rdata in _get_rdatas(rrset)[:MAX_RECORDS])


def _get_rdatas(rrset: dns.rrset.RRset) -> list[object]:
    return list(cast("Iterable[object]", rrset))


def _to_record(rdata: object) -> Record:
    match rdata:
        case dns.rdtypes.ANY.MX.MX():
            return Record(_to_text(rdata.exchange), rdata.preference)
        case dns.rdtypes.ANY.PTR.PTR() | dns.rdtypes.ANY.CNAME.CNAME():
            return Record(_to_text(rdata.target))
        case dns.rdtypes.ANY.TXT.TXT():
            text = b"".join(rdata.strings).decode("utf-8", "replace")[:MAX_TEXT]
            # PostgreSQL takes no NUL, and nobody's terminal wants the other control characters.
            return Record("".join(sign if sign.isprintable() else _UNPRINTABLE for sign in text))
        case _:
            return Record(str(rdata))


def _parse_name(name: str) -> dns.name.Name:
    try:
        # Domains arrive as A-labels; anything else would be converted by rules we did not choose.
        return dns.name.from_text(name.encode("ascii").decode())
    except (dns.exception.DNSException, UnicodeError) as failure:
        raise errors.LookupFailed("malformed", f"no DNS name: {type(failure).__name__}") from failure


def _to_text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _read_system_servers() -> list[servers.Server]:
    try:
        system = dns.resolver.Resolver(configure=True)
    except dns.resolver.NoResolverConfiguration as failure:
        raise errors.ConfigurationError(["lookup.resolvers: none given, and the system names none"]) from failure
    return [servers.Server(str(address), system.port) for address in system.nameservers]
