"""A model as JSON: its schema, its hash, and reading one that a stranger wrote.

The hash is over everything else, written canonically; it tells two models apart and finds a file that was
cut or edited. It proves nothing about who made it.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from validatord.errors import ConfigurationError
from validatord.mail.verdict import Status
from validatord.rules.features import NAMES
from validatord.rules.model import Isotonic, Model, Platt, Section

SCHEMA = 1
# The statuses a model may speak about: where the probe itself could not tell.
STATUSES = (Status.ACCEPT_ALL.value, Status.UNKNOWN.value)
MOST_BYTES = 1_000_000
_MOST_KNOTS = 2000
_MOST_PROBLEMS = 20
_KNOWN = frozenset(NAMES)

Number = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=10**12)]


@dataclass(frozen=True, slots=True)
class Spans:
    """`window`: how long after a verdict its outcome counts; `half_life`: of older outcomes in the evidence."""

    window: timedelta = timedelta(days=45)
    half_life: timedelta = timedelta(days=365)


class _Part(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)


class PlattFile(_Part):
    """Calibration by slope and offset."""

    kind: Literal["platt"]
    slope: Annotated[float, Field(gt=0, le=1e3, allow_inf_nan=False)]
    offset: Number

    def to_calibration(self) -> Platt:
        """Return what the rules apply."""
        return Platt(self.slope, self.offset)


class IsotonicFile(_Part):
    """Calibration by knots."""

    kind: Literal["isotonic"]
    log_odds: Annotated[tuple[Number, ...], Field(min_length=1, max_length=_MOST_KNOTS)]
    probabilities: Annotated[tuple[Share, ...], Field(min_length=1, max_length=_MOST_KNOTS)]

    @model_validator(mode="after")
    def check_knots(self) -> Self:
        """Knots rise, and every one has its probability."""
        if len(self.log_odds) != len(self.probabilities):
            msg = "log_odds and probabilities differ in length"
            raise ValueError(msg)
        if any(left >= right for left, right in zip(self.log_odds, self.log_odds[1:], strict=False)):
            msg = "log_odds must rise from knot to knot"
            raise ValueError(msg)
        if any(left > right for left, right in zip(self.probabilities, self.probabilities[1:], strict=False)):
            msg = "probabilities must not fall"
            raise ValueError(msg)
        return self

    def to_calibration(self) -> Isotonic:
        """Return what the rules apply."""
        return Isotonic(self.log_odds, self.probabilities)


class Counts(_Part):
    """How many verdicts a part of the model saw, by what told their outcome."""

    bounced: Count = 0
    answered: Count = 0
    silent: Count = 0


class ScoresFile(_Part):
    """How good probabilities are: the less the better, but for `auc`."""

    brier: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    log_loss: Annotated[float, Field(ge=0, le=1e3, allow_inf_nan=False)]
    ece: Share
    auc: Share | None = None


class ReportFile(_Part):
    """Out of time: verdicts younger than everything the section was made from."""

    counts: Counts
    model: ScoresFile
    rules: ScoresFile
    gain: Number = Field(description="By how much the rules' Brier score is above the model's.")
    gain_error: Number = Field(description="Standard error of that, by domains.")


class SectionFile(_Part):
    """The regression of one status."""

    features: Annotated[tuple[str, ...], Field(min_length=1, max_length=len(NAMES))]
    coefficients: Annotated[tuple[Number, ...], Field(max_length=len(NAMES))]
    means: Annotated[tuple[Number, ...], Field(max_length=len(NAMES))]
    intercept: Number
    calibration: Annotated[PlattFile | IsotonicFile, Field(discriminator="kind")]
    fitted: Counts = Counts()
    calibrated: Counts = Counts()
    report: ReportFile | None = None

    @model_validator(mode="after")
    def check_features(self) -> Self:
        """Every feature is one of ours, stands once, and has its coefficient and mean."""
        if unknown := [name for name in self.features if name not in _KNOWN]:
            msg = f"no such feature: {unknown[0][:100]!r}"
            raise ValueError(msg)
        if len(set(self.features)) != len(self.features):
            msg = "a feature stands twice"
            raise ValueError(msg)
        if not len(self.features) == len(self.coefficients) == len(self.means):
            msg = "features, coefficients and means differ in length"
            raise ValueError(msg)
        return self

    def to_section(self) -> Section:
        """Return what the rules apply."""
        return Section(self.features, self.coefficients, self.means, self.intercept, self.calibration.to_calibration())


class ModelFile(_Part):
    """The whole file."""

    schema_version: Literal[1]
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    trained_at: AwareDatetime
    known_until: AwareDatetime = Field(description="Nothing later than this went into the coefficients.")
    window_days: Annotated[float, Field(gt=0, le=3650)]
    half_life_days: Annotated[float, Field(gt=0, le=36500)]
    sections: Annotated[dict[Literal["accept_all", "unknown"], SectionFile], Field(min_length=1)]

    def to_model(self) -> Model:
        """Return the model that the rules apply."""
        return Model(
            hash=self.hash,
            trained_at=self.trained_at,
            known_until=self.known_until,
            window=timedelta(days=self.window_days),
            half_life=timedelta(days=self.half_life_days),
            sections={status: section.to_section() for status, section in self.sections.items()},
        )


def make(sections: dict[str, SectionFile], *, trained_at: datetime, known_until: datetime, spans: Spans) -> ModelFile:
    """Put a new model together, with its hash."""
    values: dict[str, Any] = {
        "schema_version": SCHEMA,
        "hash": "0" * 64,
        "trained_at": trained_at,
        "known_until": known_until,
        "window_days": spans.window / timedelta(days=1),
        "half_life_days": spans.half_life / timedelta(days=1),
        "sections": sections,
    }
    file = ModelFile.model_validate(values)
    return file.model_copy(update={"hash": _find_hash(file)})


def dump(file: ModelFile) -> bytes:
    """Return the file's bytes."""
    return orjson.dumps(file.model_dump(mode="json"), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def read(data: bytes | str, name: str = "model") -> ModelFile:
    """Read a model's JSON, whoever wrote it.

    Raises:
        ConfigurationError: naming each thing that cannot be used.
    """
    if len(data) > MOST_BYTES:
        raise ConfigurationError([f"{name}: larger than {MOST_BYTES:,} bytes: that is no model of ours"])
    try:
        values = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ConfigurationError([f"{name}: not JSON: {error}"]) from None
    if not isinstance(values, dict):
        raise ConfigurationError([f"{name}: not a JSON object"])
    return _check(dict(values), name)  # pyright: ignore[reportUnknownArgumentType] JSON


def _check(values: dict[str, Any], name: str) -> ModelFile:
    version = values.get("schema_version")
    if version != SCHEMA:
        raise ConfigurationError([f"{name}: schema_version is {str(version)[:20]!r}; this program reads {SCHEMA}"])
    try:
        file = ModelFile.model_validate(values)
    except ValidationError as error:
        problems = [f"{name}: {'.'.join(map(str, one['loc']))[:200]}: {one['msg']}" for one in error.errors()]
        raise ConfigurationError(problems[:_MOST_PROBLEMS]) from None
    if _find_hash(file) != file.hash:
        raise ConfigurationError([f"{name}: the hash does not fit: the file was cut or changed after it was written"])
    return file


def _find_hash(file: ModelFile) -> str:
    rest = file.model_dump(mode="json", exclude={"hash"})
    return hashlib.sha256(orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)).hexdigest()
