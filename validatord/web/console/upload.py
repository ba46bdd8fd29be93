"""A form with a list in it, read as a stream: small fields into memory, the list onto disk where it is long."""

import io
import tempfile
from dataclasses import dataclass, field
from typing import IO

from aiohttp import BodyPartReader, web

from validatord.web.console.guard import require_token

_IN_MEMORY = 1_048_576  # bytes; longer lists lie on disk until they are taken in
_LONGEST_FIELD = 4_096
_LONGEST_LIST = 1_073_741_824
_MOST_PARTS = 20
_LISTS = frozenset({"text", "file"})


@dataclass(slots=True)
class Upload:
    """What a form brought: `list` is the file where one was chosen, else what was pasted."""

    fields: dict[str, str] = field(default_factory=dict[str, str])
    lists: dict[str, IO[bytes]] = field(default_factory=dict[str, IO[bytes]])
    file_name: str = ""

    @property
    def is_file(self) -> bool:
        """Whether the list is a file."""
        return bool(self.file_name)

    def open_list(self) -> IO[bytes]:
        """Return the list, from its first byte on."""
        stream = self.lists.get("file" if self.is_file else "text") or io.BytesIO()
        stream.seek(0)
        return stream

    def pasted(self, most: int) -> str:
        """Return what was pasted, to show it again; nothing where it is longer."""
        stream = self.lists.get("text")
        if stream is None:
            return ""
        stream.seek(0)
        text = stream.read(most + 1)
        return text.decode("utf-8", "replace") if len(text) <= most else ""

    def close(self) -> None:
        """Give the disk back."""
        for stream in self.lists.values():
            stream.close()


async def read_upload(request: web.Request) -> Upload:
    """Read a form; its first field must be the token, before anything else is looked at.

    Raises:
        HTTPForbidden: it is not this session's form.
        HTTPBadRequest: it is no such form.
        HTTPRequestEntityTooLarge: a part is longer than it may be.
    """
    upload = Upload()
    try:
        reader = await request.multipart()
        for place in range(_MOST_PARTS):
            part = await reader.next()
            if part is None:
                break
            await _take(upload, part)
            if place == 0:
                require_token(request, upload.fields.get("csrf", ""))
    except (ValueError, AssertionError, RuntimeError) as error:
        upload.close()
        raise web.HTTPBadRequest from error
    except BaseException:
        upload.close()
        raise
    require_token(request, upload.fields.get("csrf", ""))
    return upload


async def _take(upload: Upload, part: object) -> None:
    if not isinstance(part, BodyPartReader):
        raise web.HTTPBadRequest
    name = part.name or ""
    if name not in _LISTS:
        upload.fields[name] = (await _read_small(part)).decode("utf-8", "replace").replace("\x00", "")
        return
    if name == "file":
        upload.file_name = (part.filename or "")[:200]
    stream = upload.lists[name] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 it outlives this function
    length = 0
    while block := await part.read_chunk(65_536):
        length += len(block)
        if length > _LONGEST_LIST:
            raise web.HTTPRequestEntityTooLarge(_LONGEST_LIST, length)
        stream.write(block)
    if name == "file" and not length:
        upload.file_name = ""


async def _read_small(part: BodyPartReader) -> bytes:
    found = b""
    while block := await part.read_chunk(_LONGEST_FIELD):
        found += block
        if len(found) > _LONGEST_FIELD:
            raise web.HTTPRequestEntityTooLarge(_LONGEST_FIELD, len(found))
    return found
