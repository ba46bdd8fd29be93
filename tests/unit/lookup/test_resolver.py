"""Queries over real sockets, faults included."""

import asyncio
import errno
from collections.abc import Callable
from datetime import timedelta

import dns.resolver
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.dns import FakeDNS, Fault, Turns, Zone
from validatord import errors
from validatord.lookup.answer import AnswerKind, Record
from validatord.lookup.resolver import MAX_RECORDS, Resolver
from validatord.settings import LookupSettings

Settings = Callable[..., LookupSettings]
NAME = "example.com"


async def test_records_come_with_ttl_and_values(server: FakeDNS, resolver: Resolver) -> None:
    """An MX answer carries preference, lower-case host without final dot, and the TTL."""
    server.update({(NAME, "MX"): Zone(["10 MX1.Example.COM.", "20 mx2.example.com."], ttl=77)})

    answer = await resolver.query(NAME, "MX")

    assert answer.kind == AnswerKind.FOUND
    assert {Record("mx1.example.com", 10), Record("mx2.example.com", 20)} == set(answer.records)
    assert timedelta(seconds=77) == answer.ttl


async def test_no_data_is_not_nxdomain(server: FakeDNS, resolver: Resolver) -> None:
    """A name that exists without such records is told apart from a name that does not exist."""
    server.update({(NAME, "A"): ["192.0.2.1"]})

    assert (await resolver.query(NAME, "MX")).kind == AnswerKind.NO_DATA
    assert (await resolver.query("missing.example.com", "MX")).kind == AnswerKind.NXDOMAIN


async def test_negative_answer_lasts_the_least_of_soa_ttl_and_minimum(server: FakeDNS, resolver: Resolver) -> None:
    """A negative answer holds as long as its SOA record says."""
    server.update({(NAME, "MX"): Zone(is_nxdomain=True, soa_minimum=321)})

    assert timedelta(seconds=321) == (await resolver.query(NAME, "MX")).ttl


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.NO_ANSWER, "timeout"),
        (Fault.LATE, "timeout"),
        (Fault.WRONG_ID, "timeout"),
        (Fault.GARBAGE, "timeout"),
        (Fault.SERVFAIL, "servfail"),
        (Fault.REFUSED, "refused"),
        (Fault.NOT_IMPLEMENTED, "malformed"),
        (Fault.FORGED_SECTION, "malformed"),
        (Fault.FORGED_NXDOMAIN, "malformed"),
        (Fault.REFERRAL, "malformed"),
        (Fault.TRUNCATED_TWICE, "malformed"),
        (Fault.TRUNCATED_NO_TCP, "unreachable"),
    ],
)
async def test_each_fault_is_a_failure_with_its_kind(
    server: FakeDNS, resolver: Resolver, fault: Fault, kind: str
) -> None:
    """Whatever is not an answer raises, and says what it was."""
    server.update({(NAME, "MX"): Zone(["10 mx.example.com."], fault=fault)})

    with pytest.raises(errors.LookupFailed) as failure:
        await resolver.query(NAME, "MX")

    assert kind == failure.value.kind


@pytest.mark.parametrize("fault", [Fault.WRONG_ID_FIRST, Fault.GARBAGE_FIRST, Fault.NO_EDNS, Fault.TRUNCATED])
async def test_the_real_answer_is_found_behind_the_fault(server: FakeDNS, resolver: Resolver, fault: Fault) -> None:
    """A forged datagram before the answer, a server without EDNS and a cut answer cost nothing but time."""
    server.update({(NAME, "A"): Zone(["192.0.2.1"], fault=fault)})

    assert (await resolver.query(NAME, "A")).values == ("192.0.2.1",)


