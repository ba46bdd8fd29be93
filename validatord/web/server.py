"""Opens and closes the HTTP door."""

import asyncio
import contextlib
import errno
import socket
from typing import Self

from aiohttp import web
from loguru import logger

from validatord.errors import ConfigurationError, ValidatordError
from validatord.logs import Seldom
from validatord.settings import WebSettings
from validatord.web import problems
from validatord.web.app import build_app
from validatord.web.guard import Guards
from validatord.web.problems import Problem
from validatord.web.services import WebServices

_LAST_ANSWERS_SECONDS = 3.0
_TAKEN_SECONDS = 2.0  # between two tries to take a port
_LINGER_SECONDS = 2.0  # for the rest of a body nobody reads, so that its sender can see the answer
_LARGEST_HEADER = 16_384
_MOST_WAITING = 512  # connections not yet accepted


class PortTaken(ValidatordError):
    """Somebody else listens on our port."""


class WebDoor:
    """The door of a daemon: where its port is taken it waits, since verifying needs no door."""

    def __init__(self, services: WebServices) -> None:
        self._services = services
        self._seldom = Seldom(services.clock)
        self._waiting: asyncio.Task[None] | None = None
        self._server: WebServer | None = None

    @property
    def is_open(self) -> bool:
        """Whether the door listens."""
        return self._server is not None

    async def open(self) -> None:
        """Open, or go on trying.

        Raises:
            ConfigurationError: it can never be opened.
        """
        if not await self._try_once():
            self._waiting = asyncio.create_task(self._wait(), name="http door")

    async def aclose(self) -> None:
        """Close."""
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.gather(self._waiting, return_exceptions=True)
        if self._server is not None:
            await self._server.aclose()

    async def _try_once(self) -> bool:
        try:
            self._server = await WebServer.open(self._services)
        except PortTaken as taken:
            if self._seldom.is_due():
                logger.bind(where=str(taken)).warning("the HTTP door waits: its port is taken")
            return False
        return True

    async def _wait(self) -> None:
        while not await self._try_once():
            await self._services.clock.sleep(_TAKEN_SECONDS)


class WebServer:
    """The open door; `url` says where."""

    def __init__(self, runner: web.AppRunner, server: asyncio.Server, guards: Guards) -> None:
        self._runner = runner
        self._server = server
        self._guards = guards
        self._watch = asyncio.create_task(guards.watch(), name="slow connections")
        host, port = server.sockets[0].getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def __repr__(self) -> str:
        return f"<WebServer {self.url} {len(self._guards)} connections>"

    @classmethod
    async def open(cls, services: WebServices) -> Self:
        """Listen.

        Raises:
            PortTaken: somebody else listens there.
            ConfigurationError: that host and port cannot be listened on.
        """
        settings = services.snapshot().web
        guards = Guards(lambda: services.snapshot().web, services.clock)
        app = build_app(services)
        app.middlewares.insert(0, guards.mark_busy)
        runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=_LAST_ANSWERS_SECONDS,
        )
        await runner.setup()
        try:
            server = await _listen(settings, guards, runner)
        except OSError as error:
            await runner.cleanup()
            if error.errno == errno.EADDRINUSE:
                raise PortTaken(f"{settings.host} port {settings.port}") from None
            reason = error.strerror or str(error)
            raise ConfigurationError(
                [f"web: cannot listen on {settings.host} port {settings.port}: {reason}"]
            ) from None
        opened = cls(runner, server, guards)
        logger.bind(url=opened.url).info("listening")
        return opened

    async def aclose(self) -> None:
        """Take no more connections, let answers that are under way end for a moment, cut the rest."""
        self._server.close()
        await self._runner.cleanup()
        self._guards.cut_all()
        self._watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watch


class _Handler(web.RequestHandler):
    """Answers what is no HTTP with a problem, too, and does not repeat what was said."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 the library's words hold what was sent
    ) -> web.StreamResponse:
        """Return the answer to a request that cannot be read, or that failed outside of everything of ours."""
        if request.writer.output_size > 0:
            msg = "half an answer cannot be mended"
            raise ConnectionError(msg)
        if status >= problems.INTERNAL.http_status:
            logger.bind(error=type(exc).__name__).error("request failed in the HTTP library")
        response = Problem(problems.of_status(status)).render()
        response.force_close()
        return response


async def _listen(settings: WebSettings, guards: Guards, runner: web.AppRunner) -> asyncio.Server:
    manager = runner.server
    if manager is None:
        msg = "the runner has no server"
        raise RuntimeError(msg)
    loop = asyncio.get_running_loop()
    idle_seconds = settings.idle_timeout.total_seconds()

    def make() -> asyncio.Protocol:
        handler = _Handler(
            manager,
            loop=loop,
            access_log=None,  # pyright: ignore[reportArgumentType]  the library's own runner passes it, too
            keepalive_timeout=idle_seconds,
            lingering_time=_LINGER_SECONDS,
            max_line_size=_LARGEST_HEADER,
            max_field_size=_LARGEST_HEADER,
        )
        return guards.wrap(handler)

    return await loop.create_server(
        make,
        settings.host,
        settings.port,
        backlog=_MOST_WAITING,
        family=socket.AF_UNSPEC,
        reuse_address=True,
    )
