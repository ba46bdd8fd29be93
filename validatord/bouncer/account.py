"""The paid account: its credits, and whether anything may be asked or bought at present."""

from loguru import logger

from validatord.bouncer.client import Access
from validatord.bouncer.context import Tools, is_key_refused, obey_limit, stop
from validatord.bouncer.limiter import Act
from validatord.bouncer.wire import hash_payload
from validatord.errors import BouncerError, BouncerRateLimited, BouncerRejected
from validatord.settings import BouncerSettings
from validatord.store import bouncer_batches, bouncer_limits
from validatord.store.bouncer_limits import Account

NO_CREDITS = "no_credits"
MISCONFIGURED = "misconfigured"
CREDITS_FELL = "credits_fell"  # only a person ends this one
_PATIENCE_SECONDS = 5.0  # for the bucket of credit reads: what they say is a hint, not a need
_ROUND_PATIENCE_SECONDS = 0.3  # in the middle of a round, which must not wait for this
_UNKNOWN = Account("", None, None, None, None, None, None, is_check_due=False, is_fresh=False)


async def note_key(tools: Tools, tier: str, settings: BouncerSettings) -> bool:
    """Keep a hash of the key in use; a new one ends a stop and a pause. False: there is no key."""
    key = Access.of(settings, tier).key
    if not key:
        return False
    if await bouncer_limits.use_key(tools.database, tier, hash_payload([key])[:16]):
        logger.bind(tier=tier).info("bouncer key taken into use")
    return True


async def read_credits(
    tools: Tools, tier: str, settings: BouncerSettings, patience_seconds: float | None = None
) -> int | None:
    """Read how many credits are left; None where that cannot be learned now.

    Raises:
        BouncerRejected: the key is refused.
    """
    patience = _PATIENCE_SECONDS if patience_seconds is None else patience_seconds
    if not await tools.limiter.try_take(Act.CREDITS, settings, patience):
        return None
    try:
        found = await tools.client.get_credits(Access.of(settings, tier))
    except BouncerRateLimited as error:
        tools.hear(error)
        await obey_limit(tools, Act.CREDITS, error, settings)
        return None
    except BouncerError as error:
        tools.hear(error)
        if is_key_refused(error):
            raise
        return None
    tools.breaker.hear_answer()
    await bouncer_limits.save_credits(tools.database, tier, found)
    await bouncer_batches.record_credits_after(tools.database, found)
    return found


async def watch(tools: Tools, tier: str, settings: BouncerSettings) -> Account:
    """Return what holds for an account, after having looked whether a stop or a pause may end."""
    account = (await bouncer_limits.load_accounts(tools.database)).get(tier, _UNKNOWN)
    if account.stopped_ts is None and await bouncer_batches.wants_credits(tools.database, tier):
        await _read_hint(tools, tier, settings)
    if account.is_check_due and (account.stopped_ts or account.paused_ts):
        await bouncer_limits.postpone_check(tools.database, tier, settings.check_interval)
        await _look_again(tools, tier, settings, account)
        account = (await bouncer_limits.load_accounts(tools.database)).get(tier, _UNKNOWN)
    return account


async def _read_hint(tools: Tools, tier: str, settings: BouncerSettings) -> None:
    """Read the credits after a create whose answer never came."""
    try:
        await read_credits(tools, tier, settings, _ROUND_PATIENCE_SECONDS)
    except BouncerRejected as error:
        await stop(tools, tier, error, settings)


async def _look_again(tools: Tools, tier: str, settings: BouncerSettings, account: Account) -> None:
    try:
        found = await read_credits(tools, tier, settings, _ROUND_PATIENCE_SECONDS)
    except BouncerRejected as error:
        await stop(tools, tier, error, settings)
        return
    if found is None:
        return
    if account.stopped_ts:
        logger.bind(tier=tier).info("bouncer takes our key again")
    if account.pause_reason == CREDITS_FELL:
        return
    needed = await bouncer_batches.next_quantity(tools.database, tier) if account.pause_reason == NO_CREDITS else 1
    if found >= needed and await bouncer_limits.resume_account(tools.database, tier):
        logger.bind(tier=tier, credits=found).info("bouncer: buying again")


async def has_kept_credits(tools: Tools, tier: str, settings: BouncerSettings) -> bool | None:
    """Ask, at a start, whether credits went that this ledger knows nothing of; None: cannot be learned now.

    A ledger restored from a backup does not know what was bought since, and would buy it again.
    """
    known = (await bouncer_limits.load_accounts(tools.database)).get(tier, _UNKNOWN).credits
    if known is None or settings.unexplained_credits < 0:
        return True
    explained = await bouncer_batches.explain_credits(tools.database, tier)
    try:
        found = await read_credits(tools, tier, settings)
    except BouncerRejected as error:
        await stop(tools, tier, error, settings)
        return None
    if found is None:
        return None
    fell = known - found - explained
    if fell <= settings.unexplained_credits:
        return True
    said = f"{fell} credits went without this ledger: was a backup restored? Compare, adopt, then: bouncer resume"
    await pause(tools, tier, CREDITS_FELL, said, settings)
    return False


async def pause(tools: Tools, tier: str, reason: str, error: str, settings: BouncerSettings) -> None:
    """Buy nothing for now; said once. What was bought already is polled and fetched all the same."""
    if await bouncer_limits.pause_account(tools.database, tier, reason, error, settings.check_interval):
        logger.bind(tier=tier, reason=reason, said=error).error("bouncer: nothing is bought for now")
