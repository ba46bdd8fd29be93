"""What goes into a batch, and what leaves the queue without being bought."""

from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.bouncer_rig import Rig, hand_over, make_emails
from validatord.bouncer import collect
from validatord.rules.policy import read as read_policy
from validatord.store import bouncer_batches


def _policy(**cascade: Any) -> Any:
    return read_policy({"bouncer": {"mode": "local_then_bouncer", **cascade}})


async def _plan(rig: Rig) -> int:
    return await collect.plan(rig.driver.tools, "main", rig.settings.bouncer)


async def _members(rig: Rig, batch: int = 1) -> list[str]:
    return await bouncer_batches.load_payload(rig.database, batch)


async def test_domains_are_mixed(rig: Rig) -> None:
    """Members stand round robin by domain, and the same members always in the same order."""
    emails = [*make_emails(30, domains=1, prefix="a"), *(f"b{n}@domain{n}.example" for n in range(1, 11))]
    await hand_over(rig.database, emails)
    await _plan(rig)
    members = await _members(rig)

    assert sorted(members) == sorted(emails)
    first = [member.partition("@")[2] for member in members[:11]]
    assert len(set(first)) == 11
    await rig.database.fetch("UPDATE bouncer_batches SET state = 'parked'")
    from validatord.store import bouncer_queue

    await bouncer_queue.resubmit_batch(rig.database, 1)
    await _plan(rig)
    assert await _members(rig, 2) == members


async def test_urgent_ones_go_first(rig: Rig) -> None:
    """A batch takes critical before high before normal before low."""
    rig.change(batch_size=10)
    for priority, name in ((25, "low"), (50, "normal"), (100, "critical"), (75, "high")):
        await hand_over(rig.database, make_emails(4, prefix=name), submission=name, priority=priority)
    await _plan(rig)

    chosen = [member.rstrip("0123456789").partition("@")[0].rstrip("0123456789") for member in await _members(rig)]
    assert sorted(chosen) == sorted(["critical"] * 4 + ["high"] * 4 + ["normal"] * 2)


async def test_clients_take_turns(rig: Rig) -> None:
    """A client with few addresses is not kept waiting by one with many."""
    rig.change(batch_size=10)
    await hand_over(rig.database, make_emails(100, prefix="many"), client="many")
    await hand_over(rig.database, make_emails(3, prefix="few"), client="few")
    await _plan(rig)

    assert sum(member.startswith("few") for member in await _members(rig)) == 3


async def test_waits_for_company(rig: Rig) -> None:
    """A batch waits to fill; a full one, a critical address or enough waiting ends that."""
    rig.change(fill_wait=timedelta(hours=1))
    await hand_over(rig.database, make_emails(10))
    assert await _plan(rig) == 0

    await hand_over(rig.database, ["vip@domain.example"], submission="urgent", priority=100)
    assert await _plan(rig) == 11


async def test_waited_long_enough(rig: Rig) -> None:
    """After the configured time a batch goes as it is."""
    rig.change(fill_wait=timedelta(hours=1))
    await hand_over(rig.database, make_emails(10))
    await rig.database.fetch("UPDATE bouncer_queue SET created_ts = now() - interval '2 hours'")

    assert await _plan(rig) == 10


async def test_one_plan_at_a_time(rig: Rig) -> None:
    """While a batch waits for its create no further one is planned: plans hold addresses and credits."""
    await hand_over(rig.database, make_emails(120))

    assert await _plan(rig) == 50
    assert await _plan(rig) == 0


async def test_no_more_open_than_configured(rig: Rig) -> None:
    """The number of batches under way is bounded."""
    rig.change(max_open_batches=2)
    rig.service.world.is_stopped = True
    await hand_over(rig.database, make_emails(200))
    for _ in range(30):
        await rig.driver.run_once()

    assert await rig.states() == {"submitted": 2}
    rig.service.world.is_stopped = False
    await rig.run_to_end()
    assert rig.service.ledger.check(most_open=2) == []


