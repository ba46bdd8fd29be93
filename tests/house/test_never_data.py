"""Probes never send a message: the one place that can is the operator's mail, and nothing that probes knows it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

_PACKAGE = Path(__file__).parents[2] / "validatord"
_SENDER = _PACKAGE / "notify" / "mail.py"
# Whoever hands it its messages; none of them speaks with a receiver.
_USERS = {"daemon.py"}
_ASIDE = ("sandbox",)  # answers commands, and sends none


def _list_files() -> Iterator[Path]:
    yield from (path for path in sorted(_PACKAGE.rglob("*.py")) if path.relative_to(_PACKAGE).parts[0] not in _ASIDE)


def _list_imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def _list_commands(path: Path) -> set[str]:
    """Every text of a file that could be a command that begins a message."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    texts |= {
        node.value.decode("latin-1")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, bytes)
    }
    return {text for text in texts if re.fullmatch(r"(DATA|BDAT\b.*|VRFY\b.*|EXPN\b.*)(\r\n)?", text)}


def test_one_place_can_send() -> None:
    """No other module imports a library that sends mail."""
    senders = [
        path.relative_to(_PACKAGE)
        for path in _list_files()
        if path != _SENDER and {"aiosmtplib", "smtplib"} & {name.partition(".")[0] for name in _list_imports(path)}
    ]

    assert senders == []


def test_few_know_it() -> None:
    """Only the roof hands messages to it."""
    users = {
        str(path.relative_to(_PACKAGE))
        for path in _list_files()
        if any(name.startswith("validatord.notify.mail") for name in _list_imports(path))
    }

    assert users == _USERS


def test_no_command_begins_a_message() -> None:
    """Outside the sandbox the words DATA, BDAT, VRFY and EXPN stand nowhere as a command."""
    found = {str(path.relative_to(_PACKAGE)): words for path in _list_files() if (words := _list_commands(path))}

    assert found == {}


def test_the_sender_takes_nothing_from_a_probe() -> None:
    """It knows the operator's settings and the message it is handed, and no room that probes."""
    ours = {name for name in _list_imports(_SENDER) if name.startswith("validatord.")}

    assert ours <= {
        "validatord.notify.message",
        "validatord.notify.message.Answer",
        "validatord.notify.message.Message",
        "validatord.settings",
        "validatord.settings.AlertSettings",
    }
