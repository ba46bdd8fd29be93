"""A browser and the world it looks at; without a browser the tests are skipped with a word, in CI they fail."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.browser.world import World
from tests.services import open_state_dir

CHROMIUM = os.environ.get("VALIDATORD_TEST_BROWSER") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_PATIENCE_MILLISECONDS = 15_000


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium with a profile of its own."""
    if CHROMIUM is None:
        said = "there is no Chromium here: apt-get install chromium, or name one in VALIDATORD_TEST_BROWSER"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def world(browser: Browser) -> Iterator[World]:
    """The staged world; tests add to it and take nothing away."""
    with open_state_dir() as folder:
        opened = World(folder)
        try:
            opened.open()
            yield opened
        finally:
            opened.close()


@pytest.fixture(scope="session")
def state(browser: Browser, world: World) -> Any:
    """The cookies of somebody who has logged in with an admin key."""
    context = browser.new_context(base_url=world.url)
    page = context.new_page()
    page.goto("/")
    page.get_by_label("API key").fill(world.admin_key)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Overview").wait_for()
    found = context.storage_state()
    context.close()
    return found


Visit = Callable[..., Page]


def _is_bad(said: ConsoleMessage, expected: Sequence[str]) -> bool:
    return said.type == "error" and not any(part in said.text for part in expected)


@pytest.fixture
def visit(browser: Browser, world: World, state: Any) -> Iterator[Visit]:
    """Open a page as the operator; whatever the browser complains of, or asks elsewhere, fails the test.

    `refused` are the HTTP statuses of refusals the test brings about on purpose.
    """
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    def open_page(
        path: str = "/console/", *, is_known: bool = True, refused: Sequence[int] = (), **options: Any
    ) -> Page:
        kept = {"storage_state": state} if is_known else {}
        context = browser.new_context(
            base_url=world.url, locale="en-GB", timezone_id="Europe/Berlin", **kept, **options
        )
        context.set_default_timeout(_PATIENCE_MILLISECONDS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"{path}: {error}"))
        page.on("dialog", lambda dialog: complaints.append(f"{path}: {dialog.message}"))
        expected = tuple(f"the server responded with a status of {code} " for code in refused)
        page.on("console", lambda said: complaints.append(f"{path}: {said.text}") if _is_bad(said, expected) else None)
        page.on(
            "request",
            lambda asked: None if asked.url.startswith((world.url, "blob:")) else complaints.append(asked.url),
        )
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
