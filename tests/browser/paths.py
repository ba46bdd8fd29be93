"""Every page of the console, by the name its picture has."""

from tests.browser.world import World
from validatord.store.database import Database

_MAILBOX = "SELECT email FROM email_events ORDER BY email LIMIT 1"

NAMES = (
    "overview",
    "submit",
    "submissions",
    "submission",
    "running",
    "mailbox",
    "lanes",
    "bouncer",
    "settings",
    "lists",
    "clients",
    "client",
    "keys",
    "webhooks",
    "look-up",
)


def find_path(world: World, name: str) -> str:
    """Return where a page is."""
    plain = {"overview": "/console/", "client": "/console/client?name=crm", "look-up": "/console/mailbox"}
    if name in plain:
        return plain[name]
    if name in {"submission", "running"}:
        wanted = "spring newsletter" if name == "submission" else "autumn prospects"
        return f"/console/submissions/{find_submission(world, wanted)}"
    if name == "mailbox":
        return f"/console/mailbox?email={world.ask(lambda database: database.fetch_value(_MAILBOX))}"
    return f"/console/{name}"


def find_submission(world: World, name: str) -> int:
    """Return a submission's number."""

    async def ask(database: Database) -> int:
        return await database.fetch_value("SELECT id FROM submissions WHERE submission = $1", name)

    return world.ask(ask)
