"""The domain of our envelope sender stands up to whoever looks at it or calls back."""

from typing import Any

import pytest

from tests.fakes.dns import FakeDNS, Fault
from tests.fakes.mx_script import DROP, MXScript
from tests.unit.doctor.conftest import ADDRESS, DOMAIN, HELO, MakeTools, not_ok, only
from validatord.doctor.check import Check, Level, Tools
from validatord.doctor.sender import examine_sender


async def examine(tools: Tools) -> list[Check]:
    return await examine_sender(tools.settings.identities[0], tools)


async def test_all_is_well(make_tools: MakeTools, host: MXScript) -> None:
    """Our own MX host is asked what a receiver that calls back would ask, and never more."""
    checks = await examine(make_tools(smtp={"port": host.port}))
    assert not_ok(checks) == []
    assert host.seen == [
        f"EHLO {HELO}",
        "MAIL FROM:<>",
        f"RCPT TO:<probe@{DOMAIN}>",
        f"RCPT TO:<postmaster@{DOMAIN}>",
        f"RCPT TO:<abuse@{DOMAIN}>",
        "QUIT",
    ]
    assert any(f"SPF says pass about {ADDRESS}" in check.what for check in checks)


async def test_the_null_path_is_answered_for_by_the_helo_name(
    server: FakeDNS, make_tools: MakeTools, host: MXScript, sections: dict[str, Any]
) -> None:
    """Without an envelope sender the domain of the HELO name counts (RFC 7208 2.4)."""
    sections["identities"][0]["envelope_sender"] = ""
    server.update({(HELO, "MX"): [f"10 mx.{DOMAIN}."], (HELO, "TXT"): ['"v=spf1 a -all"'], (HELO, "SOA"): []})
    checks = await examine(make_tools(smtp={"port": host.port}))
    assert host.rcpts == [f"postmaster@{HELO}", f"abuse@{HELO}"]
    assert [check.what for check in not_ok(checks)] == [
        f"{HELO} has no SOA record of its own: some receivers look for one",
        f"{HELO} publishes no DMARC record",
    ]


@pytest.mark.parametrize(
    ("scripts", "level", "words"),
    [
        ({(DOMAIN, "MX"): ["0 ."]}, Level.FAIL, "takes no mail: null_mx"),
        ({(DOMAIN, "MX"): [], (DOMAIN, "A"): []}, Level.FAIL, "takes no mail: no_mail_host"),
        ({(DOMAIN, "MX"): Fault.SERVFAIL}, Level.WARN, "cannot be looked up: servfail"),
        ({(DOMAIN, "MX"): [], (DOMAIN, "A"): ["127.0.0.1"]}, Level.WARN, "no MX record, only an address"),
        ({(DOMAIN, "SOA"): []}, Level.WARN, "no SOA record of its own"),
        ({(f"_dmarc.{DOMAIN}", "TXT"): []}, Level.WARN, "no DMARC record"),
        ({(DOMAIN, "TXT"): []}, Level.WARN, "SPF says none"),
        ({(DOMAIN, "TXT"): Fault.SERVFAIL}, Level.WARN, "SPF says temperror"),
        ({(DOMAIN, "TXT"): ['"v=spf1 ?all"']}, Level.WARN, "SPF says neutral"),
        ({(DOMAIN, "TXT"): ['"v=spf1 -all"']}, Level.FAIL, "SPF says fail"),
        ({(DOMAIN, "TXT"): ['"v=spf1 ~all"']}, Level.FAIL, "SPF says softfail"),
        ({(DOMAIN, "TXT"): ['"v=spf1 ip4:x -all"']}, Level.FAIL, "SPF says permerror"),
        ({(DOMAIN, "TXT"): ['"v=spf1 ptr -all"']}, Level.WARN, "passed over: ptr"),
    ],
)
async def test_records(
    server: FakeDNS, make_tools: MakeTools, host: MXScript, scripts: dict[Any, Any], level: Level, words: str
) -> None:
    """Each record that receivers look for is examined."""
    server.update(scripts)
    check = only(not_ok(await examine(make_tools(smtp={"port": host.port}))))
    assert check.level is level
    assert words in check.what
    assert check.fix


async def test_an_soa_that_cannot_be_asked_for_is_no_finding(
    server: FakeDNS, make_tools: MakeTools, host: MXScript
) -> None:
    """Silence of DNS says nothing about the domain."""
    server.update({(DOMAIN, "SOA"): Fault.SERVFAIL})
    assert not_ok(await examine(make_tools(smtp={"port": host.port}))) == []


@pytest.mark.parametrize(
    ("script", "greeting", "level", "words"),
    [
        ({"RCPT TO:<postmaster": "550 5.1.1 no such user"}, "220 hello", Level.FAIL, "550 5.1.1 no such user to postm"),
        ({"RCPT TO:<probe": "450 4.2.0 greylisted"}, "220 hello", Level.WARN, "450 4.2.0 greylisted to probe@"),
        ({"MAIL FROM:<>": "550 5.7.1 no bounces here"}, "220 hello", Level.FAIL, "no bounces here to MAIL FROM:<>"),
        ({"MAIL": DROP}, "220 hello", Level.WARN, "broke off at MAIL FROM:<>: disconnected"),
        ({}, "554 go away", Level.FAIL, "554 go away to the session"),
        ({}, DROP, Level.WARN, "cannot be reached from here: disconnected"),
    ],
)
async def test_our_own_mx_host(make_tools: MakeTools, script: Any, greeting: Any, level: Level, words: str) -> None:
    """What a receiver that calls back would be told is told here first."""
    async with MXScript(script, greeting=greeting) as host:
        check = only(not_ok(await examine(make_tools(smtp={"port": host.port}))))
    assert check.level is level
    assert words in check.what


async def test_a_domain_that_cannot_be_ours_is_left_alone(
    server: FakeDNS, make_tools: MakeTools, sections: dict[str, Any]
) -> None:
    """A sender at a large provider is a mistake in the settings; the provider is not asked."""
    sections["identities"][0]["envelope_sender"] = "someone@gmail.com"
    check = only(await examine(make_tools()))
    assert check.level is Level.FAIL
    assert "large mail provider" in check.what
    assert server.queries == []


async def test_without_an_address_spf_is_not_examined(server: FakeDNS, make_tools: MakeTools, host: MXScript) -> None:
    """Whether SPF names an address nobody knows cannot be said; the identity's own check says what is wrong."""
    server.update({(HELO, "A"): []})
    checks = await examine(make_tools("10.0.0.5", lookup={"public_addresses_only": True}, smtp={"port": host.port}))
    assert not any("SPF" in check.what for check in checks)
