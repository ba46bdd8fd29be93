"""Results by their place without a ledger, counted as they are read."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from validatord.store.submissions import ResultRow

_ROW = ResultRow(
    request_id=1,
    idx=0,
    address="a@one.example",
    email="a@one.example",
    contact_id=None,
    state="done",
    status="valid",
    reason="accepted",
    reasons=("accepted", "mx_found"),
    confidence=95,
    is_disposable=False,
    is_role=False,
    is_free=True,
    suggestion=None,
    mx_host="mx.one.example",
    reply="250 2.1.5 OK",
    source="probe",
    attempts=1,
    deferral_reason=None,
    due_at=None,
    checked_at=datetime(2026, 5, 1, 12, tzinfo=UTC),
    finished_at=datetime(2026, 5, 1, 12, tzinfo=UTC),
)


def make_row(idx: int, **more: Any) -> ResultRow:
    """Make a finished row; `address` is its normal form, too, unless said otherwise."""
    address = more.get("address", f"user{idx}@domain{idx % 100}.example")
    return replace(_ROW, **{"idx": idx, "request_id": idx + 1, "address": address, "email": address, **more})


class FakePages:
    """Implements `exports.export.Pages` over rows that are made when they are read."""

    def __init__(self, count: int, make: Callable[[int], ResultRow] = make_row) -> None:
        self.reads: list[tuple[int, int]] = []
        self._count = count
        self._make = make

    async def fetch_page(self, submission_id: int, after_idx: int, limit: int) -> list[ResultRow]:
        """Return rows after a place."""
        self.reads.append((after_idx, limit))
        return [self._make(idx) for idx in range(after_idx + 1, min(after_idx + 1 + limit, self._count))]
