"""A chunk on its way into the ledger: what is answered at once, what is queued, what a repeat does."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from tests.integration.intake.conftest import RULES, Bench
from validatord.clock import SystemClock
from validatord.intake.submit import Submitter
from validatord.intake.wire import SubmittedChunk
from validatord.mail.address import Mailbox
from validatord.mail.request import Finding
from validatord.rules.policy import ClientPolicy
from validatord.store import submissions
from validatord.store.submissions import Chunk, ChunkItem

CONTACT = UUID("00000000-0000-4000-8000-000000000001")
OUTCOMES = "SELECT idx, state, status, reason FROM requests ORDER BY submission_id, idx"


def make_chunk(*addresses: str | None, **more: Any) -> SubmittedChunk:
    """A chunk of a client's submission."""
    return SubmittedChunk(**{"client": "crm", "submission": "spring", "addresses": addresses, **more})


async def remember(bench: Bench, email: str, status: str, reason: str, *notes: str) -> None:
    """Let the ledger know a fresh verdict."""
    local_part, _, domain = email.rpartition("@")
    now = datetime.now(UTC)
    finding = Finding(
        status, reason, (reason, *notes), 95, source="probe", checked_at=now, fresh_until=now + timedelta(days=1)
    )
    item = ChunkItem(0, email, Mailbox(local_part, domain), finding=finding)
    await submissions.add_chunk(bench.database, Chunk("other", f"of {email}", 50, (item,)))


async def test_every_place_gets_its_answer(bench: Bench) -> None:
    """Good addresses are queued; what needs no asking is answered at once, each with its reason."""
    result = await bench.submitter.submit(
        make_chunk(
            "good@shop.example",
            "no mailbox",
            "a@mailinator.com",
            "a@never.example",
            "a@sub.optout.example",
            None,
            "good@shop.example",
        )
    )

    assert (result.added, result.known, result.answered) == (7, 0, 5)
    assert await bench.fetch(OUTCOMES) == [
        (0, "queued", None, None),
        (1, "done", "invalid", "syntax"),
        (2, "done", "risky", "disposable"),
        (3, "done", "unknown", "never_probe"),
        (4, "done", "unknown", "opted_out"),
        (5, "done", "invalid", "unreadable"),
        (6, "queued", None, None),
    ]
    assert bench.woken == [1]


async def test_bad_syntax_is_explained(bench: Bench) -> None:
    """A person reads which rule is broken, and how, in a sentence."""
    await bench.submitter.submit(make_chunk(" a@shop.example"))

    [(reasons, source, confidence)] = await bench.fetch("SELECT reasons, source, confidence FROM requests")
    assert reasons[:2] == ["syntax", "surrounding_space"]
    assert reasons[2].endswith(".")
    assert (source, confidence) == ("syntax", 0)


async def test_a_repeat_changes_nothing(bench: Bench) -> None:
    """The same chunk twice is one chunk, and nobody is woken for it."""
    chunk = make_chunk("a@shop.example", "broken")
    await bench.submitter.submit(chunk)
    before = await bench.fetch("SELECT * FROM requests ORDER BY id")
    again = await bench.submitter.submit(chunk)

    assert (again.added, again.known) == (0, 2)
    assert await bench.fetch("SELECT * FROM requests ORDER BY id") == before
    assert bench.woken == [1]


async def test_domains_are_queued(bench: Bench) -> None:
    """Each domain with something to ask has one row that is due; answered ones have none."""
    await bench.submitter.submit(make_chunk("a@shop.example", "B@SHOP.example", "c@other.example", "d@never.example"))

    rows = await bench.fetch("SELECT domain FROM domain_queue WHERE next_due <= now() ORDER BY domain")
    assert rows == [("other.example",), ("shop.example",)]


async def test_contact_ids(bench: Bench) -> None:
    """A contact id stands with its address, in the request and in the verdict."""
    await bench.submitter.submit(
        make_chunk("a@shop.example", "b@never.example", contact_ids=(None, CONTACT), first_index=10)
    )

    assert await bench.fetch("SELECT idx, contact_id FROM requests ORDER BY idx") == [(10, None), (11, CONTACT)]
    assert await bench.fetch("SELECT contact_id, email FROM email_validation") == [(CONTACT, "b@never.example")]


async def test_fresh_verdicts_are_used_again(bench: Bench) -> None:
    """What is known is not asked again; the request says so, the verdict keeps who found it."""
    await remember(bench, "known@shop.example", "valid", "accepted")

    result = await bench.submitter.submit(make_chunk("known@shop.example"))

    assert result.answered == 1
    assert await bench.fetch(
        "SELECT status, reason, source FROM requests WHERE submission_id = $1", result.submission_id
    ) == [("valid", "accepted", "cache")]
    assert await bench.fetch("SELECT source FROM email_validation") == [("probe",)]


async def test_revalidation_asks_again(bench: Bench) -> None:
    """A revalidation queues what is known, and later visits do not find it fresh."""
    await remember(bench, "known@shop.example", "valid", "accepted")

    result = await bench.submitter.submit(make_chunk("known@shop.example", is_revalidation=True))

    assert result.answered == 0
    assert await submissions.find_fresh(bench.database, ["known@shop.example"]) == {}


async def test_no_policy_touches_what_is_stored(bench: Bench) -> None:
    """An answer at once is stored as it was found, whatever its client's policy says, with what it is made of."""
    policy = ClientPolicy(disposable="invalid")
    submitter = Submitter(bench.database, SystemClock(), RULES, policy_of=lambda _: policy)

    await submitter.submit(make_chunk("a@mailinator.com"))

    rows = await bench.fetch("SELECT status, reason, confidence, contributions FROM requests")
    assert rows == [("risky", "disposable", 40, [["syntax", 40], ["disposable", -60], ["band", 60]])]


async def test_nasty_texts(bench: Bench) -> None:
    """NUL, lone surrogates, line breaks, control marks and great length are answered, stored and harm nobody."""
    nasty = [
        "a\0@shop.example",
        "\ud800@shop.example",
        "a\r\n@shop.example",
        "x" * 1_000_000,
        "\u202ea@shop.example",
        "",
    ]

    result = await bench.submitter.submit(make_chunk(*nasty, "good@shop.example"))

    assert (result.added, result.answered) == (7, 6)
    [(longest,)] = await bench.fetch("SELECT max(length(address)) FROM requests")
    assert longest <= 1000
