"""What goes into a batch, and what leaves the queue without being bought.

Urgent addresses first, clients in turn, domains mixed, every address once; within the budgets, which are
constraints of the ledger. A batch waits for company up to a configured time, critical addresses never.
"""

from datetime import timedelta

from loguru import logger

from validatord.bouncer.context import Tools, keep_own
from validatord.bouncer.ingest import make_findings
from validatord.bouncer.translate import Rules
from validatord.mail.request import Priority
from validatord.rules.policy import BouncerMode, ClientPolicy
from validatord.settings import BouncerSettings, Settings
from validatord.store import bouncer_batches, bouncer_ingest, bouncer_queue
from validatord.store.bouncer_batches import OpenCount
from validatord.store.bouncer_queue import Cap, PlanSpec

_MAIN, _DEEP = "main", "deep"
_NO_LIMIT = 2**31 - 1
_MOST_PAGES = 20
_UNWANTED_SECONDS = 600.0
_PAGE = 200
_LEVELS = (100, 75, 50, 25, 0)


async def triage(tools: Tools) -> int:
    """Let go what waited too long or is not wanted any more; return how many requests."""
    settled = 0
    for client in await bouncer_queue.list_payers(tools.database, _MAIN):
        cascade = tools.policy_of(client).bouncer
        max_age = timedelta(0) if _is_unwanted_for_long(tools, client) else cascade.max_age
        below = next((level for level in _LEVELS if level < cascade.min_value), -1)
        settle = keep_own("not_bought", tools.clock.now())
        for _ in range(_MOST_PAGES):
            count = await bouncer_queue.settle_outdated(tools.database, client, max_age, below, settle)
            settled += count
            if not count:
                break
    if settled:
        logger.bind(requests=settled).info("bouncer: ended without being bought")
    return settled


def _is_unwanted_for_long(tools: Tools, client: str) -> bool:
    """Whether a client wants nothing bought, and not only because its policy cannot be read for a moment."""
    if _is_wanted(tools, client):
        tools.unwanted_since.pop(client, None)
        return False
    now = tools.clock.monotonic()
    return now - tools.unwanted_since.setdefault(client, now) >= _UNWANTED_SECONDS


def _is_wanted(tools: Tools, client: str) -> bool:
    return tools.policy_of(client).bouncer.mode is not BouncerMode.LOCAL_ONLY


async def answer_known(tools: Tools, settings: Settings) -> int:
    """Answer what was bought before and is still good, whoever it was bought for."""
    rules = Rules(settings.score, settings.freshness)
    answered = 0
    while count := await bouncer_ingest.answer_known(tools.database, _PAGE, lambda found: make_findings(found, rules)):
        answered += count
    if answered:
        logger.bind(requests=answered).info("bouncer: answered from what was bought before")
    return answered


async def plan(tools: Tools, tier: str, settings: BouncerSettings) -> int:
    """Write down the next batch of a pass, if there is one; return how many addresses it holds."""
    counts = (await bouncer_batches.count_open(tools.database)).get(tier, OpenCount())
    most_open = 1 if tier == _DEEP else settings.max_open_batches
    # One at a time waits for its create: a plan holds addresses and credits.
    if counts.planned or counts.submitting or counts.open >= most_open:
        return 0
    spec = await _make_spec(tools, tier, settings)
    if spec is None or not await _is_due(tools, spec, settings):
        return 0
    planned = await bouncer_queue.plan_batch(tools.database, spec)
    if planned is None:
        return 0
    logger.bind(batch=planned.batch, tier=tier, addresses=planned.quantity).info("bouncer batch planned")
    return planned.quantity


async def _make_spec(tools: Tools, tier: str, settings: BouncerSettings) -> PlanSpec | None:
    queued = await bouncer_queue.list_payers(tools.database, tier)
    clients = [client for client in queued if _is_wanted(tools, client)]
    if not clients:
        return None
    taken = await bouncer_queue.load_budgets(tools.database, tier)
    caps = [_cap_of(client, tier, tools.policy_of(client)) for client in clients]
    caps += [Cap(client, 0, 0) for client in queued if client not in clients]
    account = _account_cap(tier, settings)
    limit = min(settings.batch_size, _left(account, taken))
    payers = [(cap.client, left) for cap in caps if (left := _left(cap, taken)) > 0]
    return PlanSpec(tier, limit, payers, [*caps, account]) if payers and limit > 0 else None


def _cap_of(client: str, tier: str, policy: ClientPolicy) -> Cap:
    cascade = policy.bouncer
    # The deep pass has a budget of its own, the account's.
    return Cap(client, None, None) if tier == _DEEP else Cap(client, cascade.credits_per_day, cascade.credits_per_month)


def _account_cap(tier: str, settings: BouncerSettings) -> Cap:
    if tier == _DEEP:
        return Cap("", None, settings.deep_credits_per_month)
    return Cap("", settings.credits_per_day or None, settings.credits_per_month or None)


def _left(cap: Cap, taken: dict[tuple[str, str], int]) -> int:
    caps = ((cap.per_day, "day"), (cap.per_month, "month"))
    lefts = [most - taken.get((cap.client, period), 0) for most, period in caps if most is not None]
    return max(0, min(lefts, default=_NO_LIMIT))


async def _is_due(tools: Tools, spec: PlanSpec, settings: BouncerSettings) -> bool:
    with_budget = {client for client, _ in spec.payers}
    exhausted = [cap.client for cap in spec.caps if cap.client and cap.client not in with_budget]
    waiting = await bouncer_queue.count_waiting(
        tools.database, spec.tier, spec.limit, exhausted=exhausted, fill_wait=settings.fill_wait
    )
    is_urgent = waiting.priority >= Priority.CRITICAL.weight
    return waiting.count > 0 and (waiting.count >= spec.limit or waiting.is_long_enough or is_urgent)
