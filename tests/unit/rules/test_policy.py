"""A client's policy: what is shown, never what is known; and who may be asked for money."""

from typing import Any

import pytest

from validatord.errors import ConfigurationError
from validatord.mail.request import Finding, Flags
from validatord.mail.verdict import Reason, Status, Verdict
from validatord.rules import policy


def _finding(status: str, reason: str = "accepted", confidence: int = 95, **flags: bool) -> Finding:
    return Finding(status, reason, ("mx", reason), confidence, Flags(**flags))  # type: ignore[arg-type]


def test_empty_policy_changes_nothing() -> None:
    """A client without wishes sees the finding itself."""
    for status in ("valid", "invalid", "accept_all", "risky", "unknown"):
        finding = _finding(status, is_free=True, is_role=True)
        assert policy.apply(finding, policy.read({})) is finding


@pytest.mark.parametrize(
    ("values", "finding", "shown", "note"),
    [
        ({"accept_all": "invalid"}, _finding("accept_all", "accept_all"), "invalid", "accept_all"),
        ({"accept_all": "valid"}, _finding("accept_all", "accept_all"), "valid", "accept_all"),
        ({"free_provider": "free_provider"}, _finding("valid", is_free=True), "free_provider", "free_provider"),
        ({"free_provider": "invalid"}, _finding("valid", is_free=True), "invalid", "free_provider"),
        ({"role": "risky"}, _finding("valid", is_role=True), "risky", "role"),
        ({"min_confidence": 90}, _finding("valid", confidence=85), "risky", "min_confidence"),
        ({"risky": "invalid"}, _finding("risky", "mailbox_full", 60), "invalid", "risky"),
        ({"mailbox_full": "valid"}, _finding("risky", "mailbox_full", 60), "valid", "mailbox_full"),
        ({"unknown": "risky"}, _finding("unknown", "greylisted", 60), "risky", "unknown"),
        ({"disposable": "invalid"}, _finding("risky", "disposable", 40, is_disposable=True), "invalid", "disposable"),
        ({"disposable": "invalid"}, _finding("unknown", "greylisted", is_disposable=True), "invalid", "disposable"),
    ],
)
def test_policy_changes_the_status_that_is_shown(
    values: dict[str, Any], finding: Finding, shown: str, note: str
) -> None:
    """One rule changes the status and says so; everything else stays."""
    found = policy.apply(finding, policy.read(values))

    assert found.status == shown
    assert found.reasons == (*finding.reasons, f"policy:{note}")
    assert (found.reason, found.confidence, found.flags) == (finding.reason, finding.confidence, finding.flags)


@pytest.mark.parametrize(
    ("values", "finding"),
    [
        ({"free_provider": "free_provider"}, _finding("invalid", "no_such_mailbox", 0, is_free=True)),
        ({"free_provider": "free_provider"}, _finding("unknown", "greylisted", 60, is_free=True)),
        ({"role": "risky"}, _finding("invalid", "no_such_mailbox", 0, is_role=True)),
        ({"disposable": "risky"}, _finding("invalid", "no_such_mailbox", 0, is_disposable=True)),
        ({"accept_all": "invalid"}, _finding("valid")),
        ({"min_confidence": 90}, _finding("valid", confidence=90)),
        ({"min_confidence": 90}, _finding("accept_all", "accept_all", 70)),
        ({"risky": "risky"}, _finding("risky", "mailbox_full", 60)),
    ],
)
def test_policy_leaves_the_rest_alone(values: dict[str, Any], finding: Finding) -> None:
    """A flag never makes a dead mailbox look better, and a rule touches only what it names."""
    assert policy.apply(finding, policy.read(values)) is finding


