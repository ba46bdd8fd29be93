"""Who wins among the sources of settings, and what an operator reads when one of them is wrong."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from validatord import settings, settings_sources
from validatord.errors import ConfigurationError
from validatord.settings import Settings, load_settings


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write a settings file and return its path."""

    def write_file(text: str) -> Path:
        path = tmp_path / "validatord.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def problems_of(path: Path | None, environ: dict[str, str], credentials: Path | None = None) -> list[str]:
    """Return what loading complains about."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, environ, credentials)
    return caught.value.problems


def test_nothing_is_needed() -> None:
    """Without any source the defaults are in force."""
    assert load_settings(None, {}) == Settings()


def test_order_of_sources(write: Callable[[str], Path], tmp_path: Path) -> None:
    """Key by key: environment, then the plans' names, then credentials, then the file, then defaults."""
    path = write(
        '[smtp]\nport = 1025\nmax_hosts = 3\n[database]\nurl = "postgresql://file"\n[redis]\nurl = "redis://file"\n'
    )
    (tmp_path / "database_url").write_text("postgresql://credential\n")
    (tmp_path / "redis_url").write_text("redis://credential\n")
    environ = {
        "VALIDATORD_SMTP__PORT": "2525",
        "REDIS_URL": "redis://plan",
        "SMTP_CONNECT_TIMEOUT_MS": "6000",
        "VALIDATORD_SMTP__CONNECT_TIMEOUT": "7s",
    }

    found = load_settings(path, environ, tmp_path)

    assert found.smtp.port == 2525
    assert found.smtp.max_hosts == 3
    assert found.smtp.connect_timeout == timedelta(seconds=7)
    assert found.database.url.get_secret_value() == "postgresql://credential"
    assert found.redis.url.get_secret_value() == "redis://plan"
    assert found.pacing == Settings().pacing


def test_plan_names() -> None:
    """Every environment name of the original plans sets its setting, with its unit."""
    found = load_settings(
        None,
        {
            "DATABASE_URL": "postgresql://db.example/ledger",
            "REDIS_URL": "redis://redis.example:6379",
            "VALIDATOR_HELO": "probe.example.com",
            "VALIDATOR_MAIL_FROM": "null-sender@example.com",
            "RESOLVERS": "192.0.2.1, 192.0.2.2",
            "DNS_TIMEOUT_MS": "1500",
            "DOMAIN_CACHE_TTL_HOURS": "12",
            "PREFER_IPV4": "false",
            "SMTP_CONNECT_TIMEOUT_MS": "6000",
            "SMTP_OP_TIMEOUT_MS": "8000",
            "TOTAL_BUDGET_MS": "12000",
            "GLOBAL_CONCURRENCY": "50",
            "PER_DOMAIN_CONCURRENCY": "2",
            "SESSION_BACKOFF_MS": "1200",
            "EMAIL_VALIDATION_TTL_DAYS": "30",
            "METRICS_LOG_EVERY": "100",
            "BOUNCER_API_KEY": "key",
            "BOUNCER_API_BASE_URL": "https://bouncer.example/v1.1",
            "MAX_CONCURRENT_BATCHES": "15",
            "BATCH_SIZE": "10000",
            "RATE_LIMIT_PER_MINUTE": "180",
        },
    )

    assert found.identities[0].helo_name == "probe.example.com"
    assert found.identities[0].envelope_sender == "null-sender@example.com"
    assert found.lookup.resolvers == ("192.0.2.1", "192.0.2.2")
    assert (found.lookup.timeout, found.lookup.cache_ttl) == (timedelta(seconds=1.5), timedelta(hours=12))
    assert found.lookup.is_ipv4_preferred is False
    assert found.smtp.connect_timeout == timedelta(seconds=6)
    assert found.smtp.ehlo_timeout == found.smtp.mail_timeout == found.smtp.rcpt_timeout == timedelta(seconds=8)
    assert found.smtp.visit_timeout == timedelta(seconds=12)
    assert (found.pacing.global_concurrency, found.pacing.per_domain_concurrency) == (50, 2)
    assert found.pacing.session_interval == timedelta(seconds=1.2)
    assert found.freshness.ttl == timedelta(days=30)
    assert found.store.metrics_log_every == 100
    assert found.bouncer.api_key.get_secret_value() == "key"
    assert found.bouncer.base_url == "https://bouncer.example/v1.1"
    assert (found.bouncer.max_open_batches, found.bouncer.batch_size, found.bouncer.calls_per_minute) == (
        15,
        10_000,
        180,
    )


