"""What a client makes of a finding, and whether the paid second opinion is asked.

A policy is JSON kept with the client; unknown keys are errors. It changes the status that is shown,
never the evidence: confidence, reasons and transcript stay, and a `policy:` reason says what happened.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from validatord.mail.request import Finding, LabelKey
from validatord.mail.verdict import Reason, Status, Verdict
from validatord.rules.policy_model import BouncerMode, Cascade, ClientPolicy, Reuse, read

__all__ = ["BouncerMode", "Cascade", "ClientPolicy", "Label", "Labels", "Reuse", "apply", "label", "read"]

_LEVELS = (0, 25, 50, 75, 100)
_NOTE = "policy:"
_ACCEPTED = frozenset({Status.VALID, Status.ACCEPT_ALL})
# Nothing a second opinion could add: no mail can go there, or the owner does not want to be asked.
_NEVER_BOUGHT = frozenset(
    {
        Reason.SYNTAX,
        Reason.UNREADABLE,
        Reason.DOMAIN_NOT_FOUND,
        Reason.NULL_MX,
        Reason.NO_MAIL_HOST,
        Reason.MX_NOT_PUBLIC,
        Reason.MX_UNRESOLVABLE,
        Reason.NEVER_PROBE,
        Reason.OPTED_OUT,
        Reason.ERASED,
        Reason.CANCELLED,
        Reason.HANDED_OVER,
    }
)


@dataclass(frozen=True, slots=True)
class Label:
    """What a client is shown in place of a finding's status, and the rules that made it so (`policy:…`)."""

    status: str
    notes: tuple[str, ...] = ()


def label(key: LabelKey, policy: ClientPolicy) -> Label:
    """Return the label of all findings of a kind; the strictest fitting rule is the last one."""
    shown = key.status
    notes: list[str] = []
    for name, wanted in _list_rules(key, policy):
        if wanted is not None and wanted != shown:
            shown = str(wanted)
            notes.append(f"{_NOTE}{name}")
    return Label(shown, tuple(notes))


class Labels:
    """Labels under one policy, each kind of finding worked out once: a long list has few kinds."""

    def __init__(self, policy: ClientPolicy) -> None:
        self.policy = policy
        self._known: dict[LabelKey, Label] = {}

    def of(self, key: LabelKey) -> Label:
        """Return the label of all findings of a kind."""
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = label(key, self.policy)
        return found

    def count(self, counts: Mapping[LabelKey, int]) -> dict[tuple[str, str], int]:
        """Return how many findings bear each label, by (label, reason)."""
        found: dict[tuple[str, str], int] = {}
        for key, number in counts.items():
            name = (self.of(key).status, key.reason)
            found[name] = found.get(name, 0) + number
        return found


def apply(finding: Finding, policy: ClientPolicy) -> Finding:
    """Return the finding as this client wants it shown; what is labelled already stays as it is."""
    if any(name.startswith(_NOTE) for name in finding.reasons):
        return finding
    found = label(finding.label_key, policy)
    if not found.notes:
        return finding
    return replace(finding, status=found.status, reasons=(*finding.reasons, *found.notes))


def _list_rules(key: LabelKey, policy: ClientPolicy) -> tuple[tuple[str, str | None], ...]:
    """List the rules that fit, weakest first: a later one wins."""
    status = key.status
    is_accepted = status in _ACCEPTED
    is_weak = status == Status.VALID and key.confidence < policy.min_confidence
    strong_from = policy.accept_all_valid_from
    is_strong = status == Status.ACCEPT_ALL and strong_from is not None and key.confidence >= strong_from
    return (
        ("free_provider", policy.free_provider if is_accepted and key.is_free else None),
        ("role", policy.role if is_accepted and key.is_role else None),
        ("min_confidence", Status.RISKY.value if is_weak else None),
        ("accept_all", policy.accept_all if status == Status.ACCEPT_ALL else None),
        ("accept_all_valid_from", Status.VALID.value if is_strong else None),
        ("risky", policy.risky if status == Status.RISKY else None),
        ("unknown", policy.unknown if status == Status.UNKNOWN else None),
        ("mailbox_full", policy.mailbox_full if key.reason == Reason.MAILBOX_FULL else None),
        ("disposable", policy.disposable if key.is_disposable and status != Status.INVALID else None),
    )


def wants_probe(policy: ClientPolicy) -> bool:
    """Whether our own probe is asked at all."""
    return policy.bouncer.mode is not BouncerMode.BOUNCER_ONLY


def value_of(priority: int) -> int:
    """Return the level a priority belongs to: far down a long list it stands a little below its own."""
    return next(level for level in _LEVELS if priority <= level)


def qualifies_for_handover(verdict: Verdict, policy: ClientPolicy, *, priority: int = 100) -> bool:
    """Whether Bouncer may be asked about a mailbox for which our side has this verdict."""
    cascade = policy.bouncer
    if value_of(priority) < cascade.min_value:
        return False
    if cascade.mode is BouncerMode.LOCAL_ONLY or verdict.reason in _NEVER_BOUGHT | set(cascade.except_reasons):
        return False
    if cascade.mode is BouncerMode.BOUNCER_ONLY:
        return True
    return verdict.status in cascade.statuses and (not cascade.reasons or verdict.reason in cascade.reasons)
