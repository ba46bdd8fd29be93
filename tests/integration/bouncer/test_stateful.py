"""Any message may get lost at any time: nobody pays twice, and everybody ends with a verdict."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.fakes.bouncer_machine import BouncerMachine


@pytest.mark.timeout(120)
def test_any_message_may_get_lost(dsn: str) -> None:
    """A model that loses requests and answers, kills the driver and takes Bouncer away finds no double charge."""
    BouncerMachine.dsn = dsn

    run_state_machine_as_test(
        BouncerMachine,
        settings=settings(
            max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
