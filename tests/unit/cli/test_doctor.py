"""The doctor's command prints its findings and ends with a status that scripts can use."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from validatord.cli.main import cli
from validatord.doctor.check import Check, fail, ok, warn


@pytest.mark.parametrize(
    ("checks", "status"),
    [([ok("a", "good")], 0), ([ok("a", "good"), warn("b", "fair", "mend")], 0), ([fail("c", "bad", "repair")], 1)],
)
@pytest.mark.parametrize("is_json", [False, True])
def test_findings_and_status(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, checks: list[Check], status: int, is_json: bool
) -> None:
    """Only what does not work makes the status 1; a program may have the findings as JSON."""

    async def examine(*_: object) -> list[Check]:
        return checks

    monkeypatch.setattr("validatord.cli.doctor.run_doctor", examine)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["doctor", *(["--json"] if is_json else [])])
    assert result.exit_code == status
    if is_json:
        assert [found["name"] for found in json.loads(result.output)] == [check.name for check in checks]
    else:
        assert result.output.splitlines()[-1].endswith(f"{status} fail")


def test_a_whole_run_without_any_network(tmp_path: Path) -> None:
    """On a machine where nothing answers every examination still ends and says what is wrong."""
    config = tmp_path / "validatord.toml"
    config.write_text(
        '[lookup]\nresolvers = ["127.0.0.1:1"]\ntimeout = "50ms"\n'
        '[[identities]]\nhelo_name = "probe.example.com"\nenvelope_sender = "probe@example.com"\n'
    )
    result = CliRunner().invoke(cli, ["--config", str(config), "doctor"])
    assert result.exit_code == 1
    assert "FAIL  resolver: no answer from any name server" in result.output
    assert "      → look at lookup.resolvers" in result.output
