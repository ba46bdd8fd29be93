"""What the process learned about its own way out and about hosts, forgotten at a restart.

As long as nobody has ever greeted an identity, a host that cannot be reached says nothing about the host:
many networks close port 25 for everything that goes out (RFC 6409 made that the custom).
"""

import math
from collections import OrderedDict
from datetime import timedelta

from loguru import logger

# So many hosts, none of which ever answered, are no accident.
_MANY = 20
_MOST_HOSTS = 10_000
_UNLIKE = 2  # providers: one alone may err


class Memory:
    """Which identities were ever greeted, and which hosts want TLS or cannot do it; bounded."""

    def __init__(self) -> None:
        self._senders: dict[str, set[str]] = {}  # identity → providers that refused its sender
        self._tls: OrderedDict[str, bool] = OrderedDict()
        self._taken: OrderedDict[str, float] = OrderedDict()  # lane → when a recipient was last accepted
        self._greeted: set[str] = set()
        self._silent: dict[str, set[str]] = {}  # identity → hosts that could not be reached

    def __repr__(self) -> str:
        return f"<Memory greeted={sorted(self._greeted)}>"

    def has_greeting(self, identity: str) -> bool:
        """Whether any host ever spoke with this identity."""
        return identity in self._greeted

    def note_greeting(self, identity: str) -> None:
        """A host spoke with it: the way out is open."""
        self._greeted.add(identity)
        self._silent.pop(identity, None)

    def note_silence(self, identity: str, host_name: str) -> None:
        """A host could not be reached; says once that the way out is probably closed."""
        if identity in self._greeted:
            return
        hosts = self._silent.setdefault(identity, set())
        if len(hosts) >= _MANY:
            return
        hosts.add(host_name)
        if len(hosts) == _MANY:
            logger.bind(identity=identity, hosts=_MANY).error(
                "no MX host has ever answered: port 25 is probably closed on the way out; see `validatord doctor`"
            )

    def find_tls(self, host_name: str) -> bool | None:
        """Return whether a host is to be spoken with in TLS, or in plain text; None: not known."""
        return self._tls.get(host_name)

    def note_tls(self, host_name: str, *, wanted: bool) -> None:
        """A host demanded TLS, or its handshake failed: the next session begins accordingly."""
        self._tls[host_name] = wanted
        self._tls.move_to_end(host_name)
        if len(self._tls) > _MOST_HOSTS:
            self._tls.popitem(last=False)

    def note_taken(self, lane_name: str, now: float) -> None:
        """A recipient was accepted in a lane."""
        self._taken[lane_name] = now
        self._taken.move_to_end(lane_name)
        if len(self._taken) > _MOST_HOSTS:
            self._taken.popitem(last=False)

    def took_lately(self, lane_name: str, now: float, window: timedelta) -> bool:
        """Whether a recipient was accepted in a lane within the window."""
        return now - self._taken.get(lane_name, -math.inf) < window.total_seconds()

    def note_sender_refused(self, identity: str, provider_key: str) -> bool:
        """A provider refused an identity's envelope sender; True if it is the second one to do so."""
        providers = self._senders.setdefault(identity, set())
        if len(providers) >= _UNLIKE or provider_key in providers:
            return False
        providers.add(provider_key)
        return len(providers) == _UNLIKE
