"""What stands in a row of an export, whatever its form: names, order, values."""

from typing import Any

from validatord.store.submissions import ResultRow

COLUMNS = (
    "idx",
    "email",
    "contact_id",
    "domain",
    "status",
    "reason",
    "reasons",
    "confidence",
    "is_disposable",
    "is_role",
    "is_free",
    "suggestion",
    "mx_host",
    "reply",
    "source",
    "attempts",
    "state",
    "checked_at",
    "due_at",
)


def domain_of(row: ResultRow) -> str:
    """Return the domain of a row, as A-labels; empty where the text is no address."""
    return (row.email or "").rpartition("@")[2]


def to_values(row: ResultRow) -> dict[str, Any]:
    """Return a row's values under their names; what is not known is None.

    `email` is the text as it was sent in, `idx` its place in the submission. A request that is not finished
    has no status; its reason says why it waits, and `due_at` until when.
    """
    return {
        "idx": row.idx,
        "email": row.address,
        "contact_id": str(row.contact_id) if row.contact_id else None,
        "domain": domain_of(row),
        "status": row.status,
        "reason": row.reason or row.deferral_reason,
        "reasons": list(row.reasons),
        "confidence": row.confidence,
        "is_disposable": row.is_disposable,
        "is_role": row.is_role,
        "is_free": row.is_free,
        "suggestion": row.suggestion,
        "mx_host": row.mx_host,
        "reply": row.reply,
        "source": row.source,
        "attempts": row.attempts,
        "state": row.state,
        "checked_at": row.checked_at,
        "due_at": row.due_at,
    }
