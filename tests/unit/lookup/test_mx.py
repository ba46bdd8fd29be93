"""The mail hosts of a domain: outcomes, faults, cache, single flight."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.dns import FakeDNS, Fault, Turns, Zone
from validatord import errors
from validatord.lookup.mx import MXLookup
from validatord.lookup.resolver import Resolver
from validatord.mail.mx import MXAnswer, MXHost, MXOutcome
from validatord.settings import LookupSettings

Settings = Callable[..., LookupSettings]
Build = Callable[..., MXLookup]
NAME = "example.com"
PUBLIC = "8.8.4.4"  # the documentation networks are not public, so a public address has to stand in
OTHER = "9.9.9.9"
PUBLIC_SIX = "2606:4700::1111"


@pytest.fixture
async def build(settings: Settings, clock: FakeClock) -> AsyncIterator[Build]:
    async with AsyncExitStack() as stack:

        def make(own: dict[str, Any] | None = None, **changes: Any) -> MXLookup:
            chosen = settings(**changes)
            made = MXLookup(Resolver(chosen, clock), chosen, clock, random.Random(7), **(own or {}))
            stack.push_async_callback(made.aclose)
            return made

        yield make


def script(*hosts: tuple[int, str, list[str]], domain: str = NAME) -> dict[tuple[str, str], Any]:
    """MX records with the A records of their hosts."""
    records = {(domain, "MX"): [f"{preference} {name}." for preference, name, _ in hosts]}
    return records | {(name, "A"): values for _, name, values in hosts if values}


def names(answer: MXAnswer) -> list[str]:
    return [host.name for host in answer.hosts]


# --- outcomes --------------------------------------------------------------------------------------


async def test_hosts_come_sorted_by_preference_with_their_addresses(server: FakeDNS, build: Build) -> None:
    """The answer holds every usable host, best preference first, with the addresses that were judged."""
    server.update(script((20, "mx2.example.com", [OTHER]), (10, "mx1.example.com", [PUBLIC])))

    answer = await build().lookup(NAME)

    assert answer.outcome == MXOutcome.OK
    assert answer.hosts == (
        MXHost("mx1.example.com", 10, (PUBLIC,)),
        MXHost("mx2.example.com", 20, (OTHER,)),
    )
    assert answer.best_preference == 10


async def test_trace_tells_what_was_asked_and_answered(server: FakeDNS, build: Build) -> None:
    """Each query is one line of text with records and TTL."""
    server.update(script((10, "mx1.example.com", [PUBLIC])))

    assert (await build().lookup(NAME)).trace == (
        "MX example.com → 10 mx1.example.com (300 s)",
        "A mx1.example.com → 8.8.4.4 (300 s)",
    )


async def test_nxdomain_is_confirmed_once(server: FakeDNS, build: Build) -> None:
    """A domain does not exist only if the second opinion says so too."""
    async with FakeDNS() as second:
        answer = await build(confirm_resolvers=(second.endpoint,)).lookup(NAME)

        assert answer.outcome == MXOutcome.DOMAIN_NOT_FOUND
        assert (server.count("MX"), second.count("MX")) == (1, 1)
    assert answer.trace == ("MX example.com → NXDOMAIN", "MX example.com → NXDOMAIN, second opinion")


async def test_nxdomain_is_confirmed_by_the_same_servers_without_others(server: FakeDNS, build: Build) -> None:
    """Without confirming servers the same ones are asked again."""
    assert (await build().lookup(NAME)).outcome == MXOutcome.DOMAIN_NOT_FOUND
    assert server.count("MX") == 2


async def test_second_opinion_that_knows_the_domain_wins(server: FakeDNS, build: Build) -> None:
    """A wrong NXDOMAIN of the first server costs a query and no verdict."""
    server.update({("mx1.example.com", "A"): [PUBLIC]})
    async with FakeDNS({(NAME, "MX"): ["10 mx1.example.com."]}) as second:
        answer = await build(confirm_resolvers=(second.endpoint,)).lookup(NAME)

    assert answer.outcome == MXOutcome.OK


async def test_no_second_opinion_is_no_answer(build: Build) -> None:
    """NXDOMAIN that nobody could confirm is a failure and comes again later."""
    async with FakeDNS({(NAME, "MX"): Fault.SERVFAIL}) as second:
        answer = await build(confirm_resolvers=(second.endpoint,)).lookup(NAME)

    assert (answer.outcome, answer.failure) == (MXOutcome.FAILED, "servfail")


async def test_neither_mx_nor_address_is_no_mail_host(server: FakeDNS, build: Build) -> None:
    """A domain that exists without MX, A and AAAA takes no mail."""
    server.update({(NAME, "TXT"): ['"here"']})

    assert (await build().lookup(NAME)).outcome == MXOutcome.NO_MAIL_HOST


async def test_mx_without_addresses_is_unresolvable_and_never_implicit(server: FakeDNS, build: Build) -> None:
    """Where MX records exist, the domain's own address does not count."""
    server.update(script((10, "gone.example.com", [])) | {(NAME, "A"): [PUBLIC]})

    assert (await build().lookup(NAME)).outcome == MXOutcome.MX_UNRESOLVABLE


