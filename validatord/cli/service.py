"""Commands that stay: serve, demo, sandbox."""

import asyncio
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console

from validatord import demo as the_demo
from validatord.cli.session import Session
from validatord.daemon import Daemon
from validatord.doctor.names import check_identity_names
from validatord.errors import ConfigurationError
from validatord.sandbox import command as sandbox_command

_WHERE_NAMES_ARE_SET = "set both in [[identities]] of the settings file, or as VALIDATOR_HELO and VALIDATOR_MAIL_FROM"


@click.command()
@click.pass_obj
def serve(session: Session) -> None:
    """Run the daemon until SIGTERM; SIGHUP reads the settings again."""
    settings = session.settings
    is_sandbox = not settings.lookup.public_addresses_only
    if not is_sandbox and (problems := check_identity_names(settings)):
        raise ConfigurationError([*problems, _WHERE_NAMES_ARE_SET])
    asyncio.run(Daemon(settings, session.load).run())


@click.command()
@click.option("--keep", is_flag=True, help="Leave everything running and say where it is and how to end it.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where stores and logs go; else a folder below /tmp.")
@click.option("--hold", type=click.Path(path_type=Path), hidden=True)
def demo(*, keep: bool, folder: Path | None, hold: Path | None) -> None:
    """Verify a sample list against a sandbox internet on this machine: nothing leaves it."""
    home = folder or Path(tempfile.mkdtemp(prefix="validatord-demo-"))
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o711)  # as root PostgreSQL runs as another user, who must be able to pass through
    if keep:
        sys.exit(the_demo.run_demo_kept(home))
    asyncio.run(the_demo.run_demo(Console(), folder=home, hold=hold))


@click.command()
@click.option("--dns-port", default=5353, show_default=True, help="Port of the name server; 0 takes a free one.")
@click.option("--smtp-port", default=2525, show_default=True, help="Port of all MX hosts; 0 takes a free one.")
@click.option("--control-port", default=0, help="Port that answers `counters`; 0 takes a free one.")
@click.option("--speed", default=1.0, show_default=True, help="How much faster than life its waits pass.")
@click.option("--ready-file", type=click.Path(path_type=Path), help="Write where it listens as JSON once it does.")
def sandbox(*, dns_port: int, smtp_port: int, control_port: int, speed: float, ready_file: Path | None) -> None:
    """Run the sandbox internet on loopback: a name server and MX hosts of every temper."""
    ports = sandbox_command.Ports(dns=dns_port, smtp=smtp_port, control=control_port)
    asyncio.run(sandbox_command.run_sandbox(ports, speed=speed, ready_file=ready_file))


COMMANDS = (serve, demo, sandbox)
