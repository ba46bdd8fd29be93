"""The whole sandbox: name server, MX hosts and control port, started and stopped together.

async with Sandbox(SandboxSpec.of({"acme.example": "postfix"})) as sandbox:
    ...  # sandbox.resolver, sandbox.smtp_port, sandbox.counters
"""

from types import TracebackType
from typing import Any, Self

from validatord.clock import Clock, SystemClock
from validatord.sandbox import hosts, personalities, sample, zones
from validatord.sandbox.control import Control
from validatord.sandbox.counters import Counters
from validatord.sandbox.name_server import NameServer
from validatord.sandbox.spec import SandboxSpec

_LOOPBACK = "127.0.0.1"


class Sandbox:
    """A small internet on loopback.

    `resolver` is "127.0.0.1:port", for `lookup.resolvers`; `smtp_port` is the port of every MX host, for
    `smtp.port`; `lookup.public_addresses_only` has to be off. `clock` is what greylists go by.
    """

    def __init__(self, spec: SandboxSpec, clock: Clock | None = None) -> None:
        self.spec = spec
        self.counters = Counters()
        self.addresses = hosts.allot_addresses(list(spec.hosts))
        self.zones = zones.build_zones(spec, self.addresses)
        self._names = NameServer(self.zones, self.counters, spec.speed)
        self._farm = hosts.Farm(spec, self.addresses, self.counters, clock or SystemClock())
        self._control = Control({"counters": self._tell_counters, "reset": self._reset, "become": self._become})

    @classmethod
    def demo(cls, seed: int = 1, speed: float = 1.0) -> Self:
        """Build the world of the demo; `sample.sample_list(seed)` is the list that belongs to it."""
        return cls(sample.sample_list(seed, speed=speed).spec)

    @property
    def resolver(self) -> str:
        """Where the name server is: host:port."""
        return self._names.address

    @property
    def smtp_port(self) -> int:
        """The port on which every MX host listens."""
        return self._farm.port

    @property
    def control_port(self) -> int:
        """The TCP port that tells the counters."""
        return self._control.port

    @property
    def farm(self) -> hosts.Farm:
        """The MX hosts."""
        return self._farm

    def where(self) -> dict[str, Any]:
        """Return where everything is, JSON-ready."""
        return {
            "resolver": self.resolver,
            "smtp_port": self.smtp_port,
            "control": f"{_LOOPBACK}:{self.control_port}",
            "domains": len(self.spec.domains),
            "hosts": len(self.spec.hosts),
        }

    async def start(self) -> None:
        """Start everything; what had started is stopped again if a part cannot."""
        try:
            await self._farm.start()
            await self._names.start(_LOOPBACK, self.spec.dns_port)
            await self._control.start(_LOOPBACK, self.spec.control_port)
        except OSError:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Stop everything."""
        await self._control.aclose()
        await self._names.aclose()
        await self._farm.aclose()

    async def become(self, host: str, personality: str) -> None:
        """Turn an MX host into another kind while the sandbox runs; its sessions are cut."""
        await self._farm.become(host, personalities.find_personality(personality))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _tell_counters(self, _words: list[str]) -> dict[str, Any]:
        return self.counters.to_json()

    async def _reset(self, _words: list[str]) -> dict[str, Any]:
        self.counters.reset()
        return {"reset": True}

    async def _become(self, words: list[str]) -> dict[str, Any]:
        host, personality = words
        await self.become(host, personality)
        return {"host": host, "personality": personality}