async def test_any_servfail_among_unresolved_hosts_is_no_answer(server: FakeDNS, build: Build) -> None:
    """One host without an answer keeps the others' absence from being a verdict."""
    server.update(
        script((10, "gone.example.com", []), (20, "mx2.example.com", [])) | {("mx2.example.com", "A"): Fault.SERVFAIL}
    )

    answer = await build().lookup(NAME)

    assert (answer.outcome, answer.failure) == (MXOutcome.FAILED, "servfail")


async def test_unanswered_better_host_makes_the_rest_backup(server: FakeDNS, build: Build) -> None:
    """A usable host behind one DNS did not answer for is known to be second best, and for minutes only."""
    server.update(
        script((10, "mx1.example.com", []), (20, "mx2.example.com", [OTHER]))
        | {("mx1.example.com", "A"): Fault.SERVFAIL, ("mx2.example.com", "A"): Zone([OTHER], ttl=86400)}
    )

    answer = await build().lookup(NAME)

    assert (answer.outcome, names(answer), answer.best_preference) == (MXOutcome.OK, ["mx2.example.com"], 10)
    assert answer.expires_at is not None
    assert answer.looked_up_at is not None
    assert answer.expires_at - answer.looked_up_at <= timedelta(minutes=5)


async def test_root_among_other_exchangers_is_ignored(server: FakeDNS, build: Build) -> None:
    """`.` is a null MX only alone."""
    server.update(script((10, "mx1.example.com", [PUBLIC])) | {(NAME, "MX"): ["0 .", "10 mx1.example.com."]})

    assert names(await build().lookup(NAME)) == ["mx1.example.com"]


async def test_exchanger_that_is_an_alias_is_followed(server: FakeDNS, build: Build) -> None:
    """An MX host may be an alias, which RFC 2181 10.3 forbids and many do; where it leads is kept."""
    server.update(
        script((10, "mx.example.com", []))
        | {("mx.example.com", "CNAME"): ["pool.example.net."], ("pool.example.net", "A"): [PUBLIC]}
    )

    answer = await build().lookup(NAME)

    assert answer.hosts == (MXHost("mx.example.com", 10, (PUBLIC,), "pool.example.net"),)
    assert answer.trace[-1] == "A mx.example.com → CNAME pool.example.net → 8.8.4.4 (300 s)"


async def test_domain_that_is_an_alias_is_followed(server: FakeDNS, build: Build) -> None:
    """The MX records of the canonical name are the domain's (RFC 5321 5.1)."""
    server.update(script((10, "mx.example.net", [PUBLIC]), domain="real.example.net"))
    server.update({(NAME, "CNAME"): ["real.example.net."]})

    assert names(await build().lookup(NAME)) == ["mx.example.net"]


