"""Port 25 is greeted and nothing more; a resolver must be honest and quick."""

import contextlib
import itertools
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.dns import FakeDNS, Fault
from tests.fakes.mx_script import DROP, HANG, MXScript
from tests.unit.doctor.conftest import MakeTools, only
from validatord.clock import SystemClock
from validatord.doctor.check import Check, Level, Tools
from validatord.doctor.network import examine_port, examine_resolver


async def examine(tools: Tools) -> list[Check]:
    return await examine_port(tools.settings.identities[0], tools)


async def test_without_a_target_nobody_is_greeted(make_tools: MakeTools) -> None:
    """Nothing to connect to is said plainly and is no fault."""
    check = only(await examine(make_tools()))
    assert check.level is Level.OK
    assert "not examined" in check.what


@pytest.mark.parametrize("text", ["target.example.com", "domain.example.com", "target.example.com:{port}"])
async def test_a_greeting_is_all_that_is_wanted(
    server: FakeDNS, make_tools: MakeTools, host: MXScript, text: str
) -> None:
    """A host or a domain's MX host is connected to, its greeting read, and nothing asked."""
    server.update(
        {
            ("target.example.com", "A"): ["127.0.0.1"],
            ("domain.example.com", "MX"): ["10 target.example.com."],
        }
    )
    tools = make_tools(doctor={"targets": [text.format(port=host.port)]}, smtp={"port": host.port})
    check = only(await examine(tools))
    assert check.level is Level.OK
    assert check.what == "open: target.example.com greets with 220 mx.example.com ESMTP"
    assert host.seen == ["QUIT"]


@pytest.mark.parametrize(
    ("greeting", "level", "words"),
    [
        ("554-line one\n554 your address is on a list", Level.FAIL, "refuses us: 554 your address is on a list"),
        (DROP, Level.WARN, "does not greet: disconnected"),
        (HANG, Level.WARN, "does not greet: reply_timeout"),
    ],
)
async def test_greetings(server: FakeDNS, make_tools: MakeTools, greeting: Any, level: Level, words: str) -> None:
    """A refusal is about us; silence may be a firewall."""
    server.update({("target.example.com", "A"): ["127.0.0.1"]})
    async with MXScript(greeting=greeting) as host:
        check = only(await examine(make_tools(doctor={"targets": ["target.example.com"]}, smtp={"port": host.port})))
    assert check.level is level
    assert words in check.what


async def test_a_closed_port(server: FakeDNS, make_tools: MakeTools) -> None:
    """No connection is the finding this examination is for."""
    server.update({("target.example.com", "A"): ["127.0.0.1"]})
    check = only(await examine(make_tools(doctor={"targets": ["target.example.com"]})))
    assert check.level is Level.FAIL
    assert "port 25" in check.fix


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port that listens and whose queue is full: whoever comes now gets no answer."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def test_no_connection_in_time(server: FakeDNS, make_tools: MakeTools, full_port: int) -> None:
    """A port that swallows connections is closed too."""
    server.update({("target.example.com", "A"): ["127.0.0.1"]})
    check = only(await examine(make_tools(doctor={"targets": [f"target.example.com:{full_port}"]})))
    assert check.level is Level.FAIL
    assert "in time" in check.what


async def test_a_target_that_leads_nowhere(make_tools: MakeTools) -> None:
    """A wrong target says nothing about port 25."""
    check = only(await examine(make_tools(doctor={"targets": ["nowhere.example.com"]})))
    assert check.level is Level.WARN
    assert "leads to no mail host: domain_not_found" in check.what


async def test_an_honest_resolver(make_tools: MakeTools) -> None:
    """Names that do not exist do not exist."""
    check = only(await examine_resolver(make_tools()))
    assert check.level is Level.OK
    assert check.what.startswith("honest, and quick")


async def test_a_resolver_that_makes_names_up(server: FakeDNS, make_tools: MakeTools) -> None:
    """A resolver that answers everything would give every typing error a mail host."""

    class Everything(dict[Any, Any]):
        def get(self, key: Any, default: Any = None) -> Any:
            return ["203.0.113.80"] if key[1] == "A" else default

    server.scripts = Everything(server.scripts)
    check = only(await examine_resolver(make_tools()))
    assert check.level is Level.FAIL
    assert "gets an answer" in check.what


async def test_a_silent_resolver(server: FakeDNS, make_tools: MakeTools) -> None:
    """Without DNS nothing works."""
    server.scripts[".", "NS"] = Fault.SERVFAIL
    check = only(await examine_resolver(make_tools()))
    assert check.level is Level.FAIL
    assert "no answer from any name server: servfail" in check.what


async def test_a_slow_resolver(make_tools: MakeTools) -> None:
    """Half a second for each new domain is half a second for each visit."""
    ticks = itertools.count()

    class Slow(SystemClock):
        def monotonic(self) -> float:
            return next(ticks) * 0.25

    check = only(await examine_resolver(make_tools(clock=Slow())))
    assert check.level is Level.WARN
    assert "slow" in check.what
