"""A model as JSON: what was written is read back, and a stranger's file is refused with a reason."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from validatord.errors import ConfigurationError
from validatord.rules import model_file
from validatord.rules.model_file import Counts, IsotonicFile, PlattFile, ReportFile, ScoresFile, SectionFile, Spans

_NOW = datetime(2026, 5, 1, 12, 30, 1, 123456, tzinfo=UTC)


def make_section(**more: Any) -> SectionFile:
    """Make a section of two features."""
    values: dict[str, Any] = {
        "features": ("domain_dead_odds", "role"),
        "coefficients": (-0.7123456789012345, 1e-7),
        "means": (0.1, 0.0),
        "intercept": 1.0,
        "calibration": PlattFile(kind="platt", slope=1.25, offset=-0.5),
        **more,
    }
    return SectionFile(**values)


def make_file(**sections: SectionFile) -> model_file.ModelFile:
    """Make a model's file."""
    return model_file.make(sections or {"accept_all": make_section()}, trained_at=_NOW, known_until=_NOW, spans=Spans())


def _change(**changes: Any) -> bytes:
    return orjson.dumps({**orjson.loads(model_file.dump(make_file())), **changes})


def _change_section(**changes: Any) -> bytes:
    values = orjson.loads(model_file.dump(make_file()))
    values["sections"]["accept_all"].update(changes)
    return orjson.dumps(values)


def test_what_was_written_is_read_back() -> None:
    """A file comes back to the last digit, report and both kinds of calibration included."""
    scores = ScoresFile(brier=0.14, log_loss=0.4, ece=0.02, auc=0.85)
    report = ReportFile(counts=Counts(bounced=3, silent=4), model=scores, rules=scores, gain=0.06, gain_error=0.004)
    knots = IsotonicFile(kind="isotonic", log_odds=(-1.0, 0.5), probabilities=(0.2, 0.9))
    file = make_file(accept_all=make_section(report=report), unknown=make_section(calibration=knots))

    assert model_file.read(model_file.dump(file)) == file
    assert model_file.read(model_file.dump(file)).to_model() == file.to_model()


def test_the_hash_tells_models_apart() -> None:
    """The hash is over all of it: one digit makes another model."""
    other = make_file(accept_all=make_section(intercept=1.0000000000000002))

    assert make_file().hash == make_file().hash != other.hash


def test_numbers_written_otherwise_are_the_same() -> None:
    """1 and 1.0 are one number, whoever wrote the JSON."""
    data = model_file.dump(make_file()).replace(b'"intercept": 1.0', b'"intercept": 1')

    assert model_file.read(data) == make_file()


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "not JSON"),
        (b"\x80\x04junk", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]", "not a JSON object"),
        (b" " * 1_000_001, "larger than"),
        (b'{"schema_version": 2}', "schema_version is '2'"),
        (b"{}", "schema_version is 'None'"),
        (_change(hash="0" * 64), "hash does not fit"),
        (_change(hash="short"), "hash: "),
        (_change(more=1), "more: Extra inputs"),
        (_change(window_days=0), "window_days: "),
        (_change(trained_at="2026-05-01T00:00:00"), "trained_at: "),
        (_change(sections={}), "sections: "),
        (_change(sections={"valid": {}}), "sections.valid"),
        (_change_section(intercept=2.0), "hash does not fit"),
        (_change_section(intercept=None), "accept_all.intercept: "),
        (_change_section(intercept=1e300), "accept_all.intercept: "),
        (_change_section(features=["__class__", "role"]), "no such feature: '__class__'"),
        (_change_section(features=["role", "role"]), "a feature stands twice"),
        (_change_section(features=[]), "accept_all.features: "),
        (_change_section(coefficients=[1.0]), "differ in length"),
        (_change_section(coefficients=[1.0] * 1000), "accept_all.coefficients: "),
        (_change_section(calibration={"kind": "pickle"}), "accept_all.calibration: "),
        (_change_section(calibration={"kind": "platt", "slope": -1, "offset": 0}), "slope: "),
        (
            _change_section(calibration={"kind": "isotonic", "log_odds": [1, 0], "probabilities": [0, 1]}),
            "must rise",
        ),
        (
            _change_section(calibration={"kind": "isotonic", "log_odds": [0, 1], "probabilities": [1, 0]}),
            "must not fall",
        ),
        (
            _change_section(calibration={"kind": "isotonic", "log_odds": [0, 1], "probabilities": [1]}),
            "differ in length",
        ),
        (_change_section(calibration={"kind": "isotonic", "log_odds": [0], "probabilities": [7]}), "probabilities"),
        (model_file.dump(make_file()).replace(b"-0.7123456789012345", b"NaN"), "not JSON"),
        (model_file.dump(make_file())[:-40], "not JSON"),
    ],
)
def test_a_strangers_file_is_refused(data: bytes, complaint: str) -> None:
    """Whatever is wrong is named together with the file, and nothing else happens."""
    with pytest.raises(ConfigurationError, match=r"their\.json: ") as caught:
        model_file.read(data, "their.json")

    assert any(complaint in problem for problem in caught.value.problems), caught.value.problems
    assert all(len(problem) < 500 for problem in caught.value.problems)
