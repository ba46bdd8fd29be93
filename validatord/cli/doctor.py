"""`validatord doctor`: what receivers will see of us, and whether the machine is up to it."""

import asyncio
import json
import sys

import click

from validatord.cli.session import Session
from validatord.doctor.check import Level
from validatord.doctor.report import format_checks, to_json
from validatord.doctor.run import find_worst, run_doctor
from validatord.logs import set_up_logs


@click.command()
@click.option("--json", "is_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_obj
def doctor(session: Session, *, is_json: bool) -> None:
    """Examine names, addresses, DNS, port 25, stores and limits; exit status 1 if something does not work.

    Changes nothing, and asks nobody about a mailbox of others. Port 25 is examined where doctor.targets
    names hosts to greet.
    """
    set_up_logs(level="WARNING", form="text")
    checks = asyncio.run(run_doctor(session.settings))
    click.echo(json.dumps(to_json(checks), indent=2) if is_json else format_checks(checks), nl=is_json)
    sys.exit(1 if find_worst(checks) is Level.FAIL else 0)


COMMANDS = (doctor,)