async def test_ipv6_is_used_only_where_enabled(server: FakeDNS, build: Build) -> None:
    """AAAA is asked where IPv6 is on; both families are kept then."""
    server.update(script((10, "mx1.example.com", [PUBLIC])) | {("mx1.example.com", "AAAA"): [PUBLIC_SIX]})

    without = await build().lookup(NAME)
    asked = server.count("AAAA")
    with_six = await build(is_ipv6_enabled=True).lookup(NAME)

    assert (without.hosts[0].addresses, asked) == ((PUBLIC,), 0)
    assert with_six.hosts[0].addresses == (PUBLIC, PUBLIC_SIX)


@pytest.mark.parametrize("is_implicit", [True, False])
async def test_host_with_ipv6_alone_is_never_called_absent(server: FakeDNS, build: Build, is_implicit: bool) -> None:
    """What we cannot reach because IPv6 is off is unknown, not invalid."""
    server.update(
        {("mx1.example.com", "AAAA"): [PUBLIC_SIX]} | ({} if is_implicit else {(NAME, "MX"): ["1 mx1.example.com."]})
    )
    domain = "mx1.example.com" if is_implicit else NAME

    answer = await build().lookup(domain)

    assert (answer.outcome, answer.failure) == (MXOutcome.FAILED, "ipv6_only")


async def test_failing_aaaa_does_not_hide_the_ipv4_address(server: FakeDNS, build: Build) -> None:
    """A broken AAAA answer is common and no reason to give the host up."""
    server.update(script((10, "mx1.example.com", [PUBLIC])) | {("mx1.example.com", "AAAA"): Fault.SERVFAIL})

    assert (await build(is_ipv6_enabled=True).lookup(NAME)).hosts[0].addresses == (PUBLIC,)


# --- pitfalls --------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.5", "169.254.169.254", "0.0.0.0", "224.0.0.1", "192.0.2.1"])
async def test_pitfall_16_private_addresses_of_an_mx_host_are_never_handed_out(
    server: FakeDNS, build: Build, address: str
) -> None:
    """An MX host with non-public addresses alone is not a mail host, and the trace says why."""
    server.update(script((10, "mx1.example.com", [address])))

    answer = await build().lookup(NAME)

    assert (answer.outcome, answer.hosts) == (MXOutcome.MX_NOT_PUBLIC, ())
    assert f"{address} of mx1.example.com dropped: not public" in answer.trace


@pytest.mark.parametrize(
    "address",
    [
        "::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:0:1:2::",
        "fe80::1",
        "fc00::1",
    ],
)
async def test_pitfall_16_ipv6_forms_of_private_addresses_are_never_handed_out(
    server: FakeDNS, build: Build, address: str
) -> None:
    """Every IPv6 dress of a private address is seen through."""
    server.update(script((10, "mx1.example.com", [])) | {("mx1.example.com", "AAAA"): [address]})

    assert (await build(is_ipv6_enabled=True).lookup(NAME)).outcome == MXOutcome.MX_NOT_PUBLIC


async def test_pitfall_16_the_good_addresses_among_bad_ones_are_kept(server: FakeDNS, build: Build) -> None:
    """Mixed answers lose their private part only."""
    server.update(script((10, "mx1.example.com", ["127.0.0.1", PUBLIC, "10.0.0.5"])))

    assert (await build().lookup(NAME)).hosts == (MXHost("mx1.example.com", 10, (PUBLIC,)),)


