"""The console's few files that are the same for everybody, kept in memory and named by their content."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aiohttp import web

_FOLDER = Path(__file__).parent / "static"
_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_FOR_A_YEAR = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file: its bytes, its type, and the digest that stands in its address."""

    body: bytes
    kind: str
    digest: str


@cache
def load_files() -> dict[str, StaticFile]:
    """Return every static file by its name."""
    found: dict[str, StaticFile] = {}
    for path in sorted(_FOLDER.iterdir()):
        if path.suffix in _KINDS:
            body = path.read_bytes()
            found[path.name] = StaticFile(body, _KINDS[path.suffix], hashlib.sha256(body).hexdigest()[:12])
    return found


def address_of(name: str) -> str:
    """Return where a page finds a file; another content has another address."""
    return f"/console/static/{load_files()[name].digest}/{name}"


async def send_file(request: web.Request) -> web.Response:
    """Answer with a file; a browser keeps it, since its address changes with it."""
    found = load_files().get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    is_current = request.match_info["digest"] == found.digest
    headers = {"Content-Type": found.kind, "Cache-Control": _FOR_A_YEAR if is_current else "no-cache"}
    return web.Response(body=found.body, headers=headers)
