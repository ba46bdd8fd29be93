"""The pages: what they show, to whom, and what their forms do."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from tests.integration.web.conftest import Door
from tests.integration.web.console.conftest import Person
from validatord.mail.parse import parse_address
from validatord.mail.request import Finding
from validatord.store import clients, keys, pauses, submissions, webhooks
from validatord.store.submissions import Chunk, ChunkItem

PAGES = (
    "/console/",
    "/console/submit",
    "/console/submissions",
    "/console/mailbox",
    "/console/lanes",
    "/console/bouncer",
    "/console/settings",
    "/console/lists",
    "/console/clients",
    "/console/keys",
    "/console/webhooks",
)
NOT_FOR_CLIENTS = PAGES[4:]


def make_finding(status: str, reason: str, **more: Any) -> Finding:
    """A finding of just now."""
    confidence = 95 if status == "valid" else 0
    return Finding(status, reason, (reason,), confidence, checked_at=datetime.now(UTC), **more)


async def fill(door: Door, client: str = "crm", name: str = "june", **findings: Finding | None) -> int:
    """Put a submission into the ledger; None waits. The local parts are the names."""
    items = tuple(
        ChunkItem(
            place,
            f"{local}@acme.example",
            parse_address(f"{local}@acme.example", allow_special_use=True),
            finding=finding,
        )
        for place, (local, finding) in enumerate(findings.items())
    )
    return (await submissions.add_chunk(door.database, Chunk(client, name, 50, items))).submission_id


@pytest.mark.parametrize("path", PAGES)
async def test_empty_pages(operator: Person, path: str) -> None:
    """With nothing in the ledger every page says so in words, and most say what to do next."""
    page = await operator.get(path)

    assert page.status == 200, page.words
    assert page.text.count("<h1") == 1


@pytest.mark.parametrize("path", PAGES)
async def test_no_inline_script_or_style(operator: Person, path: str) -> None:
    """Nothing in a page is run or painted that does not come from a file of ours."""
    text = (await operator.get(path)).text

    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", text)
    assert not re.search(r'(?:src|href|action)="(?:https?:)?//', text)


async def test_a_clients_key_sees_its_own(person: Person) -> None:
    """A client's key sees its own submissions; others' look like none, and the operator's pages are not for it."""
    door = person.door
    own = await fill(door, "crm", "june", ada=make_finding("valid", "accepted"))
    other = await fill(door, "shop", "secret list", eve=make_finding("valid", "accepted"))
    await person.log_in(await door.make_key("crm"))

    overview, listed = await person.get("/console/"), await person.get("/console/submissions?client=shop")
    assert "june" in overview.words
    assert "secret" not in overview.words + listed.words
    assert (await person.get(f"/console/submissions/{own}")).status == 200
    for path in (f"/console/submissions/{other}", f"/console/submissions/{other}/gate"):
        assert (await person.get(path)).status == 404
    assert (await person.get(f"/console/submissions/{other}/results?form=csv")).status == 404
    assert (await person.get(f"/console/submissions/{other}/events")).status == 404
    assert (await person.fill_in(f"/console/submissions/{other}", {"act": "cancel"}, at="/console/")).status == 404
    for path in NOT_FOR_CLIENTS:
        assert (await person.get(path)).status == 403, path


async def test_a_clients_key_changes_nothing_of_others(person: Person) -> None:
    """The operator's forms are refused to a client's key, with its own session's token, too."""
    door = person.door
    await person.log_in(await door.make_key("crm"))
    token = (await person.get("/console/")).token
    tries = {
        "/console/keys": {"client": "crm", "scope_admin": "on"},
        "/console/keys/1": {"act": "revoke"},
        "/console/client": {"client": "crm"},
        "/console/pauses": {"kind": "intake", "act": "pause"},
        "/console/bouncer/resume": {},
        "/console/bouncer/letters/1": {"act": "retry"},
        "/console/bouncer/batches/1": {"act": "abandon"},
        "/console/webhooks": {"url": "https://crm.example/"},
        "/console/webhooks/1": {"act": "remove"},
        "/console/deliveries/1": {},
    }

    for path, fields in tries.items():
        assert (await person.send(path, {"csrf": token, **fields})).status == 403, path
    assert len(await keys.list_keys(door.database)) == 1
    assert await pauses.load(door.database) == []


