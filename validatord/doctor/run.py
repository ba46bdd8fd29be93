"""All examinations of `validatord doctor`, side by side; none of them stops another.

Nothing is changed and no mailbox of others is asked about: port 25 is greeted where an operator says
so, our own MX host is asked about our own addresses, everything else is DNS, PostgreSQL and Redis.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from loguru import logger

from validatord import errors
from validatord.clock import Clock, SystemClock
from validatord.doctor import identity, machine, network, sender, stores
from validatord.doctor.check import Check, Level, Tools, fail
from validatord.lookup.mx import MXLookup
from validatord.lookup.resolver import Resolver
from validatord.settings import Settings

_PATIENCE_SECONDS = 90.0


async def run_doctor(
    settings: Settings,
    *,
    dsn: str = "",
    redis_url: str = "",
    clock: Clock | None = None,
    rng: random.Random | None = None,
    find_local_address: Callable[[], str] = identity.find_local_address,
) -> list[Check]:
    """Examine everything and return the checks, in a fixed order.

    `dsn` and `redis_url` are for stores that run elsewhere than the settings say, such as our own.
    """
    clock = clock or SystemClock()
    examinations = [
        _run("open files", _examine_files(settings)),
        _run(
            "PostgreSQL",
            stores.examine_postgres(dsn or settings.database.url.get_secret_value(), settings.database, clock),
        ),
        _run(
            "Redis",
            stores.examine_redis(
                redis_url or settings.redis.url.get_secret_value(), is_enabled=settings.redis.is_enabled
            ),
        ),
        _examine_outside(settings, clock, rng or random.SystemRandom(), find_local_address),
    ]
    return [check for checks in await asyncio.gather(*examinations) for check in checks]


def find_worst(checks: Sequence[Check]) -> Level:
    """Return the worst level among the checks."""
    return max((check.level for check in checks), key=list(Level).index, default=Level.OK)


async def _examine_files(settings: Settings) -> list[Check]:
    return machine.examine_files(settings)


async def _examine_outside(
    settings: Settings, clock: Clock, rng: random.Random, find_local_address: Callable[[], str]
) -> list[Check]:
    try:
        resolver = Resolver(settings.lookup, clock)
    except errors.ConfigurationError as wrong:
        return [fail("resolver", str(wrong), "set lookup.resolvers")]
    mx = MXLookup(resolver, settings.lookup, clock, rng)
    tools = Tools(settings, resolver, mx, clock, rng, find_local_address)
    examinations: list[Awaitable[list[Check]]] = [_run("resolver", network.examine_resolver(tools))]
    for each in settings.identities:
        examinations += [
            _run(f"identity {each.name}", identity.examine_identity(each, tools)),
            _run(f"sender of {each.name}", sender.examine_sender(each, tools)),
            _run(f"port of {each.name}", network.examine_port(each, tools)),
        ]
    try:
        found = await asyncio.gather(*examinations)
    finally:
        await resolver.aclose()
    # Identities share domains and lists: each thing is said once.
    return list(dict.fromkeys(check for checks in found for check in checks))


async def _run(name: str, examination: Awaitable[list[Check]]) -> list[Check]:
    """Run one examination; what goes wrong in it is a finding too."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await examination
    except TimeoutError:
        return [fail(name, f"not done after {_PATIENCE_SECONDS:.0f} s", "see whether the network answers at all")]
    except Exception as error:  # noqa: BLE001 the other findings are wanted all the same
        # Only the kind is shown: a password may stand in the text of an error about a URL.
        logger.opt(exception=error).debug("an examination failed")
        return [fail(name, f"the examination failed: {type(error).__name__}", "report it: the doctor should know this")]
