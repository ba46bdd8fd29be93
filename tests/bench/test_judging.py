"""What judging costs per address: classify the reply, decide, score, label; a bound is kept as a ratio.

The reference is a fixed piece of plain Python measured in the same run, so that the ratio says the same on every
machine. Run by `make bench`, never by `make test`.
"""

import random
import re
import timeit
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from validatord.mail.address import Mailbox
from validatord.mail.probe import ProbeReport
from validatord.mail.provider import MXProvider
from validatord.mail.reply import Reply
from validatord.mail.request import Finding, Flags, Past, ScoreFacts, VerificationRequest
from validatord.mail.verdict import AcceptAll, Deferral, Handover, Stage
from validatord.rules import decide, policy, score
from validatord.rules.policy import ClientPolicy
from validatord.rules.replies import read_reply
from validatord.rules.retry import RetryPlan
from validatord.settings import ScoreSettings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BOUND_RATIO = 11.0  # references; where one takes 5.3 µs, as on the machine of docs/performance.md, that is 60 µs
_WEIGHTS = ScoreSettings()
_POLICY = ClientPolicy(accept_all="risky", role="risky", min_confidence=80)
_PROVIDER = MXProvider("acme.example")
_RETRY = RetryPlan(now=NOW, delays=(timedelta(minutes=15), timedelta(hours=2)), jitter=0.2, rng=random.Random(1))
# A list as it is: most are accepted, a fifth refused in several words, some put off.
_REPLIES = (
    *[(250, "2.1.5 Ok")] * 12,
    *[(250, "Accepted")] * 2,
    (550, "5.1.1 <{address}>: Recipient address rejected: User unknown in virtual mailbox table"),
    (550, "5.1.1 The email account that you tried to reach does not exist. Please try double-checking"),
    (550, "No Such User Here"),
    (552, "5.2.2 The email account that you tried to reach is over quota"),
    (450, "4.2.0 <{address}>: Recipient address rejected: Greylisted, see https://example.com/help"),
    (554, "5.7.1 Service unavailable; client host [192.0.2.1] blocked using zen.example.org"),
)


def reference() -> int:
    """A fixed amount of plain Python: text, dicts, sorting, a regular expression. Never to be changed."""
    words = [
        "the",
        "quick",
        "brown",
        "fox",
        "jumps",
        "over",
        "the",
        "lazy",
        "dog",
        "and",
        "does",
        "not",
        "come",
        "back",
    ]
    counts: dict[str, int] = {}
    for word in words * 4:
        counts[word] = counts.get(word, 0) + len(word)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return len(re.findall("o.", " ".join(name for name, _ in ranked)))


def make_cases() -> list[tuple[Reply, Mailbox, VerificationRequest, Flags, Past]]:
    """Make a thousand addresses with what was said to each."""
    found: list[tuple[Reply, Mailbox, VerificationRequest, Flags, Past]] = []
    for number in range(1000):
        mailbox = Mailbox(f"user{number}", "acme.example")
        code, text = _REPLIES[number % len(_REPLIES)]
        request = VerificationRequest(number, 1, "crm", str(mailbox), mailbox.local_part, mailbox.domain)
        flags = Flags(is_role=number % 10 == 0, is_free=number % 3 == 0)
        past = Past(hard_bounce=0.5) if number % 50 == 0 else Past(sign_of_life=0.9) if number % 5 == 0 else Past()
        found.append((Reply(code, (text.format(address=mailbox),)), mailbox, request, flags, past))
    return found


def judge(reply: Reply, mailbox: Mailbox, request: VerificationRequest, flags: Flags, past: Past) -> Finding | None:
    """Go from a reply to what the client is shown, as a visit and a reading do."""
    reading = read_reply(reply, Stage.RCPT, mx_host="mx1.acme.example", recipient=request.address)
    control = AcceptAll.REJECTS_UNKNOWN if request.request_id % 7 else AcceptAll.ACCEPTS_ALL
    report = ProbeReport(mailbox, _PROVIDER, Stage.RCPT, reply, reading, control=control)
    outcome = decide.decide(report, request, _RETRY)
    if isinstance(outcome, Deferral | Handover):
        return None
    facts = ScoreFacts(outcome, flags, past, has_mx=True, is_healthy=True)
    blank = Finding(outcome.status.value, outcome.reason.value, (), 0)
    return policy.apply(score.apply(blank, facts, _WEIGHTS), _POLICY)


def judge_all(cases: list[tuple[Reply, Mailbox, VerificationRequest, Flags, Past]]) -> int:
    """Judge every case; return how many got a verdict."""
    return sum(judge(*case) is not None for case in cases)


def measure_ratio(work: Callable[[], Any], number: int) -> float:
    """Return how often the reference fits into one address; the best of interleaved rounds of each."""
    best, plain = float("inf"), float("inf")
    for _ in range(15):
        plain = min(plain, timeit.timeit(reference, number=1000) / 1000)
        best = min(best, timeit.timeit(work, number=1) / number)
    return best / plain


def test_classify_score_policy(benchmark: Any) -> None:
    """From a reply to the client's label costs at most the bound, in references per address."""
    cases = make_cases()
    assert judge_all(cases) > 800

    benchmark(judge_all, cases)
    ratio = measure_ratio(lambda: judge_all(cases), len(cases))
    benchmark.extra_info["references_per_address"] = round(ratio, 2)

    assert ratio <= BOUND_RATIO


def test_score_alone(benchmark: Any) -> None:
    """Scoring and labelling without classifying, as `rescore` does it: a part of the whole."""
    findings = [found for case in make_cases() if (found := judge(*case)) is not None]

    def again() -> None:
        for finding in findings:
            if finding.score_facts is not None:
                score.apply(finding, finding.score_facts, _WEIGHTS)

    benchmark(again)


def test_labels_of_a_long_list(benchmark: Any) -> None:
    """Labelling rows of few kinds costs a look-up each: less than a reference."""
    keys = [found.label_key for case in make_cases() if (found := judge(*case)) is not None]
    labels = policy.Labels(_POLICY)

    benchmark(lambda: [labels.of(key) for key in keys])
    assert measure_ratio(lambda: [labels.of(key) for key in keys], len(keys)) < 1


def test_refusals_alone(benchmark: Any) -> None:
    """The dear part: a list on which everybody is refused, every time in words that have to be read."""
    cases = [case for case in make_cases() if case[0].is_refusal]

    benchmark(judge_all, cases)
    benchmark.extra_info["references_per_address"] = round(measure_ratio(lambda: judge_all(cases), len(cases)), 2)