async def test_a_key_that_may_only_read(person: Person) -> None:
    """A key without the scope `submit` sends nothing in and steers nothing."""
    number = await fill(person.door, ada=None)
    await person.log_in(await person.door.make_key("crm", "read"))

    assert (await person.get("/console/submit")).status == 403
    assert (await person.fill_in(f"/console/submissions/{number}", {"act": "cancel"}, at="/console/")).status == 403
    assert (await person.fill_in("/console/mailbox", {"email": "a@acme.example"}, at="/console/")).status == 403


async def test_labels_are_the_clients(operator: Person) -> None:
    """What is shown bears the label of the client whose list it is, counts and rows alike, at once."""
    door = operator.door
    number = await fill(door, ada=make_finding("valid", "accepted"), eve=make_finding("accept_all", "accept_all"))
    await clients.set_policy(door.database, "crm", {"accept_all": "risky"})

    page = await operator.get(f"/console/submissions/{number}?status=risky")
    overview = await operator.get("/console/")

    assert "eve@acme.example" in page.words
    assert "ada@acme.example" not in page.words
    assert "risky 1 50 %" in page.words
    assert "risky 1 50 %" in overview.words


async def test_pages_of_results(operator: Person) -> None:
    """A long list is read page by page, each row once; a filter finds rows on any page."""
    findings = {f"user{number:03}": make_finding("valid", "accepted") for number in range(120)}
    findings["rare"] = make_finding("invalid", "no_such_mailbox")
    number = await fill(operator.door, **findings)
    path, seen = f"/console/submissions/{number}", list[str]()

    for _ in range(3):
        page = await operator.get(path)
        seen += re.findall(r"mailbox\?email=([^%\"]+)%40", page.text)
        following = re.search(r'rel="next" href="([^"#]+)', page.text)
        path = following[1].replace("&amp;", "&") if following else path
    rare = await operator.get(f"/console/submissions/{number}?text=RARE")

    assert len(seen) == len(set(seen)) == 121
    assert "rare@acme.example" in rare.words


async def test_progress_as_events(operator: Person) -> None:
    """Progress comes as an event when it changes, and the end as one of its own."""
    door = operator.door
    number = await fill(door, ada=make_finding("valid", "accepted"), eve=None)
    url = f"{door.server.url}/console/submissions/{number}/events"
    async with operator.session.get(url, timeout=aiohttp.ClientTimeout(total=20)) as response:
        first = await response.content.readuntil(b"\n\n")
        await operator.fill_in(f"/console/submissions/{number}", {"act": "cancel"}, at="/console/")
        await door.database.fetch("UPDATE submissions SET finished_at = now() WHERE id = $1", number)
        last = await response.content.readuntil(b"finished\ndata: yes\n\n")

    assert response.content_type == "text/event-stream"
    assert first.startswith(b"event: progress\ndata: ")
    assert b"<strong>1</strong> of 2 finished" in first
    assert last.endswith(b"event: finished\ndata: yes\n\n")


async def test_an_end_of_the_session_ends_the_events(operator: Person) -> None:
    """Whoever listens hears nothing more once the key is revoked."""
    door = operator.door
    number = await fill(door, ada=None)
    [key] = await keys.list_keys(door.database)
    url = f"{door.server.url}/console/submissions/{number}/events"
    async with operator.session.get(url, timeout=aiohttp.ClientTimeout(total=20)) as response:
        await response.content.readuntil(b"\n\n")
        await keys.revoke_key(door.database, key.key_id)
        rest = await response.content.read()

    assert b"finished\ndata" not in rest


async def test_a_policy_is_set_and_refused(operator: Person) -> None:
    """What cannot be is named and changes nothing; what can is in force, and only what differs is kept."""
    await clients.set_policy(operator.door.database, "crm", {"risky": "invalid"})
    at = "/console/client?name=crm"

    bad = await operator.fill_in("/console/client", {"client": "crm", "min_confidence": "500"}, at=at)
    kept = (await clients.load_policies(operator.door.database))["crm"]
    good = await operator.fill_in(
        "/console/client",
        {"client": "crm", "accept_all": "risky", "min_confidence": "70", "bouncer.mode": "local_then_bouncer"}
        | {"bouncer.statuses": "unknown, risky", "bouncer.is_deep": "on", "bouncer.max_age": "7d"},
        at=at,
    )
    policy = (await clients.load_policies(operator.door.database))["crm"]

    assert bad.status == 422
    assert "min_confidence" in bad.words
    assert kept == {"risky": "invalid"}
    assert good.status == 200
    assert policy == {
        "accept_all": "risky",
        "min_confidence": 70,
        "bouncer": {"mode": "local_then_bouncer", "statuses": ["unknown", "risky"], "is_deep": True},
    }


