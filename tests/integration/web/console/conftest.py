"""Somebody at the console: keeps cookies, reads pages, sends their forms."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from html import unescape

import aiohttp
import pytest

from tests.integration.web.conftest import Door

_TOKEN = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass(frozen=True)
class Page:
    """What came back."""

    status: int
    text: str
    headers: Mapping[str, str]
    path: str

    @property
    def token(self) -> str:
        """The token of the page's forms."""
        found = _TOKEN.search(self.text)
        assert found is not None, self.text[:500]
        return unescape(found[1])

    @property
    def words(self) -> str:
        """What a reader sees: the text without its tags, in one line."""
        body = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", self.text, flags=re.DOTALL)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


@dataclass
class Person:
    """One browser, without its screen."""

    door: Door
    session: aiohttp.ClientSession = field(repr=False)

    async def get(self, path: str, *, follow: bool = True, **headers: str) -> Page:
        """Ask for a page."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        async with self.session.get(self.door.server.url + path, allow_redirects=follow, headers=named) as response:
            return Page(response.status, await response.text(), response.headers, str(response.url.relative()))

    async def send(self, path: str, fields: Mapping[str, str], *, follow: bool = True, **headers: str) -> Page:
        """Send a form as it is, token or not."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        async with self.session.post(
            self.door.server.url + path, data=dict(fields), allow_redirects=follow, headers=named
        ) as response:
            return Page(response.status, await response.text(), response.headers, str(response.url.relative()))

    async def fill_in(self, path: str, fields: Mapping[str, str], *, at: str = "") -> Page:
        """Open a page, and send a form of it."""
        page = await self.get(at or path)
        return await self.send(path, {"csrf": page.token, **fields})

    async def log_in(self, key: str) -> Page:
        """Come in with a key."""
        return await self.fill_in("/console/login", {"key": key})


@pytest.fixture
async def person(door: Door) -> AsyncIterator[Person]:
    """Somebody who has not logged in."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Person(door, session)


@pytest.fixture
async def operator(person: Person) -> Person:
    """Somebody who has logged in with an admin key."""
    page = await person.log_in(await person.door.make_key("operator", "admin"))
    assert page.status == 200
    return person
