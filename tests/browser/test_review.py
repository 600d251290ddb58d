"""The review grid in a real browser: fast typing, a reload, a locked database or a server that is gone lose no decision."""

import sqlite3
import time
import uuid
from typing import Any

import pytest
from made_up import make_batch, make_blind_batch
from served import drawn

from gan_aug import readings, reviews, store
from gan_aug.records import Review

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
    # Streamlit looks for a lost server at growing intervals, of up to 15 s, and an attempt may itself hang for 15 s.
    page.wait_for_selector(SAVED, timeout=150_000)
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


def test_others_are_told_once_one_has_decided_and_near_duplicates_are_one_tile(app: Any, page: Any) -> None:
    known = {"nearest_real": 1.0, "d_score": 0.5, "uniqueness": 2.0, "alike": None}
    names = make_batch("b", 4, facts=[{**known, "alike": "b-1" if place in (1, 3) else None} for place in range(4)])
    when = "2026-01-01T10:00:00Z"
    store.add_reviews([Review(str(uuid.uuid4()), "b", "ben", name, "reject", None, None, 1.0, when) for name in names])
    open_grid(app, page)
    tiles = page.locator(".tile")
    expect(tiles).to_have_count(3)
    said = "seed 1, malignant, nearest real at 1, D score 0.50, one of 2 near-duplicates"
    expect(tiles.nth(1)).to_have_attribute("aria-label", f"Image 2, {said}, undecided")
    expect(tiles.nth(1).locator(".alike")).to_have_text("×2")
    page.keyboard.type("aa")
    expect(tiles.nth(1)).to_have_attribute("aria-label", f"Image 2, {said}, accepted, other readers: 1 rejected")
    expect(tiles.nth(1).locator(".others")).to_have_text("1✕")
    expect(tiles.nth(2).locator(".others")).to_have_text("")
    page.keyboard.type("z")
    expect(tiles.nth(1).locator(".others")).to_have_text("")
    page.get_by_label("Order").click()
    page.get_by_role("option", name="Nearest to a real image first").click()
    expect(page.get_by_text("known of 4 of 4 images: 1 to 1")).to_be_visible()
    assert "sort=nearest_real" in page.url


# --- blind -------------------------------------------------------------------------------------------------------------------------------


def open_blind(app: Any, page: Any, reviewer: str = "ana", batch: str = "b") -> list[str]:
    """Open a blind batch; returns its pictures in the reader's order."""
    page.goto(f"{app.url}/review?batch={batch}&reviewer={reviewer}")
    page.wait_for_selector(".single img[src^=data]")
    expect(page.locator(".blind .grid")).to_be_focused()
    return [case.image for case in reviews.reading_order(store.batch(batch), reviewer)]


def answers(reviewer: str = "ana") -> dict[str, int]:
    return {review.image: review.confidence for review in store.reviews_of("b", reviewer)}


def test_a_blind_batch_is_read_by_keys_to_its_end_and_then_tells(app: Any, page: Any) -> None:
    cases = make_blind_batch("b", n=60, repeats=6)  # two loads of pictures
    order = open_blind(app, page)
    expect(page.locator(".what-number")).to_have_text("Image 1 of 66")
    shown = [page.locator(".single img").get_attribute("src")]
    keys = "".join("5" if cases[image].synthetic else "1" for image in order)
    page.keyboard.type(keys[:60])
    page.wait_for_selector(SAVED)
    expect(page.locator(".what-number")).to_have_text("Image 61 of 66")
    shown.append(page.locator(".single img").get_attribute("src"))
    assert shown[0] != shown[1]
    body = page.locator("[data-testid=stMain]").inner_text()
    for secret in ("synthetic:", "right", "AUC", "accuracy", "seed"):
        assert secret not in body.replace("whether you are right", "")
    page.keyboard.type(keys[60:])
    expect(page.locator(".empty")).to_contain_text("all are answered")
    page.wait_for_selector(SAVED)
    assert answers() == {image: 5 if cases[image].synthetic else 1 for image in order}
    seconds = [review.seconds for review in store.reviews_of("b", "ana")]
    assert all(0 <= each < 60 for each in seconds) and any(seconds)
    page.get_by_text("Result", exact=True).click()
    expect(page.get_by_text("66 of 66 images answered")).to_be_visible()
    page.get_by_role("button", name="Close the batch").click()
    page.get_by_role("button", name="Close for everybody").click()
    expect(page.get_by_text("ana: ▲ Better than chance")).to_be_visible()
    expect(page.get_by_text("30 real and 30 synthetic pictures. 6 of them were shown twice.")).to_be_visible()
    assert readings.blind_result("b").readers[0].reading.auc.value == 1.0


