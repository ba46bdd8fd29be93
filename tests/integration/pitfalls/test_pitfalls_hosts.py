"""Which hosts are connected to, in which order, and what the answer of a lesser one is worth."""

from dataclasses import replace
from typing import Any

import pytest

from tests.integration.verification.world import World
from validatord.sandbox.personalities import find_personality
from validatord.sandbox.personality import Phrases
from validatord.sandbox.spec import DNSOutcome, DNSTrouble, DomainSpec, HostSpec, SandboxSpec
from validatord.store.database import Database


async def test_pitfall_15_only_the_backup_answers(database: Database) -> None:
    """A backup that says yes to everybody proves nothing; its no counts, and so does its yes once it tells apart."""
    undecided = replace(find_personality("backup"), directory=find_personality("postfix").directory, expects=())
    undecided = replace(undecided, phrases=Phrases(unknown="451 4.3.0 <{rcpt}>: Temporary lookup failure"))
    spec = SandboxSpec.of(
        {
            "all.example": ["refused", "backup"],
            "knows.example": ["refused", "postfix"],
            "undecided.example": ["drop-connect", undecided],
        }
    )
    async with World(database, spec) as world:
        found = await world.check(
            "user1@all.example", "user1@knows.example", "unknown2@knows.example", "user1@undecided.example"
        )
        assert found == [
            "accept_all accept_all",
            "valid accepted",
            "invalid no_such_mailbox",
            "waits backup_mx_only",
        ]
        await world.finish()
        assert await world.outcome("user1@undecided.example") == "unknown backup_mx_only"


async def test_pitfall_15_what_a_backup_accepts_is_not_the_domains_state(database: Database) -> None:
    """When the best host is back, its own word counts at once."""
    async with World(database, SandboxSpec.of({"acme.example": ["refused", "backup"]})) as world:
        assert await world.check("user1@acme.example") == ["accept_all accept_all"]
        await world.sandbox.become("mx1.acme.example", "postfix")
        assert await world.check("user2@acme.example", "unknown3@acme.example") == [
            "valid accepted",
            "invalid no_such_mailbox",
        ]


async def test_pitfall_15_the_best_hosts_no_says_nothing_about_the_backup(database: Database) -> None:
    """`rejects unknown` was learned from the best host; at the backup the control is asked anew."""
    async with World(database, SandboxSpec.of({"acme.example": ["postfix", "backup"]})) as world:
        assert await world.check("user1@acme.example") == ["valid accepted"]
        await world.sandbox.become("mx1.acme.example", "refused")
        await world.tools.pool.aclose()
        await world.restart()
        assert await world.check("user2@acme.example") == ["accept_all accept_all"]


@pytest.mark.parametrize(
    ("rdtype", "address"),
    [
        ("A", "127.0.0.1"),
        ("A", "10.0.0.5"),
        ("A", "169.254.169.254"),
        ("A", "100.64.1.1"),
        ("AAAA", "::ffff:127.0.0.1"),
        ("AAAA", "fc00::1"),
    ],
)
async def test_pitfall_16_hosts_inside(database: Database, rdtype: str, address: str) -> None:
    """An MX host with an address nobody outside may reach: no packet, and the domain takes no mail."""
    domains = {"acme.example": DomainSpec(((10, "mx1.acme.example"),))}
    spec = SandboxSpec(
        {"mx1.other.example": HostSpec.of("postfix")}, domains, {("mx1.acme.example", rdtype): [address]}
    )
    lookup = {"public_addresses_only": True, "is_ipv6_enabled": True}
    async with World(database, spec, lookup=lookup) as world:
        assert await world.check("user1@acme.example") == ["invalid mx_not_public"]
        assert world.total.connections == 0


async def test_pitfall_16_the_address_that_was_judged_is_the_one_connected_to(database: Database) -> None:
    """Of two addresses one is inside: nobody connects there, and the other one serves."""
    spec = SandboxSpec.of({"acme.example": "postfix"})
    spec = replace(spec, records={("mx1.acme.example", "A"): ["10.0.0.5"]})
    async with World(database, spec, lookup={"deny_addresses": ["10.0.0.0/8"]}) as world:
        assert await world.check("user1@acme.example") == ["valid accepted"]
        trace = (await world.finding("user1@acme.example")).smtp_trace
        assert trace["mx_address"] == world.sandbox.addresses["mx1.acme.example"]


