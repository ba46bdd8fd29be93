"""The name server: records, absences, troubles."""

import asyncio
import struct

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import pytest

from validatord.sandbox.internet import Sandbox
from validatord.sandbox.spec import DNSOutcome, DNSTrouble, DomainSpec, SandboxSpec

SPEC = SandboxSpec(
    hosts=SandboxSpec.of({"acme.example": ("postfix", "backup")}).hosts,
    domains={
        **SandboxSpec.of({"acme.example": ("postfix", "backup")}).domains,
        "null.example": DomainSpec(((0, "."),)),
        "broken.example": DomainSpec(trouble=DNSTrouble(DNSOutcome.SERVFAIL)),
        "closed.example": DomainSpec(trouble=DNSTrouble(DNSOutcome.REFUSED)),
        "mute.example": DomainSpec(trouble=DNSTrouble(DNSOutcome.TIMEOUT, rdtype="MX")),
        "forged.example": DomainSpec(trouble=DNSTrouble(DNSOutcome.WRONG_ID)),
        "junk.example": DomainSpec(trouble=DNSTrouble(DNSOutcome.GARBAGE)),
        "large.example": DomainSpec(((10, "mx1.acme.example"),), trouble=DNSTrouble(DNSOutcome.TRUNCATED)),
        "shy.example": DomainSpec(((10, "mx1.acme.example"),), trouble=DNSTrouble(DNSOutcome.SERVFAIL, times=1)),
        "empty.example": DomainSpec(trouble=DNSTrouble(DNSOutcome.NODATA)),
        "late.example": DomainSpec(((10, "mx1.acme.example"),), trouble=DNSTrouble(delay_seconds=30)),
        "hundred.example": DomainSpec(tuple((number, f"mx{number}.hundred.example") for number in range(100))),
    },
    records={
        ("www.acme.example", "CNAME"): ("acme.example.",),
        ("one.example", "CNAME"): ("two.example.",),
        ("two.example", "CNAME"): ("one.example.",),
        ("six.acme.example", "AAAA"): ("2001:db8::25",),
    },
    speed=10_000,
)


async def ask(sandbox: Sandbox, name: str, rdtype: str, *, is_tcp: bool = False) -> dns.message.Message:
    host, _, port = sandbox.resolver.partition(":")
    query = dns.message.make_query(name, rdtype)
    send = dns.asyncquery.tcp if is_tcp else dns.asyncquery.udp
    return await send(query, host, timeout=5, port=int(port))


def texts(message: dns.message.Message) -> list[str]:
    return sorted(record.to_text().lower() for rrset in message.answer for record in rrset)


async def test_records_of_hosts_and_domains_are_there() -> None:
    """MX, A, PTR, TXT, SOA, NS, AAAA follow from the spec, and an alias is followed."""
    async with Sandbox(SPEC) as sandbox:
        address = sandbox.addresses["mx1.acme.example"]
        reverse = ".".join(reversed(address.split("."))) + ".in-addr.arpa"

        assert texts(await ask(sandbox, "ACME.example", "MX")) == ["10 mx1.acme.example.", "20 mx2.acme.example."]
        assert texts(await ask(sandbox, "mx1.acme.example", "A")) == [address]
        assert texts(await ask(sandbox, reverse, "PTR")) == ["mx1.acme.example."]
        assert texts(await ask(sandbox, "acme.example", "TXT")) == ['"v=spf1 mx -all"']
        assert texts(await ask(sandbox, "_dmarc.acme.example", "TXT")) == ['"v=dmarc1; p=reject"']
        assert len(texts(await ask(sandbox, "acme.example", "SOA"))) == 1
        assert len(texts(await ask(sandbox, "acme.example", "NS"))) == 1
        assert texts(await ask(sandbox, "six.acme.example", "AAAA")) == ["2001:db8::25"]
        assert "10 mx1.acme.example." in texts(await ask(sandbox, "www.acme.example", "MX"))
        assert texts(await ask(sandbox, "null.example", "MX")) == ["0 ."]


async def test_absence_is_told_apart() -> None:
    """A name that is not there is NXDOMAIN, a type that is not there is not; both bring an SOA."""
    async with Sandbox(SPEC) as sandbox:
        absent = await ask(sandbox, "nowhere.example", "MX")
        nodata = await ask(sandbox, "acme.example", "AAAA")

        assert absent.rcode() == dns.rcode.NXDOMAIN
        assert nodata.rcode() == dns.rcode.NOERROR
        assert not nodata.answer
        assert absent.authority
        assert nodata.authority
        assert not (await ask(sandbox, "empty.example", "SOA")).answer


async def test_troubles_come_as_ordered() -> None:
    """SERVFAIL and REFUSED are answered, a loop of aliases ends, and a trouble may pass."""
    async with Sandbox(SPEC) as sandbox:
        assert (await ask(sandbox, "broken.example", "MX")).rcode() == dns.rcode.SERVFAIL
        assert (await ask(sandbox, "closed.example", "A")).rcode() == dns.rcode.REFUSED
        assert len((await ask(sandbox, "one.example", "MX")).answer) == 2
        assert (await ask(sandbox, "shy.example", "MX")).rcode() == dns.rcode.SERVFAIL
        assert (await ask(sandbox, "shy.example", "MX")).answer
        assert (await ask(sandbox, "late.example", "MX")).answer


async def test_large_answers_are_cut_over_udp_only() -> None:
    """Truncation, ordered or for want of room, sends the client to TCP, where everything is."""
    async with Sandbox(SPEC) as sandbox:
        ordered = await ask(sandbox, "large.example", "MX")
        crowded = await ask(sandbox, "hundred.example", "MX")

        assert ordered.flags & dns.flags.TC
        assert not ordered.answer
        assert crowded.flags & dns.flags.TC
        assert texts(await ask(sandbox, "large.example", "MX", is_tcp=True)) == ["10 mx1.acme.example."]
        assert len(texts(await ask(sandbox, "hundred.example", "MX", is_tcp=True))) == 100


async def test_silence_forgery_and_junk_are_no_answers() -> None:
    """What is not an answer to the question never looks like one."""
    async with Sandbox(SPEC) as sandbox:
        query = dns.message.make_query("forged.example", "MX")
        names = sandbox._names

        assert names.answer(dns.message.make_query("mute.example", "MX").to_wire(), is_udp=True).data == b""
        assert (await ask(sandbox, "mute.example", "A")).rcode() == dns.rcode.NOERROR
        assert struct.unpack("!H", names.answer(query.to_wire(), is_udp=True).data[:2])[0] == query.id ^ 1
        with pytest.raises(dns.exception.DNSException):
            dns.message.from_wire(
                names.answer(dns.message.make_query("junk.example", "MX").to_wire(), is_udp=True).data
            )
        assert names.answer(b"\0" * 5, is_udp=True).data == b""


async def test_questions_are_counted_by_type_and_name() -> None:
    """Every question is in the books, so that caching can be tested."""
    async with Sandbox(SPEC) as sandbox:
        await asyncio.gather(*(ask(sandbox, "acme.example", "MX") for _ in range(3)))
        await ask(sandbox, "acme.example", "A", is_tcp=True)

        assert sandbox.counters.queries == {"MX acme.example": 3, "A acme.example": 1}
