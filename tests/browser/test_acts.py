"""What people do at the console, each page's main act, in a browser."""

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.paths import find_path, find_submission
from tests.browser.world import SLOW, World
from validatord.store import pauses
from validatord.store.pauses import PauseKind

pytestmark = pytest.mark.timeout(240)
LIST = "name,mail,city\nAda,user0001@postfix-001.example,London\nBob,no address,Paris\nEve,user0002@postfix-001.example,Rome\n"


def test_logging_in_by_keyboard(visit: Visit, world: World) -> None:
    """A key, Enter, and one is in; a wrong key is said, and the field is there again."""
    page = visit("/console/submissions", is_known=False, refused=[401])
    page.keyboard.type("vk_wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("No live key")
    page.get_by_label("API key").focus()
    page.keyboard.type(world.client_key)
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Submissions")
    expect(page.get_by_role("link", name="contacts of June")).to_be_visible()
    assert page.get_by_role("link", name="spring newsletter").count() == 0
    assert page.get_by_role("link", name="Settings").count() == 0


def test_submitting_by_keyboard(visit: Visit) -> None:
    """A list is pasted, previewed and sent in without a mouse; its page follows it to the end by itself."""
    page = visit("/console/submit")
    page.get_by_label("Paste addresses").focus()
    page.keyboard.type("user0001@postfix-001.example\nunknown0001@postfix-001.example\nnobody\n")
    page.get_by_role("button", name="Preview").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#preview")).to_contain_text("3 rows")
    expect(page.locator("#preview")).to_contain_text("RCPT, and no message")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.get_by_role("status")).to_contain_text("3 addresses were taken in")
    expect(page.get_by_role("heading", name="What came out")).to_be_visible(timeout=60_000)
    expect(page.locator("#results tbody tr")).to_have_count(3)


def test_submitting_a_file(visit: Visit, tmp_path: Path) -> None:
    """A CSV file is previewed as soon as it is chosen; another column can be named, and the name is kept."""
    path = tmp_path / "people.csv"
    path.write_text(LIST)
    page = visit("/console/submit")
    page.get_by_label("or choose a file").set_input_files(path)
    expect(page.locator("#preview")).to_contain_text("user0002@postfix-001.example")
    expect(page.get_by_label("Column with the addresses")).to_have_value("mail")
    page.get_by_label("Column with the addresses").select_option("city")
    expect(page.locator("#preview")).to_contain_text("London")
    page.get_by_label("Column with the addresses").select_option("mail")
    expect(page.locator("#preview")).to_contain_text("user0001@postfix-001.example")
    page.get_by_label("Name of the submission").fill("people")
    page.get_by_role("button", name="Submit", exact=True).click()

    expect(page.get_by_role("heading", level=1)).to_have_text("people")
    expect(page.get_by_role("status")).to_contain_text("3 addresses")


def test_without_a_script(visit: Visit) -> None:
    """Without scripts everything can be read, and a list be previewed and sent in; times are UTC."""
    page = visit("/console/submit", java_script_enabled=False)
    page.get_by_label("Paste addresses").fill("user0003@postfix-001.example")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview")).to_contain_text("1 rows")
    expect(page.get_by_label("Paste addresses")).to_have_value("user0003@postfix-001.example")
    page.get_by_role("button", name="Submit", exact=True).click()

    expect(page.get_by_role("status")).to_contain_text("1 addresses were taken in")
    expect(page.locator(".head time").first).to_contain_text("UTC")


def test_filtering_results(visit: Visit, world: World) -> None:
    """The table shows what was chosen at once, the address says so, and going back undoes it."""
    page = visit(find_path(world, "submission"))
    page.get_by_label("Status").select_option("invalid")
    expect(page).to_have_url(re.compile("status=invalid"))
    expect(page.locator("#results tbody tr").first).to_contain_text("invalid")
    assert set(page.locator("#results tbody .status").all_inner_texts()) == {"invalid"}
    page.go_back()

    expect(page.locator("#results tbody")).to_contain_text("valid")
    expect(page.get_by_label("Status")).to_have_value("")


def test_exporting(visit: Visit, world: World) -> None:
    """The results come as a file, with what was chosen and nothing else."""
    page = visit(find_path(world, "submission"))
    page.locator("summary", has_text="Export").click()
    page.get_by_label("Which").select_option("invalid")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download").click()
    with Path(waiting.value.path()).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))

    assert waiting.value.suggested_filename.endswith(".csv")
    assert {row["status"] for row in rows} == {"invalid"}


