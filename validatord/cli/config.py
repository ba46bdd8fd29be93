"""`validatord config`: whether the settings are good, what is in force, and what there is to set."""

import click

from validatord import settings_text
from validatord.cli.session import Session
from validatord.verification.outfit import prepare


@click.group()
def config() -> None:
    """Look at the settings."""


@config.command("check")
@click.pass_obj
def config_check(session: Session) -> None:
    """Read every source of settings and every file they name, and name each problem; exit status 2 if there is one."""
    prepare(session.load())
    click.echo("the settings are good")


@config.command("show")
@click.pass_obj
def config_show(session: Session) -> None:
    """Print the settings in force, secrets hidden."""
    click.echo(settings_text.describe(session.settings))


@config.command("example")
def config_example() -> None:
    """Print a settings file with every setting, its meaning and its default."""
    click.echo(settings_text.generate_config(), nl=False)


COMMANDS = (config,)
