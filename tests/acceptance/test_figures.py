"""What /metrics says after a list is what happened, and names nobody."""

import re
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.play import Play, open_play, until
from validatord.sandbox.command import Scenario

pytestmark = pytest.mark.timeout(120)


async def read_figures(play: Play) -> str:
    """Return the figures as Prometheus gets them."""
    async with aiohttp.ClientSession() as session, session.get(f"{play.stage.web_url}/metrics") as response:
        assert response.status == 200
        return await response.text()


def add_up(text: str, name: str, **labels: str) -> float:
    """Return the sum of the samples of a name with these labels."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and all(sample.labels.get(key) == value for key, value in labels.items())
    )


async def test_figures_after_a_list(tmp_path: Path, dsn: str) -> None:
    """Verdicts, RCPT, sessions and rows add up with the ledger and the receivers' own counts; no name stands in it."""
    settings = {"alerts": {"interval": "200ms"}, "store": {"metrics_log_every": 100}}
    async with open_play(tmp_path, Scenario("bench", 37, 300, 20), dsn=dsn, settings=settings) as play:
        await play.submit()
        await play.start()
        await play.until_finished()
        seen = await play.look()

        async def is_shown() -> bool:
            return add_up(await read_figures(play), "validatord_requests", state="unfinished") == 0

        await until(is_shown, "the watch")
        text = await read_figures(play)
        await play.stop()

    assert add_up(text, "validatord_verdicts_total") == add_up(text, "validatord_written_rows_total") == 300
    answered = add_up(text, "validatord_replies_total", stage="rcpt")
    assert answered == sum(seen.rcpts.values())
    assert add_up(text, "validatord_session_starts_total") >= 20
    assert add_up(text, "validatord_mx_lookups_total") >= 20
    assert add_up(text, "validatord_up", part="postgresql") == 1
    domains = {address.rpartition("@")[2] for address in play.addresses}
    assert [name for name in (*play.addresses, *domains) if name in text] == []
    lines = re.findall(r"INFO +metrics processed=(\d+) last=100 per_second=", play.log)
    assert [int(number) // 100 for number in lines] == [1, 2, 3]
