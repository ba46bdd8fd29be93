"""What the commands share: the settings, and the open ledger."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

from validatord.logs import set_up_logs
from validatord.settings import Settings, find_file, load_settings
from validatord.settings_text import list_secrets
from validatord.store.database import Database
from validatord.stores import Stores, open_stores


class Session:
    """One run of the command line."""

    def __init__(self, config_path: Path | None) -> None:
        self.config_path = config_path
        self._settings: Settings | None = None

    @property
    def settings(self) -> Settings:
        """The settings, read once."""
        if self._settings is None:
            self._settings = self.load()
        return self._settings

    def load(self) -> Settings:
        """Read the settings anew."""
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        path = find_file(os.environ, self.config_path)
        return load_settings(path, os.environ, Path(credentials) if credentials else None)

    @asynccontextmanager
    async def stores(self) -> AsyncGenerator[Stores]:
        """Open the ledger for a command; logs only warnings, since a person is watching."""
        set_up_logs(level="WARNING", form="text", secrets=list_secrets(self.settings))
        async with open_stores(self.settings) as stores:
            yield stores

    def run(self, work: Callable[[Database], Awaitable[int]]) -> NoReturn:
        """Open the ledger, do the work, end with its exit status."""

        async def main() -> int:
            async with self.stores() as stores:
                return await work(stores.database)

        sys.exit(asyncio.run(main()))