async def test_long_answer_comes_over_tcp_and_is_bounded(server: FakeDNS, resolver: Resolver) -> None:
    """What does not fit into a datagram is fetched over TCP; no answer is longer than the bound."""
    server.update({(NAME, "A"): [f"192.0.{i // 250}.{i % 250}" for i in range(MAX_RECORDS + 50)]})

    answer = await resolver.query(NAME, "A")

    assert len(answer.records) == MAX_RECORDS
    assert server.queries == [(NAME, "A", "udp"), (NAME, "A", "tcp")]


async def test_edns_is_offered_first_and_dropped_on_formerr(server: FakeDNS, resolver: Resolver) -> None:
    """A server that does not know EDNS is asked once more without it."""
    server.update({(NAME, "A"): Zone(["192.0.2.1"], fault=Fault.NO_EDNS)})

    await resolver.query(NAME, "A")

    assert server.has_edns == [True, False]


async def test_lost_datagram_is_sent_again(server: FakeDNS, resolver: Resolver) -> None:
    """One silent turn of the only server is no failure."""
    server.update({(NAME, "A"): Turns([Fault.NO_ANSWER, ["192.0.2.1"]])})

    assert (await resolver.query(NAME, "A")).values == ("192.0.2.1",)


async def test_servfail_of_the_only_server_is_not_asked_again(server: FakeDNS, resolver: Resolver) -> None:
    """A server that answered SERVFAIL is not pressed."""
    server.update({(NAME, "A"): Fault.SERVFAIL})

    with pytest.raises(errors.LookupFailed):
        await resolver.query(NAME, "A")

    assert server.count("A") == 1


@pytest.mark.parametrize("fault", [Fault.NO_ANSWER, Fault.SERVFAIL, Fault.REFUSED, Fault.FORGED_SECTION])
async def test_next_server_answers_where_the_first_does_not(
    server: FakeDNS, settings: Settings, clock: FakeClock, fault: Fault
) -> None:
    """A fault of one server moves the query to the next."""
    server.update({(NAME, "A"): ["192.0.2.1"]})
    async with FakeDNS({(NAME, "A"): fault}) as broken:
        resolver = Resolver(settings(resolvers=(broken.endpoint, server.endpoint)), clock)

        assert (await resolver.query(NAME, "A")).values == ("192.0.2.1",)
        assert broken.count("A") == 1


async def test_silent_server_goes_last_until_its_penalty_is_over(
    server: FakeDNS, settings: Settings, clock: FakeClock
) -> None:
    """A dead server costs one timeout, not one per query; after a while it is tried again."""
    server.update({(NAME, "A"): ["192.0.2.1"]})
    async with FakeDNS({(NAME, "A"): Fault.NO_ANSWER}) as dead:
        resolver = Resolver(settings(resolvers=(dead.endpoint, server.endpoint)), clock)
        for _ in range(6):
            await resolver.query(NAME, "A")
        during = dead.count("A")
        await clock.advance(31)
        for _ in range(2):
            await resolver.query(NAME, "A")

        assert (during, dead.count("A")) == (1, 2)


async def test_closed_port_is_unreachable_at_once(settings: Settings, clock: FakeClock) -> None:
    """Nobody listening is told by the kernel, without waiting for the timeout."""
    async with FakeDNS() as gone:
        endpoint = gone.endpoint
    resolver = Resolver(settings(resolvers=(endpoint,), timeout="20s"), clock)

    with pytest.raises(errors.LookupFailed) as failure:
        await resolver.query(NAME, "A")

    assert failure.value.kind == "unreachable"


async def test_restarted_server_answers_again(server: FakeDNS, settings: Settings, clock: FakeClock) -> None:
    """A name server that went away and came back is used again by the same resolver."""
    async with FakeDNS({(NAME, "A"): ["192.0.2.1"]}) as first:
        resolver = Resolver(settings(resolvers=(first.endpoint,)), clock)
        await resolver.query(NAME, "A")
    with pytest.raises(errors.LookupFailed):
        await resolver.query(NAME, "A")
    host, port = first.endpoint.split(":")

    async with FakeDNS({(NAME, "A"): ["192.0.2.2"]}, host=host, port=int(port)):
        assert (await resolver.query(NAME, "A")).values == ("192.0.2.2",)


