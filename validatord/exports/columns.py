"""What stands in a row of an export, whatever its form: names, order, values."""

from typing import Any

from validatord.store.submissions import ResultRow

COLUMNS = (
    "index",
    "address",
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
    "deferral_reason",
    "due_at",
    "checked_at",
    "finished_at",
)


def domain_of(row: ResultRow) -> str:
    """Return the domain of a row, as A-labels; empty where the text is no address."""
    return (row.email or "").rpartition("@")[2]


def to_values(row: ResultRow) -> dict[str, Any]:
    """Return a row's values under the names that the API uses, too; what is not known is None.

    `address` is the text as it was sent in, `index` its place in the submission. While a request is not
    finished it has no status, and `deferral_reason` and `due_at` say why it waits, and until when.
    """
    return {
        "index": row.idx,
        "address": row.address,
        "email": row.email,
        "contact_id": str(row.contact_id) if row.contact_id else None,
        "domain": domain_of(row) or None,
        "status": row.status,
        "reason": row.reason,
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
        "deferral_reason": row.deferral_reason,
        "due_at": row.due_at,
        "checked_at": row.checked_at,
        "finished_at": row.finished_at,
    }
