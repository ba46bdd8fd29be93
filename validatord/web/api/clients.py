"""Operations about clients and their policies."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import web
from pydantic import Field

from validatord.rules.policy import ClientPolicy
from validatord.store import clients
from validatord.store.keys import Scope
from validatord.web import problems
from validatord.web.fields import ClientName
from validatord.web.problems import Problem
from validatord.web.routes import Answer, Call, Model, Operation, Reply, answer

_TAG = "Clients"


class ClientPath(Model):
    """Which client."""

    client: ClientName


class Policy(Answer):
    """A client's policy; what is not named is as for everybody."""

    client: str
    policy: Mapping[str, Any]


class Client(Answer):
    """Who sends work in."""

    client: str
    policy: Mapping[str, Any]
    created_at: datetime


class Clients(Answer):
    """All clients, by name."""

    clients: list[Client] = Field(description="By name.")


async def list_clients(call: Call) -> web.Response:
    """List the clients."""
    found = await clients.list_clients(call.services.database)
    body = [{"client": item.name, "policy": item.policy, "created_at": item.created_at} for item in found]
    return answer({"clients": body})


async def get_policy(call: Call) -> web.Response:
    """Return a client's policy."""
    client = _find_own(call)
    found = await clients.load_policy(call.services.database, client)
    if found is None:
        raise Problem(problems.NOT_FOUND, "there is no such client")
    return answer({"client": client, "policy": found})


async def set_policy(call: Call) -> web.Response:
    """Give a client its policy; results read from now on are labelled by it."""
    client = _find_own(call)
    values: dict[str, Any] = call.body.model_dump(mode="json", exclude_unset=True)
    await clients.set_policy(call.services.database, client, values)
    return answer({"client": client, "policy": values})


def _find_own(call: Call) -> str:
    client: str = call.path.client
    if call.access.sees not in {None, client}:
        raise Problem(problems.NOT_FOUND, "there is no such client")
    return client


OPERATIONS = (
    Operation(
        "GET",
        "/v1/clients",
        "List the clients",
        list_clients,
        _TAG,
        {200: Reply("The clients.", Clients)},
        scope=Scope.ADMIN,
    ),
    Operation(
        "GET",
        "/v1/clients/{client}/policy",
        "A client's policy",
        get_policy,
        _TAG,
        {200: Reply("The policy.", Policy)},
        scope=Scope.READ,
        path_model=ClientPath,
    ),
    Operation(
        "PUT",
        "/v1/clients/{client}/policy",
        "Give a client its policy",
        set_policy,
        _TAG,
        {200: Reply("The policy.", Policy)},
        scope=Scope.ADMIN,
        path_model=ClientPath,
        body_model=ClientPolicy,
    ),
)