async def test_pitfall_16_implicit_and_alias_ways_inside_are_closed(server: FakeDNS, build: Build) -> None:
    """A private address reached over the domain itself or an alias is dropped as well."""
    server.update(
        {
            ("web.example.net", "A"): ["10.0.0.5"],
            **script((10, "alias.example.com", [])),
            ("alias.example.com", "CNAME"): ["web.example.net."],
        }
    )
    lookup = build()

    assert (await lookup.lookup("web.example.net")).outcome == MXOutcome.MX_NOT_PUBLIC
    assert (await lookup.lookup(NAME)).outcome == MXOutcome.MX_NOT_PUBLIC


async def test_pitfall_16_an_answer_that_changes_does_not_change_what_was_checked(
    server: FakeDNS, build: Build, clock: FakeClock
) -> None:
    """Within its time the checked address stays the answer; the next look-up is judged anew."""
    server.update(script((10, "mx1.example.com", [])))
    server.update({("mx1.example.com", "A"): Turns([[PUBLIC], ["127.0.0.1"]])})
    lookup = build()
    first, again = await lookup.lookup(NAME), await lookup.lookup(NAME)
    await clock.advance(301)
    later = await lookup.lookup(NAME)

    assert [host.addresses for answer in (first, again) for host in answer.hosts] == [(PUBLIC,), (PUBLIC,)]
    assert (later.outcome, later.hosts) == (MXOutcome.MX_NOT_PUBLIC, ())


async def test_pitfall_17_null_mx_ends_without_looking_for_addresses(server: FakeDNS, build: Build) -> None:
    """A null MX says the domain takes no mail, whatever its A record is."""
    server.update({(NAME, "MX"): ["0 ."], (NAME, "A"): [PUBLIC]})

    assert (await build().lookup(NAME)).outcome == MXOutcome.NULL_MX
    assert server.count("A") == 0


@pytest.mark.parametrize(
    "name",
    [
        "localhost",
        "sub.localhost",
        "1.2.3.4",
        "127.1",
        "0x7f000001",
        "printer.local",
        "mx.invalid",
        "mx.test",
        "mx.example",
    ],
)
async def test_pitfall_17_names_nobody_can_deliver_to_are_not_looked_up(
    server: FakeDNS, build: Build, name: str
) -> None:
    """A number, localhost or a reserved name as MX host takes no mail, and there is no fall-back to A."""
    server.update({(NAME, "MX"): [f"10 {name}."], (NAME, "A"): [PUBLIC], (name, "A"): [PUBLIC]})

    assert (await build().lookup(NAME)).outcome == MXOutcome.MX_NOT_PUBLIC
    assert server.count("A") == 0


async def test_pitfall_18_domain_with_an_address_alone_is_its_own_mail_host(server: FakeDNS, build: Build) -> None:
    """Without MX the domain's A record is the implicit MX (RFC 5321 5.1)."""
    server.update({(NAME, "A"): [PUBLIC]})

    answer = await build().lookup(NAME)

    assert (answer.outcome, answer.is_implicit) == (MXOutcome.OK, True)
    assert answer.hosts == (MXHost(NAME, 0, (PUBLIC,)),)


@pytest.mark.parametrize(
    "fault",
    [
        Fault.NO_ANSWER,
        Fault.SERVFAIL,
        Fault.REFUSED,
        Fault.LATE,
        Fault.WRONG_ID,
        Fault.GARBAGE,
        Fault.FORGED_SECTION,
        Fault.TRUNCATED_TWICE,
        Fault.REFERRAL,
    ],
)
@pytest.mark.parametrize("where", ["MX", "A of the host", "A of the domain"])
async def test_pitfall_19_trouble_with_dns_is_no_answer_about_the_domain(
    server: FakeDNS, build: Build, fault: Fault, where: str
) -> None:
    """Wherever a query fails, the outcome is FAILED and never a statement about the domain."""
    server.update(
        {
            "MX": {(NAME, "MX"): fault},
            "A of the host": script((10, "mx1.example.com", [])) | {("mx1.example.com", "A"): fault},
            "A of the domain": {(NAME, "A"): fault},
        }[where]
    )

    answer = await build(timeout="60ms").lookup(NAME)

    assert answer.outcome == MXOutcome.FAILED
    assert answer.failure in {"timeout", "servfail", "refused", "malformed"}


