"""A policy as a form, and the form as a policy."""

from typing import Any

import pytest

from validatord.rules import policy
from validatord.rules.policy import ClientPolicy
from validatord.web.console.fields import list_fields, read_fields

POLICIES: list[dict[str, Any]] = [
    {},
    {"accept_all": "risky", "min_confidence": 60},
    {"bouncer": {"mode": "bouncer_only", "statuses": ["unknown", "risky"], "credits_per_day": 0, "is_deep": True}},
    {"bouncer": {"max_age": "3d", "except_reasons": ["greylisted"]}, "role": "invalid"},
]


@pytest.mark.parametrize("values", POLICIES)
def test_a_policy_goes_through_the_form(values: dict[str, Any]) -> None:
    """What a form is filled with is what it says when it is sent unchanged."""
    policy.read(values)
    fields = list_fields(ClientPolicy, values)
    form = {field.name: field.value for field in fields if field.kind != "check" or field.value == "yes"}

    assert policy.read(read_fields(ClientPolicy, form)) == policy.read(values)
    assert read_fields(ClientPolicy, form) == values


def test_every_key_has_a_field() -> None:
    """No part of a policy is out of the form's reach, and each field says what it does."""
    fields = list_fields(ClientPolicy, {})

    assert len({field.name for field in fields}) == len(fields) > 15
    assert all(field.said for field in fields)
    assert not any(field.is_set for field in fields)
    assert {field.name for field in fields if field.kind == "choice"} >= {"accept_all", "bouncer.mode"}


def test_an_untouched_form_is_the_empty_policy() -> None:
    """A form that only shows what holds by itself sets nothing."""
    form = {field.name: field.value for field in list_fields(ClientPolicy, {}) if field.kind != "check"}

    assert read_fields(ClientPolicy, form) == {}
