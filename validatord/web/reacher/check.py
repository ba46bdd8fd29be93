"""`POST /v0/check_email` and `/v1/check_email`: one address, checked now.

Of a request only `to_email` counts: who probes, through what and how patiently is the operator's choice. What is not
answered within the budget is `unknown`; asking again later finds what came out meanwhile.
"""

from collections.abc import Sequence
from dataclasses import replace

from aiohttp import web

from validatord.intake.results import Results
from validatord.mail.address import Mailbox
from validatord.mail.request import Flags
from validatord.store import traces
from validatord.store.submissions import ResultRow
from validatord.store.traces import Trace
from validatord.web.api.check import Wanted, check_now
from validatord.web.auth import Access
from validatord.web.reacher.door import answer, read_object, refuse
from validatord.web.reacher.mapping import Prober, render
from validatord.web.reacher.parts import Checked
from validatord.web.services import SERVICES, WebServices

_MOST_BYTES = 16_384
_LONGEST = 1000  # characters of an address that are looked at; longer texts are none


async def check_email(request: web.Request, access: Access) -> web.StreamResponse:
    """Check `to_email`."""
    services = request.app[SERVICES]
    body = await read_object(request, _MOST_BYTES)
    address = body.get("to_email")
    if not isinstance(address, str) or not address:
        return refuse("to_email field is required.")
    settings, began_at = services.snapshot(), services.clock.now()
    wanted = Wanted(access.client, address[:_LONGEST], None, settings.web.check_budget.total_seconds())
    _, row = await check_now(request.app, wanted)
    results = await Results.open(services.database, access.client)
    (checked,) = await describe(services, results, [row])
    found = render(replace(checked, address=address), Prober.of(settings), began_at, services.clock.now())
    return answer(found)


async def describe(services: WebServices, results: Results, rows: Sequence[ResultRow]) -> list[Checked]:
    """Return what is known of requests, with the evidence of their verdicts."""
    emails = [row.email for row in rows if row.email]
    found = await traces.load_traces(services.database, emails) if emails else {}
    return [_describe(row, results.label(row).status, found.get(row.email or "", traces.NOTHING)) for row in rows]


def _describe(row: ResultRow, shown: str | None, trace: Trace) -> Checked:
    return Checked(
        address=row.address,
        mailbox=_read(row.email),
        status=row.status,
        reason=row.reason or row.deferral_reason or "",
        shown=shown,
        flags=Flags(row.is_disposable, row.is_role, row.is_free, row.suggestion or ""),
        mx_hosts=trace.mx_hosts,
        mx_host=row.mx_host or "",
        reply=row.reply or "",
        transcript=trace.transcript,
        source=row.source or "probe",
        attempts=row.attempts,
        due_at=row.due_at,
    )


def _read(email: str | None) -> Mailbox | None:
    local_part, _, domain = (email or "").rpartition("@")
    return Mailbox(local_part, domain) if local_part and domain else None
