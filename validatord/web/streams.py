"""Answers of any length: sent block by block, each only after the one before has left."""

import zlib
from collections.abc import AsyncIterator
from typing import Protocol

from aiohttp import web
from loguru import logger

from validatord.errors import StoreAway

_BLOCK = 65_536


class _Packer(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


async def send(
    request: web.Request, blocks: AsyncIterator[bytes], content_type: str, *, filename: str = ""
) -> web.StreamResponse:
    """Send blocks as they come; packed where the other side takes gzip.

    What fails on the way cuts the connection: an answer that stops in the middle must not look complete.
    """
    response = web.StreamResponse(headers={"Content-Type": content_type})
    if filename:
        response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    packer = zlib.compressobj(6, zlib.DEFLATED, 31) if _takes_gzip(request) else None
    if packer is not None:
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
    first = await anext(blocks, b"")  # what fails before anything was sent is still a problem
    await response.prepare(request)
    try:
        await _write(response, first, packer)
        async for block in blocks:
            await _write(response, block, packer)
        if packer is not None:
            await response.write(packer.flush())
        await response.write_eof()
    except StoreAway:
        if request.transport is not None:
            request.transport.abort()
    except ConnectionResetError:
        logger.bind(path=request.path).debug("whoever read has gone")
    return response


async def _write(response: web.StreamResponse, block: bytes, packer: _Packer | None) -> None:
    for start in range(0, len(block), _BLOCK):
        part = block[start : start + _BLOCK]
        data = packer.compress(part) if packer is not None else part
        if data:
            await response.write(data)


def _takes_gzip(request: web.Request) -> bool:
    wanted = request.headers.get("Accept-Encoding", "").lower()
    return any(
        part.split(";")[0].strip() == "gzip" and "q=0" not in part.replace(" ", "").replace("q=0.", "")
        for part in wanted.split(",")
    )
