"""All examinations together: in order, each thing once, and none stops another."""

import json
import random
import resource
from typing import Any

import pytest

from tests.fakes.dns import FakeDNS
from tests.fakes.mx_script import MXScript
from tests.unit.doctor.conftest import ADDRESS, not_ok, only
from validatord.doctor import machine, network, run
from validatord.doctor.check import Check, Level, fail, ok, warn
from validatord.doctor.report import format_checks, to_json
from validatord.doctor.run import find_worst, run_doctor
from validatord.errors import ConfigurationError
from validatord.settings import Settings


def settings_of(sections: dict[str, Any], **changed: dict[str, Any]) -> Settings:
    return Settings.of(**sections, **changed)


async def examine_all(settings: Settings) -> list[Check]:
    return await run_doctor(settings, rng=random.Random(1), find_local_address=lambda: ADDRESS)


async def test_a_good_surrounding(server: FakeDNS, host: MXScript, sections: dict[str, Any]) -> None:
    """Where all is well every check says so, in a fixed order."""
    sections["smtp"]["port"] = host.port
    server.update({("target.example.com", "A"): ["127.0.0.1"]})
    sections["doctor"]["targets"] = ["target.example.com"]
    checks = await examine_all(settings_of(sections))
    assert not_ok(checks) == []
    names = list(dict.fromkeys(check.name for check in checks))
    assert names == [
        "open files",
        "PostgreSQL",
        "Redis",
        "resolver",
        "identity default",
        "block list bl.example.net",
        "sender sender.example.com",
        f"port {host.port} from default",
    ]


async def test_what_identities_share_is_said_once(host: MXScript, sections: dict[str, Any]) -> None:
    """Two identities of one domain do not double what is found about it."""
    sections["smtp"]["port"] = host.port
    first = sections["identities"][0]
    sections["identities"] = [{**first, "name": "first"}, {**first, "name": "second"}]
    checks = await examine_all(settings_of(sections))
    assert len(checks) == len(set(checks))
    assert {"identity first", "identity second"} <= {check.name for check in checks}


async def test_one_broken_examination_stops_no_other(sections: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug or an endless wait in one examination is a finding, and its text shows no secret."""

    async def break_down(*_: object) -> list[Check]:
        raise ValueError("postgresql://user:hunter2@db.example.com")

    async def never_end(*_: object) -> list[Check]:
        raise TimeoutError

    monkeypatch.setattr(network, "examine_resolver", break_down)
    monkeypatch.setattr(network, "examine_port", never_end)
    checks = await examine_all(settings_of(sections))
    text = format_checks(checks)
    assert "FAIL  resolver: the examination failed: ValueError" in text
    assert "FAIL  port of default: not done after 90 s" in text
    assert "hunter2" not in text
    assert any(check.name == "identity default" and check.level is Level.OK for check in checks)


async def test_without_any_name_server(sections: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that knows no name server is told so; its stores are examined all the same."""

    def refuse(*_: object) -> None:
        raise ConfigurationError(["lookup.resolvers: none given, and the system names none"])

    monkeypatch.setattr(run, "Resolver", refuse)
    checks = await run_doctor(settings_of(sections))
    assert only(not_ok(checks)).what.startswith("lookup.resolvers: none given")
    assert len(checks) == 4


@pytest.mark.parametrize(
    ("limit", "level", "words"),
    [
        (resource.RLIM_INFINITY, Level.OK, "any number allowed"),
        (65536, Level.OK, "65536 allowed"),
        (300, Level.WARN, "300 allowed, 518 needed"),
        (100, Level.FAIL, "100 allowed, 518 needed"),
    ],
)
def test_open_files(monkeypatch: pytest.MonkeyPatch, limit: int, level: Level, words: str) -> None:
    """The limit is compared with what a busy daemon opens; the remedy is a round number."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    check = only(machine.examine_files(Settings()))
    assert check.level is level
    assert words in check.what.replace(str(_needed()), "518")
    assert ("to 1024" in check.fix) is (level is not Level.OK)


def _needed() -> int:
    settings = Settings()
    concurrency = settings.pacing.global_concurrency * settings.pacing.per_domain_concurrency
    stores = settings.database.pool_size + settings.redis.max_jobs
    return 2 * concurrency + stores + settings.lookup.concurrency + 200


def test_the_worst_counts() -> None:
    """One failure makes the whole a failure, whatever else is good."""
    good, fair, bad = ok("a", "good"), warn("b", "fair", "mend"), fail("c", "bad", "repair")
    assert find_worst([]) is Level.OK
    assert find_worst([good, fair, good]) is Level.WARN
    assert find_worst([fair, bad, good]) is Level.FAIL


def test_a_report_is_for_people_and_for_programs() -> None:
    """People get lines with the remedy below, programs get values."""
    checks = [ok("a", "good"), fail("c", "bad", "repair")]
    assert format_checks(checks) == "ok    a: good\nFAIL  c: bad\n      → repair\n1 ok, 0 warn, 1 fail\n"
    assert json.loads(json.dumps(to_json(checks)))[1] == {"name": "c", "level": "fail", "what": "bad", "fix": "repair"}
