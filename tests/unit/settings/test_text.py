"""Settings as people read them."""

import tomllib

from validatord import settings_text
from validatord.settings import Settings


def test_describe_reads_back() -> None:
    """What `config show` prints is a settings file that says the same."""
    wanted = Settings.of(
        smtp={"port": 2525},
        lookup={"resolvers": ("192.0.2.1:53",)},
        identities=({"name": "a"}, {"name": "b", "helo_name": "b.example.com"}),
    )

    assert Settings.of(**tomllib.loads(settings_text.describe(wanted))) == wanted


def test_secrets_are_hidden() -> None:
    """A secret that is set reads ***, whichever it is."""
    shown = settings_text.describe(
        Settings.of(
            database={"url": "postgresql://user:hunter2@db.example/x"},
            bouncer={"api_key": "hunter2"},
            identities=({"proxy": "socks5://user:hunter2@proxy.example:1080"},),
        )
    )

    assert "hunter2" not in shown
    assert shown.count('"***"') == 3
    assert tomllib.loads(shown)["redis"]["url"] == ""


def test_compare() -> None:
    """A difference reads old → new; of a secret only that it changed; an identity that came or went key by key."""
    old = Settings.of(bouncer={"api_key": "hunter1"})
    new = Settings.of(bouncer={"api_key": "hunter2"}, smtp={"port": 2525}, identities=({"name": "other"},))

    found = dict(text.split(": ", 1) for _, text in settings_text.compare(old, new))

    assert found["smtp.port"] == "25 → 2525"
    assert found["bouncer.api_key"] == "changed (secret)"
    assert found["identities.default.helo_name"] == '"localhost" → nothing'
    assert found["identities.other.helo_name"] == 'nothing → "localhost"'
    assert not any("hunter" in text for text in found.values())


def test_nothing_differs() -> None:
    """Equal settings have no difference."""
    assert settings_text.compare(Settings(), Settings()) == []
