"""What other services see of a running daemon: webhooks, exports, and the API of Reacher."""

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from standardwebhooks import Webhook

from tests.acceptance.desk import Desk, open_desk
from tests.fakes.receiver import Receiver
from validatord.sandbox.spec import SandboxSpec

pytestmark = pytest.mark.timeout(90)
SPEC = SandboxSpec.of({"acme.example": "postfix", "anything.example": "accept-all"})
SETTINGS = {"webhooks": {"allow_targets": ["127.0.0.0/8"], "interval": "200ms"}}
_NOBODY = (
    '{"input":"foo@bar.example","is_reachable":"invalid","misc":{"is_disposable":false,"is_role_account":false,'
    '"is_b2c":false,"gravatar_url":null,"haveibeenpwned":null},"mx":{"accepts_mail":false,"records":[]},"smtp":'
    '{"can_connect_smtp":false,"has_full_inbox":false,"is_catch_all":false,"is_deliverable":false,"is_disabled":false},'
    '"syntax":{"address":"foo@bar.example","domain":"bar.example","is_valid_syntax":true,"username":"foo",'
    '"normalized_email":"foo@bar.example","suggestion":null},"debug":{"backend_name":"stage",'
)


@pytest.fixture
async def desk(tmp_path: Path, dsn: str) -> AsyncIterator[Desk]:
    """A desk with a small internet, a daemon, and receivers of its own network."""
    async with open_desk(tmp_path, dsn, SPEC, SETTINGS) as found:
        await found.stage.start_daemon()
        yield found


async def test_told_and_taken_away(desk: Desk) -> None:
    """A list that is finished is told to its client's webhook, signed, and its results are there to be taken."""
    desk.write("list.txt", b"user1@acme.example\nunknown1@acme.example\nany@anything.example\n=1+1\n")
    async with Receiver() as receiver:
        added = await desk.run("webhooks", "add", receiver.url, "--client", "crm")
        await desk.run("submit", "list.txt", "--client", "crm", "--submission", "spring")
        await asyncio.wait_for(receiver.came.wait(), 40)
    exported = await desk.run("export", "spring", "--client", "crm", "--format", "csv")
    chosen = await desk.run("export", "spring", "--client", "crm", "--status", "valid", "--include-accept-all")

    secret = re.search(r"secret: (\S+)", added.out)
    assert secret is not None
    told = Webhook(secret[1]).verify(receiver.got[0].body, receiver.got[0].headers)
    assert (told["type"], told["data"]["submission"]) == ("submission.finished", "spring")
    assert told["data"]["by_status"] == {"valid": 1, "invalid": 2, "accept_all": 1}
    rows = list(csv.DictReader(io.StringIO(exported.out.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"), newline="")))
    assert [(row["address"], row["status"]) for row in rows] == [
        ("user1@acme.example", "valid"),
        ("unknown1@acme.example", "invalid"),
        ("any@anything.example", "accept_all"),
        ("'=1+1", "invalid"),
    ]
    assert [line.split(",")[1] for line in chosen.out.splitlines()[1:]] == [
        "user1@acme.example",
        "any@anything.example",
    ]


async def test_in_place_of_another(desk: Desk) -> None:
    """A client of Reacher that puts our key into its header gets its answers, one address or a list."""
    key = (await desk.run("keys", "create", "crm")).out.strip()
    url = desk.stage.web_url
    async with aiohttp.ClientSession(headers={"x-reacher-secret": key}) as session:

        async def check(address: str) -> str:
            async with session.post(f"{url}/v1/check_email", json={"to_email": address}) as found:
                return await found.text()

        texts = await asyncio.gather(
            *map(check, ("user1@acme.example", "unknown1@acme.example", "any@anything.example", "foo@bar.example"))
        )
        verdicts = [re.findall(r'"is_reachable":"(\w+)"', text)[0] for text in texts]
        async with session.post(f"{url}/v1/bulk", json={"input": ["user1@acme.example", "foo@bar"]}) as found:
            job = (await found.json())["job_id"]
        async with session.get(f"{url}/v1/bulk/{job}") as found:
            state = await found.json()

    assert verdicts == ["safe", "invalid", "risky", "invalid"]
    assert '"mx":{"accepts_mail":true,"records":["mx1.acme.example."' in texts[0]
    assert '"from_email":"probe@validatord.example","hello_name":"probe.validatord.example"' in texts[0]
    assert texts[3].startswith(_NOBODY)
    # Both are known by now, so the job was over when it was taken in.
    assert (state["job_status"], state["summary"]["total_safe"], state["summary"]["total_invalid"]) == (
        "Completed",
        1,
        1,
    )
