"""One visit: from a leased domain to a verdict in the ledger, in one conversation if it can be."""

from tests.integration.verification.world import World
from validatord.sandbox.spec import SandboxSpec
from validatord.store.database import Database


async def test_a_visit_answers_all_mailboxes_of_a_domain(database: Database) -> None:
    """One connection, one envelope, one control recipient; the ledger's row says how it was found."""
    async with World(database, SandboxSpec.of({"acme.example": "postfix"})) as world:
        found = await world.check("user1@acme.example", "unknown2@acme.example", "full3@acme.example")

        assert found == ["valid accepted", "invalid no_such_mailbox", "risky mailbox_full"]
        assert (world.total.connections, world.total.commands["MAIL"], world.total.commands["RCPT"]) == (1, 1, 4)
        assert (world.total.alarms, world.total.complaints) == (0, {})
        finding = await world.finding("user1@acme.example")
        assert finding.mx_host == "mx1.acme.example"
        assert [exchange["stage"] for exchange in finding.smtp_trace["exchanges"]] == [
            "connect",
            "ehlo",
            "mail",
            "rcpt",
            "rcpt",
        ]
