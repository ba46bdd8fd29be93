"""The main measurement: 20,000 addresses at 400 domains, hosts that answer after 20 to 200 ms.

Run with `python -m tests.bench.verify [--addresses N] [--domains N] [--speed N]`.
"""

import argparse
import asyncio
import sys

from tests.bench import report, verification
from tests.bench.report import Figure
from tests.bench.verification import Load, Measured
from tests.services import open_state_dir


def list_figures(found: Measured) -> list[Figure]:
    """Return the figures that have bounds, and those that explain them."""
    total, count, used = found.counters["total"], found.addresses, found.cpu
    thousands = count / 1000
    return [
        Figure("addresses", count),
        Figure("without an end", found.unfinished, most=0),
        Figure("wrong verdicts", found.wrong.total(), most=0),
        Figure("connections per address", total["connections"] / count, most=0.10, digits=3),
        Figure("RCPT per address", found.rcpts / count, most=1.0, digits=3),
        Figure("round trips per address", total["flights"] / count, most=0.9, digits=3),
        Figure("most sessions one provider saw", found.most_sessions, most=verification.SESSIONS),
        Figure("most sessions of all hosts", total["most_sessions"]),
        Figure("DATA and other alarms", total["alarms"], most=0),
        Figure("breaches of the protocol", sum(total["complaints"].values()), most=0),
        Figure("CPU s per 1,000: daemon and PostgreSQL", (used.daemon + used.postgres) / thousands, most=1.0, digits=3),
        Figure("    daemon", used.daemon / thousands, digits=3),
        Figure("    PostgreSQL", used.postgres / thousands, digits=3),
        Figure("    Redis", used.redis / thousands, digits=3),
        Figure("most memory of the daemon, MB", found.peak_memory, most=250),
        Figure("seconds", found.seconds, digits=1),
        Figure("addresses per second", count / found.seconds, digits=1),
    ]


def main() -> int:
    """Measure, and return 1 where a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--addresses", type=int, default=20_000)
    parser.add_argument("--domains", type=int, default=400)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--most-seconds", type=float, default=300.0)
    given = parser.parse_args()
    load = Load(given.addresses, given.domains, given.speed, given.most_seconds)
    report.say(report.describe_machine())
    with open_state_dir(is_on_disk=True) as folder:
        found = asyncio.run(verification.run(load, folder, tell=report.say))
    report.say(f"PostgreSQL {found.postgres_version}")
    for kind, number in found.wrong.most_common(10):
        report.say(f"  wrong {number} times: {' '.join(kind[:2])}, right is {' '.join(kind[2:])}")
    for why, number in found.waiting.most_common(10):
        report.say(f"  waiting {number} times: {why}")
    return report.show(list_figures(found))


if __name__ == "__main__":
    sys.exit(main())
