"""What lists and DNS say together: throw-away domains known by their hosts, slips known by both domains' MX."""

from pathlib import Path

from tests.integration.store.ledger import look
from tests.integration.verification.world import World
from validatord.clock import SystemClock
from validatord.intake.submit import IntakeRules, Submitter
from validatord.intake.wire import SubmittedChunk
from validatord.sandbox.spec import DomainSpec, HostSpec, SandboxSpec
from validatord.store.database import Database

_HOST = "mx.throwaway.example"


def make_spec(*domains: str) -> SandboxSpec:
    """Domains that take their mail at one host."""
    return SandboxSpec({_HOST: HostSpec.of("postfix")}, {domain: DomainSpec(((10, _HOST),)) for domain in domains})


def write(folder: Path, text: str) -> str:
    """A list of the operator's."""
    path = folder / "mx.txt"
    path.write_text(text)
    return str(path)


async def test_disposable_domain_is_known_by_its_hosts(database: Database, tmp_path: Path) -> None:
    """A domain in no list is risky without a packet once DNS names the host; the next list knows it at the door."""
    file = write(tmp_path, f"{_HOST}\n")
    async with World(database, make_spec("new.example"), policy={"disposable_mx_file": file}) as world:
        assert await world.check("user1@new.example") == ["risky disposable"]
        assert world.total.connections == 0
        assert (await world.finding("user1@new.example")).flags.is_disposable

        submitter = Submitter(database, SystemClock(), IntakeRules.of(world.settings))
        result = await submitter.submit(SubmittedChunk("crm", "later", ("user2@new.example",)))
        assert (result.added, result.answered) == (1, 1)
    rows = await look(database, "SELECT status, reason, is_disposable FROM requests WHERE email = 'user2@new.example'")
    assert rows == [{"status": "risky", "reason": "disposable", "is_disposable": True}]


async def test_probing_and_allowing_disposable_hosts(database: Database, tmp_path: Path) -> None:
    """Who wants them probed gets an answer and the flag; an allowed domain is an ordinary one."""
    file = write(tmp_path, f"{_HOST}\n")
    policy = {"disposable_mx_file": file, "is_disposable_probed": True, "allow": ["ours.example"]}
    async with World(database, make_spec("new.example", "ours.example"), policy=policy) as world:
        assert await world.check("user1@new.example", "unknown2@new.example", "user3@ours.example") == [
            "risky disposable",
            "invalid no_such_mailbox",
            "valid accepted",
        ]


async def test_suggestion_looks_at_both_domains(database: Database) -> None:
    """A slip without mail is corrected to a domain with MX hosts; one to a domain without, or that takes mail, is not."""
    async with World(database, make_spec("gmail.com", "gmal.com")) as world:
        await world.check("user1@gmial.con", "user2@gmal.com", "user3@hotmial.con")
        suggestions = await look(database, "SELECT email, suggestion FROM requests ORDER BY email")

    assert {row["email"]: row["suggestion"] for row in suggestions} == {
        "user1@gmial.con": "user1@gmail.com",
        "user2@gmal.com": None,
        "user3@hotmial.con": None,
    }
