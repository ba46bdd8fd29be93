"""How the daemon is, for load balancers, for Prometheus and for people; and the door of figures on its own port.

Anybody may ask whether it lives and is ready. What names parts, lanes and problems is for insiders: whoever asks
from this machine without a proxy in between, or presents any live key.
"""

import errno
import ipaddress
from typing import Any, Self

from aiohttp import web
from loguru import logger
from pydantic import ConfigDict, Field

from validatord import metrics
from validatord.errors import ConfigurationError
from validatord.settings import MetricsSettings
from validatord.web import problems
from validatord.web.auth import DOORKEEPER, read_key
from validatord.web.problems import Problem
from validatord.web.routes import Answer, Call, Operation, Reply, answer

_TAG = "Service"
_UNHEALTHY = 503
_FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via")
_TEXT = "text/plain"


class Health(Answer):
    """How the daemon is; insiders are told more than `ok`."""

    model_config = ConfigDict(extra="allow", frozen=True)
    ok: bool = Field(description="Whether work is taken in and done.")


async def get_alive(_call: Call) -> web.Response:
    """Say that the process lives and its loop turns."""
    return answer({"ok": True})


async def get_ready(call: Call) -> web.Response:
    """Say whether everything that is needed works."""
    return await _tell(call, await call.services.readiness())


async def get_health(call: Call) -> web.Response:
    """Say how the daemon is."""
    return await _tell(call, await call.services.health())


async def get_metrics(call: Call) -> web.Response:
    """Return the figures in the text form of Prometheus."""
    if not await _is_insider(call.request):
        raise Problem(problems.FORBIDDEN, "figures are for this machine, or for whoever has a key")
    return _figures()


async def _tell(call: Call, report: dict[str, Any]) -> web.Response:
    shown = report if await _is_insider(call.request) else {"ok": report["ok"]}
    return answer(shown, 200 if report["ok"] else _UNHEALTHY)


async def _is_insider(request: web.Request) -> bool:
    """Whether it comes from this machine itself, or with a live key; a wrong key is refused as everywhere."""
    if read_key(request) is not None:
        await request.app[DOORKEEPER].admit(request, None)
        return True
    is_forwarded = any(name in request.headers for name in _FORWARDED)
    return not is_forwarded and _is_loopback(request.remote or "")


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _figures() -> web.Response:
    return web.Response(body=metrics.render(), headers={"Content-Type": metrics.CONTENT_TYPE})


def _describe_health(path: str, summary: str, handler: Any, description: str) -> Operation:
    replies = {200: Reply("Yes.", Health), _UNHEALTHY: Reply("No.", Health)}
    return Operation("GET", path, summary, handler, _TAG, replies, is_open=True, description=description)


OPERATIONS = (
    Operation("GET", "/healthz", "Whether it lives", get_alive, _TAG, {200: Reply("It lives.", Health)}, is_open=True),
    _describe_health("/readyz", "Whether it is ready", get_ready, "Insiders see each part, and since when it is so."),
    _describe_health("/health", "How the daemon is", get_health, "Insiders see the whole report."),
    Operation(
        "GET",
        "/metrics",
        "Figures for Prometheus",
        get_metrics,
        _TAG,
        {200: Reply("Figures in the text form of Prometheus.", content_type=_TEXT)},
        is_open=True,
        problems=(401, 403, 429),
    ),
)


class FiguresDoor:
    """`/metrics` and `/healthz` on a port of their own, without keys."""

    def __init__(self, runner: web.AppRunner, url: str) -> None:
        self._runner = runner
        self.url = url

    @classmethod
    async def open(cls, settings: MetricsSettings) -> Self:
        """Listen.

        Raises:
            ConfigurationError: that host and port cannot be listened on.
        """
        app = web.Application(client_max_size=1)
        app.router.add_get("/metrics", _answer_figures)
        app.router.add_get("/healthz", _answer_alive)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, settings.host, settings.port)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            reason = "the port is taken" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
            raise ConfigurationError(
                [f"metrics: cannot listen on {settings.host} port {settings.port}: {reason}"]
            ) from None
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        opened = cls(runner, f"http://{host}:{settings.port}/metrics")
        logger.bind(url=opened.url).info("figures are here")
        return opened

    async def aclose(self) -> None:
        """Close."""
        await self._runner.cleanup()


async def _answer_figures(_request: web.Request) -> web.Response:
    return _figures()


async def _answer_alive(_request: web.Request) -> web.Response:
    return answer({"ok": True})
