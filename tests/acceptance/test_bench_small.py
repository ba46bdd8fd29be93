"""The main measurement in small: what is counted must hold on any machine; what is timed is left to `make bench`."""

import asyncio

import pytest

from tests.bench import verification
from tests.bench.verification import Load, Measured
from tests.services import open_state_dir


@pytest.fixture(scope="module")
def found() -> Measured:
    """One run, looked at from several sides."""
    load = Load(addresses=1500, domains=30, speed=30.0, most_seconds=50.0)
    with open_state_dir() as folder:
        return asyncio.run(verification.run(load, folder))


def test_every_address_ends_with_the_right_verdict(found: Measured) -> None:
    """Nothing is lost between arq and the ledger, and nothing is judged against the truth."""
    assert found.unfinished == 0, found.waiting
    assert found.wrong == {}


def test_it_costs_the_hosts_little(found: Measured) -> None:
    """Sessions are shared, domains that accept all are not asked again, commands go out in groups."""
    total = found.counters["total"]

    assert total["connections"] <= 0.10 * found.addresses
    assert found.rcpts <= 1.0 * found.addresses
    assert total["flights"] <= 0.9 * found.addresses


def test_no_provider_sees_more_sessions_than_it_is_allowed(found: Measured) -> None:
    """With four conversations per domain and four sessions per lane nobody ever sees a fifth."""
    assert 2 <= found.most_sessions <= verification.SESSIONS


def test_the_protocol_is_kept(found: Measured) -> None:
    """No DATA, no VRFY, and nothing a host could complain about."""
    total = found.counters["total"]

    assert total["alarms"] == 0
    assert total["complaints"] == {}


def test_the_daemon_stays_small(found: Measured) -> None:
    """The memory of the daemon is bounded whatever waits in the ledger."""
    assert 10 < found.peak_memory < 250
