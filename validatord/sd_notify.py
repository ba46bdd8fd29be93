"""Telling systemd how it goes (sd_notify(3)): ready, reloading, stopping, alive.

Without NOTIFY_SOCKET every call does nothing, so the daemon runs the same under a shell. Every call is
one datagram that never blocks: a systemd that does not listen must not hold up the daemon.
"""

import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Says state changes to the service manager, if there is one."""

    def __init__(self, environ: Mapping[str, str], *, process_id: int | None = None) -> None:
        self._address = _read_address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog_seconds = _read_watchdog(environ, os.getpid() if process_id is None else process_id)

    def ready(self, status: str = "") -> None:
        """Say that the start, or a reload, is over."""
        self._send("READY=1", *_as_status(status))

    def reloading(self) -> None:
        """Say that a reload begins; newer service managers need the time, older ones ignore it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str = "") -> None:
        """Say that the stop begins."""
        self._send("STOPPING=1", *_as_status(status))

    def status(self, status: str) -> None:
        """Say one line for `systemctl status`."""
        self._send(*_as_status(status))

    def feed_watchdog(self) -> None:
        """Say that the daemon is alive; to be called at least every `watchdog_seconds`."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> bool:
        if not self._address or not lines:
            return False
        try:
            with socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            ) as sender:
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            # Nobody listens, or its queue is full: the next message may get through.
            return False
        return True


def _read_address(text: str) -> str:
    """An @ stands for the abstract namespace, whose names begin with NUL."""
    if text.startswith("@"):
        return "\0" + text[1:]
    return text if text.startswith("/") else ""


def _read_watchdog(environ: Mapping[str, str], process_id: int) -> float | None:
    """Return half the watchdog's limit in seconds, or None where nobody watches this process."""
    limit = environ.get("WATCHDOG_USEC", "")
    owner = environ.get("WATCHDOG_PID", "")
    if not limit.isdecimal() or int(limit) == 0 or (owner and owner != str(process_id)):
        return None
    return int(limit) / 2_000_000


def _as_status(status: str) -> list[str]:
    return [f"STATUS={' '.join(status.split())}"] if status else []
