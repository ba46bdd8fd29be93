"""What a verifier is measured by, rule by rule, each with visits against hosts that behave so.

Rules about the API, exports and webhooks have their tests where those are.
"""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.integration.store.ledger import look
from tests.integration.verification.world import HELO, SENDER, World
from tests.unit.rules.reply_cases import ABOUT_A_MAILBOX, Case, load_cases
from validatord.mail.verdict import Meaning, Reason, Stage, Status
from validatord.rules import policy
from validatord.sandbox.personalities import find_personality
from validatord.sandbox.personality import Personality, Phrases, Waits
from validatord.sandbox.spec import DNSOutcome, DNSTrouble, DomainSpec, HostSpec, SandboxSpec
from validatord.settings import ScoreSettings
from validatord.store.database import Database

VERBS = {Stage.CONNECT: ["CONNECT"], Stage.EHLO: ["EHLO", "HELO"], Stage.MAIL: ["MAIL"], Stage.RCPT: ["RCPT"]}
# Meanings that say nothing about a mailbox or its domain.
ABOUT_OTHERS = (
    frozenset(Meaning)
    - ABOUT_A_MAILBOX
    - {
        Meaning.OK,
        Meaning.RECIPIENT_RATE_LIMITED,
        Meaning.DOMAIN_NOT_HOSTED,
        Meaning.RELAY_DENIED,
    }
)
AT_A_TIME = 60