async def test_late_answer_of_one_query_does_not_reach_another(server: FakeDNS, resolver: Resolver) -> None:
    """An answer after the timeout goes to a closed socket and changes nothing."""
    server.update({("late.example", "A"): Zone(["192.0.2.66"], fault=Fault.LATE), (NAME, "A"): ["192.0.2.1"]})
    with pytest.raises(errors.LookupFailed):
        await resolver.query("late.example", "A")

    server.release()

    assert (await resolver.query(NAME, "A")).values == ("192.0.2.1",)


async def test_aliases_are_followed_and_lower_the_ttl(server: FakeDNS, resolver: Resolver) -> None:
    """The answer of the canonical name is the answer, no longer than the shortest alias lasts."""
    server.update(
        {
            ("www.example.com", "CNAME"): ["pool.example.net."],
            ("pool.example.net", "A"): Zone(["192.0.2.1"], ttl=60),
        }
    )

    answer = await resolver.query("www.example.com", "A")

    assert ("pool.example.net", ("192.0.2.1",), timedelta(seconds=60)) == (
        answer.canonical_name,
        answer.values,
        answer.ttl,
    )


@pytest.mark.parametrize("is_chasing", [True, False])
@pytest.mark.parametrize(("length", "is_answered"), [(8, True), (9, False)])
async def test_alias_chain_has_at_most_eight_links(
    settings: Settings, clock: FakeClock, is_chasing: bool, length: int, is_answered: bool
) -> None:
    """Eight aliases are followed, nine are a failure, whoever does the following."""
    chain = {(f"a{i}.example", "CNAME"): [f"a{i + 1}.example."] for i in range(length)}
    scripts = chain | {(f"a{length}.example", "A"): ["192.0.2.1"]}
    async with FakeDNS(scripts, is_chasing=is_chasing) as server:
        resolver = Resolver(settings(resolvers=(server.endpoint,)), clock)
        try:
            found = (await resolver.query("a0.example", "A")).values
        except errors.LookupFailed as failure:
            found = failure.kind

    assert (("192.0.2.1",) if is_answered else "malformed") == found


@pytest.mark.parametrize("is_chasing", [True, False])
async def test_alias_loop_is_a_failure(settings: Settings, clock: FakeClock, is_chasing: bool) -> None:
    """A loop of aliases ends, and is no statement about the name."""
    loop = {("a.example", "CNAME"): ["b.example."], ("b.example", "CNAME"): ["a.example."]}
    async with FakeDNS(loop, is_chasing=is_chasing) as server:
        resolver = Resolver(settings(resolvers=(server.endpoint,)), clock)

        with pytest.raises(errors.LookupFailed) as failure:
            await resolver.query("a.example", "MX")

    assert failure.value.kind == "malformed"


@pytest.mark.parametrize("name", ["ex..ample", "x" * 64 + ".example", "ümlaut.example", ".".join(["abcdefgh"] * 40)])
async def test_text_that_is_no_name_is_not_asked(server: FakeDNS, resolver: Resolver, name: str) -> None:
    """What DNS cannot carry fails without a packet."""
    with pytest.raises(errors.LookupFailed) as failure:
        await resolver.query(name, "A")

    assert (failure.value.kind, server.queries) == ("malformed", [])


async def test_text_records_are_joined_and_clean(server: FakeDNS, resolver: Resolver) -> None:
    """The strings of a TXT record are one text without control characters."""
    server.update({(NAME, "TXT"): ['"v=spf1 " "-all"', '"nul\\000bell\\007"']})

    assert {"v=spf1 -all", "nul\N{REPLACEMENT CHARACTER}bell\N{REPLACEMENT CHARACTER}"} == set(
        (await resolver.query(NAME, "TXT")).values
    )


