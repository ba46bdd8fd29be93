"""What a host refuses at RCPT for want of TLS, or for our sender, it is asked again otherwise: about everybody."""

from tests.integration.verification.world import SENDER, World
from validatord.sandbox.personality import TLS, Personality
from validatord.sandbox.spec import SandboxSpec
from validatord.store.database import Database

OTHER = "second@example.net"
ADDRESSES = ("user1@acme.example", "user2@acme.example")


async def test_tls_demanded_at_rcpt(database: Database) -> None:
    """Every recipient of the group that was refused in plain text is asked again in TLS, at once and once."""
    demanding = Personality("demanding", tls=TLS.OFFERED, fixed=(("RCPT", "550 Encryption is required: use STARTTLS"),))
    async with World(database, SandboxSpec.of({"acme.example": demanding})) as world:
        found = await world.check(*ADDRESSES)

        assert found == ["waits tls_required"] * 2
        assert world.total.connections == 2
        assert world.total.commands["STARTTLS"] == 1
        assert world.total.commands["RCPT"] == 2 * len(ADDRESSES)


async def test_sender_refused_at_rcpt(database: Database) -> None:
    """Servers that put their judgement of MAIL off until RCPT are asked once more with the alternative sender."""
    choosy = Personality("choosy", fixed=(("RCPT", "550 5.1.8 <{sender}>: Sender address rejected: not wanted here"),))
    identities = ({"envelope_sender": SENDER, "alternative_sender": OTHER},)
    async with World(database, SandboxSpec.of({"acme.example": choosy}), identities=identities) as world:
        found = await world.check(*ADDRESSES)

        assert found == ["unknown sender_rejected"] * 2
        assert world.total.commands["MAIL"] == 2
        assert (await world.finding(ADDRESSES[0])).smtp_trace["envelope_sender"] == OTHER
        assert OTHER in (await world.finding(ADDRESSES[1])).reply


async def test_sender_put_off_at_rcpt(database: Database) -> None:
    """A sender that is put off is no refused one: the triplet stays, and is asked again later."""
    busy = Personality("busy", fixed=(("RCPT", "450 4.1.8 <{sender}>: Sender address rejected: Domain not found"),))
    identities = ({"envelope_sender": SENDER, "alternative_sender": OTHER},)
    async with World(database, SandboxSpec.of({"acme.example": busy}), identities=identities) as world:
        found = await world.check(ADDRESSES[0])

        assert found == ["waits sender_rejected"]
        assert world.total.commands["MAIL"] == 1