def test_the_send_gate(visit: Visit, world: World) -> None:
    """A submission says whether a campaign may go out to it, and what speaks against it."""
    page = visit(find_path(world, "submission"))

    expect(page.locator("#gate")).to_contain_text("block")
    expect(page.locator("#gate")).to_contain_text("are valid; the limit is")


def test_progress_is_live(visit: Visit, world: World) -> None:
    """A page that is open hears when something goes on, up to the end."""
    number = find_submission(world, "autumn prospects")
    page = visit(f"/console/submissions/{number}")
    expect(page.locator("[data-events]")).to_contain_text("of 60 finished")
    world.ask(lambda database: pauses.resume(database, PauseKind.DOMAIN, SLOW))

    expect(page.get_by_role("heading", name="What came out")).to_be_visible(timeout=60_000)
    expect(page.locator("main")).to_contain_text("60 of 60 finished")


def test_a_mailbox(visit: Visit, world: World) -> None:
    """A mailbox shows its verdict, why, the points and the conversation; it can be asked again."""
    page = visit(find_path(world, "mailbox"))
    expect(page.locator(".talk")).to_contain_text("RCPT TO")
    expect(page.get_by_role("heading", name="What the confidence is made of")).to_be_visible()
    page.get_by_role("button", name="Check again").click()

    expect(page.get_by_role("status")).to_contain_text("asked again")
    expect(page.get_by_text("just now").first).to_be_visible()


def test_looking_up_from_anywhere(visit: Visit) -> None:
    """The slash leads to the look-up; an address nobody knows says what to do."""
    page = visit("/console/keys")
    page.keyboard.press("/")
    page.keyboard.type("stranger@postfix-002.example")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("stranger@postfix-002.example")
    page.get_by_role("button", name="Check now").click()

    expect(page.get_by_role("status")).to_contain_text("asked again")
    expect(
        page.get_by_text("the address takes no mail").or_(page.get_by_text("the address takes mail"))
    ).to_be_visible()


def test_pausing_a_lane(visit: Visit) -> None:
    """A lane is paused and goes on; while it rests the page says so first."""
    page = visit("/console/lanes")
    row = page.locator("#lanes tbody tr").first
    row.get_by_role("button", name="Pause").click()
    expect(page.locator(".notice.warn", has_text="Paused: lane")).to_be_visible()
    page.locator(".notice.warn", has_text="Paused: lane").get_by_role("button", name="Let it go on").click()

    expect(page.get_by_role("status")).to_contain_text("Goes on: lane")


def test_dead_letters(visit: Visit) -> None:
    """A dead letter that was seen leaves the list, and the overview no longer asks for it."""
    page = visit()
    page.get_by_role("link", name="1 dead letter").click()
    page.locator("#letters").get_by_role("button", name="Seen").click()
    expect(page.locator("#letters")).to_contain_text("nothing was set aside")
    page.goto("/console/")

    assert page.get_by_role("link", name="1 dead letter").count() == 0


def test_a_policy(visit: Visit) -> None:
    """A policy that cannot be is refused with the name of what is wrong; a good one is in force at once."""
    page = visit("/console/client?name=demo", refused=[422])
    page.get_by_label("min confidence").fill("500")
    page.get_by_role("button", name="Put it in force").click()
    expect(page.get_by_role("alert")).to_contain_text("min_confidence")
    expect(page.get_by_label("min confidence")).to_have_value("500")


def test_a_key(visit: Visit) -> None:
    """A key is shown once, opens the console, and is dead when it is revoked."""
    page = visit("/console/keys")
    page.get_by_label("Client", exact=True).fill("shop")
    page.get_by_role("button", name="Make the key").click()
    text = page.locator("#made").inner_text()
    page.goto("/console/keys")
    assert text not in page.content()

    guest = visit("/console/", is_known=False)
    guest.get_by_label("API key").fill(text)
    guest.get_by_role("button", name="Log in").click()
    expect(guest.get_by_role("heading", level=1)).to_have_text("Overview")
    row = page.locator("tbody tr", has_text=text[:11])
    row.locator("summary", has_text="Revoke").click()
    row.get_by_role("button", name="Revoke the key").click()
    expect(page.get_by_role("status")).to_contain_text("dead")
    guest.goto("/console/")

    expect(guest.get_by_role("heading", level=1)).to_have_text("Log in")


def test_the_lists(visit: Visit) -> None:
    """The lists say what they know of a domain."""
    page = visit("/console/lists")
    page.get_by_label("What do they say of").fill("someone@throwaway-001.example")
    page.get_by_role("button", name="Look", exact=True).click()

    expect(page.locator("main")).to_contain_text("disposable")
