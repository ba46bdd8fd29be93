"""MX hosts that hang, lie, spit and refuse us, and a network that goes away: F20 to F23."""

import time
from pathlib import Path

import pytest

from tests.acceptance.play import until
from tests.chaos import oracle
from tests.chaos.world import SOON, make_sample, open_world
from validatord.sandbox import personalities
from validatord.sandbox.command import Scenario
from validatord.sandbox.spec import HostSpec, SandboxSpec
from validatord.sandbox.worlds import Sample

pytestmark = pytest.mark.timeout(150)
_ABOUT_US = " | ".join(
    f"unknown {reason}"
    for reason in [
        "no_connection",
        "connection_lost",
        "connection_rejected",
        "protocol_error",
        "provider_paused",
        "temporary_failure",
        "sender_ip_blocked",
        "rate_limited",
        "policy_rejected",
        "accept_all_undetermined",
        "sender_rejected",
    ]
)
# A silent receiver costs half a second a step and two in all.
_IMPATIENT = {
    "connect_timeout": "500ms",
    "greeting_timeout": "500ms",
    "ehlo_timeout": "500ms",
    "mail_timeout": "500ms",
    "rcpt_timeout": "500ms",
    "rset_timeout": "500ms",
    "quit_timeout": "200ms",
    "session_timeout": "2s",
    "visit_timeout": "4s",
}
SETTINGS = SOON | {"smtp": _IMPATIENT}


def make_farm(*personalities: str, per_host: int = 6) -> Sample:
    """A domain for each personality beside two healthy ones, with their lists."""
    spec = SandboxSpec.of({f"{name.replace('_', '-')}.example": name for name in personalities})
    outcomes = {
        f"user{number}@{name}": f"valid accepted | invalid no_such_mailbox | {_ABOUT_US}"
        if "mangled" in name or name.startswith(("hang-quit", "tls"))
        else _ABOUT_US
        for name in spec.domains
        for number in range(per_host)
    }
    for name in ("well-1.example", "well-2.example"):
        spec = spec.with_domain(name, HostSpec.of("postfix", 0.02))
        outcomes |= {f"user{number}@{name}": "valid accepted" for number in range(30)}
        outcomes |= {f"unknown{number}@{name}": "invalid no_such_mailbox" for number in range(10)}
    return make_sample(spec, outcomes)


# --- F20: they hang ------------------------------------------------------------------------------


async def test_f20_everybody_hangs(folder: Path, dsn: str) -> None:
    """At SYN, greeting, EHLO, MAIL, RCPT or QUIT: deadlines hold, hosts are left alone, every slot comes back."""
    sample = make_farm("blackhole", "silent", "hang-ehlo", "hang-mail", "hang-rcpt", "hang-quit")
    async with open_world(folder, sample, dsn=dsn, is_gated=False, settings=SETTINGS) as world:
        await world.start()
        before = world.vitals()
        await world.submit()
        began = time.monotonic()
        await world.until_finished(80)
        healthy = time.monotonic() - began
        await world.until_finished()
        whole = time.monotonic() - began
        await oracle.judge_growth(world, before)
        hosts = (await world.look_at_hosts())["hosts"]
        await world.stop_well()

        await world.judge(retried=True)
        assert healthy < whole
        # After a cohort of failures a host is left alone: not one connection for each mailbox and attempt.
        assert hosts["mx1.hang-rcpt.example"]["connections"] < 6 * 4


# --- F21: the network is cut ---------------------------------------------------------------------


