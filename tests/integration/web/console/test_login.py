"""The console's door: a key becomes a session, and nothing else does."""

import pytest

from tests.integration.web.console.conftest import Person
from validatord.store import keys
from validatord.web.console.sessions import COOKIE


async def test_nobody_comes_in_without_a_key(person: Person) -> None:
    """Whoever is not logged in is led to the form and back to where they wanted to go afterwards."""
    asked = await person.get("/console/submissions?client=crm", follow=False)
    page = await person.fill_in(
        "/console/login",
        {"key": await person.door.make_key("operator", "admin"), "next": "/console/submissions?client=crm"},
    )

    assert asked.status == 303
    assert asked.headers["Location"] == "/console/login?next=/console/submissions?client%3Dcrm"
    assert (page.status, page.path) == (200, "/console/submissions?client=crm")


async def test_the_bare_address_leads_to_the_console(person: Person) -> None:
    """Who types the address alone ends at the form."""
    assert (await person.get("/")).path == "/console/login?next=/console/"
    assert (await person.get("/console")).path.startswith("/console/login")


async def test_a_wrong_key_is_refused(person: Person) -> None:
    """A wrong key shows the form once more, and no session begins."""
    page = await person.log_in("vk_" + "a" * 43)
    after = await person.get("/console/", follow=False)

    assert (page.status, after.status) == (401, 303)
    assert "No live key of that text" in page.words


async def test_wrong_keys_are_counted(person: Person) -> None:
    """Guessing ends: after as many refused keys as the settings allow the form says to wait."""
    statuses = [(await person.log_in(f"vk_{number:043}")).status for number in range(31)]

    assert statuses == [401] * 30 + [429]


async def test_the_cookie(person: Person) -> None:
    """The session's cookie is out of scripts' reach, stays on this site, and belongs to the console alone."""
    form = await person.get("/console/login")
    key = await person.door.make_key("operator", "admin")
    answer = await person.send("/console/login", {"csrf": form.token, "key": key}, follow=False)
    cookie = answer.headers["Set-Cookie"]

    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "Path=/console", "SameSite=Strict", "Max-Age=43200"} <= set(cookie.split("; "))
    assert key not in cookie


async def test_behind_tls_the_cookie_is_secure(person: Person) -> None:
    """Behind a proxy that speaks TLS the cookie never goes over a plain connection."""
    answer = await person.get("/console/login", X_Forwarded_Proto="https")

    assert "Secure" in answer.headers["Set-Cookie"].split("; ")


async def test_a_forged_cookie_opens_nothing(operator: Person) -> None:
    """A cookie that was changed by a letter is none."""
    url = operator.door.server.url
    jar = operator.session.cookie_jar
    [good] = [item.value for item in jar if item.key == COOKIE]
    for bad in (good[:-1], good[1:], "x" + good, good.swapcase(), "", "{}"):
        jar.clear()
        answer = await operator.get("/console/", follow=False, Cookie=f"{COOKIE}={bad}")
        assert answer.status == 303, bad
    assert (await operator.get("/console/", follow=False, Cookie=f"{COOKIE}={good}")).status == 200
    assert url


async def test_a_revoked_key_ends_the_session(operator: Person) -> None:
    """The next page after a key was revoked is the form."""
    [key] = await keys.list_keys(operator.door.database)

    before = await operator.get("/console/", follow=False)
    await keys.revoke_key(operator.door.database, key.key_id)
    after = await operator.get("/console/", follow=False)

    assert (before.status, after.status) == (200, 303)


async def test_logging_out(operator: Person) -> None:
    """After logging out nothing is shown any more."""
    page = await operator.fill_in("/console/logout", {}, at="/console/")
    after = await operator.get("/console/", follow=False)

    assert page.path.startswith("/console/login")
    assert after.status == 303


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_a_form_needs_its_token(operator: Person, token: str) -> None:
    """A form without its session's token changes nothing."""
    page = await operator.send("/console/keys", {"csrf": token, "client": "crm", "scope_read": "on"})

    assert page.status == 403
    assert len(await keys.list_keys(operator.door.database)) == 1


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Origin": "null"}]
)
async def test_a_form_of_another_site(operator: Person, headers: dict[str, str]) -> None:
    """A form that another site sends is refused, even with the right token."""
    token = (await operator.get("/console/keys")).token
    page = await operator.send("/console/keys", {"csrf": token, "client": "crm", "scope_read": "on"}, **headers)

    assert page.status == 403
    assert "another site" in page.words


async def test_a_token_of_another_session(operator: Person, person: Person) -> None:
    """A token is good for the session it was made for, and for no other one."""
    old = (await operator.get("/console/keys")).token
    await operator.fill_in("/console/logout", {}, at="/console/")
    await person.log_in(await person.door.make_key("operator", "admin"))

    page = await person.send("/console/keys", {"csrf": old, "client": "crm", "scope_read": "on"})

    assert page.status == 403


@pytest.mark.parametrize(
    "where", ["https://evil.example/", "//evil.example/", "/v1/x", "/console/..//x", "/console/\\evil", "javascript:1"]
)
async def test_nobody_is_sent_elsewhere(person: Person, where: str) -> None:
    """After logging in one stands in the console, whatever the link said."""
    key = await person.door.make_key("operator", "admin")
    form = await person.get("/console/login")
    answer = await person.send("/console/login", {"csrf": form.token, "key": key, "next": where}, follow=False)

    assert (answer.status, answer.headers["Location"]) == (303, "/console/")


async def test_headers_of_every_page(operator: Person) -> None:
    """Every page says what it may load, that nobody may frame it, and that nothing of it is kept."""
    for path in ("/console/", "/console/login", "/console/none", "/console/submissions/77"):
        headers = (await operator.get(path, follow=False)).headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';"), path
        assert "unsafe" not in policy
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"


async def test_files_are_kept_by_browsers(person: Person) -> None:
    """Stylesheet and scripts need no key and are kept for a year, since another content has another address."""
    form = await person.get("/console/login")
    path = form.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    page = await person.get(path)

    assert page.status == 200
    assert "immutable" in page.headers["Cache-Control"]
    assert (await person.get("/console/static/x/../../../etc/passwd")).status == 404
    assert (await person.get("/console/static/x/console.css")).headers["Cache-Control"] == "no-cache"


async def test_a_long_form_is_refused(operator: Person) -> None:
    """A form longer than any of ours is not read to its end."""
    page = await operator.send("/console/keys", {"csrf": "x" * 300_000})

    assert page.status == 413


async def test_colours(operator: Person) -> None:
    """The colours one chooses are those of the next page; what is no choice is automatic."""
    dark = await operator.fill_in("/console/theme", {"theme": "dark", "back": "/console/keys"}, at="/console/")
    odd = await operator.fill_in("/console/theme", {"theme": '"><', "back": "/console/"}, at="/console/")

    assert 'data-theme="dark"' in dark.text
    assert dark.path == "/console/keys"
    assert "data-theme" not in odd.text


async def test_an_absent_ledger_is_said(operator: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """While PostgreSQL is away a page says so, in words."""
    await operator.get("/console/")
    await operator.door.database.aclose()

    page = await operator.get("/console/")

    assert page.status == 503
    assert "Nothing is lost" in page.words or "ledger is away" in page.words
