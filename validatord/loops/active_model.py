"""Keeps the active model at hand: looks which one the ledger names, and reads it when it is another."""

from datetime import timedelta

from loguru import logger

from validatord.errors import ConfigurationError
from validatord.rules import model_file
from validatord.rules.model import Model
from validatord.store import models
from validatord.store.database import Database


class ActiveModel:
    """The model in force, as of the last look; `run_once` looks again and returns 1 where it changed."""

    def __init__(self, database: Database) -> None:
        self.current: Model | None = None
        self._database = database
        self._hash: str | None = None  # of what was looked at last, readable or not

    def __repr__(self) -> str:
        return f"<ActiveModel {self.current.hash[:12] if self.current else 'none'}>"

    @property
    def half_life(self) -> timedelta | None:
        """By which half-life the model wants track records decayed; None: there is no model."""
        return self.current.half_life if self.current is not None else None

    async def run_once(self) -> int:
        """Take over another model, or none; one that cannot be read leaves the rules alone in force."""
        found = await models.find_active_hash(self._database)
        if found == self._hash:
            return 0
        stored = await models.get_active(self._database) if found is not None else None
        self.current = _read(stored.document) if stored is not None else None
        self._hash = stored.hash if stored is not None else None
        logger.bind(model=self._hash[:12] if self._hash else "none").info("model in force")
        return 1


def _read(document: str) -> Model | None:
    try:
        return model_file.read(document, "the active model").to_model()
    except ConfigurationError as error:
        logger.bind(problems=error.problems).error("the active model cannot be used")
        return None
