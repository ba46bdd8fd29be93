"""A policy's keys: set and taken out one by one, each wrong one named once with what is wrong."""

from datetime import timedelta
from typing import Any

import pytest

from validatord.errors import ConfigurationError
from validatord.mail.verdict import Status
from validatord.rules import policy_model
from validatord.rules.policy_model import ClientPolicy, list_keys, read, with_key, without_key

_FREE = "policy.free_provider: Input should be 'valid', 'invalid', 'accept_all', 'risky', 'unknown' or 'free_provider'"


@pytest.mark.parametrize(
    ("key", "value", "stored"),
    [
        ("accept_all", "risky", {"accept_all": "risky"}),
        ("bouncer.mode", "bouncer_only", {"bouncer": {"mode": "bouncer_only"}}),
        ("bouncer.statuses", "unknown,risky", {"bouncer": {"statuses": ["unknown", "risky"]}}),
        ("export_statuses", ["valid"], {"export_statuses": ["valid"]}),
        ("reuse.valid", "12h", {"reuse": {"valid": "12h"}}),
        ("ttl", "30d", {"ttl": "30d"}),
        ("gate.block_valid_below", 90, {"gate": {"block_valid_below": 90.0}}),
    ],
)
def test_one_key(key: str, value: object, stored: dict[str, Any]) -> None:
    """A key is set under its dotted name, read in its own type, and gone without a trace when taken out."""
    found = with_key({}, key, value)
    assert read(found).model_dump(mode="json", exclude_unset=True) == stored
    assert without_key(found, key) == {}


def test_other_keys_stay() -> None:
    """Setting and taking out touches nothing else, and changes no value it was given."""
    before = {"role": "risky", "bouncer": {"mode": "bouncer_only", "min_value": 50}}
    after = with_key(before, "bouncer.min_value", 75)
    assert after == {"role": "risky", "bouncer": {"mode": "bouncer_only", "min_value": 75}}
    assert without_key(after, "bouncer.mode") == {"role": "risky", "bouncer": {"min_value": 75}}
    assert without_key(after, "bouncer") == {"role": "risky"}
    assert before["bouncer"] == {"mode": "bouncer_only", "min_value": 50}


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        ({"acept_all": "risky"}, ["policy.acept_all: there is no such key; did you mean accept_all?"]),
        ({"bouncer": {"modus": "x"}}, ["policy.bouncer.modus: there is no such key; did you mean bouncer.mode?"]),
        ({"qqq": 1}, ["policy.qqq: there is no such key"]),
        (
            {"free_provider": "perhaps"},
            [_FREE],
        ),
        ({"ttl": "soon"}, ['policy.ttl: "soon" is no duration; write it like 250ms, 30s, 15m, 2h or 7d']),
        (
            {"gate": {"block_valid_below": 101}},
            ["policy.gate.block_valid_below: Input should be less than or equal to 100"],
        ),
    ],
)
def test_a_wrong_key_is_named_once(values: dict[str, Any], problems: list[str]) -> None:
    """One clear sentence per wrong key, with the key that was probably meant."""
    with pytest.raises(ConfigurationError) as caught:
        read(values)
    assert caught.value.problems == problems


def test_an_unknown_key_is_not_set() -> None:
    """A key that no policy has is refused before anything is stored."""
    with pytest.raises(ConfigurationError, match="did you mean accept_all"):
        with_key({}, "accept-all", "risky")


def test_every_key_is_listed_with_what_it_means() -> None:
    """The list that people choose from is whole: every key can be set to its own default again."""
    keys = list_keys()
    assert all(keys.values())
    for key in keys:
        section, _, name = key.rpartition(".")
        model = getattr(ClientPolicy(), section) if section else ClientPolicy()
        default = model.model_dump(mode="json")[name]
        assert read(with_key({}, key, default)) == ClientPolicy()


def test_values_are_what_the_rest_works_with() -> None:
    """Durations are durations and statuses are statuses, however they were written."""
    policy = read({"reuse": {"valid": "1h"}, "export_statuses": "valid accept_all"})
    assert policy.reuse.valid == timedelta(hours=1)
    assert policy.export_statuses == (Status.VALID, Status.ACCEPT_ALL)
    assert policy_model.read({}).reuse.valid is None