def test_strictest_fitting_rule_is_the_last() -> None:
    """Where several rules fit, the one about the status wins over the ones about flags; all are named."""
    finding = _finding("accept_all", "accept_all", 70, is_free=True, is_role=True)
    found = policy.apply(
        finding, policy.read({"free_provider": "free_provider", "role": "risky", "accept_all": "invalid"})
    )
    assert found.status == "invalid"
    assert found.reasons[2:] == ("policy:free_provider", "policy:role", "policy:accept_all")


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"acept_all": "invalid"}, "policy.acept_all"),
        ({"accept_all": "maybe"}, "policy.accept_all"),
        ({"accept_all": "free_provider"}, "policy.accept_all"),
        ({"min_confidence": 101}, "policy.min_confidence"),
        ({"min_confidence": "many"}, "policy.min_confidence"),
        ({"bouncer": {"mode": "always"}}, "policy.bouncer.mode"),
        ({"bouncer": {"statuses": ["valid", "odd"]}}, "policy.bouncer.statuses.1"),
        ({"bouncer": {"reasons": ["odd"]}}, "policy.bouncer.reasons.0"),
        ({"bouncer": {"budget": 5}}, "policy.bouncer.budget"),
        ({"bouncer": 5}, "policy.bouncer"),
    ],
)
def test_bad_policy_names_its_key(values: dict[str, Any], key: str) -> None:
    """A policy that cannot be used says which key is wrong."""
    with pytest.raises(ConfigurationError) as caught:
        policy.read(values)
    assert [problem.split(": ")[0] for problem in caught.value.problems] == [key]


_UNKNOWN = Verdict(Status.UNKNOWN, Reason.GREYLISTED)
_ACCEPT_ALL = Verdict(Status.ACCEPT_ALL, Reason.ACCEPT_ALL)
_VALID = Verdict(Status.VALID, Reason.ACCEPTED)
_GONE = Verdict(Status.INVALID, Reason.NO_SUCH_MAILBOX)
_THEN = {"mode": "local_then_bouncer"}


@pytest.mark.parametrize(
    ("bouncer", "verdict", "qualifies"),
    [
        ({}, _UNKNOWN, False),
        ({"mode": "local_only", "statuses": ["unknown"]}, _UNKNOWN, False),
        (_THEN, _UNKNOWN, True),
        (_THEN, _ACCEPT_ALL, False),
        (_THEN, _VALID, False),
        (_THEN, _GONE, False),
        (_THEN | {"statuses": ["accept_all", "risky"]}, _ACCEPT_ALL, True),
        (_THEN | {"statuses": ["accept_all", "risky"]}, _UNKNOWN, False),
        (_THEN | {"reasons": ["greylisted"]}, _UNKNOWN, True),
        (_THEN | {"reasons": ["no_connection"]}, _UNKNOWN, False),
        (_THEN | {"except_reasons": ["greylisted"]}, _UNKNOWN, False),
        ({"mode": "bouncer_only"}, _UNKNOWN, True),
        ({"mode": "bouncer_only"}, _VALID, True),
        ({"mode": "bouncer_only"}, _GONE, True),
    ],
)
def test_handover_follows_the_cascade(bouncer: dict[str, Any], verdict: Verdict, *, qualifies: bool) -> None:
    """Bouncer is asked only where the client wants it and the probe could not decide."""
    assert policy.qualifies_for_handover(verdict, policy.read({"bouncer": bouncer})) is qualifies


@pytest.mark.parametrize("mode", ["bouncer_only", "local_then_bouncer"])
@pytest.mark.parametrize(
    "reason",
    [
        Reason.SYNTAX,
        Reason.DOMAIN_NOT_FOUND,
        Reason.NULL_MX,
        Reason.MX_NOT_PUBLIC,
        Reason.OPTED_OUT,
        Reason.NEVER_PROBE,
    ],
)
def test_nothing_is_bought_that_is_known_or_unwanted(mode: str, reason: Reason) -> None:
    """No credit goes to an address that cannot exist, or to a domain whose owner wants no questions."""
    wanted = policy.read({"bouncer": {"mode": mode, "statuses": ["invalid", "unknown"]}})
    for status in (Status.INVALID, Status.UNKNOWN):
        assert not policy.qualifies_for_handover(Verdict(status, reason), wanted)


def test_own_probe_is_asked_unless_the_client_wants_bouncer_alone() -> None:
    """bouncer_only spares the probe; the other two begin with it."""
    assert policy.wants_probe(policy.read({}))
    assert policy.wants_probe(policy.read({"bouncer": _THEN}))
    assert not policy.wants_probe(policy.read({"bouncer": {"mode": "bouncer_only"}}))