def test_fast_blind_answers_and_a_reload_lose_nothing(app: Any, page: Any) -> None:
    make_blind_batch("b", n=50, repeats=0)
    order = open_blind(app, page)
    began = time.monotonic()
    page.keyboard.type("12345" * 8)
    print(f"40 blind answers in {time.monotonic() - began:.2f} s")
    page.reload()
    page.wait_for_selector(".single img[src^=data]")
    page.wait_for_selector(SAVED)
    assert answers() == {image: 1 + place % 5 for place, image in enumerate(order[:40])}
    assert len(store.review_history("b")) == 40
    expect(page.locator(".what-number")).to_have_text("Image 41 of 50")


def test_no_blind_answer_waits_for_the_next_pictures(app: Any, page: Any) -> None:
    make_blind_batch("b", n=150, repeats=0)  # three loads
    order = open_blind(app, page)
    page.keyboard.type("12345" * 20)
    page.wait_for_selector(SAVED)
    assert answers() == {image: 1 + place % 5 for place, image in enumerate(order[:100])}
    expect(page.locator(".what-number")).to_have_text("Image 101 of 150")
    page.keyboard.type("54321" * 10)
    expect(page.locator(".empty")).to_contain_text("all are answered")
    page.wait_for_selector(SAVED)
    assert len(answers()) == 150
    expect(page.locator(".count")).to_have_text("150 of 150 answered")
    for _ in range(31):  # from behind the last page to the end of the second
        page.keyboard.press("ArrowLeft")
    expect(page.locator(".what-number")).to_have_text("Image 120 of 150")
    page.keyboard.type("1")
    page.wait_for_selector(SAVED)
    assert answers()[order[119]] == 1
    page.keyboard.type("z")
    expect(page.locator(".what-number")).to_have_text("Image 120 of 150")
    page.wait_for_selector(SAVED)
    assert answers()[order[119]] == 5 - 119 % 5


def test_a_blind_answer_is_changed_and_undone(app: Any, page: Any) -> None:
    make_blind_batch("b", n=10, repeats=0)
    order = open_blind(app, page)
    page.keyboard.type("15")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".what-answer")).to_have_text("Your answer: surely synthetic")
    page.keyboard.type("3")  # another word on the second, and on to the third
    expect(page.locator(".what-number")).to_have_text("Image 3 of 10")
    page.get_by_role("button", name="4 Probably synthetic").click()
    page.keyboard.type("zz")
    expect(page.locator(".what-number")).to_have_text("Image 2 of 10")
    page.wait_for_selector(SAVED)
    assert answers() == {order[0]: 1, order[1]: 5}
    page.get_by_role("button", name="Space Loupe", exact=True).click()
    expect(page.get_by_role("dialog", name="Loupe")).to_contain_text("Image 2, surely synthetic. 64 × 64 px")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator(".blind").get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("6")  # no answer
    page.keyboard.press("Escape")
    assert len(answers()) == 2


def test_four_blind_readers_at_a_time_each_in_an_order_of_their_own(app: Any, new_page: Any) -> None:
    make_blind_batch("b", n=40, repeats=0)
    readers = ["ana", "ben", "cleo", "dan"]
    pages = {reader: new_page() for reader in readers}
    orders = {reader: open_blind(app, page, reader) for reader, page in pages.items()}
    assert len({tuple(order) for order in orders.values()}) == 4
    for _ in range(4):
        for page in pages.values():
            page.keyboard.type("12345" * 2)
    for page in pages.values():
        page.wait_for_selector(SAVED, timeout=60_000)
    for reader, order in orders.items():
        assert answers(reader) == {image: 1 + place % 5 for place, image in enumerate(order)}
    assert len(store.review_history("b")) == 160


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_blind_batch_has_no_serious_fault_for_a_screen_reader(app: Any, new_page: Any, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed").Axe()
    for name in ("b", "closed"):
        cases = make_blind_batch(name, n=20, repeats=2)
        for reader in ("ana", "ben"):
            for place, case in enumerate(cases.values()):
                when = f"2026-01-01T10:00:{place:02d}Z"
                answer = ("synthetic", None, 4) if (place + len(reader)) % 3 else ("real", None, 2)
                store.add_reviews([Review(str(uuid.uuid4()), name, reader, case.image, *answer, 1.0, when)])
    store.close_batch("closed")
    page = new_page(color_scheme=scheme)
    for query in ("batch=b&reviewer=cleo", "batch=b&reviewer=cleo&view=result", "batch=closed&reviewer=ana&view=result"):
        page.goto(f"{app.url}/review?{query}")
        page.wait_for_selector("h1")
        drawn(page)
        page.wait_for_timeout(1000)  # what arrives with a fragment
        found = [each for each in axe.run(page).response["violations"] if each["impact"] in ("serious", "critical")]
        assert [f"{query}: {each['id']}: {node['html'][:300]}" for each in found for node in each["nodes"]] == []
