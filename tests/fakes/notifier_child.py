"""A notifier in a process of its own, so that it can be killed for real."""

import asyncio
import sys

from loguru import logger

from validatord.clock import SystemClock
from validatord.loops.notifier import Notifier, Ways, judge_targets
from validatord.notify.webhook import WebhookSender
from validatord.settings import Settings
from validatord.store.database import Database


async def main(dsn: str) -> None:
    """Run rounds until nothing is left that is due."""
    logger.remove()
    settings = Settings.of(webhooks={"allow_targets": ["127.0.0.0/8"]})
    database = await Database.open(dsn, pool_size=3)
    sender = WebhookSender(judge_targets(lambda: settings), SystemClock())
    notifier = Notifier(database, lambda: settings, SystemClock(), Ways(sender))
    while await notifier.run_once():
        await notifier.wait_sent()
    await database.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
