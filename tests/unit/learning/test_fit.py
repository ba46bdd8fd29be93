"""What is written down as plain numbers says what scikit-learn says."""

import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from validatord.errors import ConfigurationError
from validatord.learning import draw, fit
from validatord.learning.extra import load_figure, load_sklearn
from validatord.learning.labels import Label
from validatord.learning.observe import Observation
from validatord.learning.sample import Sample
from validatord.learning.split import find_border, split
from validatord.mail.track_record import TrackRecord
from validatord.rules.features import NAMES, Evidence, measure
from validatord.rules.model import LEAST, MOST, sigmoid
from validatord.rules.model_file import IsotonicFile, PlattFile

_START = datetime(2026, 1, 1, tzinfo=UTC)


def make_observations(count: int, seed: int = 1) -> Iterator[Observation]:
    """Make mailboxes whose domain's record tells their fate, mostly."""
    rng = random.Random(seed)
    for number in range(count):
        share = rng.random()
        bounced = round(share * 20)
        record = TrackRecord(domain_bounced=bounced, domain_alive=20 - bounced)
        evidence = Evidence(rng.choice(["maria.miller", "a7b3c9", "info"]), reply="250 ok", record=record)
        label = Label.BOUNCED if rng.random() < share else rng.choice([Label.ANSWERED, Label.SILENT])
        moment = _START + timedelta(hours=number)
        domain = f"d{number % 50}.example"
        yield Observation(f"m{number}@{domain}", domain, "accept_all", moment, label, measure(evidence), 0.7)


def make_sample(count: int, most: int = 100_000) -> Sample:
    """Take them in."""
    sample = Sample(most)
    for observation in make_observations(count):
        sample.add(observation)
    return sample


def test_the_numbers_say_what_scikit_learn_says() -> None:
    """Scaling, regression and Platt's calibration together differ from the plain numbers by less than 1e-9."""
    sample = make_sample(900)
    section = fit.fit(sample, range(600), range(600, 900))
    sklearn = load_sklearn()
    np = sklearn.arrays
    rows = np.frombuffer(sample.numbers).reshape(-1, len(NAMES))
    kept = [NAMES.index(name) for name in section.features]
    alive = np.asarray([sample.is_alive(place) for place in range(900)])
    scaler = sklearn.scaler().fit(rows[:600, kept])
    regression = sklearn.regression(C=1.0, max_iter=2_000).fit(scaler.transform(rows[:600, kept]), alive[:600])
    log_odds = regression.decision_function(scaler.transform(rows[:, kept]))
    platt = sklearn.regression(C=1e6, max_iter=2_000).fit(log_odds[600:].reshape(-1, 1), alive[600:])
    expected = platt.predict_proba(log_odds.reshape(-1, 1))[:, 1]

    found = [section.to_section().predict(sample.row(place)) for place in range(900)]

    assert section.calibration.kind == "platt"
    assert found == pytest.approx([min(MOST, max(LEAST, one)) for one in expected], abs=1e-9)


def test_isotonic_says_what_scikit_learn_says() -> None:
    """The knots give scikit-learn's probabilities, between them and beyond them, to 1e-9."""
    sklearn = load_sklearn()
    rng = random.Random(2)
    log_odds = [rng.uniform(-3, 3) for _ in range(2_000)]
    # A curve that no sigmoid follows.
    alive = [int(rng.random() < (0.1 if one < 0 else 0.9 if one > 1 else 0.5)) for one in log_odds]
    np = sklearn.arrays
    calibration = fit.calibrate(sklearn, np.asarray(log_odds), np.asarray(alive))
    expected = sklearn.isotonic(y_min=LEAST, y_max=MOST, out_of_bounds="clip").fit(log_odds, alive)
    asked = [*[rng.uniform(-4, 4) for _ in range(500)], *log_odds]

    assert isinstance(calibration, IsotonicFile)
    found = [calibration.to_calibration().apply(one) for one in asked]
    assert found == pytest.approx(expected.predict(asked).tolist(), abs=1e-9)


def test_platt_is_taken_where_it_is_better() -> None:
    """Where the log-odds are right but for slope and offset, the sigmoid beats the free curve."""
    sklearn = load_sklearn()
    rng = random.Random(3)
    log_odds = [rng.uniform(-3, 3) for _ in range(2_000)]
    alive = [int(rng.random() < sigmoid(2 * one - 1)) for one in log_odds]

    found = fit.calibrate(sklearn, sklearn.arrays.asarray(log_odds), sklearn.arrays.asarray(alive))

    assert isinstance(found, PlattFile)
    assert found.slope == pytest.approx(2, abs=0.3)
    assert found.offset == pytest.approx(-1, abs=0.3)


def test_one_outcome_alone_teaches_nothing() -> None:
    """Without bounces there is nothing to learn, and that is said with the numbers."""
    sample = Sample()
    for observation in make_observations(2_000):
        if observation.label is not Label.BOUNCED:
            sample.add(observation)

    with pytest.raises(fit.CannotFit, match="0 dead and 500 alive"):
        fit.fit(sample, range(500), range(500, 800))


def test_a_sample_is_bounded() -> None:
    """However many observations come, so many are kept, each with all its columns, old and new ones alike."""
    sample = make_sample(5_000, most=500)

    assert (sample.seen, len(sample)) == (5_000, 500)
    assert {len(column) for column in (sample.rules, sample.labels, sample.domains)} == {500}
    assert len(sample.numbers) == 500 * len(NAMES)
    halves = [moment < (_START + timedelta(hours=2_500)).timestamp() for moment in sample.moments]
    assert 200 < sum(halves) < 300
    known = {observation.moment.timestamp(): observation for observation in make_observations(5_000)}
    assert all(tuple(sample.row(place)) == known[sample.moments[place]].numbers for place in range(500))


def test_nothing_of_the_future_teaches() -> None:
    """Every window of a teaching verdict had closed before the first judging verdict was made."""
    sample = make_sample(4_000)
    border = find_border({"accept_all": sample})
    window = timedelta(days=10)

    found = split(sample, border, window)

    last = max(sample.moments[place] for place in [*found.fitting, *found.calibrating])
    assert last + window.total_seconds() <= border < min(sample.moments[place] for place in found.judging)
    assert max(sample.moments[place] for place in found.fitting) <= min(
        sample.moments[place] for place in found.calibrating
    )
    assert len(found.judging) == pytest.approx(1_000, abs=2)


@pytest.mark.parametrize(("missing", "load"), [("sklearn.isotonic", load_sklearn), ("matplotlib.figure", load_figure)])
def test_the_extra_is_named_where_it_is_missing(missing: str, load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has the light install is told what to install, in one line."""
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(ConfigurationError, match=r"pip install 'validatord\[ml\]'"):
        load()


def test_drawings_are_files(tmp_path: Path) -> None:
    """Both diagrams are PNG files of moderate size."""
    probabilities, alive = [0.1, 0.4, 0.6, 0.9] * 30, [0, 0, 1, 1] * 30

    draw.draw_reliability(tmp_path / "a.png", "accept_all", {"model": (probabilities, alive)})
    draw.draw_roc(tmp_path / "b.png", "accept_all", {"model": (probabilities, alive), "rules": ([0.7] * 120, alive)})

    for name in ("a.png", "b.png"):
        data = (tmp_path / name).read_bytes()
        assert data.startswith(b"\x89PNG")
        assert len(data) < 100_000
