"""Every exception of the project.

A refusal (a 4xx or 5xx reply) is data and never raised; what stands here are breakdowns.

    ValidatordError
    ├── ConfigurationError            bad or unreadable settings; names file, line or key
    ├── AddressSyntaxError            not a mailbox; names the rule (also a ValueError)
    ├── LookupFailed                  DNS gave no answer (timeout, SERVFAIL); NXDOMAIN and null MX are answers
    ├── SessionFailed                 no conversation any more; carries the failure kind
    │   ├── ConnectFailed · ConnectTimeout
    │   ├── ReplyTimeout · Disconnected
    │   ├── TLSFailed
    │   └── ProtocolViolation         keeps the raw line
    ├── GateClosed                    breaker open or budget used up; retry_at
    │   └── Stopping                  we stop; nothing is said about the receiver
    ├── BouncerError
    │   ├── BouncerUnavailable        definite failure of service or network; nothing happened; retry
    │   ├── BouncerRateLimited        429; retry_at
    │   ├── BouncerRejected           4xx; our request is wrong; do not retry
    │   ├── BouncerOutOfCredits       402; pause the driver
    │   └── BouncerUnclear            maybe done, maybe not; needs reconciling
    ├── EnqueueFailed                 Redis did not take a chunk; repeating the call is safe
    └── StoreError
        ├── StoreAway                 PostgreSQL is not there; wait and try again
        ├── NodeTaken                 another process runs under this node's name; stop
        └── LeaseLost                 someone else holds it now; drop the outcome
"""

from datetime import datetime, timedelta
from typing import Any


class ValidatordError(Exception):
    """Base of all; without a message the docstring's first line is the message."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").splitlines()[0])


class ConfigurationError(ValidatordError):
    """Settings that cannot be used; `problems` names each file, line or key."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class PolicyUnusable(ConfigurationError):
    """A client's stored policy cannot be read; nothing is shown under it."""


class AddressSyntaxError(ValidatordError, ValueError):
    """The text is not a mailbox; `rule` is the machine-readable rule it breaks."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


class LookupFailed(ValidatordError):
    """DNS gave no answer; `kind` is timeout, servfail, refused or malformed."""

    def __init__(self, kind: str, message: str = "") -> None:
        super().__init__(message)
        self.kind = kind


class SessionFailed(ValidatordError):
    """The conversation is over and said nothing about any mailbox.

    `exchanges` are the `mail.transcript.Exchange`s up to there. `is_ours`: the trouble lies on our side
    (source address, proxy, file descriptors) and says nothing about the host.
    """

    kind = "session_failed"
    exchanges: tuple[Any, ...] = ()
    is_ours: bool = False


class ConnectFailed(SessionFailed):
    """The TCP connection was refused or unreachable."""

    kind = "connect_failed"


class ConnectTimeout(SessionFailed):
    """The TCP connection did not come about in time."""

    kind = "connect_timeout"


class ReplyTimeout(SessionFailed):
    """A reply did not come in time; the session must not be used again."""

    kind = "reply_timeout"


class Disconnected(SessionFailed):
    """The other side closed the connection."""

    kind = "disconnected"


class TLSFailed(SessionFailed):
    """The TLS handshake failed."""

    kind = "tls_failed"


class ProtocolViolation(SessionFailed):
    """The other side does not speak SMTP; `line` is what it said, bounded and escaped."""

    kind = "protocol_violation"

    def __init__(self, message: str = "", line: str = "") -> None:
        super().__init__(message)
        self.line = line


class GateClosed(ValidatordError):
    """The lane lets nobody in before `retry_at`; `cause` names the breaker or budget."""

    def __init__(self, cause: str, retry_at: datetime) -> None:
        super().__init__(f"{cause} until {retry_at.isoformat()}")
        self.cause = cause
        self.retry_at = retry_at


class Stopping(GateClosed):
    """Our own stop closed every gate: nothing more is asked, and nobody has to wait because of it."""


class BouncerError(ValidatordError):
    """The Bouncer API did not do what was asked; `kind` is the class of error that is counted."""

    kind: str = "generic_error"


class BouncerUnavailable(BouncerError):
    """A definite failure of service or network: nothing happened there."""

    def __init__(self, message: str = "", kind: str = "api_error") -> None:
        super().__init__(message)
        self.kind = kind


class BouncerRateLimited(BouncerError):
    """429; wait until `retry_at`, or `wait` long; None: it did not say, or nothing sane."""

    kind = "rate_limit"

    def __init__(self, message: str, retry_at: datetime | None = None, wait: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_at = retry_at
        self.wait = wait


class BouncerRejected(BouncerError):
    """The API refused our request for good; `http_status` says how, `kind` what about."""

    def __init__(self, message: str, http_status: int, kind: str = "permanent_failure") -> None:
        super().__init__(message)
        self.http_status = http_status
        self.kind = kind


class BouncerOutOfCredits(BouncerError):
    """402: nothing may be bought before an operator acts."""

    kind = "payment_required"


class BouncerUnclear(BouncerError):
    """Maybe done, maybe not: never repeated by itself."""

    kind = "ambiguous"


class EnqueueFailed(ValidatordError):
    """Redis did not take a chunk of a submission; `enqueued` addresses before it are queued, repeating is safe."""

    def __init__(self, message: str, enqueued: int) -> None:
        super().__init__(message)
        self.enqueued = enqueued


class StoreError(ValidatordError):
    """The ledger did not do what was asked."""


class StoreAway(StoreError):
    """PostgreSQL cannot be reached now."""


class NodeTaken(StoreError):
    """Another process runs under this node's name, or did since we lost its lock: nothing of ours may go on."""


class LeaseLost(StoreError):
    """The lease belongs to somebody else by now; the outcome is dropped."""
