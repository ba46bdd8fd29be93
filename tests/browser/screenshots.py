"""Makes the pictures of docs/img: every page of a staged world, as `make screenshots`."""

import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.paths import NAMES, find_path
from tests.browser.world import World
from tests.services import open_state_dir

_FOLDER = Path(__file__).parents[2] / "docs" / "img"
_LARGEST = 150 * 1024
_WIDE, _PHONE = {"width": 1080, "height": 720}, {"width": 390, "height": 844}


def main() -> None:
    """Take every picture; one that is too large ends it."""
    if CHROMIUM is None:
        sys.exit("there is no Chromium here: apt-get install chromium, or name one in VALIDATORD_TEST_BROWSER")
    _FOLDER.mkdir(exist_ok=True)
    with open_state_dir() as folder:
        world = World(folder)
        try:
            world.open()
            _take_all(world)
        finally:
            world.close()


def _take_all(world: World) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        options = {"base_url": world.url, "locale": "en-GB", "timezone_id": "Europe/Berlin"}
        page = browser.new_context(viewport=_WIDE, color_scheme="light", **options).new_page()
        page.goto("/")
        _save(page, "login")
        page.get_by_label("API key").fill(world.admin_key)
        page.get_by_role("button", name="Log in").click()
        state = page.context.storage_state()
        for name in NAMES:
            page.goto(find_path(world, name))
            if name == "submit":
                _fill_in(page)
            _save(page, name)
        for scheme, size, suffix in (("dark", _WIDE, "dark"), ("light", _PHONE, "phone")):
            other = browser.new_context(viewport=size, color_scheme=scheme, storage_state=state, **options).new_page()
            for name in ("overview", "mailbox"):
                other.goto(find_path(world, name))
                _save(other, f"{name}-{suffix}")
        browser.close()


def _fill_in(page: Page) -> None:
    page.get_by_label("Paste addresses").fill(
        "email,name\nada@postfix-001.example,Ada\ngrace@freemail.example,Grace\n"
        "info@postfix-002.example,Office\nno address,Someone\nalan@google-003.example,Alan\n"
    )
    page.get_by_label("Name of the submission").fill("new readers")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("heading", name="What it would cost").wait_for()


def _save(page: Page, name: str) -> None:
    page.wait_for_load_state("networkidle") if name != "running" else page.wait_for_timeout(500)
    path = _FOLDER / f"console-{name}.png"
    page.screenshot(path=path)
    size = path.stat().st_size
    if size > _LARGEST:
        sys.exit(f"{path.name} has {size:,} bytes, more than {_LARGEST:,}")
    sys.stdout.write(f"{path.name} {size:,}\n")


if __name__ == "__main__":
    main()