@pytest.mark.parametrize(("exchanger", "reason"), [(".", "null_mx"), ("localhost.", ""), ("1.2.3.4.", "")])
async def test_pitfall_17_no_host_anybody_could_deliver_to(database: Database, exchanger: str, reason: str) -> None:
    """Null MX, localhost, a number: invalid without SMTP, though the domain has an address of its own."""
    spec = SandboxSpec(
        {"acme.example": HostSpec.of("postfix")},
        {"acme.example": DomainSpec()},
        {("acme.example", "MX"): [f"{0 if reason else 10} {exchanger}"]},
    )
    async with World(database, spec) as world:
        [found] = await world.check("user1@acme.example")
        assert found.startswith("invalid")
        assert reason in found
        assert world.total.connections == 0


async def test_pitfall_18_an_address_and_no_mx(database: Database) -> None:
    """The domain is its own mail host (RFC 5321 5.1)."""
    spec = SandboxSpec({"acme.example": HostSpec.of("postfix")}, {"acme.example": DomainSpec()})
    async with World(database, spec) as world:
        assert await world.check("user1@acme.example", "unknown2@acme.example") == [
            "valid accepted",
            "invalid no_such_mailbox",
        ]


@pytest.mark.parametrize(
    ("outcome", "times"), [(DNSOutcome.SERVFAIL, 1), (DNSOutcome.REFUSED, 1), (DNSOutcome.TIMEOUT, 2)]
)
async def test_pitfall_19_no_answer_from_dns(database: Database, outcome: DNSOutcome, times: int) -> None:
    """Asked again by the schedule, never invalid; when DNS is back, so is the domain."""
    spec = SandboxSpec.of({"acme.example": "postfix"})
    spec = replace(spec, troubles={"acme.example": DNSTrouble(outcome, rdtype="MX", times=times)})
    lookup = {"timeout": "200ms", "total": "500ms"}
    async with World(database, spec, lookup=lookup) as world:
        assert await world.check("user1@acme.example") == ["waits dns_failure"]
        assert await world.finish() == [pytest.approx(900, abs=2)]
        assert await world.outcome("user1@acme.example") == "valid accepted"


@pytest.mark.parametrize(("count", "settings"), [(200, {}), (50, {"tls": "opportunistic"})])
async def test_pitfall_20_two_hundred_domains_at_one_provider(
    database: Database, count: int, settings: dict[str, Any]
) -> None:
    """With two sessions allowed the provider never sees a third, however many visits run side by side."""
    hosts = [f"mx{number}.provider.example" for number in (1, 2, 3)]
    mx = tuple((10, host) for host in hosts)
    domains = [f"acme-{number:03}.example" for number in range(count)]
    spec = SandboxSpec(
        dict.fromkeys(hosts, HostSpec.of("google", latency_seconds=0.002)),
        {domain: DomainSpec(mx) for domain in domains},
    )
    async with World(database, spec, pacing={"sessions": 2}, smtp=settings) as world:
        await world.submit(*(f"{name}@{domain}" for domain in domains for name in ("user1", "unknown2")))
        while await world.visit_all(100):
            pass

        assert await world.count_outcomes() == {"valid accepted": count, "invalid no_such_mailbox": count}
        assert set(world.sandbox.counters.most_sessions_by_client.values()) == {2}


async def test_pitfall_40_local_part_beyond_ascii(database: Database) -> None:
    """No RCPT goes to a host without SMTPUTF8; another host of the same preference is asked before that is said."""
    spec = SandboxSpec.of({"plain.example": "postfix", "able.example": "smtputf8"})
    hosts = {**spec.hosts, "mx1.both.example": HostSpec.of("postfix"), "mx2.both.example": HostSpec.of("smtputf8")}
    both = DomainSpec(((10, "mx1.both.example"), (10, "mx2.both.example")))
    spec = replace(spec, hosts=hosts, domains={**spec.domains, "both.example": both})
    async with World(database, spec) as world:
        found = await world.check("büro@plain.example", "büro@able.example", "büro@both.example")

        assert found == ["waits smtputf8_unsupported", "valid accepted", "valid accepted"]
        assert await world.finish() == [pytest.approx(8 * 3600, abs=2)]
        assert await world.outcome("büro@plain.example") == "invalid smtputf8_unsupported"
        assert "büro@plain.example" not in world.sandbox.counters.rcpts
        assert world.total.complaints == {}
