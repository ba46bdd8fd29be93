"""The OpenAPI file against the door it describes: requests made from it, answers held against it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.web.serving import Address, serve
from validatord.web.app import list_operations

_HOOKS = Path(__file__).with_name("contract_hooks.py")
# What a list of CSV holds is not said by a JSON schema: a sound text may have no such column.
_CONFIG = """
[[operations]]
include-name = "POST /v1/uploads"
checks.positive_data_acceptance.enabled = false
"""
_EXAMPLES = os.environ.get("CONTRACT_EXAMPLES", "8")


def _run(where: Address, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    config = folder / "schemathesis.toml"
    config.write_text(_CONFIG)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", f"{where.url}/openapi.json"),
        *("--generation-deterministic", "--no-color", "--warnings", "off", "--workers", "1"),
        *more,
    ]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": str(_HOOKS), "PYTHONPATH": ""}
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.timeout(1500)
def test_with_a_key(dsn: str, tmp_path: Path) -> None:
    """With a key that may do everything, no answer is undocumented, malformed, or a server error."""
    with serve(dsn, requests_per_second=0, failures_per_minute=0, check_budget="50ms") as where:
        header = f"Authorization: Bearer {where.admin_key}"
        done = _run(where, tmp_path, "--max-examples", _EXAMPLES, "-H", header)

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


@pytest.mark.timeout(300)
def test_without_a_key(dsn: str, tmp_path: Path) -> None:
    """Without a key every route but the open ones answers with the same problem."""
    with serve(dsn, requests_per_second=0, failures_per_minute=0) as where:
        done = _run(where, tmp_path, "--max-examples", "2", "--phases", "coverage,fuzzing")

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_only_these_are_open() -> None:
    """Every route needs a key, reading too, but those that say nothing about anybody."""
    is_open = {operation.path for operation in list_operations() if operation.is_open}

    assert is_open == {"/health", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/problems/{slug}"}


def test_names_are_stable() -> None:
    """Every operation has a name of its own: generated clients are made of them."""
    names = [operation.name for operation in list_operations()]

    assert len(set(names)) == len(names)
