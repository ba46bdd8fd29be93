"""Labels for single results: policies are read once each, however many results are asked for."""

from collections import OrderedDict

import orjson

from validatord.intake.results import Results
from validatord.rules import policy as policies
from validatord.store.database import Database
from validatord.store.results import FoundResult
from validatord.store.submissions import ResultRow

_MOST = 1000


class LabelBook:
    """The policies seen lately."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[bytes, Results] = OrderedDict()

    def label(self, found: FoundResult) -> ResultRow:
        """Return a request with the status its client wants shown.

        Raises:
            ConfigurationError: the stored policy cannot be read.
        """
        key = orjson.dumps(found.policy)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = Results(self._database, found.client, policies.read(found.policy))
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        return known.label(found.row)
