"""The address tools as JSON in, JSON out: what can be said of an address without asking anybody.

Each takes an object with the member `address` and gives it back with members added. Bad input never
raises: it comes back with `error` and everything it held.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from validatord.errors import AddressSyntaxError
from validatord.mail.address import Mailbox
from validatord.mail.parse import parse_address, unicode_domain
from validatord.rules.risk import RiskLists
from validatord.settings import PolicySettings

_SAYS_NOTHING: dict[str, Any] = {
    "ok": False,
    "reason": "",
    "message": "",
    "normalized": "",
    "ascii_domain": "",
    "unicode_domain": "",
    "smtputf8": False,
}


def tools_syntax(item: Any) -> dict[str, Any]:
    """Add ok, reason (the rule that was broken), message, normalized, ascii_domain, unicode_domain, smtputf8."""
    given, address, problem = _take(item)
    if problem:
        return given | {"error": problem}
    try:
        mailbox = parse_address(address)
    except AddressSyntaxError as error:
        return given | _SAYS_NOTHING | {"reason": error.rule, "message": str(error)}
    return given | {
        "ok": True,
        "reason": "",
        "message": "",
        "normalized": str(mailbox),
        "ascii_domain": mailbox.domain,
        "unicode_domain": unicode_domain(mailbox.domain),
        "smtputf8": mailbox.needs_smtputf8,
    }


def tools_risk(item: Any, lists: RiskLists | None = None) -> dict[str, Any]:
    """Add is_disposable, is_role, is_free; `lists` are the project's own unless given."""
    given, mailbox, problem = _take_mailbox(item)
    if mailbox is None:
        return given | _no_answer(given, "is_disposable", "is_role", "is_free") | {"error": problem}
    flags = (lists or _own_lists()).flags(mailbox)
    return given | {
        "is_disposable": flags.is_disposable,
        "is_role": flags.is_role,
        "is_free": flags.is_free,
    }


def tools_suggest(item: Any, lists: RiskLists | None = None) -> dict[str, Any]:
    """Add suggestion: the whole address that was probably meant, or null."""
    given, mailbox, problem = _take_mailbox(item)
    if mailbox is None:
        return given | _no_answer(given, "suggestion") | {"error": problem}
    return given | {"suggestion": (lists or _own_lists()).flags(mailbox).suggestion or None}


def _no_answer(given: Mapping[str, Any], *members: str) -> dict[str, None]:
    """What is no address has the members all the same, without a value; what is no question has none."""
    return dict.fromkeys(members) if isinstance(given.get("address"), str) else {}


@cache
def _own_lists() -> RiskLists:
    return RiskLists.load(PolicySettings())


def _take(item: Any) -> tuple[dict[str, Any], str, str]:
    """Return what was given, the address in it, and what is wrong with it, if anything."""
    if not isinstance(item, Mapping):
        return {}, "", 'an object with the member "address" is wanted'
    given = dict(cast("Mapping[str, Any]", item))
    if "address" not in given:
        return given, "", 'the member "address" is missing'
    if not isinstance(given["address"], str):
        return given, "", 'the member "address" must be a text'
    return given, given["address"], ""


def _take_mailbox(item: Any) -> tuple[dict[str, Any], Mailbox | None, str]:
    given, address, problem = _take(item)
    if problem:
        return given, None, problem
    try:
        return given, parse_address(address), ""
    except AddressSyntaxError as error:
        return given, None, str(error)
