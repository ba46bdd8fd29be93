"""The learner: which domains the operator's own mailboxes are at, so that slips at them are suggested, too."""

from collections.abc import Callable

from validatord.rules.suggest import Suggester
from validatord.settings import Settings
from validatord.store import domains
from validatord.store.database import Database

_MOST = 500  # domains: the index of slips grows with them


class Learner:
    """Tells the suggester; `run_once` returns how many domains of the operator's it knows now."""

    def __init__(self, database: Database, snapshot: Callable[[], Settings], suggester: Suggester) -> None:
        self._database = database
        self._snapshot = snapshot
        self._suggester = suggester

    async def run_once(self) -> int:
        """Look at the ledger, a sample of it where it is large."""
        least = self._snapshot().policy.suggest_from
        own = await domains.find_frequent(self._database, least, _MOST) if least else []
        mails = await domains.load_mails(self._database, {*own, *self._suggester.targets})
        without_mail = {domain for domain, mail in mails.items() if not mail.has_mx}
        self._suggester.learn([domain for domain in own if domain not in without_mail], without_mail)
        return len(own)
