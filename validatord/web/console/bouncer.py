"""The paid second opinion: credits, batches as a pipeline, use of the limits, and what waits for a person."""

from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

from validatord.bouncer.context import keep_own
from validatord.errors import StoreError
from validatord.store import bouncer_batches, bouncer_limits, bouncer_queue, bouncer_reports
from validatord.store.bouncer_batches import Batch
from validatord.store.bouncer_limits import Account, BucketUse
from validatord.store.bouncer_reports import DeadLetter, QueueCount, Totals
from validatord.web.console import render
from validatord.web.console.desk import DESK, Desk, read_form, read_number

_PIPELINE = (
    ("planned", "written down"),
    ("submitting", "being sent"),
    ("submitted", "at Bouncer"),
    ("ready", "answered"),
    ("downloaded", "downloaded"),
    ("ingested", "taken in"),
    ("cleaned", "deleted there"),
)
_ASTRAY = (("submit_unknown", "fate unknown"), ("lost", "lost"), ("cancelling", "being ended"), ("parked", "set aside"))
_MOST_BATCHES = 25
_MOST_LETTERS = 50
_RECENT = timedelta(minutes=5)
_LIKELY = 0.4  # of a batch's credits gone: it was probably taken
_BACK = "/console/bouncer"


@dataclass(frozen=True, slots=True)
class Step:
    """One state of the pipeline, and what is in it now."""

    state: str
    said: str
    batches: int
    addresses: int


@dataclass(frozen=True, slots=True)
class BouncerPage:
    """The facts of the page."""

    has_key: bool
    accounts: tuple[Account, ...]
    steps: tuple[Step, ...]
    astray: tuple[Step, ...]
    queue: tuple[QueueCount, ...]
    totals: Totals
    batches: tuple[Batch, ...]
    buckets: tuple[BucketUse, ...]
    calls_per_minute: int
    letters: tuple[DeadLetter, ...]
    with_reviewed: bool


async def load_page(desk: Desk, *, with_reviewed: bool) -> BouncerPage:
    """Gather the facts of the page."""
    database, settings = desk.database, desk.services.snapshot().bouncer
    counts: dict[str, tuple[int, int]] = {}
    for item in await bouncer_reports.count_states(database):
        batches, addresses = counts.get(item.state, (0, 0))
        counts[item.state] = (batches + item.batches, addresses + item.addresses)
    accounts = (await bouncer_limits.load_accounts(database)).values()
    return BouncerPage(
        has_key=bool(settings.api_key.get_secret_value()),
        accounts=tuple(item for item in accounts if item.tier == "main" or item.credits_ts or item.stopped_ts),
        steps=tuple(Step(state, said, *counts.get(state, (0, 0))) for state, said in _PIPELINE),
        astray=tuple(Step(state, said, *counts[state]) for state, said in _ASTRAY if state in counts),
        queue=tuple(await bouncer_reports.count_queue(database)),
        totals=await bouncer_reports.get_totals(database),
        batches=tuple(await bouncer_batches.list_batches(database, limit=_MOST_BATCHES)),
        buckets=tuple(await bouncer_limits.load_buckets(database)),
        calls_per_minute=settings.calls_per_minute,
        letters=tuple(
            await bouncer_reports.list_dead_letters(database, with_reviewed=with_reviewed, limit=_MOST_LETTERS)
        ),
        with_reviewed=with_reviewed,
    )


def hint_of(batch: Batch) -> str:
    """Say what the credits suggest of a batch whose fate is unknown: a hint, since others move them, too."""
    before, after = batch.credits_before, batch.credits_after
    if before is None or after is None:
        return "The credits before and after it are not known."
    fell = before - after
    likely = "it was probably taken" if fell >= batch.quantity * _LIKELY else "it was probably not taken"
    return f"Credits fell by {fell:,} for {batch.quantity:,} addresses: {likely}."


async def show_bouncer(request: web.Request) -> web.StreamResponse:
    """Show the page."""
    desk = request[DESK]
    desk.require_admin()
    facts = await load_page(desk, with_reviewed="all" in request.query)
    return render.page(request, "bouncer.html", facts=facts, hint_of=hint_of)


async def act_on_letter(request: web.Request) -> web.StreamResponse:
    """Review, retry or settle a dead letter."""
    desk = request[DESK]
    desk.require_admin()
    letter, act = read_number(request, "letter"), (await read_form(request)).get("act", "")
    try:
        raise render.go(request, f"{_BACK}#letters", await _deal_with(desk, letter, act))
    except StoreError as error:
        raise render.go(request, f"{_BACK}#letters", str(error), "warn") from None


async def _deal_with(desk: Desk, letter: int, act: str) -> str:
    if act == "review":
        await bouncer_reports.review_dead_letter(desk.database, letter)
        return f"Dead letter {letter} was seen."
    if act == "retry":
        moved = await bouncer_queue.retry_dead_letter(desk.database, letter)
        return f"{moved:,} requests wait for Bouncer again."
    if act == "settle":
        settle = keep_own("settled", desk.now)
        ended = await bouncer_queue.settle_dead_letter(desk.database, letter, settle)
        return f"{ended:,} requests ended with what our own probe said."
    raise web.HTTPBadRequest


async def act_on_batch(request: web.Request) -> web.StreamResponse:
    """Decide what only a person can: adopt a batch, buy it again, let it go, or end it early."""
    desk = request[DESK]
    desk.require_admin()
    batch, form = read_number(request, "batch"), await read_form(request)
    try:
        raise render.go(request, _BACK, await _decide(desk, batch, form))
    except StoreError as error:
        raise render.go(request, _BACK, str(error), "warn") from None


async def _decide(desk: Desk, batch: int, form: dict[str, str]) -> str:
    act = form.get("act", "")
    if act == "adopt":
        await bouncer_queue.adopt_batch(desk.database, batch, form.get("ref", "").strip()[:200])
        return f"Batch {batch} goes on."
    if act == "resubmit":
        return await _resubmit(desk, batch)
    if act == "abandon":
        settle = keep_own("abandoned", desk.now)
        return f"{await bouncer_queue.abandon_batch(desk.database, batch, settle):,} requests ended."
    if act == "cancel":
        if not await bouncer_batches.begin_cancel(desk.database, batch):
            raise StoreError(f"batch {batch} does not run at Bouncer")
        return f"Batch {batch} will be ended; what was not verified is not paid for."
    raise web.HTTPBadRequest


async def _resubmit(desk: Desk, batch: int) -> str:
    found = await bouncer_batches.get_batch(desk.database, batch)
    sent = found.submitting_ts if found is not None and found.state == "submit_unknown" else None
    if sent is not None and desk.now - sent < _RECENT:
        raise StoreError("It was sent only minutes ago: wait a little, its answer may still come.")
    return f"{await bouncer_queue.resubmit_batch(desk.database, batch):,} requests wait for Bouncer again."


async def resume_buying(request: web.Request) -> web.StreamResponse:
    """Buy again, after a pause that only a person ends."""
    desk = request[DESK]
    desk.require_admin()
    ended = [tier for tier in ("main", "deep") if await bouncer_limits.resume_account(desk.database, tier)]
    raise render.go(request, _BACK, "Bouncer is asked again." if ended else "Nothing was paused.")


ROUTES = (
    web.get("/bouncer", show_bouncer),
    web.post("/bouncer/resume", resume_buying),
    web.post("/bouncer/letters/{letter}", act_on_letter),
    web.post("/bouncer/batches/{batch}", act_on_batch),
)