async def test_a_key_is_shown_once(operator: Person) -> None:
    """The text of a new key stands in the answer and nowhere else; it opens what was ticked."""
    page = await operator.fill_in("/console/keys", {"client": "shop", "scope_read": "on", "lifetime": "30"})
    text = re.search(r"vk_[\w-]{43}", page.text)
    after = await operator.get("/console/keys")
    newest = (await keys.list_keys(operator.door.database))[0]

    assert text is not None
    assert text[0] not in after.text
    assert (newest.client, [scope.value for scope in newest.scopes]) == ("shop", ["read"])
    assert newest.expires_at is not None
    assert newest.expires_at - newest.created_at == timedelta(days=30)
    assert (await operator.door.call("GET", "/v1/submissions", text[0]))[0] == 200


@pytest.mark.parametrize(
    "fields", [{"client": "shop"}, {"client": "", "scope_read": "on"}, {"client": "x" * 101, "scope_read": "on"}]
)
async def test_a_key_that_cannot_be(operator: Person, fields: dict[str, str]) -> None:
    """A key without a client or without a scope is not made."""
    page = await operator.fill_in("/console/keys", fields)

    assert page.status == 422
    assert len(await keys.list_keys(operator.door.database)) == 1


async def test_a_webhook(operator: Person) -> None:
    """A receiver is added, its secret shown once; a URL that cannot be is refused in words."""
    bad = await operator.fill_in("/console/webhooks", {"url": "ftp://crm.example/"})
    page = await operator.fill_in("/console/webhooks", {"url": "https://crm.example/hooks", "client": "crm"})
    [hook] = await webhooks.list_webhooks(operator.door.database)
    after = await operator.get("/console/webhooks")
    await operator.fill_in(f"/console/webhooks/{hook.id}", {"act": "remove"}, at="/console/webhooks")

    assert bad.status == 422
    assert "whsec_" in page.text
    assert "whsec_" not in after.text
    assert await webhooks.list_webhooks(operator.door.database) == []


async def test_pauses(operator: Person) -> None:
    """What is paused is noted with who did it, shows on the overview, and goes on again; nonsense is refused."""
    paused = await operator.fill_in(
        "/console/pauses", {"kind": "domain", "key": "acme.example", "act": "pause"}, at="/console/lanes"
    )
    [pause] = await pauses.load(operator.door.database)
    overview = await operator.get("/console/")
    bad = await operator.fill_in("/console/pauses", {"kind": "intake", "key": "x", "act": "pause"}, at="/console/lanes")
    await operator.fill_in(
        "/console/pauses", {"kind": "domain", "key": "acme.example", "act": "resume"}, at="/console/lanes"
    )

    assert "Paused: domain acme.example" in paused.words
    assert (pause.key, pause.paused_by) == ("acme.example", "console: operator")
    assert "Paused: domain acme.example" in overview.words
    assert bad.status == 400
    assert await pauses.load(operator.door.database) == []


async def test_settings_hide_secrets(operator: Person) -> None:
    """No secret stands on the page of settings; what is not the default is marked."""
    operator.door.settings = operator.door.settings.of(
        bouncer={"api_key": "planted-secret-key"},
        database={"url": "postgresql://me:planted-password@db.example/x"},
        web={"port": 0},
    )
    page = await operator.get("/console/settings")

    assert "planted" not in page.text
    assert "***" in page.text
    assert "changed" in page.words


async def test_steering_a_submission(operator: Person) -> None:
    """A submission is paused, resumed and cancelled; cancelled is for good, and that is said."""
    number = await fill(operator.door, ada=None)
    path = f"/console/submissions/{number}"

    paused = await operator.fill_in(path, {"act": "pause"})
    resumed = await operator.fill_in(path, {"act": "resume"})
    cancelled = await operator.fill_in(path, {"act": "cancel"})
    again = await operator.fill_in(path, {"act": "resume"}, at="/console/")

    assert "Paused: no address of it is asked about" in paused.words
    assert "It goes on." in resumed.words
    assert "Cancelled:" in cancelled.words
    assert "It was so already." in again.words or "for good" in again.words


@pytest.mark.parametrize(
    "path",
    ["/console/submissions/0", "/console/submissions/99999999999999999999", "/console/submissions/x", "/console/no"],
)
async def test_what_is_not_there(operator: Person, path: str) -> None:
    """A page that is not there says so in words, within the frame."""
    page = await operator.get(path)

    assert page.status == 404
    assert "Nothing here" in page.words
    assert "Overview" in page.words