async def test_alias_loop_is_no_answer_about_the_domain(server: FakeDNS, build: Build) -> None:
    """A loop of aliases is trouble, not absence."""
    server.update({(NAME, "CNAME"): ["b.example.net."], ("b.example.net", "CNAME"): [f"{NAME}."]})

    assert (await build().lookup(NAME)).outcome == MXOutcome.FAILED


# --- bounds ----------------------------------------------------------------------------------------


async def test_hundred_mx_hosts_are_bounded(server: FakeDNS, build: Build) -> None:
    """A domain with a hundred MX hosts costs a bounded number of queries, and the same ones each time."""
    hosts = [(10, f"mx{i:03}.example.com", [PUBLIC]) for i in range(100)]
    server.update(script(*hosts))

    first, second = await build().lookup(NAME), await build().lookup(NAME)

    assert len(first.hosts) == 16
    assert first.host_set == second.host_set
    assert server.count("A") == 32


async def test_hosts_beyond_the_bound_are_tried_while_none_is_usable(server: FakeDNS, build: Build) -> None:
    """Sixteen dead names in front do not make a domain undeliverable."""
    dead = [(10, f"dead{i:02}.example.com", []) for i in range(20)]
    server.update(script(*dead, (20, "mx.example.com", [PUBLIC])))

    assert names(await build().lookup(NAME)) == ["mx.example.com"]


async def test_addresses_of_one_host_are_bounded(server: FakeDNS, build: Build) -> None:
    """Of a host with a hundred addresses a few are kept, of both families."""
    server.update(
        script((10, "mx1.example.com", [f"8.8.4.{i}" for i in range(100)]))
        | {("mx1.example.com", "AAAA"): [f"2606:4700::{i:x}" for i in range(1, 100)]}
    )

    kept = (await build(is_ipv6_enabled=True).lookup(NAME)).hosts[0].addresses

    assert len(kept) == 8
    assert sum(":" in address for address in kept) == 4


async def test_whole_look_up_ends_at_its_deadline(server: FakeDNS, build: Build) -> None:
    """However many hosts are silent, the look-up ends in time and keeps what was found."""
    hosts = [(10, f"mx{i:03}.example.com", []) for i in range(40)]
    server.update(script(*hosts) | {(f"mx{i:03}.example.com", "A"): Fault.NO_ANSWER for i in range(40)})
    server.update({("mx003.example.com", "A"): [PUBLIC]})
    started = asyncio.get_running_loop().time()

    answer = await build(total="400ms").lookup(NAME)

    assert asyncio.get_running_loop().time() - started < 1.5
    assert names(answer) == ["mx003.example.com"]


async def test_one_silent_domain_does_not_hold_up_others(server: FakeDNS, build: Build) -> None:
    """Others are answered while the names of a dead domain run into their timeouts."""
    hosts = [(10, f"dead{i}.example.net", []) for i in range(16)]
    server.update(script(*hosts, domain="slow.example.net"))
    server.update({(f"dead{i}.example.net", "A"): Fault.NO_ANSWER for i in range(16)})
    server.update(script((10, "mx1.example.com", [PUBLIC])))
    lookup = build(concurrency=6, timeout="5s", total="8s")
    slow = asyncio.ensure_future(lookup.lookup("slow.example.net"))
    while server.count("A") < 4:
        await asyncio.sleep(0)

    answer = await lookup.lookup(NAME)

    assert (answer.outcome, slow.done()) == (MXOutcome.OK, False)
    slow.cancel()


async def test_trace_is_bounded(server: FakeDNS, build: Build) -> None:
    """A hundred dropped names leave a short trace that says how much is missing."""
    server.update({(NAME, "MX"): [f"10 {'x' * 60}{i}.{'y' * 60}.{'z' * 60}.test." for i in range(100)]})

    trace = (await build().lookup(NAME)).trace

    assert len(trace) == 41
    assert max(map(len, trace)) <= 300
    assert trace[-1] == "… and 61 more lines"


