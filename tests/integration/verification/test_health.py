"""SPF, DMARC and redundancy are looked up beside the conversation, once a day, and never waited for long."""

import time
from dataclasses import replace

from tests.integration.verification.world import World
from validatord.sandbox.spec import DNSOutcome, DNSTrouble, DomainSpec, HostSpec, SandboxSpec
from validatord.store.database import Database


async def test_health_is_kept_and_counts(database: Database) -> None:
    """What a domain publishes stands in its row and in the reasons, and weighs what the settings say."""
    spec = SandboxSpec.of({"good.example": "postfix", "bare.example": "postfix"})
    domains = {**spec.domains, "bare.example": replace(spec.domains["bare.example"], has_spf=False, has_dmarc=False)}
    async with World(database, replace(spec, domains=domains), score={"domain_health": 3}) as world:
        await world.check("user1@good.example", "user1@bare.example")

        good, bare = await world.facts("good.example"), await world.facts("bare.example")
        assert (good["spf"], good["dmarc"]) == ("v=spf1 mx -all", "v=DMARC1; p=reject")
        assert (bare["spf"], bare["dmarc"]) == (None, None)
        assert good["health_checked_at"] is not None
        assert good["is_redundant"] is False
        found = [await world.finding(f"user1@{name}") for name in ("good.example", "bare.example")]
        assert ["domain_health" in finding.reasons for finding in found] == [True, False]
        assert found[0].confidence == found[1].confidence + 3


async def test_redundancy(database: Database) -> None:
    """Two hosts in two networks; a second visit within the day asks nothing."""
    hosts = {f"mx{number}.acme.example": HostSpec.of("postfix") for number in (1, 2)}
    mx = ((10, "mx1.acme.example"), (20, "mx2.acme.example"))
    records = {("mx2.acme.example", "A"): ["127.30.0.1"]}
    spec = SandboxSpec(hosts, {"acme.example": DomainSpec(mx)}, records)
    async with World(database, spec) as world:
        await world.check("user1@acme.example")
        assert (await world.facts("acme.example"))["is_redundant"] is True
        await world.leap(20 * 3600)
        await world.check("user2@acme.example")
        assert world.sandbox.counters.queries["TXT acme.example"] == 1
        await world.leap(5 * 3600)
        await world.check("user3@acme.example")
        assert world.sandbox.counters.queries["TXT acme.example"] == 2


async def test_a_slow_name_server_delays_no_verdict(database: Database) -> None:
    """Half a second at most, though DNS itself would be waited for much longer; the next visit tries again."""
    spec = SandboxSpec.of({"acme.example": "postfix"})
    slow = {name: DNSTrouble(DNSOutcome.TIMEOUT, rdtype="TXT") for name in ("acme.example", "_dmarc.acme.example")}
    async with World(database, replace(spec, troubles=slow), lookup={"timeout": "5s"}) as world:
        began = time.monotonic()
        assert await world.check("user1@acme.example") == ["valid accepted"]
        assert time.monotonic() - began < 2
        assert (await world.facts("acme.example"))["health_checked_at"] is None
        await world.check("user2@acme.example")
        assert world.sandbox.counters.queries["TXT acme.example"] == 2
