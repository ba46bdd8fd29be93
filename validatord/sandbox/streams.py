"""A TCP server whose open connections end when it does."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable


class StreamServer:
    """Listens and gives every connection to `serve`; an end of the stream or of the server ends it quietly."""

    def __init__(self, serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> None:
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._streams: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port, which is a free one if 0 was asked for."""
        self._server = await asyncio.start_server(self._run, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def aclose(self) -> None:
        """Stop, and end every connection."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for stream in self._streams:
            stream.cancel()
        await asyncio.gather(*self._streams, return_exceptions=True)
        if server is not None:
            await server.wait_closed()

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._streams.add(task)
            task.add_done_callback(self._streams.discard)
        # Cancelled only by `aclose`, which waits for this task and for nothing else in it.
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            await self._serve(reader, writer)
        writer.close()
