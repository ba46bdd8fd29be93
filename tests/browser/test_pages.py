"""Every page: no barrier, no scroll to the side on a phone, nothing asked elsewhere, no complaint of the browser."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import Visit
from tests.browser.paths import NAMES, find_path
from tests.browser.world import World

pytestmark = pytest.mark.timeout(240)
_GRAVE = {"serious", "critical"}


def list_barriers(page: object) -> list[str]:
    """Return what axe finds grave, each with the first places."""
    found = Axe().run(page).response["violations"]  # pyright: ignore[reportArgumentType]
    return [
        f"{item['id']}: {[node['html'][:120] for node in item['nodes'][:3]]}"
        for item in found
        if item["impact"] in _GRAVE
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_no_barrier(visit: Visit, world: World, name: str, scheme: str) -> None:
    """No page has a serious barrier for anybody, in either colours."""
    page = visit(find_path(world, name), color_scheme=scheme)

    assert page.locator("h1").count() == 1
    assert list_barriers(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_barrier_at_the_door(visit: Visit, scheme: str) -> None:
    """The form to log in has none either."""
    assert list_barriers(visit("/console/login", is_known=False, color_scheme=scheme)) == []


@pytest.mark.parametrize("name", NAMES)
def test_phone(visit: Visit, world: World, name: str) -> None:
    """On a phone no page is wider than the screen, and everything opened there fits, too."""
    page = visit(find_path(world, name), viewport={"width": 360, "height": 740})
    page.get_by_text("Menu", exact=True).click()
    for summary in page.locator("main summary:visible").all():
        summary.click()

    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_the_way_past_the_navigation(visit: Visit) -> None:
    """The first stop of the keyboard is the way past the navigation, and it leads to the page."""
    page = visit()
    page.keyboard.press("Tab")
    is_first = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")

    assert is_first == "Skip to the page"
    assert page.evaluate("document.activeElement.id") == "main"


def test_times_are_the_readers(visit: Visit, world: World) -> None:
    """Times stand in the reader's zone; the instant itself in UTC stays in the page."""
    page = visit(find_path(world, "submission"))
    time = page.locator(".head time").first
    stamp = time.get_attribute("datetime") or ""
    shown = page.evaluate(
        "stamp => new Intl.DateTimeFormat('en-GB', {dateStyle: 'medium', timeStyle: 'short', timeZone: 'Europe/Berlin'})"
        ".format(new Date(stamp))",
        stamp,
    )

    assert stamp.endswith("+00:00")
    assert time.inner_text() == shown


def test_colours(visit: Visit) -> None:
    """The button goes from automatic to light to dark and back, and the page remembers."""
    page = visit(color_scheme="light")
    seen = []
    for name in ("Light", "Dark", "Automatic"):
        page.get_by_role("button", name=f"{name} colours").click()
        seen.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    assert seen[0] == seen[2] != seen[1]
