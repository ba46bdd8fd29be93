"""A wheel is whole: the files that are data travel with the code."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from validatord import data

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built without asking anybody."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=_ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_data_is_in_the_wheel(wheel: Path) -> None:
    """Every SQL and configuration file of the checkout is in the wheel, under `_data/`."""
    shipped = set(zipfile.ZipFile(wheel).namelist())
    wanted = [path for folder in ("sql", "config") for path in (_ROOT / folder).rglob("*") if path.suffix]

    assert wanted
    assert [path for path in wanted if f"validatord/_data/{path.relative_to(_ROOT)}" not in shipped] == []


def test_installed_code_finds_its_data(wheel: Path, tmp_path: Path) -> None:
    """Code out of a wheel reads its own data, wherever it is started."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    program = "from validatord import data; print(len(data.list_files('sql/migrations', '.sql')), data.__file__)"
    command = [sys.executable, "-P", "-c", program]
    environment = {"PYTHONPATH": str(tmp_path / "installed"), "PATH": "/usr/bin:/bin"}
    shown = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True).stdout

    assert shown.split()[0] == str(len(data.list_files("sql/migrations", ".sql")))
    assert str(tmp_path) in shown


def test_missing_data_is_named() -> None:
    """A file that is nowhere is named, with what that means."""
    with pytest.raises(FileNotFoundError, match="sql/none"):
        data.get_path("sql/none")