def choose_cases(stage: Stage) -> list[Case]:
    """Refusals to let a host give at a stage: at RCPT those about us, before it any whatever."""
    found = [case for case in load_cases() if case.stage is Stage.RCPT and case.reply.is_refusal and not case.mx_host]
    # Some are quoted without their last line: a host that really stops there is silent, and another test.
    found = [case for case in found if not re.match(r"\d{3}-", case.text.splitlines()[-1])]
    if stage is Stage.RCPT:
        found = [case for case in found if case.meaning in ABOUT_OTHERS]
    return found[:: max(1, len(found) // AT_A_TIME)][:AT_A_TIME]


@pytest.mark.parametrize("stage", VERBS, ids=lambda stage: stage.value)
async def test_rule_01_no_refusal_of_us_becomes_a_verdict(database: Database, stage: Stage) -> None:
    """Sixty refusals as recorded: said before RCPT, or about us at RCPT, none decides about a mailbox."""
    hosts = {
        f"acme-{number:03}.example": Personality(
            "recorded", fixed=tuple((verb, _escape(case.text)) for verb in VERBS[stage])
        )
        for number, case in enumerate(choose_cases(stage))
    }
    assert len(hosts) > 50
    async with World(database, SandboxSpec.of(hosts), retry={"delays": ["8h"]}) as world:
        await world.submit(*(f"user1@{domain}" for domain in hosts))
        await world.visit_all()
        await world.leap(12 * 3600)
        await world.visit_all()

        outcomes = await world.count_outcomes()
        assert {outcome.partition(" ")[0] for outcome in outcomes} <= {"unknown", "waits"}


def _escape(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("550 5.7.1 No such user!", "invalid no_such_mailbox"),
        ("550 cuda_nsu 5.1.1 <{rcpt}>: Recipient address rejected: User unknown", "invalid no_such_mailbox"),
        (
            "550-The address is wrong\n550-5.1.1\n550 see https://support.example/?p=NoSuchUser",
            "invalid no_such_mailbox",
        ),
        ("550 #5.1.0 Address rejected.", "invalid no_such_mailbox"),
        ("552 5.1.1 <{rcpt}> mailbox overquota", "risky mailbox_full"),
        ("452-4.2.2 The recipient's inbox is out of storage space\n452 4.2.2 p=OverQuotaTemp", "risky mailbox_full"),
        ("550 5.2.1 The email account that you tried to reach is disabled", "invalid mailbox_disabled"),
        ("550 5.2.1 The user is receiving mail at a rate that prevents delivery", "waits recipient_rate_limited"),
    ],
)
async def test_rule_02_words_outvote_codes(database: Database, reply: str, outcome: str) -> None:
    """Text before enhanced code before bare code, in any line; no mailbox, full, disabled and busy told apart."""
    host = Personality("words", fixed=(("RCPT", reply),))
    async with World(database, SandboxSpec.of({"acme.example": host})) as world:
        assert await world.check("user1@acme.example") == [outcome]


async def test_rule_02_share_of_recorded_replies() -> None:
    """Of the recorded replies about mailboxes, as good as all are recognised."""
    for meaning, share in (
        (Meaning.NO_SUCH_MAILBOX, 21 / 22),
        (Meaning.MAILBOX_FULL, 11 / 12),
        (Meaning.MAILBOX_DISABLED, 6 / 7),
    ):
        cases = [case for case in load_cases() if case.meaning is meaning]
        right = [case for case in cases if case.read().meaning is meaning]
        assert len(right) >= share * len(cases)


async def test_rule_03_every_result_carries_its_evidence(database: Database) -> None:
    """Stage, code, text, host and address spoken with, who we were, attempts, and a reason of the closed set."""
    async with World(database, SandboxSpec.of({"acme.example": "google"})) as world:
        await world.check("unknown1@acme.example")

        finding = await world.finding("unknown1@acme.example")
        trace, last = finding.smtp_trace, finding.smtp_trace["exchanges"][-1]
        assert (last["stage"], last["code"]) == ("rcpt", 550)
        assert any("5.1.1" in line for line in last["lines"])
        assert (trace["mx_host"], trace["mx_address"]) == (
            "mx1.acme.example",
            world.sandbox.addresses["mx1.acme.example"],
        )
        assert (trace["identity"], trace["helo_name"], trace["envelope_sender"]) == ("default", HELO, SENDER)
        assert finding.reply.startswith("550-")
        assert (await world.request("unknown1@acme.example"))["attempt"] == 1
        assert finding.reason in {reason.value for reason in Reason}
        assert finding.dns_trace["lines"]


async def test_rule_04_catch_all_is_yes_no_or_unknown(database: Database) -> None:
    """A control that got no clear answer says nothing; one control serves a domain for a week."""
    busy = replace(find_personality("postfix"), phrases=Phrases(unknown="451 4.3.0 Temporary lookup failure"))
    spec = SandboxSpec.of({"yes.example": "accept-all", "no.example": "postfix", "unclear.example": busy})
    async with World(database, spec) as world:
        found = await world.check("user1@yes.example", "user1@no.example", "user1@unclear.example")
        assert found == ["accept_all accept_all", "valid accepted", "waits accept_all_undetermined"]
        states = await look(database, "SELECT domain, accept_all FROM domain_cache ORDER BY domain")
        assert [row["accept_all"] for row in states] == ["rejects_unknown", "undetermined", "accepts_all"]

        for day in range(6):
            await world.leap(24 * 3600)
            await world.check(*(f"user{10 * day + number}@no.example" for number in range(2, 10)))
        assert sum(count for name, count in world.controls.items() if name.endswith("@no.example")) == 1


async def test_rule_05_real_recipient_first(database: Database) -> None:
    """The target is asked before the made-up name, and a host that takes one recipient still answers right."""
    spec = SandboxSpec.of({"acme.example": "outlook", "other.example": "postfix"})
    async with World(database, spec) as world:
        assert await world.check("user1@acme.example", "unknown2@acme.example") == [
            "valid accepted",
            "invalid no_such_mailbox",
        ]
        await world.check("unknown1@other.example")
        assert next(iter(world.sandbox.counters.rcpts)) == "user1@acme.example"
        assert not [name for name in world.controls if name.endswith("@other.example")]


@pytest.mark.parametrize(
    ("words", "wait"),
    [
        ("450 4.2.0 Greylisted, please try again in 5 minutes", 330),
        ("451 4.7.1 Greylisting in action, come back in 60 seconds", 90),
        ("450 4.2.0 Greylisted", 900),
    ],
)
async def test_rule_06_greylisted_is_asked_again_after_the_wait(database: Database, words: str, wait: float) -> None:
    """After the wait that the words name, or 15 minutes; as the same client; meanwhile nobody holds a place."""
    host = replace(find_personality("greylist"), phrases=Phrases(greylisted=words))
    host = replace(host, greylist=replace(host.greylist, delay_seconds=60) if host.greylist else None)
    async with World(database, SandboxSpec.of({"acme.example": host})) as world:
        await world.submit("user1@acme.example")
        await world.run()
        lane = world.tools.lanes.find("default/acme.example")
        assert lane is not None
        assert lane.is_idle
        waits = await world.finish()
        assert waits[0] == pytest.approx(wait, abs=2)
        assert await world.outcome("user1@acme.example") == "valid accepted"
        assert (await world.finding("user1@acme.example")).smtp_trace["helo_name"] == HELO


async def test_rule_07_hosts_in_order_of_preference(database: Database) -> None:
    """The next host on a failed connect or a 4xx at the greeting; never on a word about the recipient."""
    spec = SandboxSpec.of(
        {
            "connect.example": ["refused", "postfix"],
            "greeting.example": [Personality("later", fixed=(("CONNECT", "421 4.3.2 try later"),)), "postfix"],
            "refusal.example": ["postfix", "accept-all"],
            "greylist.example": ["greylist", "accept-all"],
        }
    )
    async with World(database, spec) as world:
        assert await world.check("unknown1@connect.example", "unknown1@greeting.example") == [
            "invalid no_such_mailbox",
            "invalid no_such_mailbox",
        ]
        assert await world.check("unknown1@refusal.example") == ["invalid no_such_mailbox"]
        assert await world.check("unknown1@greylist.example") == ["waits greylisted"]
        for name in ("mx2.refusal.example", "mx2.greylist.example"):
            assert world.seen(name).connections == 0


async def test_rule_07_trouble_with_dns_is_not_remembered_as_no_domain(database: Database) -> None:
    """SERVFAIL is unknown; half a minute later the look-up begins anew."""
    spec = SandboxSpec.of({"acme.example": "postfix"})
    spec = replace(spec, troubles={"acme.example": DNSTrouble(DNSOutcome.SERVFAIL, rdtype="MX", times=1)})
    async with World(database, spec) as world:
        assert await world.check("user1@acme.example") == ["waits dns_failure"]
        await world.leap(60)
        assert await world.check("user2@acme.example") == ["valid accepted"]


@pytest.mark.parametrize("personality", ["drip-bytes", "silent", "hang-rcpt", "hang-mail", "blackhole"])
async def test_rule_08_nothing_exceeds_the_deadline(database: Database, personality: str) -> None:
    """A twentieth of the usual deadlines, one byte every twentieth of a second: the visit ends on time."""
    spec = replace(SandboxSpec.of({"acme.example": personality}), speed=20)
    deadlines = {"greeting": "1.5s", "ehlo": "1s", "mail": "1s", "rcpt": "1.5s", "connect": "500ms", "session": "2s"}
    smtp = {f"{name}_timeout": value for name, value in deadlines.items()} | {"visit_timeout": "2500ms"}
    async with World(database, spec, smtp=smtp) as world:
        await world.submit("user1@acme.example")
        async with asyncio.timeout(4):
            await world.visit()
        assert (await world.outcome("user1@acme.example")).startswith("waits")


async def test_rule_08_a_host_that_greets_late_is_waited_for(database: Database) -> None:
    """Half a minute before the greeting is no reason to give up: it is scaled to a third of a second here."""
    late = replace(find_personality("drip-greeting"), waits=Waits(greeting_line=14))
    spec = replace(SandboxSpec.of({"acme.example": late}), speed=100)
    async with World(database, spec, smtp={"greeting_timeout": "600ms"}) as world:
        assert await world.check("user1@acme.example") == ["valid accepted"]


async def test_rule_09_a_closed_port_25_is_no_verdict(database: Database, logged: list[str]) -> None:
    """As long as nobody ever greeted us an unreachable web host is unknown, and one message says why."""
    names = [f"web-{number:02}.example" for number in range(25)]
    spec = SandboxSpec(dict.fromkeys(names, HostSpec.of("refused")), dict.fromkeys(names, DomainSpec()))
    async with World(database, spec) as world:
        await world.submit(*(f"user1@{name}" for name in names))
        await world.finish(most_waits=200)
        assert await world.count_outcomes() == {"unknown no_connection": 25}
        assert len([line for line in logged if "port 25 is probably closed" in line]) == 1


async def test_rule_09_a_web_host_without_mail_once_others_answer(database: Database) -> None:
    """After a greeting from anybody, a web host that never answers is invalid with low confidence."""
    spec = SandboxSpec.of({"acme.example": "postfix"})
    hosts = {**spec.hosts, "web.example": HostSpec.of("refused")}
    spec = replace(spec, hosts=hosts, domains={**spec.domains, "web.example": DomainSpec()})
    async with World(database, spec) as world:
        await world.check("user1@acme.example")
        await world.submit("user1@web.example")
        await world.finish()
        assert await world.outcome("user1@web.example") == "invalid no_connection"
        assert "low_confidence" in (await world.finding("user1@web.example")).reasons


async def test_rule_10_rate_and_sessions_by_provider(database: Database) -> None:
    """A host that refuses the twenty-first RCPT of a minute never has to; nor a second session."""
    counting = replace(
        find_personality("rate-counting"), limits=replace(find_personality("rate-counting").limits, sessions=1)
    )
    host = "mx1.provider.example"
    domains = [f"acme-{number}.example" for number in range(6)]
    mx = ((10, host),)
    # Sixty times as fast, for the host as for us; what is under way may arrive a little closer together.
    spec = SandboxSpec({host: HostSpec(counting)}, {domain: DomainSpec(mx) for domain in domains})
    pacing = {"sessions": 1, "rcpt_per_minute": 18, "visit_size": 4}
    async with World(database, spec, speed=60, pacing=pacing) as world:
        names = [f"user{number}@{domain}" for number in range(6) for domain in domains]
        await world.submit(*names)
        while await world.visit_all():
            pass
        assert await world.count_outcomes() == {"valid accepted": len(names)}
        assert set(world.sandbox.counters.most_sessions_by_client.values()) == {1}


async def test_rule_11_a_block_pauses_one_provider(database: Database) -> None:
    """The provider that blocks us is left alone, its addresses wait unharmed; everybody else goes on."""
    hosts = {"mx1.angry.example": HostSpec.of("blocked-mail"), "mx1.calm.example": HostSpec.of("postfix")}
    domains = {
        f"{kind}-{number}.example": DomainSpec(((10, f"mx1.{kind}.example"),))
        for kind in ("angry", "calm")
        for number in range(10)
    }
    async with World(database, SandboxSpec(hosts, domains)) as world:
        await world.submit(*(f"user1@{domain}" for domain in domains))
        await world.run()
        assert await world.count_outcomes() == {"valid accepted": 10, "unknown sender_ip_blocked": 1, "waits ": 9}
        assert world.seen("mx1.angry.example").connections == 1
        assert [name for name in world.tools.lanes.snapshot() if "angry" in name]


async def test_rule_12_many_addresses_over_one_connection(database: Database) -> None:
    """At most 0.3 connections per address, and each of them bounded."""
    async with World(database, SandboxSpec.of({"acme.example": "postfix"})) as world:
        await world.submit(*(f"user{number}@acme.example" for number in range(100)))
        await world.run()
        assert await world.count_outcomes() == {"valid accepted": 100}
        assert world.total.connections <= 10
        assert world.total.commands["RCPT"] <= 20 * world.total.connections


async def test_rule_13_dns_is_asked_once_per_domain(database: Database) -> None:
    """Two thousand addresses over fifty domains cost fifty look-ups of MX, restarts included."""
    domains = [f"acme-{number:02}.example" for number in range(50)]
    spec = SandboxSpec.of(dict.fromkeys(domains, "accept-all"))
    async with World(database, spec, pacing={"visit_size": 10}) as world:
        await world.submit(*(f"user{number}@{domain}" for number in range(40) for domain in domains))
        for _ in range(2):
            await world.visit_all()
        await world.restart()
        while await world.visit_all():
            pass
        asked = {name: count for name, count in world.sandbox.counters.queries.items() if name.startswith("MX ")}
        assert asked == {f"MX {domain}": 1 for domain in domains}


async def test_rule_14_doubles_and_fresh_results_are_not_asked_again(database: Database) -> None:
    """Twice in a list is asked once; a verdict of an hour ago answers the next list and keeps its age."""
    async with World(database, SandboxSpec.of({"acme.example": "postfix"})) as world:
        await world.check("user1@acme.example", "user1@ACME.example", "user1@acme.example")
        assert world.sandbox.counters.rcpts["user1@acme.example"] == 1
        first = (await world.request("user1@acme.example"))["checked_at"]

        await world.submit("user1@acme.example", submission="summer")
        await world.run()
        assert world.sandbox.counters.rcpts["user1@acme.example"] == 1
        again = await world.request("user1@acme.example")
        assert (again["status"], again["checked_at"]) == ("valid", first)


async def test_rule_22_role_accounts_and_weights(database: Database) -> None:
    """A role account is a flag, not a refusal; weights move the confidence, and the same evidence gives the same."""
    async with World(database, SandboxSpec.of({"acme.example": "postfix"})) as world:
        assert await world.check("info@acme.example", "user1@acme.example") == ["valid accepted"] * 2
        role, person = await world.finding("info@acme.example"), await world.finding("user1@acme.example")
        assert role.flags.is_role
        assert (role.confidence, person.confidence) == (85, 95)

        world.change(score={"role": 0})
        await database.fetch("UPDATE email_validation SET fresh_until = NULL")
        await world.check("info@acme.example")
        assert (await world.finding("info@acme.example")).confidence == 95
        assert ScoreSettings().role == -10


async def test_rule_23_providers_that_accept_everything(database: Database) -> None:
    """Named in the table: accept_all without a packet; what a client makes of it is its policy."""
    table = '[providers.yahoo]\nsuffixes = ["yahoodns.example"]\naccepts_everything = true\n'
    host = "mta5.yahoodns.example"
    spec = SandboxSpec({host: HostSpec.of("yahoo")}, {"acme.example": DomainSpec(((10, host),))})
    async with World(database, spec, providers=table) as world:
        assert await world.check("user1@acme.example") == ["accept_all accept_all"]
        assert world.total.connections == 0
        found = await world.finding("user1@acme.example")
        assert policy.apply(found, policy.ClientPolicy(accept_all="risky")).status == Status.RISKY
        assert timedelta(0) < world.settings.freshness.accept_all
