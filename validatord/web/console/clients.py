"""Clients: who sends work in, and under which policy their results are shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from validatord.errors import ConfigurationError
from validatord.rules import policy as policies
from validatord.rules.policy import ClientPolicy
from validatord.store import clients, console
from validatord.store.console import ClientRow
from validatord.web.console import render
from validatord.web.console.desk import DESK, Desk, read_form
from validatord.web.console.fields import Field, list_fields, read_fields

_LONGEST = 100
_BACK = "/console/clients"


@dataclass(frozen=True, slots=True)
class ClientPage:
    """The facts of one client's page: its policy as fields, and what is wrong with what was sent."""

    client: ClientRow
    fields: tuple[Field, ...]
    problems: tuple[str, ...] = ()

    @property
    def groups(self) -> tuple[tuple[str, tuple[Field, ...]], ...]:
        """The fields by their sections."""
        names = dict.fromkeys(field.group for field in self.fields)
        return tuple((name, tuple(field for field in self.fields if field.group == name)) for name in names)


async def show_clients(request: web.Request) -> web.StreamResponse:
    """Show all clients."""
    desk = request[DESK]
    desk.require_admin()
    return render.page(request, "clients.html", clients=await console.list_clients(desk.database))


async def show_client(request: web.Request) -> web.StreamResponse:
    """Show one client with its policy."""
    client = await _find(request[DESK], request.query.get("name", ""))
    return _show(request, ClientPage(client, list_fields(ClientPolicy, client.policy)))


async def save_policy(request: web.Request) -> web.StreamResponse:
    """Give a client the policy of the form, if it is one."""
    desk = request[DESK]
    form = await read_form(request)
    client = await _find(desk, form.get("client", ""))
    values = read_fields(ClientPolicy, form)
    try:
        policies.read(values)
    except ConfigurationError as error:
        return _show(request, ClientPage(client, _as_sent(form), tuple(error.problems)), status=422)
    await clients.set_policy(desk.database, client.name, values)
    where = request.rel_url.with_path("/console/client").with_query({"name": client.name})
    raise render.go(request, str(where), "The policy is in force: results show it at once.")


def _as_sent(form: Mapping[str, str]) -> tuple[Field, ...]:
    """Return the fields as they were filled in, wrong values, too."""
    plain = list_fields(ClientPolicy, {})
    return tuple(
        Field(
            field.name,
            field.label,
            field.said,
            field.kind,
            ("yes" if field.name in form else "no") if field.kind == "check" else form.get(field.name, ""),
            field.group,
            field.options,
            field.default,
        )
        for field in plain
    )


async def _find(desk: Desk, name: str) -> ClientRow:
    desk.require_admin()
    found = await console.get_client(desk.database, name[:_LONGEST].replace("\x00", ""))
    if found is None:
        raise web.HTTPNotFound
    return found


def _show(request: web.Request, facts: ClientPage, *, status: int = 200) -> web.StreamResponse:
    extra: dict[str, Any] = {"here": _BACK}
    return render.page(request, "client.html", status=status, facts=facts, **extra)


ROUTES = (
    web.get("/clients", show_clients),
    web.get("/client", show_client),
    web.post("/client", save_policy),
)
