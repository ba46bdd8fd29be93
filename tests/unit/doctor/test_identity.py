"""PTR, HELO name and address must agree, and stand on no block list."""

import socket
from typing import Any

import pytest

from tests.fakes.dns import FakeDNS, Fault
from tests.unit.doctor.conftest import ADDRESS, HELO, MakeTools, not_ok, only
from validatord.doctor.check import Level, Tools
from validatord.doctor.identity import examine_identity, find_local_address, find_own_address

PTR = ("25.2.0.192.in-addr.arpa", "PTR")


async def examine(tools: Tools) -> Any:
    return await examine_identity(tools.settings.identities[0], tools)


async def test_all_is_well(make_tools: MakeTools) -> None:
    """One PTR, the same as the HELO name, leading back, and not listed."""
    checks = await examine(make_tools())
    assert not_ok(checks) == []
    assert [check.what for check in checks] == [
        f"PTR, HELO and A agree: {ADDRESS} is {HELO}",
        f"{ADDRESS} is not listed",
    ]


@pytest.mark.parametrize(
    ("scripts", "level", "words"),
    [
        ({PTR: []}, Level.FAIL, "has no PTR record"),
        ({PTR: ["vps7.hosting.example.net."]}, Level.FAIL, f"is called vps7.hosting.example.net, but says HELO {HELO}"),
        ({(HELO, "A"): ["198.51.100.1"]}, Level.FAIL, "does not lead back to"),
        ({(HELO, "A"): Fault.SERVFAIL}, Level.FAIL, "does not lead back to"),
        ({PTR: Fault.SERVFAIL}, Level.WARN, "cannot be looked up: servfail"),
        ({PTR: [f"{HELO}.", "other.example.net."]}, Level.WARN, "has 2 PTR records"),
    ],
)
async def test_names_that_do_not_agree(
    server: FakeDNS, make_tools: MakeTools, scripts: dict[Any, Any], level: Level, words: str
) -> None:
    """Each way of disagreeing has its own words and its own remedy."""
    server.update(scripts)
    check = only(not_ok(await examine(make_tools())))
    assert check.level is level
    assert words in check.what
    assert check.fix


@pytest.mark.parametrize("name", ["192-0-2-25.example.net", "static.25.2.0.example.net", "vps.example.net"])
async def test_a_name_nobody_gave(server: FakeDNS, make_tools: MakeTools, sections: dict[str, Any], name: str) -> None:
    """A name that is the address over again looks like a dynamic line."""
    sections["identities"][0]["helo_name"] = name
    server.update({PTR: [f"{name}."], (name, "A"): [ADDRESS]})
    check = only(not_ok(await examine(make_tools())))
    assert check.level is Level.WARN
    assert "nobody named" in check.what


async def test_a_name_that_cannot_be_ours_is_not_looked_up(
    server: FakeDNS, make_tools: MakeTools, sections: dict[str, Any]
) -> None:
    """A HELO name that no receiver takes needs no further examination."""
    sections["identities"][0]["helo_name"] = "localhost"
    check = only(await examine(make_tools()))
    assert check.level is Level.FAIL
    assert "has no dot" in check.what
    assert server.queries == []


async def test_the_address_that_was_set_counts(make_tools: MakeTools, sections: dict[str, Any]) -> None:
    """A source address wins over the machine's own."""
    sections["identities"][0]["source_address"] = "198.51.100.9"
    tools = make_tools()
    own = await find_own_address(tools.settings.identities[0], tools)
    assert (own.address, own.how) == ("198.51.100.9", "source_address")


@pytest.mark.parametrize(
    ("local", "proxy", "claimed"),
    [("10.0.0.5", "", "8.8.8.8"), ("", "", "8.8.8.8"), ("8.8.4.4", "socks5://192.0.2.1:1080", "8.8.8.8")],
)
async def test_behind_nat_the_helo_name_tells(
    server: FakeDNS, make_tools: MakeTools, sections: dict[str, Any], local: str, proxy: str, claimed: str
) -> None:
    """Where the machine's address is not what receivers see, the name's own claim is examined."""
    sections["identities"][0]["proxy"] = proxy
    server.update({(HELO, "A"): ["10.0.0.9", claimed]})
    tools = make_tools(local, lookup={"public_addresses_only": True})
    own = await find_own_address(tools.settings.identities[0], tools)
    assert own.address == claimed
    assert "behind NAT or a proxy" in own.how


@pytest.mark.parametrize(("script", "words"), [(["10.0.0.9"], "no public address"), (Fault.SERVFAIL, "servfail")])
async def test_an_address_nobody_knows(server: FakeDNS, make_tools: MakeTools, script: Any, words: str) -> None:
    """Without any public address nothing else about the identity can be examined."""
    server.update({(HELO, "A"): script})
    check = only(await examine(make_tools("10.0.0.5", lookup={"public_addresses_only": True})))
    assert check.level is Level.FAIL
    assert words in check.what


@pytest.mark.parametrize(
    ("scripts", "level", "words"),
    [
        ({("25.2.0.192.bl.example.net", "A"): ["127.0.0.3"]}, Level.FAIL, "is listed (127.0.0.3)"),
        ({("25.2.0.192.bl.example.net", "A"): ["127.255.255.254"]}, Level.WARN, "does not tell: refused"),
        ({("25.2.0.192.bl.example.net", "A"): Fault.SERVFAIL}, Level.WARN, "does not tell: servfail"),
        ({("2.0.0.127.bl.example.net", "A"): ["127.255.255.254"]}, Level.WARN, "does not tell: refused"),
        ({("2.0.0.127.bl.example.net", "A"): []}, Level.WARN, "does not tell: not a block list"),
    ],
)
async def test_block_lists(
    server: FakeDNS, make_tools: MakeTools, scripts: dict[Any, Any], level: Level, words: str
) -> None:
    """Listed, not listed, and a zone that does not answer as a block list must, are told apart."""
    server.update(scripts)
    check = only(not_ok(await examine(make_tools())))
    assert (check.level, check.name) == (level, "block list bl.example.net")
    assert words in check.what


async def test_no_block_lists(server: FakeDNS, make_tools: MakeTools) -> None:
    """Without zones none is asked, and that is said."""
    checks = await examine(make_tools(doctor={"dnsbl_zones": []}))
    assert checks[-1].what == "not examined: doctor.dnsbl_zones is empty"
    assert not any("bl.example.net" in name for name, _, _ in server.queries)


def test_the_local_address_is_asked_from_the_routing_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any route there is no address, and no exception."""
    assert find_local_address() == "" or socket.inet_aton(find_local_address())

    def refuse(*_: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert find_local_address() == ""
