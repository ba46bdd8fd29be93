"""The `validatord` command: its groups, its global options, its exit statuses.

Exit statuses: 0 done; 1 done, but some of what was given is no address, or the doctor found something
that does not work; 2 wrong usage or settings; 3 something needed is away (PostgreSQL, a running daemon);
130 interrupted.
"""

import importlib
import sys
from pathlib import Path

import click
from rich.console import Console

from validatord import __version__
from validatord.cli.session import Session
from validatord.errors import ConfigurationError, StoreError

EXIT_USAGE = 2
EXIT_AWAY = 3
EXIT_INTERRUPTED = 130

_EPILOG = """\b
Exit status:
  0    done
  1    done, but some of what was given is no address, or the doctor found a fault
  2    wrong usage or settings
  3    something needed is away (PostgreSQL, a running daemon)
  130  interrupted; what was done is kept
"""


_HOMES = {
    "alerts": "alerts",
    "bouncer": "bouncer",
    "check": "check",
    "clients": "clients",
    "config": "config",
    "demo": "service",
    "doctor": "doctor",
    "events": "events",
    "explain": "ledger",
    "export": "export",
    "forget": "forget",
    "gate": "gate",
    "keys": "keys",
    "lists": "lists",
    "migrate": "ledger",
    "model": "model",
    "queue": "queue",
    "reload": "reload",
    "rescore": "rescore",
    "sandbox": "service",
    "serve": "service",
    "status": "status",
    "submit": "ledger",
    "tools": "tools",
    "webhooks": "webhooks",
}


class _Commands(click.Group):
    """Loads the module of a command when that is called: asking for the status need not load the daemon."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 click's own signature
        return list(_HOMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 as above
        if cmd_name not in _HOMES:
            return None
        home = importlib.import_module(f"validatord.cli.{_HOMES[cmd_name]}")
        return next(command for command in home.COMMANDS if command.name == cmd_name)


@click.group(cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="validatord")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    envvar="VALIDATORD_CONFIG",
    help="Settings file; else ./config/validatord.toml or /etc/validatord/validatord.toml.",
)
@click.pass_context
def cli(context: click.Context, config_path: Path | None) -> None:
    """Verify e-mail addresses: politely, honestly, and without ever sending a message."""
    context.obj = Session(config_path)


def run() -> None:
    """Run a command and end the process with its exit status."""
    console = Console(stderr=True)
    try:
        status: object = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        status = EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        status = EXIT_USAGE
    except ConfigurationError as error:
        for problem in error.problems:
            console.print(f"validatord: {problem}", markup=False, highlight=False, soft_wrap=True)
        status = EXIT_USAGE
    except StoreError as error:
        console.print(f"validatord: {error}", markup=False, highlight=False, soft_wrap=True)
        status = EXIT_AWAY
    sys.exit(status if isinstance(status, int) else 0)