async def test_no_more_queries_at_once_than_allowed(server: FakeDNS, settings: Settings, clock: FakeClock) -> None:
    """The concurrency setting holds, and nothing is left counted afterwards."""
    names = [f"d{i}.example" for i in range(12)]
    server.update({(name, "A"): Zone(["192.0.2.1"], fault=Fault.LATE) for name in names})
    resolver = Resolver(settings(concurrency=3, timeout="5s"), clock)
    tasks = [asyncio.ensure_future(resolver.query(name, "A")) for name in names]
    while len(server.queries) < 3:
        await asyncio.sleep(0)
    for _ in range(200):
        await asyncio.sleep(0)
    at_once = len(server.queries)
    shown = repr(resolver)
    server.release()
    await asyncio.gather(*tasks)

    assert (at_once, shown) == (3, "Resolver(servers=1, running=3)")
    assert repr(resolver) == "Resolver(servers=1, running=0)"


async def test_cancelled_query_gives_its_slot_back(server: FakeDNS, settings: Settings, clock: FakeClock) -> None:
    """A caller that goes away leaves no slot taken."""
    server.update({("slow.example", "A"): Fault.NO_ANSWER, (NAME, "A"): ["192.0.2.1"]})
    resolver = Resolver(settings(concurrency=1, timeout="20s"), clock)
    task = asyncio.ensure_future(resolver.query("slow.example", "A"))
    while not server.queries:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert (await resolver.query(NAME, "A")).values == ("192.0.2.1",)


async def test_confirmation_goes_to_the_second_opinion(server: FakeDNS, settings: Settings, clock: FakeClock) -> None:
    """`confirm` asks the confirming servers, and only them."""
    async with FakeDNS({(NAME, "A"): ["192.0.2.2"]}) as second:
        resolver = Resolver(settings(confirm_resolvers=(second.endpoint,)), clock)

        assert (await resolver.confirm(NAME, "A")).values == ("192.0.2.2",)
        assert server.queries == []


async def test_ping_asks_for_the_root(server: FakeDNS, resolver: Resolver) -> None:
    """`ping` succeeds when anybody answers."""
    server.update({(".", "NS"): ["a.root-servers.example."]})

    await resolver.ping()

    assert server.queries == [(".", "NS", "udp")]


async def test_closed_resolver_asks_nobody(server: FakeDNS, resolver: Resolver) -> None:
    """After `aclose` a query fails without a packet."""
    await resolver.aclose()

    with pytest.raises(errors.LookupFailed):
        await resolver.query(NAME, "A")

    assert server.queries == []


async def test_server_over_ipv6_is_asked(settings: Settings, clock: FakeClock) -> None:
    """`[address]:port` names a server over IPv6."""
    try:
        async with FakeDNS({(NAME, "A"): ["192.0.2.1"]}, host="::1") as server:
            resolver = Resolver(settings(resolvers=(server.endpoint,)), clock)

            assert (await resolver.query(NAME, "A")).values == ("192.0.2.1",)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")


def test_system_servers_are_used_without_settings(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no server named, the system's are read; a system that names none is a configuration error."""

    def name_none(**_: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    assert repr(Resolver(LookupSettings(), clock)).endswith("running=0)")
    monkeypatch.setattr("dns.resolver.Resolver", name_none)
    with pytest.raises(errors.ConfigurationError, match=r"lookup\.resolvers"):
        Resolver(LookupSettings(), clock)


async def test_our_own_shortage_is_no_answer(
    server: FakeDNS, settings: Settings, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without files nobody was even asked: no server is to blame for it."""

    async def make_socket(*_: object, **__: object) -> object:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(type(dns.asyncbackend.get_default_backend()), "make_socket", make_socket)
    resolver = Resolver(settings(), clock)

    with pytest.raises(errors.LookupFailed) as failure:
        await resolver.query("example.com", "MX")

    assert failure.value.kind == "no_resources"
