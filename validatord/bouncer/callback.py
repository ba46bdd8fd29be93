"""What to do when the provider calls back: a hint to look, and the way out of an unknown create.

The URL we gave carries the batch's intent, which nobody else knows. The body is documented poorly, so nothing
of it is believed but the provider's name of the batch.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from loguru import logger

from validatord.store import bouncer_batches
from validatord.store.database import Database

_NAMES = ("batchId", "id")
_LONGEST = 200


async def hear(database: Database, token: str, body: Mapping[str, Any]) -> bool:
    """Poll the batch that a callback is about now, or adopt it; False where the token is none of ours."""
    try:
        intent = UUID(hex=token)
    except ValueError:
        return False
    if await bouncer_batches.hasten_poll(database, intent):
        return True
    ref = next((body[name] for name in _NAMES if isinstance(body.get(name), str)), "")
    if not 0 < len(ref) <= _LONGEST or not await bouncer_batches.adopt_by_intent(database, intent, ref):
        return False
    logger.bind(ref=ref).warning("bouncer itself named the batch of an unknown create; going on with it")
    return True
