"""`validatord gate`: may a campaign go out to a submission?"""

import asyncio
import sys
from datetime import UTC, datetime

import click
import orjson

from validatord.cli.session import Session
from validatord.errors import ConfigurationError
from validatord.intake.gate import ask_gate, to_public
from validatord.rules.gate import Gate, GateAnswer

EXIT_BLOCK = 1
EXIT_WARN = 4


@click.command("gate")
@click.argument("submission")
@click.option("--client", default="cli", show_default=True, help="Whose submission, policy and limits.")
@click.option("--json", "is_json", is_flag=True, help="The answer with its reasons and numbers as JSON.")
@click.option("--strict", "is_strict", is_flag=True, help="Exit with 1 at a warning, too.")
@click.pass_obj
def ask(session: Session, submission: str, client: str, *, is_json: bool, is_strict: bool) -> None:
    """Say whether a campaign may go out to SUBMISSION: pass, warn or block, with reasons.

    Exit status: 0 pass, 4 warn, 1 block.
    """

    async def run() -> GateAnswer | None:
        async with session.stores() as stores:
            return await ask_gate(stores.database, session.settings, client, submission, datetime.now(UTC))

    answer = asyncio.run(run())
    if answer is None:
        raise ConfigurationError([f"there is no submission {submission} of {client}"])
    if is_json:
        click.echo(orjson.dumps(to_public(answer), option=orjson.OPT_INDENT_2).decode())
    else:
        _tell(answer)
    status = {Gate.PASS: 0, Gate.WARN: EXIT_BLOCK if is_strict else EXIT_WARN, Gate.BLOCK: EXIT_BLOCK}
    sys.exit(status[answer.gate])


def _tell(answer: GateAnswer) -> None:
    numbers = answer.numbers
    click.echo(answer.gate.value)
    for one in answer.objections:
        click.echo(f"  {one.gate.value}: {one.tell()}")
    click.echo(
        f"  {numbers.sent:,} of {numbers.requests:,} addresses would be sent to, {numbers.valid:,} of them valid"
    )


COMMANDS = (ask,)