async def cut_the_network(folder: Path, dsn: str, seconds: float) -> None:
    """No packet goes anywhere but to PostgreSQL for a while, then all is as before."""
    scenario = Scenario("bench", 121, 1200, 60)
    async with open_world(folder, scenario, dsn=dsn, speed=8, settings=SETTINGS) as world:
        await world.submit()
        await world.start()
        await world.until_finished(100)
        world.gates.smtp.stall()
        world.gates.names.is_silent = True
        await world.wait_out(seconds)
        await world.gates.smtp.open()
        world.gates.names.is_silent = False
        await world.until_back(time.monotonic(), 60)
        await world.until_finished(seconds=120)
        await world.stop_well()

        rows = await world.database.fetch("SELECT address, status FROM requests WHERE status = 'invalid'")
        invalid = {row["address"] for row in rows}
        right = {one.address for one in world.sample.addresses if one.status.value == "invalid"}
        assert invalid <= right, "the cut was taken for a verdict"
        world.judge_log()


@pytest.mark.campaign
async def test_f21_the_network_is_cut(folder: Path, dsn: str) -> None:
    """For three seconds: nobody becomes invalid by it, and the rate comes back."""
    await cut_the_network(folder, dsn, 3)


@pytest.mark.campaign
async def test_f21_the_network_is_cut_for_a_minute(folder: Path, dsn: str) -> None:
    """For sixty seconds."""
    await cut_the_network(folder, dsn, 60)


# --- F22: our address is listed ------------------------------------------------------------------


async def test_f22_our_address_is_listed(folder: Path, dsn: str) -> None:
    """554 and 550 to every RCPT of one provider are about us: no verdict, a pause and a word; the others go on."""
    sample = make_farm("blocked-rcpt", "blocked-greeting", "policy", per_host=12)
    async with open_world(folder, sample, dsn=dsn, is_gated=False, settings=SETTINGS) as world:
        await world.submit()
        await world.start()
        well = "SELECT count(*) FROM requests WHERE state = 'done' AND domain LIKE 'well%'"

        async def are_others_done() -> bool:
            return await world.database.fetch_value(well) == 80

        await until(are_others_done, "the others", 30)
        hosts = (await world.look_at_hosts())["hosts"]
        # Twelve mailboxes: had nobody understood, each would have been asked.
        assert hosts["mx1.blocked-rcpt.example"]["commands"].get("RCPT", 0) < 12
        await world.stop_well()
        closed = await world.database.fetch(
            "SELECT lane FROM lane_state WHERE snapshot->'breaker'->>'cause' = 'sender_ip_blocked'"
        )
        assert {row["lane"].rpartition("/")[2] for row in closed} >= {
            "blocked-rcpt.example",
            "blocked-greeting.example",
        }
        await oracle.judge_ledger(world)
        rows = await world.database.fetch("SELECT address FROM requests WHERE status = 'invalid'")
        assert all(row["address"].startswith("unknown") for row in rows)
        assert len(rows) == 20


# --- F23: malformed ------------------------------------------------------------------------------

_MANGLED = [
    "mangled-long_line",
    "mangled-no_end",
    "mangled-bare_lf",
    "mangled-nul",
    "mangled-latin1",
    "mangled-code",
    "mangled-no_text",
    "mangled-many_lines",
    "mangled-junk",
    "mangled-doubled",
    "mangled-halves",
    "mangled-split",
    "mangled-text",
    "mangled-mixed_codes",
    "mangled-greeting",
    "tls-injection",
    "tls-broken",
    "drop-connect",
    "drop-ehlo",
    "drop-mail",
    "drop-rcpt",
    "out-of-turn",
]


async def test_f23_malformed_replies(folder: Path, dsn: str) -> None:
    """Endless lines, NUL, junk, codes that are none, replies without a question: no exception, no memory, no verdict."""
    known = [name for name in _MANGLED if name in personalities.CATALOGUE]
    assert len(known) > 18
    sample = make_farm(*known, per_host=3)
    async with open_world(folder, sample, dsn=dsn, is_gated=False, settings=SETTINGS) as world:
        await world.start()
        before = world.vitals()
        await world.submit()
        await world.until_finished(seconds=90)
        after = world.vitals()
        await world.stop_well()

        await world.judge(retried=True)
        sessions = (await world.look_at_hosts())["total"]["most_sessions"]
        assert after.rss_bytes - before.rss_bytes < 16_000_000 + sessions * 100_000
