"""The send gate over a real ledger: labelled counts, small domains, what is out of date, what is not finished."""

from datetime import UTC, datetime, timedelta

from validatord.intake.gate import ask_gate, to_public
from validatord.mail.address import Mailbox
from validatord.mail.request import Finding, Flags
from validatord.rules.gate import Gate, GateReason
from validatord.settings import Settings
from validatord.store import clients, submissions
from validatord.store.database import Database
from validatord.store.submissions import Chunk, ChunkItem

NOW = datetime.now(UTC)
SETTINGS = Settings.of(gate={"small_domain": 2})
VALID = Finding("valid", "accepted", (), 95, checked_at=NOW)
OLD = Finding("valid", "accepted", (), 95, checked_at=NOW - timedelta(days=50))
FREE = Finding("valid", "accepted", (), 95, Flags(is_free=True), checked_at=NOW)
ACCEPT_ALL = Finding("accept_all", "accept_all", (), 70, checked_at=NOW)
UNKNOWN = Finding("unknown", "greylisted", (), 65, checked_at=NOW)
INVALID = Finding("invalid", "no_such_mailbox", (), 0, checked_at=NOW)


async def store(database: Database, *found: tuple[Finding | None, str], **more: object) -> None:
    """Let a submission have these outcomes at these domains; None is not finished."""
    items = tuple(
        ChunkItem(idx, f"a{idx}@{domain}", Mailbox(f"a{idx}", domain), finding=finding)
        for idx, (finding, domain) in enumerate(found)
    )
    await submissions.add_chunk(database, Chunk("crm", "spring", 50, items, **more))  # type: ignore[arg-type]


async def test_a_clean_submission_passes(database: Database) -> None:
    """All valid, all finished, all fresh: pass."""
    await store(database, *[(VALID, "big.example")] * 50)

    answer = await ask_gate(database, SETTINGS, "crm", "spring", NOW)

    assert answer is not None
    assert (answer.gate, answer.numbers.valid, answer.numbers.sent) == (Gate.PASS, 50, 50)


async def test_no_such_submission(database: Database) -> None:
    """A name nobody sent in has no answer."""
    assert await ask_gate(database, SETTINGS, "crm", "spring", NOW) is None


async def test_the_gate_counts_labels(database: Database) -> None:
    """The same ledger blocks one policy and lets another pass: what counts is what the client is shown."""
    await store(database, *[(VALID, "big.example")] * 80, *[(ACCEPT_ALL, "all.example")] * 20)
    plain = await ask_gate(database, SETTINGS, "crm", "spring", NOW)
    await clients.set_policy(database, "crm", {"accept_all": "valid"})
    trusting = await ask_gate(database, SETTINGS, "crm", "spring", NOW)
    await clients.set_policy(database, "crm", {"accept_all": "risky"})
    careful = await ask_gate(database, SETTINGS, "crm", "spring", NOW)

    assert plain is not None
    assert trusting is not None
    assert careful is not None
    assert [one.reason for one in plain.objections] == [GateReason.TOO_FEW_VALID]
    assert trusting.gate is Gate.PASS
    assert {one.reason for one in careful.objections} == {GateReason.TOO_FEW_VALID, GateReason.TOO_MANY_RISKY}


async def test_only_what_is_exported_is_sent_to(database: Database) -> None:
    """Who exports valid addresses alone sends to those alone; free providers under their own label are valid, too."""
    await store(
        database, *[(VALID, "big.example")] * 40, *[(FREE, "free.example")] * 10, *[(INVALID, "x.example")] * 50
    )
    await clients.set_policy(
        database, "crm", {"export_statuses": ["valid", "free_provider"], "free_provider": "free_provider"}
    )

    answer = await ask_gate(database, SETTINGS, "crm", "spring", NOW)

    assert answer is not None
    assert (answer.gate, answer.numbers.sent, answer.numbers.valid) == (Gate.PASS, 50, 50)


async def test_unknown_ones_count_at_small_domains(database: Database) -> None:
    """An unknown at a domain of many says something about us; at a small one it is a bounce to come."""
    big = [(VALID, "big.example")] * 97 + [(UNKNOWN, "big.example")] * 2
    await store(database, *big, (UNKNOWN, "small.example"))

    answer = await ask_gate(
        database, Settings.of(gate={"small_domain": 2, "warn_unknown_above": 0}), "crm", "spring", NOW
    )

    assert answer is not None
    assert [(one.reason, one.count) for one in answer.objections] == [(GateReason.TOO_MANY_UNKNOWN, 1)]


async def test_what_will_be_out_of_date(database: Database) -> None:
    """With a campaign's date the gate looks ahead: what holds today may not hold then."""
    found = [(VALID, "big.example")] * 80 + [(OLD, "big.example")] * 20
    await store(database, *found, campaign_at=NOW + timedelta(days=15))

    answer = await ask_gate(database, SETTINGS, "crm", "spring", NOW)

    assert answer is not None
    assert [(one.reason, one.gate, one.count) for one in answer.objections] == [
        (GateReason.OUT_OF_DATE, Gate.BLOCK, 20)
    ]
    await clients.set_policy(database, "crm", {"ttl": "90d"})
    patient = await ask_gate(database, SETTINGS, "crm", "spring", NOW)
    assert patient is not None
    assert patient.gate is Gate.PASS


async def test_what_is_not_finished_blocks(database: Database) -> None:
    """Open requests, and announced ones that never came, are a reason of their own."""
    await store(database, *[(VALID, "big.example")] * 8, (None, "big.example"), expected=10)

    answer = await ask_gate(database, SETTINGS, "crm", "spring", NOW)

    assert answer is not None
    [one] = answer.objections
    assert (one.reason, one.gate, one.count, one.percent) == (GateReason.NOT_FINISHED, Gate.BLOCK, 2, 20)
    public = to_public(answer)
    assert public["gate"] == "block"
    assert public["reasons"][0]["text"] == "2 addresses (20 %) are not verified yet."
    assert public["numbers"]["requests"] == 10
