"""Who asks how it is gets an answer at once; what it says beside yes and no is for insiders."""

import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from tests.integration.web.conftest import Door, make_settings
from validatord.clock import SystemClock
from validatord.errors import ConfigurationError
from validatord.intake.submit import IntakeRules, Submitter
from validatord.settings import MetricsSettings
from validatord.store.database import Database
from validatord.web.health import FiguresDoor
from validatord.web.server import WebServer
from validatord.web.services import WebServices

REPORT: dict[str, Any] = {"ok": False, "parts": {"postgresql": {"ok": False, "since": "2026-01-01T00:00:00+00:00"}}}
THROUGH_A_PROXY = {"X-Forwarded-For": "192.0.2.7"}


async def tell() -> dict[str, Any]:
    """Say that something is wrong."""
    return REPORT


@pytest.fixture
async def ill(database: Database) -> AsyncIterator[Door]:
    """A door of a daemon that is not well."""
    settings, clock = make_settings(), SystemClock()
    services = WebServices(
        database, Submitter(database, clock, IntakeRules.of(settings)), lambda: settings, clock, health=tell
    )
    server = await WebServer.open(replace(services, readiness=tell))
    async with aiohttp.ClientSession() as session:
        yield Door(server, database, session, settings)
    await server.aclose()


async def test_it_lives(ill: Door) -> None:
    """Whoever is not ready still lives."""
    assert await ill.call("GET", "/healthz") == (200, {"ok": True})


@pytest.mark.parametrize("path", ["/readyz", "/health"])
async def test_not_well_is_503(ill: Door, path: str) -> None:
    """A load balancer sees it by the status, an insider sees why."""
    assert await ill.call("GET", path) == (503, REPORT)


@pytest.mark.parametrize("path", ["/readyz", "/health"])
async def test_outsiders_see_yes_or_no(ill: Door, path: str) -> None:
    """Through a proxy nobody learns more than the status; with a key everybody does; a wrong key is refused."""
    assert await ill.call("GET", path, headers=THROUGH_A_PROXY) == (503, {"ok": False})
    assert await ill.call("GET", path, await ill.make_key(), headers=THROUGH_A_PROXY) == (503, REPORT)
    assert (await ill.call("GET", path, "vk_wrong", headers=THROUGH_A_PROXY))[0] == 401


async def test_figures(door: Door) -> None:
    """Figures are Prometheus' text, and count requests by their declared route and never by the path."""
    await door.call("GET", "/v1/submissions/a-secret-name", await door.make_key())
    await door.call("GET", "/no/such/thing")

    status, headers, text = await door.call_whole("GET", "/metrics")

    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=")
    assert 'validatord_http_requests_total{method="GET",route="/v1/submissions/{' in text
    assert 'route="none"' in text
    assert "a-secret-name" not in text


async def test_figures_are_for_insiders(door: Door) -> None:
    """Through a proxy figures need a key."""
    assert (await door.call("GET", "/metrics", headers=THROUGH_A_PROXY))[0] == 403
    key = await door.make_key("crm", "read")
    assert (await door.call("GET", "/metrics", key, headers=THROUGH_A_PROXY))[0] == 200


async def test_a_port_of_their_own() -> None:
    """The figures' own port has figures and a sign of life, and nothing else."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    door = await FiguresDoor.open(MetricsSettings(port=port))
    async with aiohttp.ClientSession() as session:
        assert await _get(session, door.url) == 200
        assert await _get(session, door.url.replace("/metrics", "/healthz")) == 200
        assert await _get(session, door.url.replace("/metrics", "/v1/submissions")) == 404
        with pytest.raises(ConfigurationError, match=f"port {port}: the port is taken"):
            await FiguresDoor.open(MetricsSettings(port=port))
    await door.aclose()


async def _get(session: aiohttp.ClientSession, url: str) -> int:
    async with session.get(url) as response:
        return response.status
