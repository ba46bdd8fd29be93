"""DNS in every bad mood: F19. What it says is *temporary* unless it is an answer, and never about a mailbox."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import dns.exception
import dns.message
import dns.name
import dns.rrset
import pytest

from tests.chaos.world import SOON, make_sample, open_world
from validatord.sandbox.spec import DNSOutcome, DNSTrouble, DomainSpec, SandboxSpec
from validatord.sandbox.worlds import Sample

pytestmark = pytest.mark.timeout(120)
LOOKUP_SECONDS = 10.0
SETTINGS = SOON | {"lookup": {"timeout": "400ms", "total": "2s"}}
_FAILURE = "unknown dns_failure"


def make_troubles() -> tuple[SandboxSpec, dict[str, str]]:
    """Domains whose questions are treated badly, and the right answers about a mailbox of each."""
    spec = SandboxSpec.of({"well.example": "postfix", "other.example": "exim", "forged.example": "postfix"})
    troubles = {
        "silent.example": DNSTrouble(DNSOutcome.TIMEOUT),
        "servfail.example": DNSTrouble(DNSOutcome.SERVFAIL),
        "refused.example": DNSTrouble(DNSOutcome.REFUSED),
        "late.example": DNSTrouble(delay_seconds=30),
        "wrong-id.example": DNSTrouble(DNSOutcome.WRONG_ID),
        "garbage.example": DNSTrouble(DNSOutcome.GARBAGE),
        "truncated.example": DNSTrouble(DNSOutcome.TRUNCATED),
    }
    for name in troubles:
        spec = spec.with_domain(name, "postfix")
    domains = {**spec.domains, **make_odd_domains()}
    records = {("loop.example", "CNAME"): ["loop2.example."], ("loop2.example", "CNAME"): ["loop.example."]}
    records |= {("alias.mx-to-cname.example", "CNAME"): ["mx1.well.example."]}
    outcomes = {f"user1@{name}": _FAILURE for name in troubles}
    outcomes |= {"user1@truncated.example": "valid accepted"}
    outcomes |= {"user1@well.example": "valid accepted", "unknown1@well.example": "invalid no_such_mailbox"}
    outcomes |= {"user1@other.example": "valid accepted", "user1@forged.example": _FAILURE}
    outcomes |= {
        "user1@null-mx.example": "invalid null_mx",
        "user1@hundred-mx.example": "unknown no_connection | unknown dns_failure | invalid mx_unresolvable",
        "user1@mx-to-cname.example": "valid accepted",
        "user1@loop.example": f"{_FAILURE} | invalid no_mail_host | invalid domain_not_found",
    }
    return SandboxSpec(spec.hosts, domains, records, troubles), outcomes


def make_odd_domains() -> dict[str, DomainSpec]:
    """Domains whose answers are whole, but odd."""
    return {
        "null-mx.example": DomainSpec(((0, "."),)),
        "hundred-mx.example": DomainSpec(tuple((number, f"mx{number}.nowhere.example") for number in range(100))),
        "mx-to-cname.example": DomainSpec(((10, "alias.mx-to-cname.example"),)),
    }


def forge(name: str) -> Callable[[bytes], bytes]:
    """Put records of somebody else into the answers about a name."""
    wanted = dns.name.from_text(name)

    def change(data: bytes) -> bytes:
        with contextlib.suppress(dns.exception.DNSException):
            return forge_message(dns.message.from_wire(data))
        return data

    def forge_message(answer: dns.message.Message) -> bytes:
        if not answer.question or answer.question[0].name != wanted:
            return answer.to_wire()
        answer.answer = [dns.rrset.from_text("elsewhere.example.", 300, "IN", "MX", "10 mx1.well.example.")]
        return answer.to_wire()

    return change


def make_world_sample() -> Sample:
    """The list."""
    return make_sample(*make_troubles())


async def test_f19_every_bad_mood(folder: Path, dsn: str) -> None:
    """A failure is unknown after its retries, an answer is an answer; nobody else has to wait for the silent ones."""
    async with open_world(folder, make_world_sample(), dsn=dsn, settings=SETTINGS) as world:
        world.gates.names.change = forge("forged.example")
        await world.submit()
        began = time.monotonic()
        await world.start()
        await world.until_finished(len(world.addresses))
        took = time.monotonic() - began
        await world.stop_well()

        await world.judge(retried=True)
        # Four attempts, three waits of a second: no look-up took longer than it may.
        assert took < 4 * LOOKUP_SECONDS + 3
        rows = await world.database.fetch(
            "SELECT address, extract(epoch FROM finished_at - created_at) AS seconds FROM requests"
        )
        seconds = {row["address"]: float(row["seconds"]) for row in rows}
        assert seconds["user1@well.example"] < seconds["user1@silent.example"]
        assert seconds["user1@other.example"] < seconds["user1@silent.example"]


@pytest.mark.campaign
async def test_f19_the_resolver_restarts(folder: Path, dsn: str) -> None:
    """Nobody answers for a while: everything waits, nothing is concluded, and all of it is right in the end."""
    spec = SandboxSpec.of({f"acme-{number}.example": "postfix" for number in range(30)})
    outcomes = {f"user1@acme-{number}.example": "valid accepted" for number in range(30)}
    outcomes |= {f"unknown1@acme-{number}.example": "invalid no_such_mailbox" for number in range(30)}
    # A failure is remembered for up to half a minute: a retry before that would not even ask.
    later = SETTINGS | {"retry": {"delays": ["31s"], "jitter": 0.0}}
    async with open_world(folder, make_sample(spec, outcomes), dsn=dsn, settings=later) as world:
        await world.gates.names.stop()
        await world.submit()
        await world.start()
        await world.wait_out(1.5)
        assert await world.finished() == 0
        await world.gates.names.start()
        await world.until_finished()
        await world.stop_well()
        await world.judge(retried=True)
