"""SIGHUP: everything or nothing, and static settings wait for a restart."""

from pathlib import Path

from validatord.errors import ConfigurationError
from validatord.reload import reload
from validatord.settings import Settings, load_settings


def test_reloadable_part_is_taken_over() -> None:
    """What may change changes, and is told as old → new."""
    found = reload(Settings(), lambda: Settings.of(smtp={"port": 2525}))

    assert found.settings == Settings.of(smtp={"port": 2525})
    assert found.changed == ("smtp.port: 25 → 2525",)
    assert found.needs_restart == ()
    assert found.problems == ()


def test_static_part_stays() -> None:
    """What needs a restart is named and not taken over, while the rest is."""
    found = reload(Settings(), lambda: Settings.of(service={"node": "other"}, smtp={"port": 2525}))

    assert found.settings == Settings.of(smtp={"port": 2525})
    assert found.needs_restart == ('service.node: "validatord" → "other"',)


def test_how_it_logs_is_taken_over_at_once() -> None:
    """The log's level is wanted now, not after a restart; its section's other keys wait."""
    wanted = Settings.of(service={"log_level": "DEBUG", "stop_grace": "1s", "node": "other"})
    found = reload(Settings(), lambda: wanted)

    assert found.settings == Settings.of(service={"log_level": "DEBUG", "stop_grace": "1s"})
    assert found.changed == ('service.log_level: "INFO" → "DEBUG"', 'service.stop_grace: "6s" → "1s"')
    assert found.needs_restart == ('service.node: "validatord" → "other"',)


def test_wrong_settings_change_nothing() -> None:
    """With any problem there is nothing to put in force, and every problem is told."""

    def load() -> Settings:
        raise ConfigurationError(["first", "second"])

    found = reload(Settings(), load)

    assert found.settings is None
    assert found.problems == ("first", "second")
    assert found.changed == ()


def test_a_broken_file_never_half_applies(tmp_path: Path) -> None:
    """The real loader's complaint about one key keeps all the others of that file out."""
    path = tmp_path / "validatord.toml"
    path.write_text("[smtp]\nmax_hosts = 3\nport = 0\n")

    assert reload(Settings(), lambda: load_settings(path, {})).settings is None


def test_many_reloads_end_with_the_last() -> None:
    """A thousand reloads in a row leave the last one in force."""
    current = Settings()
    for port in range(1, 1001):
        current = reload(current, lambda port=port: Settings.of(smtp={"port": port})).settings or current

    assert current.smtp.port == 1000
