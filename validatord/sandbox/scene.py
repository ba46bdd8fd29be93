"""The values of a dialogue: answers, the envelope, and where it all takes place."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from validatord.sandbox.counters import Tally
from validatord.sandbox.mailboxes import MailboxState
from validatord.sandbox.memory import HostMemory, ProviderMemory
from validatord.sandbox.personality import Personality


class After(StrEnum):
    """What happens once an answer is out."""

    GO_ON = "go_on"
    CLOSE = "close"
    TLS = "tls"
    HANG = "hang"  # never another byte


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply as lines separated by newlines (empty: none), `wait` seconds later than usual."""

    text: str
    wait: float = 0.0
    after: After = After.GO_ON

    @property
    def is_refusal(self) -> bool:
        """4xx or 5xx."""
        return self.text[:1] in {"4", "5"}


@dataclass(slots=True)
class Envelope:
    """One mail transaction: its sender, and the recipients that were accepted."""

    sender: str
    has_smtputf8: bool = False
    domain: str = ""
    accepted: int = 0


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a session takes place: the host, its memory, and who called."""

    host: str
    personality: Personality
    find_state: Callable[[str, str], MailboxState | None]  # (local part, domain) → None: not our domain
    memory: HostMemory
    provider: ProviderMemory
    tally: Tally
    client: str
    open_sessions: int  # of this client at the provider, this one included