async def test_caps_of_a_client(rig: Rig) -> None:
    """No more than a client's credits of the day are taken, whatever waits; others go on."""
    rig.policies = {"shop": _policy(credits_per_day=30), "other": _policy()}
    await hand_over(rig.database, make_emails(80, prefix="shop"), client="shop")
    await hand_over(rig.database, make_emails(60, prefix="other"), client="other")

    await rig.run_until(
        "SELECT count(*) FROM requests r JOIN submissions s ON r.submission_id = s.id"
        " WHERE s.client = 'other' AND r.state = 'handed_over'",
        0,
    )
    for _ in range(20):
        await rig.driver.run_once()

    paid = sum(count for email, count in rig.service.world.charges.items() if email.startswith("shop"))
    used = await rig.fetch("SELECT credits FROM bouncer_budgets WHERE client = 'shop' AND period = 'day'")
    assert paid <= 30
    assert used == paid


async def test_cap_of_the_account(rig: Rig) -> None:
    """The cap over all clients holds as well, and is a constraint of the ledger."""
    rig.change(credits_per_month=20)
    await hand_over(rig.database, make_emails(80))
    for _ in range(60):
        await rig.driver.run_once()

    assert sum(rig.service.world.charges.values()) <= 20
    cap = await rig.fetch("SELECT max(cap) FROM bouncer_budgets WHERE client = '' AND period = 'month'")
    assert cap == 20


async def test_too_old(rig: Rig) -> None:
    """What waited longer than its client wants ends with our own finding and is not bought."""
    rig.policies = {"shop": _policy(max_age="1h")}
    await hand_over(rig.database, make_emails(10))
    await rig.database.fetch("UPDATE bouncer_queue SET created_ts = now() - interval '2 hours'")

    assert await collect.triage(rig.driver.tools) == 10

    row = (await rig.database.fetch("SELECT DISTINCT status, reason, reasons FROM requests"))[0]
    assert (row["status"], row["reason"]) == ("unknown", "greylisted")
    assert "bouncer:not_bought" in row["reasons"]
    assert await rig.fetch("SELECT finished FROM submissions") == 10


async def test_not_worth_it(rig: Rig) -> None:
    """Requests below a client's least value are not bought; far down a long list they count as what they are."""
    rig.policies = {"shop": _policy(min_value=50)}
    await hand_over(rig.database, make_emails(5, prefix="low"), priority=25)
    await hand_over(rig.database, make_emails(5, prefix="long"), submission="long", priority=46)

    assert await collect.triage(rig.driver.tools) == 5
    assert all(email.startswith("low") for email in await rig.results())


