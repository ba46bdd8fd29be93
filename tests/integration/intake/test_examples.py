"""The examples of docs/integration.md do what the text says."""

import re
import subprocess
import sys
from pathlib import Path

import orjson
from arq.connections import RedisSettings, create_pool

from tests.integration.intake.conftest import Bench, eventually

_TEXT = (Path(__file__).parents[3] / "docs" / "integration.md").read_text(encoding="utf-8")
_PYTHON = re.findall(r"(?ms)^```python\n(.*?)^```", _TEXT)
_SQL = re.findall(r"(?ms)^```sql\n(.*?)^```", _TEXT)


async def test_sending_a_list(bench: Bench, redis_url: str, tmp_path: Path) -> None:
    """The first example is a whole program; run as it stands it brings its list into the ledger."""
    program = tmp_path / "producer.py"
    program.write_text(_PYTHON[0].replace("redis://127.0.0.1:6379", redis_url))
    shown = subprocess.run([sys.executable, str(program)], capture_output=True, check=True, text=True).stdout
    async with bench.running():
        await eventually(bench.is_empty)

    assert shown == "2 addresses in 1 jobs\n"
    assert await bench.fetch("SELECT address FROM requests ORDER BY idx") == [
        ("person@example.com",),
        ("info@example.org",),
    ]
    for statement in filter(None, map(str.strip, _SQL[0].split(";"))):
        await bench.fetch(statement)


async def test_without_the_helper(bench: Bench, redis_url: str) -> None:
    """A plain arq producer with JSON is understood."""
    [example] = [text for text in _PYTHON if "enqueue_job" in text]
    pool = await create_pool(
        RedisSettings(unix_socket_path=redis_url.removeprefix("unix://")),
        job_serializer=orjson.dumps,
        job_deserializer=orjson.loads,
    )
    names: dict[str, object] = {"pool": pool}
    exec("async def send():\n" + "".join(f"    {line}\n" for line in example.splitlines()), names)  # noqa: S102
    await names["send"]()  # type: ignore[operator]
    await pool.aclose(close_connection_pool=True)
    async with bench.running():
        await eventually(bench.is_empty)

    assert await bench.fetch("SELECT address FROM requests") == [("person@example.com",)]


async def test_importing_the_client_is_light() -> None:
    """Another service that imports the client gets neither settings nor the ledger into its process."""
    program = (
        "import sys, validatord.intake.client; print(*[name for name in sys.modules if name.startswith('validatord')])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout

    assert set(shown.split()) == {"validatord", "validatord.intake", "validatord.intake.client", "validatord.errors"}