def test_empty_plan_name_is_not_set() -> None:
    """`RESOLVERS=` in an old .env means nothing."""
    assert load_settings(None, {"RESOLVERS": "", "DNS_TIMEOUT_MS": " "}) == Settings()


def test_plan_names_speak_of_the_first_identity(write: Callable[[str], Path]) -> None:
    """The plans know one identity: theirs is the file's first, and what the file says besides stays."""
    path = write('[[identities]]\nname = "a"\nsource_address = "192.0.2.1"\n[[identities]]\nname = "b"\n')

    found = load_settings(path, {"VALIDATOR_HELO": "probe.example.com"})

    assert [identity.helo_name for identity in found.identities] == ["probe.example.com", "localhost"]
    assert found.identities[0].source_address == "192.0.2.1"


def test_identities_in_the_environment() -> None:
    """A list of identities comes as JSON."""
    found = load_settings(None, {"VALIDATORD_IDENTITIES": '[{"name": "a"}, {"name": "b"}]'})

    assert [identity.name for identity in found.identities] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[smtp]\n\nprot = 25\n", ":3: smtp.prot: no such setting; port was meant?"),
        ("[smpt]\nport = 25\n", ":1: smpt: no such setting; smtp was meant?"),
        ("[smtp]\nport = 70000\n", ":2: smtp.port: should be less than or equal to 65535, not '70000'"),
        ("[smtp]\nport = true\n", ":2: smtp.port: true and false stand for no value here"),
        ('[smtp]\nport = "x"\n', ":2: smtp.port: should be a valid integer"),
        ("smtp = 5\n", ":1: smtp: must be a table [smtp]"),
        ("[smtp]\nconnect_timeout = -5\n", ":2: smtp.connect_timeout: a duration lies between 0 and 3650d"),
        ("[smtp]\nconnect_timeout = 0\n", ":2: smtp.connect_timeout: must be at least 1ms"),
        ('[smtp]\nconnect_timeout = "5 parsecs"\n', ':2: smtp.connect_timeout: "5 parsecs" is no duration'),
        ("[pacing]\nrcpt_per_minute = inf\n", ":2: pacing.rcpt_per_minute: should be a finite number"),
        ('[retry]\ndelays = ["15m", "later"]\n', ':2: retry.delays.1: "later" is no duration'),
        ("[retry]\ndelays = []\n", ":2: retry.delays: Tuple should have at least 1 item"),
        ("[score]\nvalid_from = 10\n", ":1: score: valid_from, accept_from and unknown_from must not rise"),
        ('[lookup]\nresolvers = ["a b"]\n', ':2: lookup.resolvers: "a b" is neither host nor host:port'),
        ('[lookup]\ndeny_addresses = ["10.0.0.0/99"]\n', ":2: lookup.deny_addresses: '10.0.0.0/99' does not appear"),
        (
            '[[identities]]\nname = "a"\n[[identities]]\nhelo_name = "a\\nQUIT"\n',
            ":4: identities.1.helo_name: holds control",
        ),
        ('[[identities]]\nenvelope_sender = "a> <b@example.com"\n', ":2: identities.0.envelope_sender: is no mailbox"),
        ('[[identities]]\nname = "a"\n[[identities]]\nname = "a"\n', "identities: two identities have the same name"),
        ("[smtp]\nport = 25\nport = 26\n", ": line 3: no TOML"),
        ("[smtp\n", ": line 1: no TOML"),
        ("port = [" * 5000, ": no TOML"),
        ("  \n", ": the file is empty"),
    ],
)
def test_wrong_files(write: Callable[[str], Path], text: str, problem: str) -> None:
    """A wrong file is named with its line, and the sentence says what would be right."""
    path = write(text)

    found = problems_of(path, {})

    assert len(found) == 1
    assert found[0].startswith(str(path))
    assert problem in found[0]


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("VALIDATORD_SMTP__PROT", "1", "VALIDATORD_SMTP__PROT: smtp.prot: no such setting; port was meant?"),
        ("VALIDATORD_SMPT__PORT", "1", "VALIDATORD_SMPT__PORT: smpt: no such setting; smtp was meant?"),
        ("VALIDATORD_SMTP_PORT", "1", "VALIDATORD_SMTP_PORT: no such setting; the form is VALIDATORD_SECTION__KEY"),
        ("VALIDATORD_SMTP__PORT", "0", "VALIDATORD_SMTP__PORT: smtp.port: should be greater than or equal to 1"),
        ("VALIDATORD_IDENTITIES", "[", "VALIDATORD_IDENTITIES: is no JSON"),
        ("VALIDATORD_IDENTITIES", "{}", "VALIDATORD_IDENTITIES: identities: should be a valid tuple"),
        ("RATE_LIMIT_PER_MINUTE", "900", "RATE_LIMIT_PER_MINUTE: bouncer.calls_per_minute: should be less than"),
        ("DNS_TIMEOUT_MS", "soon", 'DNS_TIMEOUT_MS: lookup.timeout: "soonms" is no duration'),
        ("VALIDATOR_HELO", "a b", "VALIDATOR_HELO: identities.0.helo_name: is no host name"),
    ],
)
def test_wrong_environment(name: str, value: str, problem: str) -> None:
    """A wrong value is named by the environment name it came from."""
    found = problems_of(None, {name: value})

    assert len(found) == 1
    assert found[0].startswith(problem)


