"""Whether this process may open what it needs."""

import resource

from validatord.doctor.check import Check, fail, ok, warn
from validatord.settings import Settings

# Logs, epoll, the web server, files of the interpreter, the notification socket: everything that is not counted here.
_OTHERS = 200


def examine_files(settings: Settings) -> list[Check]:
    """Compare the limit of open files with what a busy daemon opens."""
    name = "open files"
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    sessions = settings.pacing.global_concurrency * settings.pacing.per_domain_concurrency
    least = sessions + settings.database.pool_size + settings.redis.max_jobs
    # Held sessions wait besides the running ones, and each DNS query has a socket of its own.
    needed = least + sessions + settings.lookup.concurrency + _OTHERS
    fix = f"raise LimitNOFILE in the unit (or ulimit -n) to {_round_up(needed)}, or lower pacing.global_concurrency"
    if limit == resource.RLIM_INFINITY or limit >= needed:
        return [ok(name, f"{'any number' if limit == resource.RLIM_INFINITY else limit} allowed, {needed} needed")]
    what = f"{limit} allowed, {needed} needed when busy"
    return [fail(name, what, fix) if limit < least else warn(name, what, fix)]


def _round_up(count: int) -> int:
    return -(-count // 1024) * 1024
