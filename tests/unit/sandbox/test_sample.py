"""The lists: the same for the same seed, of every kind, and true."""

from collections import Counter, defaultdict

from tests.unit.sandbox.talk import SENDER, Talk, codes
from validatord.mail.verdict import Reason, Status
from validatord.sandbox.bench import bench_list
from validatord.sandbox.internet import Sandbox
from validatord.sandbox.sample import sample_list
from validatord.sandbox.worlds import SampleAddress, share_out

# What a status looks like at RCPT.
_CODES = {Status.VALID: {250, 251}, Status.ACCEPT_ALL: {250}, Status.INVALID: {550, 551}, Status.RISKY: {452, 552}}


def test_a_seed_makes_the_same_list_again() -> None:
    """Equal seeds give equal lists and hosts, other seeds others."""
    assert sample_list(3) == sample_list(3)
    assert sample_list(3).addresses != sample_list(4).addresses
    assert bench_list(2000, 60, 3) == bench_list(2000, 60, 3)


def test_the_demo_has_everything() -> None:
    """Enough addresses and domains, all statuses, every odd kind, and a few large domains."""
    sample = sample_list()
    kinds = Counter(one.kind for one in sample.addresses)
    domains = Counter(one.address.rpartition("@")[2].lower() for one in sample.addresses)

    assert len(sample.addresses) >= 2000
    assert len(sample.spec.domains) >= 150
    assert {one.status for one in sample.addresses} == set(Status) - {Status.FREE_PROVIDER}
    assert {"syntax", "dns", "disposable", "typo", "duplicate", "idn", "people-like", "info", "backup"} <= set(kinds)
    assert {Reason.NULL_MX, Reason.DNS_FAILURE, Reason.DISPOSABLE, Reason.SMTPUTF8_UNSUPPORTED} <= {
        one.reason for one in sample.addresses
    }
    assert domains.most_common(1)[0][0] == "freemail.example"
    assert domains.most_common(1)[0][1] > 10 * sorted(domains.values())[len(domains) // 2]


def test_nothing_points_outside() -> None:
    """All addresses are below .example, and every MX host has an address on loopback."""
    sample = sample_list()
    sandbox = Sandbox(sample.spec)

    assert all(one.address.lower().rstrip(">").endswith((".example", "@")) for one in sample.addresses)
    assert all(address.startswith("127.") for address in sandbox.addresses.values())
    assert len(set(sandbox.addresses.values())) == len(sample.spec.hosts)


def test_duplicates_have_the_truth_of_their_originals() -> None:
    """The same address, whatever the case of its domain, has one truth."""
    found: dict[str, set[object]] = defaultdict(set)
    for one in sample_list().addresses:
        local_part, _, domain = one.address.rpartition("@")
        found[f"{local_part}@{domain.lower()}"].add(one.outcomes)

    assert all(len(truths) == 1 for truths in found.values())


def test_shares_follow_zipf() -> None:
    """All is shared out, nobody goes empty, and the first has the most."""
    shares = share_out(20_000, 400)

    assert sum(shares) == 20_000
    assert min(shares) >= 1
    assert shares == sorted(shares, reverse=True)
    assert 2_500 < shares[0] < 3_500


def test_the_bench_has_the_mix_that_was_asked_for() -> None:
    """Three quarters exist, an eighth does not, a tenth of the domains accepts all, latencies are 20 to 200 ms."""
    bench = bench_list()
    statuses = Counter(one.status for one in bench.addresses)
    latencies = [host.latency_seconds for host in bench.spec.hosts.values()]
    pipelining = [host.personality.offers_pipelining for host in bench.spec.hosts.values()]

    assert len({one.address for one in bench.addresses}) == len(bench.addresses) == 20_000
    assert len(bench.spec.domains) == 400
    assert 0.70 < statuses[Status.VALID] / 20_000 < 0.80
    assert 0.10 < statuses[Status.INVALID] / 20_000 < 0.17
    assert all(0.020 <= latency <= 0.200 for latency in latencies)
    assert sum(pipelining) > 0.85 * len(pipelining)
    assert len(bench.spec.hosts) < 250


async def test_the_truth_is_what_the_hosts_say() -> None:
    """Asked for the mailboxes of the list, the MX hosts answer as the truth has it."""
    sample = bench_list(400, 40, seed=5, speed=10_000)
    by_domain: dict[str, list[SampleAddress]] = defaultdict(list)
    for one in sample.addresses:
        by_domain[one.address.rpartition("@")[2]].append(one)
    async with Sandbox(sample.spec) as sandbox:
        for domain, members in by_domain.items():
            host = sample.spec.domains[domain].mx[0][1]
            for start in range(0, len(members), 8):
                await _compare(sandbox, host, members[start : start + 8])

        assert sandbox.counters.total.complaints.keys() <= {"pipelining_not_offered"}


async def _compare(sandbox: Sandbox, host: str, members: list[SampleAddress]) -> None:
    async with await Talk.greet(sandbox, host) as talk:
        for one in members:
            code = codes(await talk.say("RSET", SENDER, f"RCPT TO:<{one.address}>"))[2]
            assert code in _CODES[one.status], one
