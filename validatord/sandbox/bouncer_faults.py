"""What may go wrong at the sandbox Bouncer, by name: "F06.reset" is one way in which a create's answer gets lost.

A fault waits for its kind of request, lets so many pass, acts so often, and is used up. It acts before the
request is worked on (nothing happened there), or on the answer (it did).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

Rows = list[Any]
ANY = "*"


@dataclass(slots=True)
class Fault:
    """One thing that goes wrong.

    `kind`: create, status, download, delete, finish, credits, or `*`. `before` answers instead of working:
    HTTP status, body, headers. `act` is what happens to the answer on its way: reset, silence, truncate,
    unterminated, slow, stall, replace. `rows` changes the results, `members` a status answer.
    """

    kind: str
    skip: int = 0
    times: int = 1
    ref: str = ""
    before: tuple[int, Any, dict[str, str]] | None = None
    act: str = ""
    is_worked_on: bool = True  # whether the request is worked on before `act`
    answer: tuple[int, Any] | None = None
    rows: Callable[[Rows], Any] | None = None
    members: dict[str, Any] = field(default_factory=dict[str, Any])
    body: Callable[[bytes], bytes] | None = None
    is_pretty: bool = False
    hook: Callable[[], Awaitable[None]] | None = None  # run before the answer leaves

    def is_meant(self, kind: str, ref: str) -> bool:
        """Whether a request is one this fault waits for; counts it."""
        if self.kind not in {kind, ANY} or (self.ref and self.ref != ref) or self.times <= 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


def _error(status: int, title: str, message: str, *, as_text: bool = True) -> tuple[int, Any, dict[str, str]]:
    return status, {"status": str(status) if as_text else status, "error": title, "message": message}, {}


_LIMITED = _error(429, "Too Many Requests", "too many requests", as_text=False)
_UNPAID = _error(402, "Payment Required", "1 credits left")
_HTML = "<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>"


def _limited(retry_after: str) -> tuple[int, Any, dict[str, str]]:
    return _LIMITED[0], _LIMITED[1], {"Retry-After": retry_after}


def _drop(rows: Rows) -> Any:
    del rows[: max(1, len(rows) // 10)]
    return rows


def _add_foreign(rows: Rows) -> Any:
    foreign = [{**row, "email": f"foreign{number}@elsewhere.example"} for number, row in enumerate(rows[:7])]
    return rows + foreign


def _double(rows: Rows) -> Any:
    return rows + rows[: max(1, len(rows) // 5)]


def _contradict(rows: Rows) -> Any:
    others = [
        {"email": row["email"], "status": "undeliverable", "reason": "rejected_email", "score": 0}
        for row in rows
        if row["status"] == "unknown"
    ]
    return others + rows


def _respell(rows: Rows) -> Any:
    def spell(number: int, email: str) -> str:
        local_part, _, domain = email.rpartition("@")
        spellings = (
            email.upper(),
            f" {email} ",
            f"{email}.",
            f"{local_part}@{domain.encode().decode('idna')}" if "xn--" in domain else f"{local_part}@{domain.title()}",
        )
        return spellings[number % len(spellings)]

    return [{**row, "email": spell(number, row["email"])} for number, row in enumerate(rows)]


_ODD: tuple[dict[str, Any], ...] = (
    {"score": "87"},
    {"score": 41.0},
    {"score": 101},
    {"score": None},
    {"score": True},
    {"domain": "a text"},
    {"account": None},
    {"domain": {"acceptAll": True, "disposable": False}},
    {"reason": "brand_new_reason"},
    {"toxicity": "4"},
    {"dns": []},
    {"provider": 17},
)


def _make_odd(rows: Rows) -> Any:
    return [{**row, **_ODD[number % len(_ODD)]} for number, row in enumerate(rows)]


def _unknown_status(rows: Rows) -> Any:
    return [{**row, "status": "maybe"} if number % 5 == 0 else row for number, row in enumerate(rows)]


def _without_status(rows: Rows) -> Any:
    return [
        {name: value for name, value in row.items() if name != "status"} if number % 10 == 0 else row
        for number, row in enumerate(rows)
    ]


def _blow_up(rows: Rows) -> Any:
    return [{**rows[0], "padding": "x" * 1_000_000}, *rows[1:]] if rows else rows


_CALLS: dict[str, Callable[[str], Fault]] = {
    "F01.429": lambda kind: Fault(kind, before=_LIMITED),
    "F01.wait_2": lambda kind: Fault(kind, before=_limited("2")),
    "F01.wait_0": lambda kind: Fault(kind, before=_limited("0")),
    "F01.wait_absurd": lambda kind: Fault(kind, before=_limited("86400")),
    "F01.wait_garbage": lambda kind: Fault(kind, before=_limited("soon")),
    "F02.429_as_403": lambda kind: Fault(kind, before=_error(403, "Forbidden", "too many requests")),
    "F02.402_as_403": lambda kind: Fault(kind, before=_error(403, "Forbidden", "1 credits left")),
    "F03.402": lambda kind: Fault(kind, before=_UNPAID),
    "F04.401": lambda kind: Fault(kind, before=_error(401, "Unauthorized", "user not found", as_text=False)),
    "F06.reset": lambda _: Fault("create", act="reset"),
    "F06.silence": lambda _: Fault("create", act="silence"),
    "F06.503": lambda _: Fault("create", act="replace", answer=(503, _HTML)),
    "F06.truncated": lambda _: Fault("create", act="truncate"),
    "F06.no_id": lambda _: Fault("create", act="replace", answer=(200, {})),
    "F07.reset": lambda _: Fault("create", act="reset", is_worked_on=False),
    "F07.silence": lambda _: Fault("create", act="silence", is_worked_on=False),
    "F07.503": lambda _: Fault("create", act="replace", answer=(503, _HTML), is_worked_on=False),
    "F07.truncated": lambda _: Fault("create", act="truncate", answer=(200, {"batchId": "0" * 24}), is_worked_on=False),
    "F07.no_id": lambda _: Fault("create", act="replace", answer=(200, {}), is_worked_on=False),
    "F09.slow": lambda kind: Fault(kind, act="slow"),
    "F09.stall": lambda kind: Fault(kind, act="stall"),
    "F09.silence": lambda kind: Fault(kind, act="silence"),
}
_RESULTS: dict[str, Callable[[str], Fault]] = {
    "F10.truncated": lambda kind: Fault(kind, act="truncate"),
    "F10.unterminated": lambda kind: Fault(kind, act="unterminated"),
    "F10.utf8": lambda _: Fault("download", body=lambda body: body.replace(b'"email"', b'"em\xff\xfeil"', 1)),
    "F10.nan": lambda _: Fault("download", body=lambda body: body.replace(b'"score":', b'"score":NaN,"was":', 1)),
    "F10.bom": lambda _: Fault("download", body=lambda body: b"\xef\xbb\xbf" + body),
    "F10.cut": lambda _: Fault("download", body=lambda body: body[: len(body) * 2 // 3]),
    "F11.missing": lambda _: Fault("download", rows=_drop),
    "F12.foreign": lambda _: Fault("download", rows=_add_foreign),
    "F13.equal": lambda _: Fault("download", rows=_double),
    "F13.contradictory": lambda _: Fault("download", rows=_contradict),
    "F15.respelled": lambda _: Fault("download", rows=_respell),
    "F16.empty": lambda _: Fault("download", rows=lambda _rows: []),
    "F17.object": lambda _: Fault("download", rows=lambda rows: {"results": rows}),
    "F17.odd": lambda _: Fault("download", rows=_make_odd),
    "F17.unknown_status": lambda _: Fault("download", rows=_unknown_status),
    "F17.no_status": lambda _: Fault("download", rows=_without_status),
    "F24.pretty": lambda _: Fault("download", is_pretty=True),
    "F24.long_row": lambda _: Fault("download", rows=_blow_up),
}
_STATES: dict[str, Callable[[str], Fault]] = {
    "F19.failed": lambda _: Fault("status", members={"status": "failed"}),
    "F19.paused": lambda _: Fault("status", members={"status": "paused"}),
    "F20.back": lambda _: Fault("status", members={"status": "processing"}),
    "F21.lost": lambda kind: Fault(kind, before=_error(404, "Not Found", "request 0 does not exist")),
    "F23.not_completed": lambda _: Fault(
        "download", before=_error(405, "Method Not Allowed", "batch is not completed")
    ),
    "F23.removed": lambda _: Fault(
        "download", before=_error(405, "Method Not Allowed", "email addresses and results have been removed")
    ),
    "F25.timeout": lambda _: Fault("delete", act="silence"),
    "F25.405": lambda _: Fault(
        "delete", before=_error(405, "Method Not Allowed", "batch cannot be deleted in current state")
    ),
    "F26.400": lambda _: Fault("finish", before=_error(400, "Bad Request", "batch has to be running to finish")),
    "F26.200": lambda _: Fault(
        "finish", before=(200, _error(400, "Bad Request", "batch has to be running to finish")[1], {})
    ),
    "F27.skew": lambda _: Fault(
        "status", members={"created": "2031-01-01T00:00:00.000Z", "completed": "1999-12-31 not a time"}
    ),
    "F28.redirect": lambda kind: Fault(kind, before=(301, "", {"Location": "http://127.0.0.1:9/elsewhere"})),
    "F28.see_other": lambda kind: Fault(kind, before=(302, "", {"Location": "http://127.0.0.1:9/elsewhere"})),
    "F30.429": lambda _: Fault("credits", before=_LIMITED),
}


def _make_table() -> dict[str, Callable[[str], Fault]]:
    """Return every named fault; the argument is the kind of request it waits for."""
    table = {**_CALLS, **_RESULTS, **_STATES}
    for status in (500, 502, 503, 504):
        for shape, body in (("json", _error(status, "Server Error", "retry")[1]), ("html", _HTML), ("empty", "")):
            table[f"F05.{status}.{shape}"] = _make_broken(status, body)
    return table


def _make_broken(status: int, body: Any) -> Callable[[str], Fault]:
    return lambda kind: Fault(kind, before=(status, body, {}))


FAULTS = _make_table()


def make_fault(name: str, kind: str = ANY, *, times: int = 1, skip: int = 0, ref: str = "") -> Fault:
    """Return a fault by its name, for so many requests of a kind after the first `skip` of them."""
    fault = FAULTS[name](kind)
    fault.times, fault.skip, fault.ref = times, skip, ref
    return fault