def test_every_problem_is_told(write: Callable[[str], Path]) -> None:
    """One look shows all that is wrong, in every source."""
    found = problems_of(write("[smtp]\nport = 0\nmax_hosts = 0\n"), {"VALIDATORD_PACING__JITTER": "2"})

    assert len(found) == 3


def test_unreadable_sources_are_told_together(tmp_path: Path) -> None:
    """A file that is not there does not hide a wrong environment name."""
    found = problems_of(tmp_path / "none.toml", {"VALIDATORD_X": "1"})

    assert len(found) == 2
    assert any("none.toml: cannot be read: No such file" in problem for problem in found)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """A folder in the file's place is an error of configuration, no crash."""
    assert "cannot be read" in problems_of(tmp_path, {})[0]


def test_other_bytes(tmp_path: Path) -> None:
    """What is no UTF-8 text, or absurdly large, is an error of configuration."""
    path = tmp_path / "a.toml"
    path.write_bytes(b"[smtp]\nport = \xff\n")
    assert "is no UTF-8 text (byte 14)" in problems_of(path, {})[0]

    path.write_bytes(b"#" * 1_000_001)
    assert "larger than" in problems_of(path, {})[0]


@pytest.mark.parametrize(
    "environ",
    [
        {"DATABASE_URL": "mysql://user:hunter2@db.example/x"},
        {"VALIDATORD_REDIS__URL": "hunter2"},
        {"VALIDATORD_IDENTITIES": '[{"proxy": "ftp://hunter2"}]'},
        {"BOUNCER_API_KEY": "hunter2\r\nX-Injected: 1"},
    ],
)
def test_problems_hold_no_secrets(environ: dict[str, str]) -> None:
    """A wrong secret is named and not shown."""
    found = problems_of(None, environ)

    assert len(found) == 1
    assert "hunter2" not in found[0]


def test_wrong_credential(tmp_path: Path) -> None:
    """A wrong credential is named as one."""
    (tmp_path / "database_url").write_text("mysql://x")

    assert problems_of(None, {}, tmp_path)[0].startswith("credential database_url: database.url: must begin with")


def test_find_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file given wins over VALIDATORD_CONFIG, which wins over the usual places."""
    monkeypatch.chdir(tmp_path)
    environ = {"VALIDATORD_CONFIG": "/named.toml"}

    assert settings.find_file(environ, Path("given.toml")) == Path("given.toml")
    assert settings.find_file(environ) == Path("/named.toml")

    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "validatord.toml").write_text("#")
    assert settings.find_file({}) == Path("config/validatord.toml")


def test_holder() -> None:
    """A snapshot never changes; a swap is seen by the next one."""
    holder = settings.SettingsHolder(Settings())
    before = holder.snapshot()
    holder.swap(Settings.of(smtp={"port": 2525}))

    assert (before.smtp.port, holder.snapshot().smtp.port) == (25, 2525)


def test_every_secret_has_a_credential() -> None:
    """No secret needs to stand in a file or an environment; identities, being a list, may name a proxy in the file."""
    secrets = {
        f"{section}.{key}"
        for section, tree in Settings()
        if section != "identities"
        for key, value in tree
        if isinstance(value, SecretStr)
    }

    assert secrets == set(settings_sources.CREDENTIALS.values())
