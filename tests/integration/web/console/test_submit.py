"""Sending a list in: the preview, what it costs, and what is refused."""

from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from tests.integration.web.console.conftest import Page, Person
from validatord.clock import SystemClock
from validatord.intake import dry_run as the_dry_run
from validatord.intake.dry_run import dry_run
from validatord.intake.submit import IntakeRules
from validatord.mail.parse import parse_address
from validatord.mail.request import DomainFacts, Finding
from validatord.mail.verdict import AcceptAll
from validatord.rules import policy
from validatord.rules.policy import ClientPolicy
from validatord.settings import Settings
from validatord.store import domains, submissions
from validatord.store.database import Database
from validatord.store.submissions import Chunk, ChunkItem
from validatord.verification.outfit import load_providers

RULES = IntakeRules.of(Settings.of(lookup={"public_addresses_only": False}))
PER_MINUTE = load_providers(RULES.settings).find_by_key("big.example").pace.rcpt_per_minute
LIST = "name,mail\nAda,ada@acme.example\nBob,nobody\nEve,eve@shop.example\nAda,ada@acme.example\n"


async def send(
    person: Person, text: str, *, token: str | None = None, file: bytes | None = None, **fields: str
) -> Page:
    """Send the form with a list."""
    good = (await person.get("/console/submit")).token
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in {"csrf": good if token is None else token, **fields, "text": text}.items():
        form.add_field(name, value)
    form.add_field("file", file or b"", filename="list.csv" if file else "")
    async with person.session.post(person.door.server.url + "/console/submit", data=form) as response:
        return Page(response.status, await response.text(), response.headers, str(response.url.relative()))


async def test_a_preview_costs_nothing(operator: Person) -> None:
    """A preview shows the rows as they are understood and what they would cost, and stores nothing."""
    page = await send(operator, LIST, act="preview")

    assert page.status == 200
    assert "4 rows" in page.words
    assert "There is no @ in it." in page.words
    assert "2 mailboxes of 2 domains" in page.words
    assert "4 RCPT, and no message" in page.words
    assert "1 doubled, 1 no address" in page.words
    assert "<option selected>mail</option>" in page.text
    assert await submissions.list_submissions(operator.door.database) == []


async def test_a_list_goes_in(operator: Person) -> None:
    """Every row gets its place, the file before the pasted text, and the page that follows shows it."""
    page = await send(operator, "pasted@acme.example", file=LIST.encode("utf-16"), name="people", act="submit")
    [found] = await submissions.list_submissions(operator.door.database)

    assert page.path == f"/console/submissions/{found.submission_id}"
    assert "4 addresses were taken in." in page.words
    assert (found.submission, found.requests, found.client) == ("people", 4, "operator")
    assert "pasted" not in page.words


@pytest.mark.parametrize(
    ("text", "fields", "said"),
    [
        ("", {"act": "submit"}, "There is no address in it."),
        ("\n\n", {"act": "preview"}, "There is no address in it."),
        ("a@acme.example", {"act": "submit", "name": "taken"}, "has a submission called"),
    ],
)
async def test_what_cannot_go_in(operator: Person, text: str, fields: dict[str, str], said: str) -> None:
    """An empty list and a name that is taken are refused in words; what was typed is still there."""
    await send(operator, "first@acme.example", name="taken", act="submit")

    page = await send(operator, text, **fields)

    assert page.status == 422
    assert said in page.words
    assert text.strip() in page.text


async def test_a_list_needs_its_token_first(operator: Person) -> None:
    """A list without its session's token is not even read."""
    page = await send(operator, "a@acme.example", token="wrong", act="submit")

    assert page.status == 403
    assert await submissions.list_submissions(operator.door.database) == []


async def test_a_client_submits_for_itself_alone(person: Person) -> None:
    """Whatever client a form names, a client's key acts for its own."""
    await person.log_in(await person.door.make_key("crm"))

    foreign = await send(person, "a@acme.example", client="shop", act="submit")
    own = await send(person, "a@acme.example", client="crm", act="submit")

    assert foreign.status == 422
    assert "only an admin key" in foreign.words
    assert own.path.startswith("/console/submissions/")


@pytest.mark.parametrize("name", ["client", "name", "column", "x"])
async def test_a_field_that_is_too_long(operator: Person, name: str) -> None:
    """Only the list may be long."""
    assert (await send(operator, "a@acme.example", act="preview", **{name: "x" * 5000})).status == 413


# --- what a list would cost -----------------------------------------------------------------------


async def know(database: Database, email: str) -> None:
    """Let the ledger know a fresh verdict and the domain's state."""
    now = datetime.now(UTC)
    mailbox = parse_address(email, allow_special_use=True)
    finding = Finding("valid", "accepted", ("accepted",), 95, checked_at=now, fresh_until=now + timedelta(days=1))
    item = ChunkItem(0, email, mailbox, finding=finding)
    await submissions.add_chunk(database, Chunk("other", email, 50, (item,)))
    facts = DomainFacts(mailbox.domain, accept_all=AcceptAll.REJECTS_UNKNOWN, accept_all_until=now + timedelta(days=1))
    async with database.transaction() as connection:
        await domains.save_facts(connection, [facts])


async def test_what_is_known_is_not_asked(database: Database) -> None:
    """A fresh verdict costs nothing, and a domain whose state is known needs no control recipient."""
    await know(database, "ada@acme.example")
    found = await dry_run(
        database,
        SystemClock(),
        RULES,
        ("crm", ClientPolicy()),
        ["ada@acme.example", "ada@acme.example", "bob@acme.example", "eve@shop.example", "a@mailinator.com", "?"],
    )

    assert (found.rows, found.no_address, found.doubled, found.known) == (6, 1, 1, 2)
    assert (found.to_ask, found.domains, found.probes) == (2, 2, 3)
    assert found.credits is None


async def test_the_slowest_receiver_sets_the_time(database: Database) -> None:
    """The time is that of the receiver with the most mailboxes at its pace."""
    addresses = [f"user{number}@big.example" for number in range(120)] + ["a@small.example"]

    found = await dry_run(database, SystemClock(), RULES, ("crm", ClientPolicy()), addresses)

    assert (found.slowest, found.slowest_count) == ("big.example", 120)
    assert found.time == timedelta(minutes=120 / PER_MINUTE)


async def test_a_long_list_is_looked_into(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long list the first rows are looked at, and the rest is taken to be like them."""
    monkeypatch.setattr(the_dry_run, "_LOOKED_AT", 100)
    addresses = (f"user{number}@big.example" for number in range(1000))

    found = await dry_run(database, SystemClock(), RULES, ("crm", ClientPolicy()), addresses)

    assert (found.rows, found.looked_at, found.is_whole) == (1000, 100, False)
    assert (found.to_ask, found.time) == (1000, timedelta(minutes=1000 / PER_MINUTE))


async def test_credits_follow_the_policy(database: Database) -> None:
    """Where a client's policy asks Bouncer about everything, every address may cost a credit."""
    wanted = policy.read({"bouncer": {"mode": "bouncer_only", "credits_per_day": 10}})

    found = await dry_run(database, SystemClock(), RULES, ("crm", wanted), ["a@acme.example", "b@acme.example"])

    assert found.credits is not None
    assert (found.credits.most, found.credits.expected, found.credits.left_today) == (2, 2, 10)
