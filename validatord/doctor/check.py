"""What an examination says: checks as values, and the tools that examinations share."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from validatord.clock import Clock
from validatord.lookup.mx import MXLookup
from validatord.lookup.resolver import Resolver
from validatord.settings import Settings


class Level(StrEnum):
    """Good; works, but costs something; does not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was examined: `what` was found, and how to `fix` it where it is not good."""

    name: str
    level: Level
    what: str
    fix: str = ""


def ok(name: str, what: str) -> Check:
    """Say that something is good."""
    return Check(name, Level.OK, what)


def warn(name: str, what: str, fix: str) -> Check:
    """Say that something works and costs something."""
    return Check(name, Level.WARN, what, fix)


def fail(name: str, what: str, fix: str) -> Check:
    """Say that something does not work."""
    return Check(name, Level.FAIL, what, fix)


@dataclass(frozen=True, slots=True)
class Tools:
    """What examinations of the network work with.

    `find_local_address` returns the address this machine would go out from, or an empty text.
    """

    settings: Settings
    resolver: Resolver
    mx: MXLookup
    clock: Clock
    rng: random.Random
    find_local_address: Callable[[], str]
