"""The filmstrip in a real browser: it scrubs, plays and saves without asking the server."""

from pathlib import Path
from typing import Any

import pytest
from made_up import make_run

from gan_aug import images

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
expect.set_options(timeout=30_000)  # milliseconds; a busy machine takes its time
pytestmark = pytest.mark.browser

RUN = "dcgan-phantom-malignant-ab12"


def test_a_walk_scrubs_plays_and_saves_without_the_server(phantom_app: Any, page: Any, tmp_path: Path) -> None:
    make_run(RUN, "dcgan", "phantom", "malignant")
    asked: list[Any] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: asked.append(frame)))
    page.goto(f"{phantom_app.url}/explore?run={RUN}&seeds=5,9&frames=12")
    expect(page.locator(".where")).to_have_text("1 of 12: seed 5")
    expect(page.get_by_text("64 × 64 px, shown 6×")).to_be_visible()
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    page.wait_for_timeout(1000)
    before = len(asked)
    first = page.locator("figure img").get_attribute("src")
    page.locator(".scrub").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".where")).to_have_text("2 of 12: 9 % of the way from seed 5 to seed 9")
    assert page.locator("figure img").get_attribute("src") != first
    page.keyboard.press("End")
    expect(page.locator(".where")).to_have_text("12 of 12: seed 9")
    page.keyboard.press(" ")  # plays, there and back
    expect(page.locator(".play")).to_contain_text("Stop")
    expect(page.locator(".where")).not_to_contain_text("12 of 12")
    page.keyboard.press(" ")
    expect(page.locator(".play")).to_contain_text("Play")
    page.locator(".cell").nth(3).click()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save the picture of DC-GAN, 2 thousand images (PNG)").click()
    path = tmp_path / saved.value.suggested_filename
    saved.value.save_as(path)
    assert images.read_provenance(path)["frame"] == 3
    assert images.read_provenance(path)["seeds"] == [5, 9]
    assert len(asked) == before


def test_a_picture_is_enlarged_by_whole_factors_and_never_altered(phantom_app: Any, page: Any) -> None:
    make_run(RUN, "dcgan", "phantom", "malignant")
    page.goto(f"{phantom_app.url}/explore?run={RUN}&mode=seeds")
    picture = page.locator("figure img")
    expect(picture).to_have_css("image-rendering", "pixelated")
    widths = set()
    for _ in range(6):
        page.get_by_role("button", name="Larger").click()
        widths.add(picture.evaluate("node => node.getBoundingClientRect().width"))
    assert widths == {384.0, 512.0, 768.0}
    page.get_by_label("Smooth").check()
    expect(picture).to_have_css("image-rendering", "auto")
    for name, value in (("filter", "none"), ("opacity", "1"), ("mix-blend-mode", "normal"), ("border-radius", "0px")):
        expect(picture).to_have_css(name, value)
    page.locator(".scrub").focus()
    page.keyboard.press("ArrowDown")  # by one line of the wall
    assert int(page.locator(".where").inner_text().removeprefix("Seed ")) > 1
