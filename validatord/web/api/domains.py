"""Operations about domains and about the lanes to their providers."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from aiohttp import web
from pydantic import Field

from validatord.mail.request import DomainFacts
from validatord.store import domains
from validatord.store.keys import Scope
from validatord.web import problems
from validatord.web.problems import Problem
from validatord.web.routes import Answer, Call, Model, Operation, Reply, answer

_TAG = "Domains and lanes"


class DomainPath(Model):
    """Which domain."""

    domain: str = Field(min_length=1, max_length=255, description="The domain, as A-label.")


class MailHost(Answer):
    """One MX host."""

    name: str
    preference: int
    addresses: list[str]


class Domain(Answer):
    """What is known of a domain."""

    domain: str
    provider: str = Field(description="Who runs its MX hosts; empty where nobody is known.")
    mx_outcome: str | None
    mx_hosts: list[MailHost]
    mx_expires_at: datetime | None
    accept_all: str = Field(description="`accepts_all`, `rejects_unknown`, `undetermined` or `not_asked`.")
    accept_all_until: datetime | None
    spf: str | None
    dmarc: str | None
    rcpt_day: date | None
    rcpt_count: int = Field(description="Mailboxes asked about on that day.")


class Lane(Answer):
    """One lane: a source identity at a provider."""

    lane: str
    state: Mapping[str, Any] = Field(description="Breaker, speed and budgets as they are now.")


class Lanes(Answer):
    """The lanes of this process that are worth remembering."""

    lanes: list[Lane]


async def get_domain(call: Call) -> web.Response:
    """Return what is known of a domain."""
    name = call.path.domain.lower().rstrip(".")
    found = (await domains.load_facts(call.services.database, [name])).get(name)
    if found is None:
        raise Problem(problems.NOT_FOUND, "nothing is known of this domain")
    return answer(_render(found))


async def list_lanes(call: Call) -> web.Response:
    """Return the lanes as they are now."""
    lanes = call.services.lanes.snapshot() if call.services.lanes is not None else {}
    return answer({"lanes": [{"lane": name, "state": state} for name, state in sorted(lanes.items())]})


def _render(facts: DomainFacts) -> dict[str, Any]:
    mx = facts.mx
    hosts = mx.hosts if mx is not None else ()
    return {
        "domain": facts.domain,
        "provider": facts.provider_key,
        "mx_outcome": mx.outcome.value if mx is not None else None,
        "mx_hosts": [
            {"name": host.name, "preference": host.preference, "addresses": list(host.addresses)} for host in hosts
        ],
        "mx_expires_at": mx.expires_at if mx is not None else None,
        "accept_all": facts.accept_all.value,
        "accept_all_until": facts.accept_all_until,
        "spf": facts.spf,
        "dmarc": facts.dmarc,
        "rcpt_day": facts.rcpt_day,
        "rcpt_count": facts.rcpt_count,
    }


OPERATIONS = (
    Operation(
        "GET",
        "/v1/domains/{domain}",
        "What is known of a domain",
        get_domain,
        _TAG,
        {200: Reply("What is known.", Domain)},
        scope=Scope.READ,
        path_model=DomainPath,
    ),
    Operation(
        "GET",
        "/v1/lanes",
        "The lanes as they are now",
        list_lanes,
        _TAG,
        {200: Reply("The lanes.", Lanes)},
        scope=Scope.ADMIN,
    ),
)
