"""The sandbox Bouncer: an HTTP service on loopback that answers, counts and books as the real one does.

Faithful in shapes and in its protocol checks; deterministic by its seed; as fast as wanted. Faults are
scripted by whoever runs it, over HTTP only where that was switched on. It is no client's judge by itself:
that is its ledger.
"""

import asyncio
import contextlib
import hashlib
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Self, cast

import orjson
from aiohttp import web

from validatord.sandbox import bouncer_verdicts
from validatord.sandbox.bouncer_faults import Fault, make_fault
from validatord.sandbox.bouncer_ledger import BUCKETS, Ledger
from validatord.sandbox.bouncer_world import BouncerSpec, PaidAccount, SandboxBatch, VirtualTime, World

_BATCH = "/v1.1/email/verify/batch"
_LARGEST_BODY = 64 * 1024 * 1024
_MOST_ADDRESSES = 100_000
_PIECE = 64 * 1024
_SILENCE_SECONDS = 3600.0
_SLOW_PIECES = 20

Answer = tuple[int, Any, dict[str, str]]


def _say(status: int, title: str, message: str, *, as_text: bool = True) -> Answer:
    return status, {"status": str(status) if as_text else status, "error": title, "message": message}, {}


class SandboxBouncer:
    """The service; an async context manager. `url` is where it listens."""

    def __init__(self, spec: BouncerSpec | None = None) -> None:
        self.spec = spec or BouncerSpec()
        self.time = VirtualTime(self.spec.speed)
        self.world = World(self.spec, self.time)
        self.ledger = Ledger(self.world)
        self.faults: list[Fault] = []
        self.port = 0
        self._rng = random.Random(self.spec.seed)  # noqa: S311 a toy world's dice
        self._windows: dict[tuple[str, str], deque[float]] = {}
        self._runner: web.AppRunner | None = None
        self._closing = asyncio.Event()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self, port: int = 0) -> None:
        """Listen; port 0 takes a free one."""
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._closing.clear()
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True)
        await site.start()
        self.port = cast("Any", site)._server.sockets[0].getsockname()[1]  # noqa: SLF001 aiohttp does not say

    async def aclose(self) -> None:
        """Stop listening; what was booked stays."""
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def break_(self, name: str, kind: str = "*", *, times: int = 1, skip: int = 0) -> Fault:
        """Let something go wrong by its name."""
        fault = make_fault(name, kind, times=times, skip=skip)
        self.faults.append(fault)
        return fault

    # --- one request ---------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/_control/"):
            return await self._control(request)
        kind, ref = _read_route(request)
        self._look_for_key(request)
        with self.ledger.in_flight(kind):
            return await self._serve_kind(request, kind, ref)

    async def _serve_kind(self, request: web.Request, kind: str, ref: str) -> web.StreamResponse:
        status, body, headers, fault = await self._answer(request, kind, ref)
        self.ledger.note(kind, ref, status)
        if fault is not None and fault.hook is not None:
            await fault.hook()
        try:
            return await self._send(request, (status, body, headers), fault, kind=kind, ref=ref)
        except ConnectionResetError:  # the other side is gone; nobody is left to answer
            return web.Response()

    async def _answer(self, request: web.Request, kind: str, ref: str) -> tuple[int, Any, dict[str, str], Fault | None]:
        account = self.world.find_account(request.headers.get("x-api-key", ""))
        if account is None:
            said = "user not found" if "x-api-key" in request.headers else "api key is required"
            return *_say(401, "Unauthorized", said, as_text=False), None
        if self._is_limited(account, kind):
            return *_say(429, "Too Many Requests", "too many requests", as_text=False), None
        fault = next((item for item in self.faults if item.is_meant(kind, ref)), None)
        if fault is not None and fault.before is not None:
            return *fault.before, fault
        if fault is not None and fault.act and not fault.is_worked_on:
            await request.read()
            return 200, {}, {}, fault
        return *await self._work(request, account, kind, ref), fault

    async def _work(self, request: web.Request, account: PaidAccount, kind: str, ref: str) -> Answer:
        works: dict[str, Callable[[], Awaitable[Answer]]] = {
            "create": lambda: self._create(request, account),
            "status": lambda: self._status(request, account, ref),
            "download": lambda: self._download(account, ref),
            "delete": lambda: self._delete(account, ref),
            "finish": lambda: self._finish(account, ref),
            "credits": lambda: self._credits(account),
        }
        work = works.get(kind)
        return await work() if work is not None else _say(404, "Not Found", "no such path")

    def _look_for_key(self, request: web.Request) -> None:
        for key, _ in self.spec.keys:
            others = [value for name, value in request.headers.items() if name.lower() != "x-api-key"]
            if key in request.path_qs or any(key in value for value in others):
                self.ledger.wrong.append("the key stands in a URL or in a header it does not belong to")

    def _is_limited(self, account: PaidAccount, kind: str) -> bool:
        if not self.spec.is_limited:
            return False
        bucket = BUCKETS.get(kind, "other")
        most = {
            "create": self.spec.creates_per_minute,
            "other": self.spec.others_per_minute,
            "credits": self.spec.credits_per_minute,
        }[bucket]
        window = self._windows.setdefault((account.name, bucket), deque())
        now = self.time.now()
        while window and window[0] <= now - 60:
            window.popleft()
        if len(window) >= most:
            return True
        window.append(now)
        return False

    # --- the six works -------------------------------------------------------------------------

    async def _create(self, request: web.Request, account: PaidAccount) -> Answer:
        try:
            members: Any = orjson.loads(await request.read())
        except ValueError:
            return _say(400, "Bad Request", "JSON cannot be read")
        if not isinstance(members, list) or not members:
            return _say(400, "Bad Request", "an array of emails is needed")
        items = cast("list[Any]", members)
        if len(items) > _MOST_ADDRESSES:
            return _say(400, "Bad Request", "too many emails")
        if not all(
            isinstance(item, dict) and isinstance(cast("dict[str, Any]", item).get("email"), str) for item in items
        ):
            return _say(400, "Bad Request", "emails cannot be deserialized")
        emails = [cast("dict[str, str]", item)["email"] for item in items]
        batch = self.world.create(account, emails)
        if batch is None:
            return _say(402, "Payment Required", f"{account.available} credits left")
        self.ledger.creates.append((batch.ref, hashlib.sha256("\n".join(emails).encode()).hexdigest(), len(emails)))
        created = {
            "batchId": batch.ref,
            "created": bouncer_verdicts.write_time(batch.created),
            "status": "queued",
            "quantity": len(emails),
            "duplicates": batch.duplicates,
        }
        return 200, created, {}

    async def _status(self, request: web.Request, account: PaidAccount, ref: str) -> Answer:
        batch = self.world.find(ref, account)
        if batch is None or batch.deleted is not None:
            return _say(404, "Not Found", f"request {ref} does not exist")
        found: dict[str, Any] = {
            "batchId": ref,
            "created": bouncer_verdicts.write_time(batch.created),
            "status": batch.status,
            "quantity": len(batch.emails) + batch.duplicates,
            "duplicates": batch.duplicates,
        }
        if batch.started is not None:
            found["started"] = bouncer_verdicts.write_time(batch.started)
        if batch.completed is not None:
            found |= {"completed": bouncer_verdicts.write_time(batch.completed), "credits": batch.used}
        if request.query.get("with-stats") == "true":
            found |= {"processed": self.world.count_processed(batch), "stats": {}}
        return 200, found, {}

    async def _download(self, account: PaidAccount, ref: str) -> Answer:
        batch = self.world.find(ref, account)
        if batch is None:
            return _say(404, "Not Found", f"request {ref} does not exist")
        if self.world.is_gone(batch):
            return _say(405, "Method Not Allowed", "email addresses and results have been removed")
        if batch.completed is None:
            return _say(405, "Method Not Allowed", "batch is not completed")
        return 200, batch, {}

    async def _delete(self, account: PaidAccount, ref: str) -> Answer:
        batch = self.world.find(ref, account)
        if batch is None or batch.deleted is not None:
            return _say(404, "Not Found", f"request {ref} does not exist")
        if batch.completed is None:
            return _say(405, "Method Not Allowed", "batch cannot be deleted in current state")
        if not self.ledger.downloads[ref]:
            self.ledger.wrong.append(f"batch {ref} was deleted before its results were downloaded")
        self.world.delete(batch)
        return 200, {}, {}

    async def _finish(self, account: PaidAccount, ref: str) -> Answer:
        batch = self.world.find(ref, account)
        if not self.ledger.may_finish:
            self.ledger.wrong.append(f"batch {ref} was finished although nobody wanted it")
        if batch is None or not self.world.finish(batch):
            status, body, headers = _say(400, "Bad Request", "batch has to be running to finish")
            return self.spec.finish_status if batch is not None else status, body, headers
        return 202, "", {}

    async def _credits(self, account: PaidAccount) -> Answer:
        self.world.settle()
        return 200, {"credits": account.available}, {}

    # --- the answer on its way -----------------------------------------------------------------

    def _make_body(self, body: Any, fault: Fault | None) -> bytes:
        if isinstance(body, SandboxBatch):
            now = self.time.now()
            rows: Any = [
                bouncer_verdicts.make_row(email, self.world.judge(body, email), now)
                for email in self.world.list_done(body)
            ]
            self._rng.shuffle(rows)
            body = fault.rows(rows) if fault is not None and fault.rows is not None else rows
        elif fault is not None and fault.members and isinstance(body, dict):
            body = {**cast("dict[str, Any]", body), **fault.members}
        if isinstance(body, str):
            return body.encode()
        written = orjson.dumps(body, option=orjson.OPT_INDENT_2 if fault is not None and fault.is_pretty else 0)
        return fault.body(written) if fault is not None and fault.body is not None else written

    async def _send(
        self, request: web.Request, answer: Answer, fault: Fault | None, *, kind: str, ref: str
    ) -> web.StreamResponse:
        status, body, headers = answer
        if fault is not None and fault.act == "replace" and fault.answer is not None:
            status, body = fault.answer
        if fault is not None and fault.act in {"reset", "silence"}:
            return await self._break_off(request, fault.act)
        is_batch = isinstance(body, SandboxBatch)
        written = await asyncio.to_thread(self._make_body, body, fault) if is_batch else self._make_body(body, fault)
        if fault is not None and fault.act in {"truncate", "unterminated", "slow", "stall"}:
            if (fault.act, kind) == ("slow", "download"):
                self.ledger.downloads[ref] += 1
            return await self._send_badly(request, status, written, fault.act)
        content_type = "text/html" if isinstance(body, str) and body.startswith("<") else "application/json"
        response = web.StreamResponse(status=status, headers={**headers, "Content-Type": content_type})
        if is_batch:
            response.enable_compression()
        else:
            response.content_length = len(written)
        await response.prepare(request)
        for start in range(0, len(written), _PIECE):
            await response.write(written[start : start + _PIECE])
        await response.write_eof()
        if kind == "download" and status == 200:  # noqa: PLR2004
            self.ledger.downloads[ref] += 1
        return response

    async def _break_off(self, request: web.Request, act: str) -> web.StreamResponse:
        """Close the connection, or say nothing for as long as the other side listens."""
        if act == "silence":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SILENCE_SECONDS):
                    await self._closing.wait()
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _send_badly(self, request: web.Request, status: int, written: bytes, act: str) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers={"Content-Type": "application/json"})
        if act == "truncate":
            response.content_length = len(written) + 100
        else:
            response.enable_chunked_encoding()
        await response.prepare(request)
        half = max(1, len(written) // 2)
        if act == "slow":
            size = max(1, len(written) // _SLOW_PIECES)
            for start in range(0, len(written), size):
                await response.write(written[start : start + size])
                await asyncio.sleep(0.02)
            await response.write_eof()
            return response
        await response.write(written[:half])
        if act == "stall":
            return await self._break_off(request, "silence")
        await asyncio.sleep(0.01)  # so that the half has left before the connection goes
        if request.transport is not None:
            request.transport.close()
        return response

    # --- for tests in another process ----------------------------------------------------------

    async def _control(self, request: web.Request) -> web.StreamResponse:
        if not self.spec.has_control:
            return web.json_response({}, status=404)
        command = request.path.removeprefix("/_control/")
        given: dict[str, Any] = orjson.loads(await request.read() or b"{}")
        if command == "fault":
            self.break_(given["name"], given.get("kind", "*"), times=given.get("times", 1), skip=given.get("skip", 0))
        elif command == "advance":
            self.time.advance(float(given["seconds"]))
        elif command == "credits":
            self.world.accounts[given.get("account", "main")].credits = int(given["credits"])
        elif command == "allow_finish":
            self.ledger.may_finish = True
        return web.json_response(self.report())

    def report(self) -> dict[str, Any]:
        """Return what was booked, in numbers."""
        self.world.settle()
        kinds = {seen.kind for seen in self.ledger.requests}
        return {
            "requests": {kind: self.ledger.count(kind) for kind in sorted(kinds)},
            "batches": len(self.world.batches),
            "charged": sum(self.world.charges.values()),
            "charged_twice": len(self.ledger.doubled_charges()),
            "credits": {name: account.credits for name, account in self.world.accounts.items()},
            "wrong": self.ledger.check(),
            "most_in_a_minute": self.ledger.max_in_window(),
        }


def _read_route(request: web.Request) -> tuple[str, str]:
    """Return the kind of a request and the batch it is about."""
    if request.path == "/v1.1/credits" and request.method == "GET":
        return "credits", ""
    if request.path == _BATCH and request.method == "POST":
        return "create", ""
    ref, _, act = request.path.removeprefix(f"{_BATCH}/").partition("/")
    known = {
        ("GET", ""): "status",
        ("GET", "download"): "download",
        ("POST", "finish"): "finish",
        ("DELETE", ""): "delete",
    }
    if not request.path.startswith(f"{_BATCH}/"):
        return "other", ""
    return known.get((request.method, act), "other"), ref
