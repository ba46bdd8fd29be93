"""The command line as a whole: every command is found, and only what it needs is loaded."""

import subprocess
import sys

import click
import pytest

from validatord.cli import main
from validatord.cli.main import cli

CONTEXT = click.Context(cli)


@pytest.mark.parametrize("name", cli.list_commands(CONTEXT))
def test_every_command_has_its_home(name: str) -> None:
    """A name in the table leads to the command of that name, with a sentence of help."""
    found = cli.get_command(CONTEXT, name)

    assert found is not None
    assert found.name == name
    assert found.get_short_help_str()


def test_every_command_is_in_the_table() -> None:
    """A command that a module offers can be called."""
    homes = {home: __import__(f"validatord.cli.{home}", fromlist=["COMMANDS"]) for home in main._HOMES.values()}

    assert {command.name for home in homes.values() for command in home.COMMANDS} == set(main._HOMES)


@pytest.mark.parametrize("command", [["--version"], ["tools", "--help"], ["status", "--help"], ["config", "--help"]])
def test_small_commands_load_little(command: list[str]) -> None:
    """Whoever asks for the status does not wait for the engine, the daemon and their libraries."""
    code = (
        "import sys; from validatord.cli.main import cli\n"
        f"try: cli.main({command!r})\n"
        "except SystemExit: pass\n"
        "sys.stderr.write(' '.join(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr.split()

    assert not {"aiohttp", "arq", "validatord.engine", "validatord.daemon", "validatord.demo"} & set(loaded)