# --- settings --------------------------------------------------------------------------------------


async def test_sandbox_switch_lifts_address_and_suffix_checks_together(server: FakeDNS, build: Build) -> None:
    """Only with `public_addresses_only` off are loopback and reserved names usable."""
    server.update(script((10, "mx1.alpha.test", ["127.0.0.9"]), domain="alpha.test"))

    strict = await build().lookup("alpha.test")
    lifted = await build(public_addresses_only=False).lookup("alpha.test")

    assert (strict.outcome, names(lifted)) == (MXOutcome.MX_NOT_PUBLIC, ["mx1.alpha.test"])


@pytest.mark.parametrize("name", ["localhost", "1.2.3.4"])
async def test_sandbox_switch_keeps_out_what_is_no_name(server: FakeDNS, build: Build, name: str) -> None:
    """Localhost and numbers are no MX host in the sandbox either."""
    server.update({(NAME, "MX"): [f"10 {name}."]})

    assert (await build(public_addresses_only=False).lookup(NAME)).outcome == MXOutcome.MX_NOT_PUBLIC


@pytest.mark.parametrize("is_public_only", [True, False])
async def test_denied_and_own_addresses_are_dropped_in_any_case(
    server: FakeDNS, build: Build, is_public_only: bool
) -> None:
    """The operator's list and our own addresses and names hold with and without the sandbox switch."""
    server.update(
        script((10, "a.example.com", [PUBLIC]), (20, "b.example.com", [OTHER]), (30, "us.example.net", ["1.1.1.1"]))
    )
    own = {"own_addresses": (OTHER,), "own_names": ("US.example.net.",)}

    answer = await build(own, deny_addresses=("8.8.0.0/16",), public_addresses_only=is_public_only).lookup(NAME)

    assert answer.outcome == MXOutcome.MX_NOT_PUBLIC


def test_unreadable_own_address_is_a_configuration_error(clock: FakeClock) -> None:
    """An address that cannot be read stops the start and is named, not every look-up."""
    settings = LookupSettings(resolvers=("127.0.0.1",))

    with pytest.raises(errors.ConfigurationError, match=r"10\.0\.0/8x"):
        MXLookup(Resolver(settings, clock), settings, clock, random.Random(1), own_addresses=("10.0.0/8x",))


# --- cache and single flight -----------------------------------------------------------------------


async def test_answer_holds_for_its_ttl(server: FakeDNS, build: Build, clock: FakeClock) -> None:
    """The least TTL of MX and addresses decides how long nobody asks again."""
    server.update(script((10, "mx1.example.com", [])) | {("mx1.example.com", "A"): Zone([PUBLIC], ttl=120)})
    lookup = build()
    await lookup.lookup(NAME)
    await clock.advance(119)
    await lookup.lookup(NAME)
    before = server.count("MX")
    await clock.advance(2)
    await lookup.lookup(NAME)

    assert (before, server.count("MX")) == (1, 2)


@pytest.mark.parametrize(
    ("zone", "seconds"),
    [
        (Zone(is_nxdomain=True, soa_minimum=600), 600),
        (Zone(is_nxdomain=True, soa_minimum=1), 60),
        (Zone(is_nxdomain=True, soa_minimum=None), 60),
        (Zone(is_nxdomain=True, soa_minimum=10_000_000), 3600),
        (Zone(["0 ."], ttl=0), 60),
        (Zone(["0 ."], ttl=7200), 3600),
    ],
)
async def test_time_an_answer_holds_is_bounded(server: FakeDNS, build: Build, zone: Zone, seconds: int) -> None:
    """A minute at least, the cache setting at most; negative answers by their SOA record."""
    server.update({(NAME, "MX"): zone})

    answer = await build(cache_ttl="1h").lookup(NAME)

    assert answer.expires_at is not None
    assert answer.looked_up_at is not None
    assert answer.expires_at - answer.looked_up_at == timedelta(seconds=seconds)


