"""The review grid in a real browser: fast typing, a reload, a locked database or a server that is gone lose no decision."""

import sqlite3
import time
from typing import Any

import pytest
from made_up import make_batch

from gan_aug import store

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
expect.set_options(timeout=30_000)  # milliseconds; a busy machine takes its time
pytestmark = pytest.mark.browser

SAVED = ".review[data-waiting='0']"


def open_grid(app: Any, page: Any, reviewer: str = "ana", batch: str = "b") -> None:
    page.goto(f"{app.url}/review?batch={batch}&reviewer={reviewer}")
    page.wait_for_selector(".tile")
    expect(page.locator(".grid")).to_be_focused()


def said(reviewer: str = "ana", batch: str = "b") -> list[tuple[str, str]]:
    """What is in the database, image by image."""
    return sorted((review.image, review.decision) for review in store.reviews_of(batch, reviewer))


def test_fifty_keys_in_a_row_store_fifty_decisions(app: Any, page: Any) -> None:
    names = make_batch("b", 60)
    open_grid(app, page)
    began = time.monotonic()
    page.keyboard.type("axu2a" * 10)
    typed = time.monotonic() - began
    page.wait_for_selector(SAVED)
    print(f"50 keys in {typed:.2f} s, all acknowledged after {time.monotonic() - began:.2f} s")
    wanted = ["accept", "reject", "unsure", "reject", "accept"] * 10
    assert said() == sorted(zip(names, wanted, strict=False))
    assert len(store.review_history("b")) == 50
    expect(page.locator(".count")).to_have_text("50 of 60 decided")
    expect(page.locator(".state")).to_have_text("✓ All saved")


def test_a_reload_right_after_typing_loses_nothing(app: Any, page: Any) -> None:
    make_batch("b", 60)
    open_grid(app, page)
    page.keyboard.type("ax" * 20)
    page.reload()
    page.wait_for_selector(".tile")
    page.wait_for_selector(SAVED)
    assert len(said()) == 40
    assert len(store.review_history("b")) == 40
    expect(page.locator(".count")).to_have_text("40 of 60 decided")


def test_undo_goes_back_through_pages_and_reloads(app: Any, page: Any) -> None:
    names = make_batch("b", 70)
    open_grid(app, page)
    page.keyboard.type("a" * 60)
    page.keyboard.press("ArrowRight")
    expect(page.locator(".where")).to_have_text("Page 2 of 2")
    page.keyboard.type("xx")
    page.wait_for_selector(SAVED)
    page.reload()
    page.wait_for_selector(".tile")
    expect(page.locator(".grid")).to_be_focused()
    expect(page.locator(".count")).to_have_text("62 of 70 decided")
    page.keyboard.type("zzz")  # two on the second page, one on the first
    expect(page.locator(".where")).to_have_text("Page 1 of 2")
    expect(page.locator(".tile[aria-selected=true]")).to_have_attribute("aria-label", "Image 60, seed 59, malignant, undecided")
    page.wait_for_selector(SAVED)
    assert [image for image, _ in said()] == sorted(names[:59])
    assert len(store.review_history("b")) == 65


def test_what_must_not_count_does_not_count(app: Any, page: Any) -> None:
    make_batch("b", 5, missing=1)
    open_grid(app, page)
    for _ in range(6):
        page.keyboard.down("a")  # held: one decision
    page.keyboard.up("a")
    expect(page.locator(".count")).to_have_text("1 of 5 decided")
    page.keyboard.press("x")  # the second image is missing: passed over
    expect(page.locator(".tile[aria-selected=true]")).to_have_attribute("aria-label", "Image 3, seed 2, malignant, undecided")
    page.get_by_label("Your name", exact=True).click()
    page.keyboard.press("u")  # goes into the name
    page.keyboard.press("Backspace")
    expect(page.locator(".hint")).to_be_visible()
    page.locator(".tile").last.click()
    page.keyboard.type("aaaa")  # the last image, and then the end of the page, where nothing can be judged
    page.wait_for_selector(SAVED)
    assert [decision for _, decision in said()] == ["accept", "accept"]


