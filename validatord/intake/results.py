"""Results as their client sees them: the ledger's findings, labelled under the client's policy of this moment.

All that show results to anybody read through here. A change of policy shows at the next `Results.open`;
one `Results` keeps one policy, so that a long export is of one piece.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

from loguru import logger

from validatord.errors import AddressSyntaxError, ConfigurationError, PolicyUnusable
from validatord.mail.parse import parse_address
from validatord.mail.request import DomainFacts, Finding, History, LabelKey
from validatord.rules import policy as policies
from validatord.rules.policy import ClientPolicy, Labels
from validatord.store import clients, domains, events, submissions, validations
from validatord.store.database import Database
from validatord.store.deliveries import Event
from validatord.store.submissions import Progress, ResultRow
from validatord.store.validations import StoredValidation

FINISHED = "submission_finished"  # a kind of message in the outbox


@dataclass(frozen=True, slots=True)
class MailboxResult:
    """Everything that is known of one mailbox; `validation` bears the client's label, `finding` does not.

    `own` is what our probe said where the paid second opinion decided.
    """

    validation: StoredValidation
    finding: Finding
    own: Finding | None
    history: History
    domain: DomainFacts | None


class Results:
    """Reads the results of one client."""

    def __init__(self, database: Database, client: str, policy: ClientPolicy) -> None:
        self.client = client
        self.labels = Labels(policy)
        self._database = database

    @classmethod
    async def open(cls, database: Database, client: str) -> Self:
        """Read with the policy the client has now; a client that is not known has the empty one.

        Raises:
            PolicyUnusable: the stored policy cannot be read; nothing is shown under a wrong label.
        """
        return cls(database, client, await load_policy(database, client))

    @property
    def policy(self) -> ClientPolicy:
        """The policy that results are labelled under."""
        return self.labels.policy

    async def fetch_page(self, submission_id: int, after_idx: int, limit: int) -> list[ResultRow]:
        """Return requests after a place (-1: from the first) by their place, finished or not, labelled."""
        rows = await submissions.fetch_results(self._database, submission_id, after_idx, limit)
        return [self.label(row) for row in rows]

    async def get_progress(self, submission: str) -> Progress | None:
        """Return how far the client's submission is, its counts labelled; None where there is none of that name."""
        progress = await submissions.get_progress(self._database, self.client, submission)
        if progress is None:
            return None
        by_reason = self.labels.count(progress.counts)
        return replace(progress, by_reason=by_reason, by_status=submissions.add_up(by_reason))

    async def find_mailbox(self, address: str) -> MailboxResult | None:
        """Return everything known of a mailbox, or None where nobody asked about it."""
        email = _normalise(address)
        found = await validations.find(self._database, email)
        if found is None:
            return None
        histories = await events.load_histories(self._database, [email])
        domain = await domains.load_facts(self._database, [found.domain])
        return MailboxResult(
            validation=replace(found, finding=policies.apply(found.finding, self.policy)),
            finding=found.finding,
            own=found.probe,
            history=histories.get(email, History()),
            domain=domain.get(found.domain),
        )

    def label(self, row: ResultRow) -> ResultRow:
        """Return a row with the status its client wants shown."""
        if row.status is None or row.reason is None or row.confidence is None:
            return row
        key = LabelKey(row.status, row.reason, row.confidence, row.is_disposable, row.is_role, row.is_free)
        label = self.labels.of(key)
        if not label.notes:
            return row
        return replace(row, status=label.status, reasons=(*row.reasons, *label.notes))


async def describe_event(database: Database, event: Event) -> dict[str, Any]:
    """Return what a message of the outbox tells its client: about a finished submission, counts by label, too.

    With a policy that cannot be read there are none (`by_status` is null); the message is sent all the same.
    """
    if event.kind != FINISHED or event.client is None:
        return event.payload
    try:
        results = await Results.open(database, event.client)
    except ConfigurationError as error:
        logger.bind(client=event.client, problems=error.problems).error("policy of a client cannot be used")
        return event.payload | {"by_status": None}
    counts = await submissions.load_counts(database, event.payload["submission_id"])
    return event.payload | {"by_status": submissions.add_up(results.labels.count(counts))}


async def load_policy(database: Database, client: str) -> ClientPolicy:
    """Return the policy a client has now; the empty one where the client is not known.

    Raises:
        PolicyUnusable: naming client and keys.
    """
    try:
        return policies.read(await clients.load_policy(database, client) or {})
    except ConfigurationError as error:
        raise PolicyUnusable([f"client {client}: {problem}" for problem in error.problems]) from None


def _normalise(address: str) -> str:
    """Return an address as the ledger has it; what is none stands there as it came."""
    try:
        return str(parse_address(address.strip(), allow_special_use=True))
    except AddressSyntaxError:
        return address.strip()