async def test_failure_is_kept_for_seconds_only(server: FakeDNS, build: Build, clock: FakeClock) -> None:
    """Trouble is not asked about again at once, and forgotten within half a minute."""
    server.update(script((10, "mx1.example.com", [PUBLIC])))
    server.update({(NAME, "MX"): Turns([Fault.SERVFAIL, ["10 mx1.example.com."]])})
    lookup = build()
    outcomes = [(await lookup.lookup(NAME)).outcome, (await lookup.lookup(NAME)).outcome]
    await clock.advance(30)
    outcomes.append((await lookup.lookup(NAME)).outcome)

    assert outcomes == [MXOutcome.FAILED, MXOutcome.FAILED, MXOutcome.OK]


async def test_ten_thousand_mailboxes_of_fifty_domains_cost_fifty_look_ups(server: FakeDNS, build: Build) -> None:
    """Whoever asks for a domain that is being looked up, or was within its TTL, shares that look-up."""
    domains = [f"d{i}.example.com" for i in range(50)]
    for domain in domains:
        server.update(script((10, f"mx.{domain}", [PUBLIC]), domain=domain))
    lookup = build(timeout="5s", total="8s")

    answers = await asyncio.gather(*(lookup.lookup(domains[i % 50]) for i in range(5_000)))
    answers += [await lookup.lookup(domains[i % 50]) for i in range(5_000)]

    assert {answer.outcome for answer in answers} == {MXOutcome.OK}
    assert (server.count("MX"), server.count("A"), lookup.looked_up, lookup.answered_from_cache) == (50, 50, 50, 5_000)


async def test_cancelled_waiter_does_not_take_the_answer_from_others(server: FakeDNS, build: Build) -> None:
    """One look-up answers all who still wait for it."""
    server.update(
        script((10, "mx1.example.com", [PUBLIC])) | {(NAME, "MX"): Zone(["10 mx1.example.com."], fault=Fault.LATE)}
    )
    lookup = build(timeout="5s", total="8s")
    waiters = [asyncio.ensure_future(lookup.lookup(NAME)) for _ in range(3)]
    while not server.queries:
        await asyncio.sleep(0)
    waiters[0].cancel()
    await asyncio.sleep(0)
    server.release()
    outcomes = await asyncio.gather(*waiters, return_exceptions=True)

    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert [outcome.outcome for outcome in outcomes[1:] if isinstance(outcome, MXAnswer)] == [MXOutcome.OK] * 2
    assert server.count("MX") == 1


async def test_look_up_nobody_waits_for_any_more_is_still_kept(server: FakeDNS, build: Build) -> None:
    """What was asked anyway answers the next one."""
    server.update({(NAME, "MX"): Zone(["0 ."], fault=Fault.LATE)})
    lookup = build(timeout="5s", total="8s")
    waiter = asyncio.ensure_future(lookup.lookup(NAME))
    while not server.queries:
        await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    server.release()

    assert (await lookup.lookup(NAME)).outcome == MXOutcome.NULL_MX
    assert server.count("MX") == 1


async def test_close_ends_the_look_ups_under_way(server: FakeDNS, build: Build) -> None:
    """After `aclose` nothing runs any more."""
    server.update({(NAME, "MX"): Fault.LATE})
    lookup = build(timeout="5s", total="8s")
    waiter = asyncio.ensure_future(lookup.lookup(NAME))
    while not server.queries:
        await asyncio.sleep(0)

    await lookup.aclose()
    await asyncio.gather(waiter, return_exceptions=True)

    assert repr(lookup) == "MXLookup(cached=0, running=0, looked_up=1)"


