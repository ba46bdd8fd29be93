"""`Idempotency-Key`: the same request again gets the answer of the first one, for a day."""

import hashlib
import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from validatord import crash
from validatord.store import idempotency
from validatord.store.database import Database
from validatord.web import problems
from validatord.web.problems import Problem
from validatord.web.routes import JSON

HEADER = "Idempotency-Key"
ABOUT = "Makes repeating safe: the same key and request get the answer of the first time, for 24 hours."
Make = Callable[[str], Awaitable[web.Response]]
_FORM = re.compile(r"[!-~]{1,255}")


async def answer_once(
    request: web.Request,
    database: Database,
    client: str,
    material: bytes,
    name: str,
    make: Make,
) -> web.Response:
    """Answer a request, or repeat what was answered under its key.

    `material` is what tells this request from another one; `name` is the submission to be made, and `make`
    is called with the one to use: that of the first try, after a crash between insert and answer.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return await make(name)
    if not _FORM.fullmatch(key):
        raise Problem(problems.INVALID, f"{HEADER}: must be 1 to 255 visible ASCII characters")
    fingerprint = hashlib.sha256(f"{request.method} {request.rel_url}\n".encode() + material).digest()
    known = await idempotency.begin(database, client, key, fingerprint, name)
    if known.fingerprint != fingerprint:
        raise Problem(problems.KEY_REUSED)
    if known.http_status is not None and known.body is not None:
        headers = {"Idempotent-Replayed": "true"}
        return web.Response(body=known.body, status=known.http_status, content_type=JSON, headers=headers)
    made = await make(known.submission)
    crash.point("web.before_answer")
    if isinstance(made.body, bytes):
        await idempotency.settle(database, client, key, made.status, made.body)
    return made
