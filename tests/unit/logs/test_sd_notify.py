"""What systemd is told."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from validatord.sd_notify import Notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """A service manager that listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield listener


@pytest.fixture
def notifier(tmp_path: Path, manager: socket.socket) -> Notifier:
    """A notifier that reaches it."""
    return Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})


def test_messages(manager: socket.socket, notifier: Notifier) -> None:
    """Every state is one datagram in sd_notify's words."""
    notifier.ready("serving")
    notifier.stopping()
    notifier.feed_watchdog()
    notifier.status("two\nlines")

    assert [manager.recv(1000).decode() for _ in range(4)] == [
        "READY=1\nSTATUS=serving",
        "STOPPING=1",
        "WATCHDOG=1",
        "STATUS=two lines",
    ]


def test_reloading_says_when(manager: socket.socket, notifier: Notifier) -> None:
    """Newer service managers wait for ever unless the message says when the reload began."""
    notifier.reloading()

    first, second = manager.recv(1000).decode().splitlines()
    assert first == "RELOADING=1"
    assert int(second.removeprefix("MONOTONIC_USEC=")) > 0


def test_abstract_names() -> None:
    """A name with @ lies in the abstract namespace."""
    name = f"validatord-test-{id(object())}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(5)
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).ready()

        assert listener.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "relative", "/nowhere/at/all", "@nobody-listens"])
def test_nobody_listens(address: str) -> None:
    """Without a service manager nothing happens, and nothing fails."""
    Notifier({"NOTIFY_SOCKET": address}).ready()


def test_a_full_queue_does_not_block(manager: socket.socket, notifier: Notifier) -> None:
    """A service manager that does not read must not hold up the daemon."""
    for _ in range(2000):
        notifier.feed_watchdog()

    assert manager.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "43"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_watchdog(environ: dict[str, str], seconds: float | None) -> None:
    """The watchdog is fed at half its limit, and only where it watches this process."""
    assert Notifier(environ, process_id=42).watchdog_seconds == seconds
