"""A domain may name any host: what is not public is never connected to, whatever form it is written in."""

from dataclasses import replace

import pytest

from tests.integration.verification.world import World
from validatord.sandbox.spec import DomainSpec, SandboxSpec
from validatord.store.database import Database

_FORMS = {
    "loopback": ("A", "127.0.0.1"),
    "the farm": ("A", "127.20.0.1"),
    "private": ("A", "10.0.0.5"),
    "shared": ("A", "100.64.0.1"),
    "metadata": ("A", "169.254.169.254"),
    "protocol": ("A", "192.0.0.8"),
    "nobody": ("A", "0.0.0.0"),
    "multicast": ("A", "224.0.0.1"),
    "loopback six": ("AAAA", "::1"),
    "mapped": ("AAAA", "::ffff:127.20.0.1"),
    "compatible": ("AAAA", "::127.20.0.1"),
    "nat64": ("AAAA", "64:ff9b::7f14:1"),
    "6to4": ("AAAA", "2002:7f14:1::"),
    "link-local": ("AAAA", "fe80::1"),
    "unique local": ("AAAA", "fd00::1"),
    "multicast six": ("AAAA", "ff02::1"),
}


def make_spec(rdtype: str, address: str) -> SandboxSpec:
    """A farm of one host, and domains that lead to an address by MX, by an alias, and by themselves."""
    spec = SandboxSpec.of({"farm.example": "postfix"})
    domains = {
        "by-mx.example": DomainSpec(((10, "mx.by-mx.example"),)),
        "by-alias.example": DomainSpec(((10, "alias.by-mx.example"),)),
        "by-itself.example": DomainSpec(),
    }
    records = {
        ("mx.by-mx.example", rdtype): [address],
        ("alias.by-mx.example", "CNAME"): ["mx.by-mx.example."],
        ("by-itself.example", rdtype): [address],
    }
    return replace(spec, domains={**spec.domains, **domains}, records=records)


@pytest.mark.parametrize("form", _FORMS)
async def test_no_connection(database: Database, form: str) -> None:
    """The farm counts no connection, and the verdict says that there is no host to be asked."""
    lookup = {"public_addresses_only": True, "is_ipv6_enabled": True}
    addresses = [f"user1@{name}.example" for name in ("by-mx", "by-alias", "by-itself", "farm")]
    async with World(database, make_spec(*_FORMS[form]), lookup=lookup) as world:
        await world.submit(*addresses)
        await world.run()

        assert world.sandbox.counters.total.connections == 0
        outcomes = {await world.outcome(address) for address in addresses}
        assert outcomes <= {"invalid mx_not_public", "invalid no_mail_host"}


async def test_second_answers(database: Database) -> None:
    """Between judging an address and connecting to it no name is looked up again: no answer can change in between."""
    async with World(database, SandboxSpec.of({"farm.example": "postfix"})) as world:
        await world.submit("user1@farm.example", "unknown1@farm.example")
        await world.run()

        assert await world.outcome("user1@farm.example") == "valid accepted"
        assert world.sandbox.counters.queries["A mx1.farm.example"] == 1
