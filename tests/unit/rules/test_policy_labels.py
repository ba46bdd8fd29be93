"""Labels: the same whether made at reading or before storing, made once or twice, by rows or by counts."""

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from validatord.mail.request import Finding, Flags
from validatord.mail.verdict import Status
from validatord.rules import policy
from validatord.rules.policy import ClientPolicy, Labels

_SHOWN = st.none() | st.sampled_from(["valid", "invalid", "accept_all", "risky", "unknown"])
_POLICIES = st.builds(
    ClientPolicy,
    accept_all=_SHOWN,
    risky=_SHOWN,
    unknown=_SHOWN,
    mailbox_full=_SHOWN,
    disposable=_SHOWN,
    role=_SHOWN,
    free_provider=_SHOWN | st.just("free_provider"),
    min_confidence=st.integers(0, 100),
)
_KINDS = st.sampled_from(
    [
        ("valid", "accepted"),
        ("accept_all", "accept_all"),
        ("invalid", "no_such_mailbox"),
        ("risky", "mailbox_full"),
        ("risky", "disposable"),
        ("unknown", "greylisted"),
    ]
)


@st.composite
def _findings(draw: Any) -> Finding:
    status, reason = draw(_KINDS)
    flags = Flags(draw(st.booleans()), draw(st.booleans()), draw(st.booleans()))
    return Finding(status, reason, ("mx", reason), draw(st.integers(0, 100)), flags)


@given(_findings(), _POLICIES)
def test_a_label_is_not_labelled_again(finding: Finding, wanted: ClientPolicy) -> None:
    """Whatever the policy, applying it to what it returned changes nothing, and evidence stays."""
    once = policy.apply(finding, wanted)

    assert policy.apply(once, wanted) is once
    assert (once.reason, once.confidence, once.flags) == (finding.reason, finding.confidence, finding.flags)
    assert (once.status != finding.status) <= any(name.startswith("policy:") for name in once.reasons)


@given(_findings(), _POLICIES, _POLICIES)
def test_labels_come_from_the_finding_alone(finding: Finding, first: ClientPolicy, second: ClientPolicy) -> None:
    """A policy that changed labels as if it had always been so: no label before it leaves a trace."""
    labels = Labels(first), Labels(second)
    stored = [policy.apply(finding, wanted).status for wanted in (first, second)]

    assert [one.of(finding.label_key).status for one in labels] == stored
    assert labels[0].of(finding.label_key) == policy.label(finding.label_key, first)


@given(st.lists(_findings(), max_size=30), _POLICIES)
def test_counts_are_labelled_as_their_rows_are(findings: list[Finding], wanted: ClientPolicy) -> None:
    """Counts by what a policy looks at re-label exactly: as if every row had been labelled and counted."""
    counts = Counter(finding.label_key for finding in findings)
    rows = [policy.apply(finding, wanted) for finding in findings]

    assert Labels(wanted).count(counts) == Counter((row.status, row.reason) for row in rows)


@given(_findings(), _POLICIES)
def test_every_label_is_a_public_status(finding: Finding, wanted: ClientPolicy) -> None:
    """No policy invents a word."""
    assert policy.apply(finding, wanted).status in set(Status)
