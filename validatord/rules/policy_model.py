"""What a client may wish, as JSON kept with it: the keys, their defaults, and one clear error per wrong key."""

import difflib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from validatord.errors import ConfigurationError
from validatord.mail.verdict import Reason, Status
from validatord.settings import Duration, DurationOrZero, split_words

Shown = Literal["valid", "invalid", "accept_all", "risky", "unknown"]
ShownFree = Literal["valid", "invalid", "accept_all", "risky", "unknown", "free_provider"]
Statuses = Annotated[tuple[Status, ...], BeforeValidator(split_words)]
Reasons = Annotated[tuple[Reason, ...], BeforeValidator(split_words)]
Percent = Annotated[float, Field(ge=0, le=100)]


class BouncerMode(StrEnum):
    """Who decides for a client."""

    LOCAL_ONLY = "local_only"
    BOUNCER_ONLY = "bouncer_only"
    LOCAL_THEN_BOUNCER = "local_then_bouncer"


class _Section(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Cascade(_Section):
    """When Bouncer is asked, which costs money: off unless a client wants it."""

    mode: BouncerMode = Field(
        default=BouncerMode.LOCAL_ONLY, description="local_only, bouncer_only or local_then_bouncer."
    )
    statuses: Statuses = Field(
        default=(Status.UNKNOWN,), description="local_then_bouncer: statuses of our probe that are handed over …"
    )
    reasons: Reasons = Field(default=(), description="… if the main reason is one of these; empty: any.")
    except_reasons: Reasons = Field(default=(), description="Main reasons that are never handed over.")
    min_value: int = Field(
        default=0, ge=0, le=100, description="Least priority (25, 50, 75, 100) of a request that is worth a credit."
    )
    max_age: Duration = Field(
        default=timedelta(days=7), description="What waited longer for Bouncer ends with our own finding."
    )
    credits_per_day: int | None = Field(default=None, ge=0, description="Most credits a day (UTC); empty: no cap.")
    credits_per_month: int | None = Field(default=None, ge=0, description="Most credits a month; empty: no cap.")
    is_deep: bool = Field(
        default=False, description="Ask about accept-all domains again with the account's deep key, where there is one."
    )


class Reuse(_Section):
    """How long a verdict is used again for this client instead of asking; empty: as [freshness] says."""

    valid: DurationOrZero | None = Field(default=None, description="How long valid is used again; empty: [freshness].")
    invalid: DurationOrZero | None = Field(default=None, description="How long invalid is.")
    risky: DurationOrZero | None = Field(default=None, description="How long risky is.")
    accept_all: DurationOrZero | None = Field(default=None, description="How long accept_all is.")


class GateWishes(_Section):
    """This client's limits of the send gate, in percent; empty: as [gate] says."""

    warn_valid_below: Percent | None = Field(default=None, description="Fewer % valid: warn; empty: [gate].")
    block_valid_below: Percent | None = Field(default=None, description="Fewer % valid: block.")
    warn_risky_above: Percent | None = Field(default=None, description="More % risky: warn.")
    block_risky_above: Percent | None = Field(default=None, description="More % risky: block.")
    warn_unknown_above: Percent | None = Field(default=None, description="More % unknown at small domains: warn.")
    block_unknown_above: Percent | None = Field(default=None, description="More % unknown at small domains: block.")
    small_domain: int | None = Field(default=None, ge=1, le=10_000, description="Most addresses of a small domain.")
    warn_outdated_above: Percent | None = Field(default=None, description="More % out of date: warn.")
    block_outdated_above: Percent | None = Field(default=None, description="More % out of date: block.")
    block_unfinished_above: Percent | None = Field(default=None, description="More % unfinished: block.")


class ClientPolicy(_Section):
    """How one client wants findings shown; the empty policy changes nothing."""

    accept_all: Shown | None = Field(default=None, description="What accept_all is shown as.")
    accept_all_valid_from: int | None = Field(
        default=None, ge=0, le=100, description="accept_all from this confidence on is shown as valid."
    )
    risky: Shown | None = Field(default=None, description="What risky is shown as.")
    unknown: Shown | None = Field(default=None, description="What unknown is shown as.")
    mailbox_full: Shown | None = Field(default=None, description="What a full mailbox is shown as.")
    disposable: Shown | None = Field(
        default=None, description="What a disposable domain is shown as, if it takes mail."
    )
    role: Shown | None = Field(default=None, description="What an accepted role account is shown as.")
    free_provider: ShownFree | None = Field(
        default=None, description="What an accepted mailbox at a free provider is shown as."
    )
    min_confidence: int = Field(default=0, ge=0, le=100, description="valid below this confidence is shown as risky.")
    export_statuses: Statuses = Field(
        default=(),
        description="Statuses, as they are shown, that an export holds unless it asks for others, and that a campaign"
        " is sent to; none: all.",
    )
    ttl: Duration | None = Field(
        default=None, description="When a verdict counts as out of date; empty: as freshness.ttl says."
    )
    reuse: Reuse = Field(default=Reuse(), description="How long verdicts are used again instead of asking.")
    gate: GateWishes = Field(default=GateWishes(), description="When a submission may be sent to.")
    bouncer: Cascade = Field(default=Cascade(), description="The paid second opinion.")


def read(values: Mapping[str, Any]) -> ClientPolicy:
    """Read a client's policy from JSON.

    Raises:
        ConfigurationError: naming each key that cannot be used, once.
    """
    try:
        return ClientPolicy.model_validate(dict(values))
    except ValidationError as error:
        problems: dict[str, str] = {}
        for one in error.errors():
            problems.setdefault(_name_key(one), _say(one))
        raise ConfigurationError([f"policy.{key}: {problem}" for key, problem in problems.items()]) from None


def list_keys() -> dict[str, str]:
    """Return every key of a policy with what it means, dotted: `bouncer.mode`."""
    return dict(_walk(ClientPolicy))


def with_key(values: Mapping[str, Any], key: str, value: object) -> dict[str, Any]:
    """Return stored values with one dotted key set.

    Raises:
        ConfigurationError: there is no such key.
    """
    if key not in list_keys():
        raise ConfigurationError([f"policy.{key}: {_say_unknown(key)}"])
    section, _, name = key.rpartition(".")
    if not section:
        return {**values, name: value}
    within = values.get(section)
    kept: Mapping[str, Any] = cast("Mapping[str, Any]", within) if isinstance(within, Mapping) else {}
    return {**values, section: {**kept, name: value}}


def without_key(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return stored values without one dotted key, or a whole section; it need not be there."""
    section, _, name = key.rpartition(".")
    if not section:
        return {known: value for known, value in values.items() if known != key}
    within = values.get(section)
    if not isinstance(within, Mapping):
        return dict(values)
    left = {known: value for known, value in cast("Mapping[str, Any]", within).items() if known != name}
    return {**values, section: left} if left else without_key(values, section)


def _walk(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _walk(annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.description or ""


def _name_key(problem: ErrorDetails) -> str:
    return ".".join(map(str, problem["loc"]))


def _say(problem: ErrorDetails) -> str:
    if problem["type"] == "extra_forbidden":
        return _say_unknown(_name_key(problem))
    return problem["msg"].removeprefix("Value error, ")


def _say_unknown(key: str) -> str:
    near = difflib.get_close_matches(key, list_keys(), 1)
    return f"there is no such key; did you mean {near[0]}?" if near else "there is no such key"
