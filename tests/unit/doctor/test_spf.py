"""SPF is evaluated as receivers evaluate it (RFC 7208), as far as an operator's own record needs."""

from typing import Any

import pytest

from tests.fakes.dns import FakeDNS, Fault
from tests.unit.doctor.conftest import MakeTools
from validatord.doctor.spf import evaluate_spf

NAMES: dict[tuple[str, str], Any] = {
    ("a.example.com", "A"): ["192.0.2.25"],
    ("a.example.com", "AAAA"): ["2001:db8::25"],
    ("example.com", "A"): ["192.0.2.25"],
    ("example.com", "MX"): ["10 a.example.com.", "20 b.example.com."],
    ("b.example.com", "A"): ["198.51.100.7"],
    ("pass.example.net", "TXT"): ['"v=spf1 ip4:192.0.2.0/24 -all"'],
    ("fail.example.net", "TXT"): ['"v=spf1 -all"'],
    ("loop.example.net", "TXT"): ['"v=spf1 include:loop.example.net -all"'],
    ("bad.example.net", "TXT"): ['"v=spf1 ip4:nonsense -all"'],
    ("servfail.example.net", "TXT"): Fault.SERVFAIL,
}


@pytest.mark.parametrize(
    ("record", "address", "result"),
    [
        ("v=spf1 ip4:192.0.2.25 -all", "192.0.2.25", "pass"),
        ("v=spf1 ip4:192.0.2.0/24 -all", "192.0.2.25", "pass"),
        ("V=SPF1 +IP4:192.0.2.0/24 -ALL", "192.0.2.25", "pass"),
        ("v=spf1 ip4:192.0.2.26 -all", "192.0.2.25", "fail"),
        ("v=spf1 ip4:192.0.2.26 ~all", "192.0.2.25", "softfail"),
        ("v=spf1 ip4:192.0.2.26 ?all", "192.0.2.25", "neutral"),
        ("v=spf1 ip4:192.0.2.26", "192.0.2.25", "neutral"),
        ("v=spf1", "192.0.2.25", "neutral"),
        ("v=spf1 ip6:2001:db8::/32 -all", "2001:db8::25", "pass"),
        ("v=spf1 ip6:2001:db8::/32 -all", "192.0.2.25", "fail"),
        ("v=spf1 a -all", "192.0.2.25", "pass"),
        ("v=spf1 a:a.example.com -all", "192.0.2.25", "pass"),
        ("v=spf1 a:b.example.com/24 -all", "198.51.100.200", "pass"),
        ("v=spf1 a:b.example.com -all", "198.51.100.200", "fail"),
        ("v=spf1 a/24//64 -all", "192.0.2.99", "pass"),
        ("v=spf1 a:a.example.com//64 -all", "2001:db8::99", "pass"),
        ("v=spf1 a:a.example.com//64 -all", "192.0.2.99", "fail"),
        ("v=spf1 mx -all", "198.51.100.7", "pass"),
        ("v=spf1 mx:example.com/24 -all", "198.51.100.8", "pass"),
        ("v=spf1 mx -all", "203.0.113.1", "fail"),
        ("v=spf1 include:pass.example.net -all", "192.0.2.25", "pass"),
        ("v=spf1 include:fail.example.net ~all", "192.0.2.25", "softfail"),
        ("v=spf1 redirect=pass.example.net", "192.0.2.25", "pass"),
        ("v=spf1 exp=why.example.com redirect=fail.example.net", "192.0.2.25", "fail"),
        ("v=spf1 -all redirect=pass.example.net", "192.0.2.25", "fail"),
        ("v=spf1 include:nothing.example.net -all", "192.0.2.25", "permerror"),
        ("v=spf1 include:bad.example.net -all", "192.0.2.25", "permerror"),
        ("v=spf1 include:loop.example.net -all", "192.0.2.25", "permerror"),
        ("v=spf1 include:servfail.example.net -all", "192.0.2.25", "temperror"),
        ("v=spf1 redirect=nothing.example.net", "192.0.2.25", "permerror"),
        ("v=spf1 ip4:nonsense -all", "192.0.2.25", "permerror"),
        ("v=spf1 a:b.example.com/x -all", "192.0.2.25", "permerror"),
        ("v=spf1 nonsense -all", "192.0.2.25", "permerror"),
        ("v=spf1 allof -all", "192.0.2.25", "permerror"),
        ("v=spf1 -- -all", "192.0.2.25", "permerror"),
        ("v=spf10 ip4:192.0.2.25 -all", "192.0.2.25", "none"),
        ("something else", "192.0.2.25", "none"),
    ],
)
async def test_results(server: FakeDNS, make_tools: MakeTools, record: str, address: str, result: str) -> None:
    """A record says about an address what RFC 7208 says it says."""
    server.update({**NAMES, ("example.com", "TXT"): [f'"{record}"']})
    found = await evaluate_spf(make_tools().resolver, "example.com", address)
    assert found.result == result, found


async def test_two_records_are_none(server: FakeDNS, make_tools: MakeTools) -> None:
    """A domain with two SPF records has a broken one."""
    server.update({("example.com", "TXT"): ['"v=spf1 -all"', '"other"', '"v=spf1 +all"']})
    found = await evaluate_spf(make_tools().resolver, "example.com", "192.0.2.25")
    assert (found.result, found.why) == ("permerror", "example.com publishes 2 SPF records")


async def test_more_than_ten_look_ups_are_an_error(server: FakeDNS, make_tools: MakeTools) -> None:
    """The eleventh term that needs DNS breaks the record, wherever it stands."""
    server.update(NAMES)
    for count, result in ((10, "fail"), (11, "permerror")):
        terms = " ".join(f"a:h{index}.example.com" for index in range(count))
        server.update({(f"c{count}.example.com", "TXT"): [f'"v=spf1 {terms} -all"']})
        found = await evaluate_spf(make_tools().resolver, f"c{count}.example.com", "192.0.2.25")
        assert found.result == result


async def test_what_is_not_known_is_passed_over_and_named(server: FakeDNS, make_tools: MakeTools) -> None:
    """Macros, exists and ptr decide nothing here and are told to the operator."""
    record = '"v=spf1 ptr exists:%{i}.example.com include:%{d}.example.net -all"'
    server.update({("example.com", "TXT"): [record]})
    found = await evaluate_spf(make_tools().resolver, "example.com", "192.0.2.25")
    assert found.result == "fail"
    assert found.passed_over == ("ptr", "exists:%{i}.example.com", "include:%{d}.example.net")