async def test_not_wanted_any_more(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a client that changed to local_only nothing is bought; after a while its requests end with our findings."""
    rig.policies = {"shop": read_policy({})}
    await hand_over(rig.database, make_emails(5))

    assert await collect.triage(rig.driver.tools) == 0
    assert await _plan(rig) == 0
    monkeypatch.setattr(collect, "_UNWANTED_SECONDS", 0.0)
    assert await collect.triage(rig.driver.tools) == 5


async def test_a_policy_that_comes_back(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy that could not be read for a moment costs nobody an answer."""
    rig.policies = {"shop": read_policy({})}
    await hand_over(rig.database, make_emails(5))
    await collect.triage(rig.driver.tools)
    rig.policies = {}
    await collect.triage(rig.driver.tools)

    assert await _plan(rig) == 5


async def test_the_ledger_keeps_what_bouncer_said(rig: Rig) -> None:
    """The finding is stored whatever the client's policy makes of it; its confidence is Bouncer's score."""
    rig.policies = {"shop": read_policy({"bouncer": {"mode": "local_then_bouncer"}, "accept_all": "risky"})}
    await hand_over(rig.database, ["accept-all+1@domain.example"])
    await rig.run_to_end()

    row = (await rig.database.fetch("SELECT status, reason, reasons, confidence, contributions FROM requests"))[0]
    assert (row["status"], row["reason"]) == ("accept_all", "accept_all")
    assert not any(name.startswith("policy:") for name in row["reasons"])
    assert row["contributions"][0][0] == "bouncer"
    assert sum(points for _, points in row["contributions"]) == row["confidence"]


async def test_what_a_verdict_carries(rig: Rig) -> None:
    """email_validation says who said it and when, and beside it what our own probe said."""
    await hand_over(rig.database, ["deliverable+1@domain.example"], with_contacts=True)
    await rig.run_to_end()

    row = (await rig.database.fetch("SELECT * FROM email_validation"))[0]
    assert (row["status"], row["source"]) == ("valid", "bouncer")
    assert row["contact_id"] is not None
    assert row["probe"]["reason"] == "greylisted"
    assert row["fresh_until"] > row["checked_at"]
    result = (await rig.database.fetch("SELECT * FROM bouncer_results"))[0]
    assert (result["bouncer_status"], result["global_id"]) == ("deliverable", row["contact_id"])


async def test_deep_pass_is_off_by_default(rig: Rig) -> None:
    """Without a deep key nothing is asked twice, whatever a client wants."""
    rig.policies = {"shop": _policy(is_deep=True)}
    await hand_over(rig.database, [f"accept-all+{number}@domain.example" for number in range(5)])
    await rig.run_to_end()

    assert await rig.fetch("SELECT count(*) FROM bouncer_queue WHERE pass = 'deep'") == 0


async def test_deep_pass(rig: Rig) -> None:
    """With key and budget, accept-all domains are asked about once more, stored beside the first answer, once ever."""
    from pydantic import SecretStr

    rig.change(deep_api_key=SecretStr("deep-key"), deep_credits_per_month=4)
    rig.policies = {"shop": _policy(is_deep=True)}
    kinds = ("accept-all", "full", "disposable", "undeliverable", "deliverable")
    await hand_over(rig.database, [f"{kind}+{number}@domain.example" for number in range(6) for kind in kinds])
    await rig.run_to_end()
    for _ in range(40):
        await rig.driver.run_once()

    deep = await rig.database.fetch("SELECT * FROM bouncer_results WHERE pass = 'deep'")
    assert len(deep) == 4
    assert all(row["email"].startswith("accept-all") for row in deep)
    assert set((await rig.results()).values()) >= {"accept_all"}
    assert await rig.fetch("SELECT count(*) FROM email_validation WHERE status = 'accept_all'") == 6
    assert max(rig.service.world.charges.values()) == 1


async def test_callback_hastens_and_adopts(rig: Rig) -> None:
    """A call back with our token polls at once, or names the batch of an unknown create; others are refused."""
    from validatord.bouncer import callback

    rig.change(callback_url="https://hook.example/bouncer/")
    rig.service.break_("F06.reset")
    emails = make_emails(20)
    await hand_over(rig.database, emails)
    await rig.run_until("SELECT count(*) FROM bouncer_batches WHERE state = 'submit_unknown'", 1)
    token = (await rig.fetch("SELECT intent FROM bouncer_batches")).hex
    ref = rig.service.ledger.creates[0][0]

    assert not await callback.hear(rig.database, "0" * 32, {"batchId": ref})
    assert not await callback.hear(rig.database, "no token", {"batchId": ref})
    assert not await callback.hear(rig.database, token, {"status": "completed"})
    assert await callback.hear(rig.database, token, {"batchId": ref, "status": "completed"})
    assert await callback.hear(rig.database, token, {})
    await rig.run_to_end()
    assert set(await rig.results()) == set(emails)


async def test_health(rig: Rig) -> None:
    """Credits, queue, batches, limiter use and dead letters are written down as figures."""
    rig.change(metrics_interval=timedelta(milliseconds=1))
    await hand_over(rig.database, make_emails(120))
    await rig.run_to_end()
    await rig.driver.run_once()

    found = await rig.database.fetch("SELECT DISTINCT metric_name FROM bouncer_health_metrics")
    names = {row["metric_name"] for row in found}
    assert {"credits_main", "queue_main_completed", "batches_main_cleaned", "calls_all", "dead_letters"} <= names
