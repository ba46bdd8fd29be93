"""What is told, and what came of telling it: values that every way of sending shares."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

# Every type of message a webhook may ask for.
TYPES = {
    "submission.finished": "every address of a submission has its result",
    "alert": "something needs a person; only webhooks of the operator hear of it",
    "webhook.test": "sent by hand, to try a receiver",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One event for one target; `event_id` stays the same however often it is sent."""

    event_id: str
    type: str
    happened_at: datetime
    data: dict[str, Any]

    def to_json(self) -> bytes:
        """Return the body: the same bytes at every attempt."""
        return orjson.dumps(
            {"type": self.type, "timestamp": self.happened_at.isoformat(timespec="milliseconds"), "data": self.data}
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt.

    `http_status` is None where nobody answered; then `error` says why. `is_final` means that another
    attempt cannot help. `retry_after_seconds` is a wait the receiver asked for, bounded.
    """

    is_taken: bool
    error: str = ""
    http_status: int | None = None
    excerpt: str = ""
    is_gone: bool = False
    is_final: bool = False
    retry_after_seconds: float = 0.0