def test_all_that_keys_do_has_a_button(app: Any, page: Any) -> None:
    names = make_batch("b", 9)
    open_grid(app, page)
    for name in ("A Accept", "X Reject", "U Unsure", "6 Copy"):
        page.get_by_role("button", name=name, exact=True).click()
    page.get_by_role("button", name="Z Undo", exact=True).click()
    page.get_by_role("button", name="Space Loupe", exact=True).click()
    expect(page.get_by_role("dialog", name="Loupe")).to_contain_text("Image 4, undecided. 64 × 64 px")
    page.keyboard.press("a")  # judging goes on in the loupe, which follows
    expect(page.get_by_role("dialog", name="Loupe")).to_contain_text("Image 5, undecided")
    page.keyboard.press(" ")
    expect(page.get_by_role("dialog", name="Loupe")).to_be_hidden()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".grid")).to_be_focused()
    page.wait_for_selector(SAVED)
    assert said() == sorted(zip(names, ["accept", "reject", "unsure", "accept"], strict=False))


def test_a_locked_database_is_told_and_waited_for(app: Any, page: Any) -> None:
    make_batch("b", 20)
    open_grid(app, page)
    lock = sqlite3.connect(app.home / "gan_aug.db", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    page.keyboard.type("ax" * 4)
    expect(page.get_by_role("alert").filter(has_text="Not saved yet: 8")).to_be_visible()
    assert page.evaluate(OPACITY) == 1  # Streamlit fades what waits for the server; a lesion's colour stays
    page.keyboard.type("uu")
    expect(page.locator(".count")).to_have_text("10 of 20 decided")
    lock.execute("ROLLBACK")
    lock.close()
    page.wait_for_selector(SAVED)
    assert len(said()) == len(store.review_history("b")) == 10
    expect(page.locator(".alarm.waiting")).to_be_hidden()


def test_a_batch_that_was_closed_meanwhile_is_told(app: Any, page: Any) -> None:
    make_batch("b", 5)
    open_grid(app, page)
    page.keyboard.press("a")
    page.wait_for_selector(SAVED)
    store.close_batch("b")
    page.keyboard.type("xx")
    expect(page.get_by_role("alert").filter(has_text="Not stored: 2")).to_be_visible()
    expect(page.locator(".count")).to_have_text("1 of 5 decided")
    assert len(said()) == 1


# How opaque the grid is, with everything around it.
OPACITY = """() => {
    let node = [...document.querySelectorAll('*')].find((each) => each.shadowRoot?.querySelector('.review')), opacity = 1;
    for (; node; node = node.parentElement) opacity *= Number(getComputedStyle(node).opacity);
    return opacity;
}"""


def test_decisions_outlive_the_server(app: Any, page: Any) -> None:
    make_batch("b", 30)
    open_grid(app, page)
    page.keyboard.type("aaa")
    page.wait_for_selector(SAVED)
    app.stop()
    for _ in range(4):
        page.locator(".grid").press("x")  # onto the grid itself: Streamlit's notice of the lost connection may take the focus
    expect(page.locator(".count")).to_have_text("7 of 30 decided")
    app.start()
    page.wait_for_selector(SAVED, timeout=60_000)
    assert [decision for _, decision in sorted(said(), key=lambda pair: int(pair[0].split("-")[1]))] == ["accept"] * 3 + ["reject"] * 4


def test_what_a_closed_tab_left_is_sent_by_the_next_grid(app: Any, new_page: Any) -> None:
    make_batch("b", 10)
    make_batch("other", 10)
    page = new_page()
    open_grid(app, page)
    app.stop()
    page.keyboard.type("ax")
    tab = page.context.new_page()  # shares the storage
    page.close()
    app.start()
    open_grid(app, tab, reviewer="ben", batch="other")
    tab.wait_for_selector(SAVED)
    for _ in range(300):
        if said():
            break
        tab.wait_for_timeout(100)
    assert [decision for _, decision in said()] == ["accept", "reject"]
    assert said("ben", "other") == []


def test_four_reviewers_at_a_time(app: Any, new_page: Any) -> None:
    make_batch("b", 40)
    readers = ["ana", "ben", "cleo", "dan"]
    pages = {reader: new_page() for reader in readers}
    for reader, page in pages.items():
        open_grid(app, page, reviewer=reader)
    for _ in range(4):
        for page in pages.values():
            page.keyboard.type("axuax" * 2)
    for page in pages.values():
        page.wait_for_selector(SAVED, timeout=60_000)
    assert [len(said(reader)) for reader in readers] == [40] * 4
    assert len(store.review_history("b")) == 160
