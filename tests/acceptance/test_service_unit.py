"""The unit that ships: systemd takes it without a word, and finds little exposed."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

_UNIT = Path(__file__).parents[2] / "systemd" / "validatord.service"
_PROGRAM = "/opt/validatord/.venv/bin/validatord"
_MOST_EXPOSED = 1.5

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists, since systemd looks for it."""
    program = tmp_path / "validatord"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = _UNIT.read_text(encoding="utf-8")
    assert text.count(_PROGRAM) == 2
    path = tmp_path / "validatord.service"
    path.write_text(text.replace(_PROGRAM, str(program)))
    return path


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze, whoever's locale and pager this is."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"}
    return subprocess.run(
        ["systemd-analyze", *words], capture_output=True, text=True, check=False, env=environment, timeout=50
    )


def uncomment(unit: Path) -> None:
    """Take the lines into use that an operator may: credentials, address filters, the environment file."""
    text = re.sub(r"(?m)^#([A-Z][A-Za-z]+=)", r"\1", unit.read_text())
    unit.write_text(text)


@pytest.mark.parametrize("is_whole", [False, True], ids=["as it ships", "every offered line in use"])
def test_verify(unit: Path, *, is_whole: bool) -> None:
    """Systemd reads the unit without a warning, also with every offered line taken into use."""
    if is_whole:
        uncomment(unit)
    found = analyze("verify", "--man=no", str(unit))

    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_exposure(unit: Path) -> None:
    """The service can do little besides its work: exposure of at most 1.5 by systemd's own measure."""
    found = analyze("security", "--offline=true", "--no-pager", str(unit))
    level = re.search(r"Overall exposure level for validatord\.service: ([\d.]+)", found.stdout)

    assert level is not None, found.stdout + found.stderr
    assert float(level[1]) <= _MOST_EXPOSED


def test_what_the_daemon_relies_on(unit: Path) -> None:
    """Readiness, watchdog, reload and restart are as the daemon and the guide say."""
    lines = dict(line.split("=", 1) for line in unit.read_text().splitlines() if re.match(r"[A-Za-z]+=", line))

    assert lines["Type"] == "notify"
    assert lines["NotifyAccess"] == "main"
    assert lines["Restart"] == "always"
    assert lines["ExecReload"].endswith(" reload --pid $MAINPID")
    assert int(lines["WatchdogSec"]) >= 20
    assert int(lines["TimeoutStopSec"]) >= 20
    assert lines["StartLimitIntervalSec"] == "0"
