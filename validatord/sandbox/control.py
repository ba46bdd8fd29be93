"""The sandbox's control port: one command a line, one JSON line back; for tests in another process."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from validatord.sandbox import streams


class Control:
    """A line server on 127.0.0.1; `commands` maps the first word of a line to what it does."""

    def __init__(self, commands: Mapping[str, Callable[[list[str]], Awaitable[Any]]]) -> None:
        self._commands = commands
        self._server = streams.StreamServer(self._serve)
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free one."""
        self.port = await self._server.start(host, port)

    async def aclose(self) -> None:
        """Stop."""
        await self._server.aclose()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            words = line.decode("utf-8", "replace").split()
            writer.write(json.dumps(await self._run(words)).encode() + b"\n")
            await writer.drain()

    async def _run(self, words: list[str]) -> Any:
        command = self._commands.get(words[0]) if words else None
        if command is None:
            return {"error": f"commands: {' '.join(self._commands)}"}
        try:
            return await command(words[1:])
        except (KeyError, ValueError, IndexError) as error:
            return {"error": str(error)}
