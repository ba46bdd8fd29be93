"""The evidence of a conversation: exchanges in order, kept with the verdict.

`Transcript.to_json` is what stands in `email_validation.smtp_trace`; `from_json` reads it back for
`explain` and for re-scoring without a packet.
"""

from dataclasses import dataclass
from typing import Any

from validatord.mail.reply import Reply
from validatord.mail.verdict import Stage


@dataclass(frozen=True, slots=True)
class Exchange:
    """One command and its answer; exactly one of `reply` and `failure` is set.

    `command` is empty for the greeting. `failure` is the `kind` of a SessionFailed. `at` counts
    seconds from the start of the session.
    """

    stage: Stage
    command: str
    reply: Reply | None
    failure: str | None = None
    at: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict; empty members are left out."""
        found: dict[str, Any] = {"stage": self.stage.value, "command": self.command, "at": round(self.at, 3)}
        if self.reply is not None:
            found |= {"code": self.reply.code, "lines": list(self.reply.lines)}
        if self.failure is not None:
            found["failure"] = self.failure
        return found

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Exchange":
        """Read what `to_json` wrote."""
        reply = Reply(int(data["code"]), tuple(data.get("lines", ()))) if "code" in data else None
        return cls(Stage(data["stage"]), data.get("command", ""), reply, data.get("failure"), float(data.get("at", 0)))


@dataclass(frozen=True, slots=True)
class Transcript:
    """Who spoke with whom, and what was said about one mailbox."""

    mx_host: str = ""
    mx_address: str = ""
    identity: str = ""
    helo_name: str = ""
    envelope_sender: str = ""
    tls: str = ""  # empty, or the TLS version in use
    exchanges: tuple[Exchange, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict."""
        return {
            "mx_host": self.mx_host,
            "mx_address": self.mx_address,
            "identity": self.identity,
            "helo_name": self.helo_name,
            "envelope_sender": self.envelope_sender,
            "tls": self.tls,
            "exchanges": [exchange.to_json() for exchange in self.exchanges],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Transcript":
        """Read what `to_json` wrote."""
        words = {
            key: data.get(key, "")
            for key in ("mx_host", "mx_address", "identity", "helo_name", "envelope_sender", "tls")
        }
        return cls(**words, exchanges=tuple(Exchange.from_json(item) for item in data.get("exchanges", ())))
