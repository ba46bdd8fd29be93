"""Text from outside is text: whatever an address, a reply, a name of a host or a client says, no page obeys it."""

from datetime import UTC, datetime
from html.parser import HTMLParser
from urllib.parse import quote

import pytest

from tests.integration.web.conftest import Door
from tests.integration.web.console.conftest import Page, Person
from validatord.mail.address import Mailbox
from validatord.mail.parse import parse_address
from validatord.mail.request import Finding, Flags
from validatord.store import clients, keys, pauses, submissions
from validatord.store.keys import Scope
from validatord.store.pauses import PauseKind
from validatord.store.submissions import Chunk, ChunkItem

MARK = "<img src=x onerror=alert(1)>"
QUOTE = "\"' onfocus=alert(2) autofocus x='\""
HIDDEN = "\u202egpj.exe\u0007"
EMAIL = '"<script>alert(3)</script>"@acme.example'
TALK = {
    "mx_host": f"mx.{MARK}",
    "mx_address": MARK,
    "identity": MARK,
    "helo_name": MARK,
    "envelope_sender": MARK,
    "tls": MARK,
    "exchanges": [
        {"stage": "rcpt", "command": f"RCPT TO:<{MARK}>", "at": 0.1, "code": 550, "lines": [MARK, QUOTE, HIDDEN]}
    ],
}
HOSTILE = Finding(
    "invalid",
    "no_such_mailbox",
    ("no_such_mailbox", MARK),
    0,
    flags=Flags(suggestion=f"{MARK}@acme.example"),
    mx_host=MARK,
    mx_hosts=(MARK,),
    reply=f"550 {MARK}",
    dns_trace={"lines": [f"MX {MARK}", QUOTE], "failure": MARK, "hosts": [{"name": MARK, "preference": MARK}]},
    smtp_trace=TALK,
    checked_at=datetime.now(UTC),
    contributions=((MARK, 10), (QUOTE, -20)),
)


class _Reader(HTMLParser):
    """Reads a page as a browser does, and remembers what it would obey."""

    def __init__(self) -> None:
        super().__init__()
        self.obeyed: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember tags that load or run something, and attributes that do."""
        names = {name for name, _ in attrs}
        if tag in {"img", "iframe", "object", "style"} or (tag == "script" and "src" not in names):
            self.obeyed.append(tag)
        self.obeyed += [name for name in names if name.startswith("on") or name in {"style", "autofocus"}]


def assert_harmless(page: Page) -> None:
    """Nothing planted has become a tag or an attribute, and no control character stands in the page."""
    assert page.status < 500, page.words
    reader = _Reader()
    reader.feed(page.text)
    assert reader.obeyed == []
    assert "\u202e" not in page.text
    assert "\u0007" not in page.text


async def plant(door: Door) -> int:
    """Fill the ledger with markup wherever somebody else's words can stand."""
    database = door.database
    items = (
        ChunkItem(0, EMAIL, Mailbox('"<script>alert(3)</script>"', "acme.example"), finding=HOSTILE),
        ChunkItem(1, MARK + HIDDEN, None, finding=HOSTILE),
        ChunkItem(2, "eve@acme.example", parse_address("eve@acme.example", allow_special_use=True)),
    )
    found = await submissions.add_chunk(database, Chunk(MARK, QUOTE + MARK, 50, items))
    await clients.set_policy(database, MARK, {MARK: QUOTE})
    await keys.create_key(database, QUOTE, [Scope.READ], label=MARK)
    await pauses.pause(database, PauseKind.DOMAIN, MARK, reason=QUOTE + MARK, by=MARK)
    await database.fetch(
        "INSERT INTO bouncer_dead_letter_queue (user_id, email, reason, error_message) VALUES ($1, $1, $1, $1)", MARK
    )
    await database.fetch(
        "INSERT INTO bouncer_batches (user_id, quantity, batch_id, status, error_message, state)"
        " VALUES ($1, 1, $1, $1, $1, 'lost')",
        MARK,
    )
    await database.fetch(
        "INSERT INTO lane_state (node, lane, snapshot) VALUES ($1, $1, $2), ($1, 'identity:' || $1, $3)",
        MARK,
        {"breaker": {"cause": MARK, "until": "2999-01-01T00:00:00+00:00"}, "speed": MARK, "identity": 7},
        {"until": "2999-01-01T00:00:00+00:00", "dnsbl": MARK},
    )
    await database.fetch("UPDATE domain_queue SET lane = $1", MARK)
    await database.fetch(
        "INSERT INTO alerts (node, name, severity, summary, value) VALUES ($1, $1, 'critical', $1, 1)", MARK
    )
    return found.submission_id


async def test_no_page_obeys(operator: Person) -> None:
    """On every page markup that was planted is shown as the text it is."""
    number = await plant(operator.door)
    await clients.set_policy(operator.door.database, MARK, {})
    email = quote(EMAIL)
    paths = [
        "/console/",
        "/console/submissions",
        f"/console/submissions/{number}",
        f"/console/submissions/{number}/gate",
        f"/console/submissions/{number}?status={quote(MARK)}&reason={quote(QUOTE)}&text={quote(MARK + QUOTE)}",
        f"/console/mailbox?email={email}",
        f"/console/mailbox?email={quote(MARK + HIDDEN)}",
        f"/console/lanes?domain={quote(MARK)}&lane={quote(QUOTE)}",
        "/console/lanes",
        "/console/bouncer?all=yes",
        "/console/clients",
        f"/console/client?name={quote(MARK)}",
        "/console/keys",
        "/console/webhooks",
        f"/console/lists?text={quote(MARK + QUOTE)}",
        f"/console/{quote(MARK)}",
    ]
    for path in paths:
        page = await operator.get(path)
        assert_harmless(page)

    shown = await operator.get(f"/console/mailbox?email={email}")
    assert "&lt;script&gt;alert(3)" in shown.text
    assert "onerror=alert(1)" in shown.words


async def test_a_policy_that_cannot_be_read(operator: Person) -> None:
    """A stored policy that is none is said in words, with its client; nothing is shown under a wrong label."""
    number = await plant(operator.door)

    page = await operator.get(f"/console/submissions/{number}")

    assert_harmless(page)
    assert page.status == 409
    assert "policy" in page.words


async def test_forms_show_what_was_typed_as_text(operator: Person) -> None:
    """What a form sends back after a refusal is text again."""
    token = (await operator.get("/console/keys")).token
    for path, fields in {
        "/console/keys": {"client": MARK, "label": QUOTE},
        "/console/webhooks": {"url": f"https://{MARK}/", "client": QUOTE},
        "/console/client": {"client": MARK, "min_confidence": QUOTE},
        "/console/mailbox": {"email": MARK},
        "/console/theme": {"theme": QUOTE, "back": MARK},
    }.items():
        assert_harmless(await operator.send(path, {"csrf": token, **fields}))


@pytest.mark.parametrize(
    "path", ["/console/mailbox?email=%00", "/console/lanes?domain=%00&lane=%00", "/console/submissions?client=%00"]
)
async def test_nothing_that_cannot_be_stored(operator: Person, path: str) -> None:
    """A NUL, which PostgreSQL cannot hold, ends in a page like any other."""
    assert (await operator.get(path)).status == 200
