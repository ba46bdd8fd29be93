"""How the paid side is: figures for the ledger and one line in the log, and the batches that do not move."""

from datetime import timedelta

from loguru import logger

from validatord.bouncer.context import Tools
from validatord.settings import BouncerSettings
from validatord.store import bouncer_batches, bouncer_limits, bouncer_queue, bouncer_reports
from validatord.store.bouncer_batches import Trouble

_KEEP = timedelta(days=14)


async def note_stuck(tools: Tools, tier: str, settings: BouncerSettings) -> None:
    """Warn, once, about a batch at the head of the line that does not move; nothing is done to it."""
    found = await bouncer_batches.note_stuck(tools.database, tier, settings.stuck_after)
    if found is not None:
        since = f"{found['progressed_ts']:%Y-%m-%d %H:%M}"
        said = f"{found['status']}, {found['processed']} processed, unchanged since {since}"
        await bouncer_queue.add_dead_letter(tools.database, found["id"], Trouble("stuck", said))
        logger.bind(batch=found["id"], ref=found["batch_id"], said=said).warning(
            "bouncer batch does not move; it may be ended early with: validatord bouncer cancel"
        )


async def record(tools: Tools) -> dict[str, int]:
    """Write the figures down and return them."""
    figures = await measure(tools)
    tools.errors.clear()
    await bouncer_reports.add_metrics(tools.database, figures, _KEEP)
    logger.bind(**{name: value for name, value in figures.items() if value}).info("bouncer health")
    return figures


async def measure(tools: Tools) -> dict[str, int]:
    """Return credits left, queue and batches by state, the oldest waiting, limiter use and errors by class."""
    figures: dict[str, int] = {}
    for tier, account in (await bouncer_limits.load_accounts(tools.database)).items():
        if account.credits is not None:
            figures[f"credits_{tier}"] = account.credits
    now = tools.clock.now()
    for item in await bouncer_reports.count_queue(tools.database):
        figures[f"queue_{item.tier}_{item.status}"] = item.requests
        if item.oldest_ts is not None:
            figures[f"queue_{item.tier}_oldest_seconds"] = max(0, int((now - item.oldest_ts).total_seconds()))
    for state in await bouncer_reports.count_states(tools.database):
        figures[f"batches_{state.tier}_{state.state}"] = state.batches
    for bucket in await bouncer_limits.load_buckets(tools.database):
        figures[f"calls_{bucket.bucket}"] = bucket.request_count
    figures |= {f"errors_{kind}": count for kind, count in tools.errors.items()}
    figures["dead_letters"] = await bouncer_reports.count_dead_letters(tools.database)
    return figures