async def test_cache_is_bounded_and_forgets_the_least_used(server: FakeDNS, build: Build) -> None:
    """Beyond its size the cache drops who was not asked for the longest time."""
    server.update({(f"d{i}.example.com", "MX"): ["0 ."] for i in range(3)})
    lookup = build(cache_size=2)
    for i in (0, 1, 0, 2, 0):
        await lookup.lookup(f"d{i}.example.com")
    before = lookup.looked_up
    await lookup.lookup("d1.example.com")

    assert (before, lookup.looked_up) == (3, 4)


async def test_case_and_final_dot_are_one_domain(server: FakeDNS, build: Build) -> None:
    """EXAMPLE.com. and example.com share one answer."""
    server.update({(NAME, "MX"): ["0 ."]})
    lookup = build()

    assert await lookup.lookup("EXAMPLE.com.") is await lookup.lookup(NAME)


# --- the ledger's facts ----------------------------------------------------------------------------


def fact(clock: FakeClock, *, address: str = PUBLIC, hours: float = 1, age: float = 1, **changes: Any) -> MXAnswer:
    values: dict[str, Any] = {
        "hosts": (MXHost("mx9.example.com", 10, (address,)),),
        "looked_up_at": clock.now() - timedelta(hours=age),
        "expires_at": clock.now() + timedelta(hours=hours),
    }
    return MXAnswer(NAME, changes.pop("outcome", MXOutcome.OK), **(values | changes))


async def test_fact_of_the_ledger_answers_without_a_query(server: FakeDNS, build: Build, clock: FakeClock) -> None:
    """What another node or an earlier run found out is used while it holds."""
    lookup, known = build(), fact(clock)
    lookup.remember(known)

    assert (await lookup.lookup(NAME), server.queries) == (known, [])


async def test_fact_survives_the_way_through_the_ledger(server: FakeDNS, build: Build) -> None:
    """An answer written as JSON and read again is the same answer."""
    server.update(
        script((10, "mx1.example.com", []), (20, "mx.example.com", []))
        | {("mx1.example.com", "A"): Fault.SERVFAIL, ("mx.example.com", "CNAME"): ["p.example.net."]}
        | {("p.example.net", "A"): [PUBLIC]}
    )
    answer = await build().lookup(NAME)
    assert answer.looked_up_at is not None
    assert answer.expires_at is not None

    assert MXAnswer.from_json(NAME, answer.to_json(), answer.looked_up_at, answer.expires_at) == answer
    assert (answer.hosts[0].canonical_name, answer.unanswered_preference) == ("p.example.net", 10)


@pytest.mark.parametrize(
    "changes",
    [
        {"hours": -1},
        {"hours": 1000},
        {"expires_at": None},
        {"outcome": MXOutcome.FAILED},
        {"address": "127.0.0.1"},
        {"address": PUBLIC_SIX},
        {"address": "nonsense"},
    ],
    ids=str,
)
async def test_fact_that_does_not_hold_here_is_not_believed(
    server: FakeDNS, build: Build, clock: FakeClock, changes: dict[str, Any]
) -> None:
    """Expired, failed or unusable facts are looked up instead."""
    server.update({(NAME, "MX"): ["0 ."]})
    lookup = build()
    lookup.remember(fact(clock, **changes))

    assert (await lookup.lookup(NAME)).outcome == MXOutcome.NULL_MX


@pytest.mark.parametrize(("age", "is_taken"), [(2.0, False), (-0.5, True)])
async def test_older_fact_does_not_replace_a_newer_answer(
    server: FakeDNS, build: Build, clock: FakeClock, age: float, is_taken: bool
) -> None:
    """Of two answers the later one counts."""
    server.update({(NAME, "MX"): ["0 ."]})
    lookup = build()
    await lookup.lookup(NAME)
    lookup.remember(fact(clock, age=age))

    assert ((await lookup.lookup(NAME)).outcome == MXOutcome.OK) is is_taken
