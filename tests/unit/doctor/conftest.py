"""A surrounding in which everything is as it should be; a test breaks one thing in it."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.fakes.dns import FakeDNS
from tests.fakes.mx_script import MXScript
from validatord.clock import SystemClock
from validatord.doctor.check import Check, Level, Tools
from validatord.lookup.mx import MXLookup
from validatord.lookup.resolver import Resolver
from validatord.settings import Settings

HELO = "probe.sender.example.com"
DOMAIN = "sender.example.com"
ADDRESS = "192.0.2.25"
GOOD: dict[tuple[str, str], Any] = {
    ("25.2.0.192.in-addr.arpa", "PTR"): [f"{HELO}."],
    (HELO, "A"): [ADDRESS],
    (DOMAIN, "MX"): [f"10 mx.{DOMAIN}."],
    (DOMAIN, "SOA"): [f"ns.{DOMAIN}. hostmaster.{DOMAIN}. 1 3600 600 86400 300"],
    (DOMAIN, "TXT"): [f'"v=spf1 ip4:{ADDRESS} -all"'],
    (f"_dmarc.{DOMAIN}", "TXT"): ['"v=DMARC1; p=reject"'],
    (f"mx.{DOMAIN}", "A"): ["127.0.0.1"],
    ("2.0.0.127.bl.example.net", "A"): ["127.0.0.2"],
}

MakeTools = Callable[..., Tools]


@pytest.fixture
async def server() -> AsyncIterator[FakeDNS]:
    async with FakeDNS(GOOD) as running:
        yield running


@pytest.fixture
async def host() -> AsyncIterator[MXScript]:
    async with MXScript() as running:
        yield running


@pytest.fixture
def sections(server: FakeDNS) -> dict[str, Any]:
    """The settings of that surrounding."""
    return {
        "lookup": {"resolvers": [server.endpoint], "public_addresses_only": False, "timeout": "150ms"},
        "identities": [
            {"helo_name": HELO, "envelope_sender": f"probe@{DOMAIN}", "proxy": "", "source_address": ""},
        ],
        "smtp": {"port": 1, "connect_timeout": "300ms", "greeting_timeout": "300ms", "quit_timeout": "100ms"},
        "doctor": {"dnsbl_zones": ["bl.example.net"]},
        "redis": {"is_enabled": False},
    }


@pytest.fixture
async def make_tools(sections: dict[str, Any]) -> AsyncIterator[MakeTools]:
    """Make the tools, with some settings changed: `make_tools(smtp={"port": 25})`."""
    async with AsyncExitStack() as stack:

        def make(local_address: str = ADDRESS, clock: Any = None, **changed: dict[str, Any]) -> Tools:
            merged = {**sections, **{name: {**sections.get(name, {}), **values} for name, values in changed.items()}}
            settings = Settings.of(**merged)
            clock = clock or SystemClock()
            resolver = Resolver(settings.lookup, clock)
            stack.push_async_callback(resolver.aclose)
            rng = random.Random(1)
            mx = MXLookup(resolver, settings.lookup, clock, rng)
            return Tools(settings, resolver, mx, clock, rng, lambda: local_address)

        yield make


def not_ok(checks: list[Check]) -> list[Check]:
    """What is not good among the checks."""
    return [check for check in checks if check.level is not Level.OK]


def only(checks: list[Check]) -> Check:
    """The one check there is."""
    assert len(checks) == 1, checks
    return checks[0]
