"""Explore in a real browser: the filmstrip scrubs, plays and saves without asking the server, the plane is dragged, links restore views."""

import re
import shutil
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from made_up import make_run
from served import drawn
from streamlit.proto.BackMsg_pb2 import BackMsg

from gan_aug import images, nearest, nearest_making, runs, workspace

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
expect.set_options(timeout=30_000)  # milliseconds; a busy machine takes its time
pytestmark = pytest.mark.browser

RUN, CONDITIONAL = "dcgan-phantom-malignant-ab12", "acgan-phantom-cd34"


def test_a_walk_scrubs_plays_and_saves_without_the_server(phantom_app: Any, page: Any, tmp_path: Path) -> None:
    make_run(RUN, "dcgan", "phantom", "malignant")
    asked: list[BackMsg] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: asked.append(BackMsg.FromString(frame))))
    page.goto(f"{phantom_app.url}/explore?run={RUN}&seeds=5,9&frames=12")
    expect(page.locator(".where")).to_have_text("1 of 12: seed 5")
    expect(page.get_by_text("64 × 64 px, shown 6×")).to_be_visible()
    drawn(page)
    page.wait_for_timeout(1000)
    before = _wishes(asked)
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
    assert _wishes(asked) == before > 0


def _wishes(asked: list[BackMsg]) -> int:
    """How often the page asked the server for something, without the sidebar's looking for jobs every few seconds."""
    return sum(not message.rerun_script.is_auto_rerun for message in asked)


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


# --- what a link restores ----------------------------------------------------------------------------------------------------------------

EYES = "random-conv:0"
SHIPPED = Path(__file__).resolve().parents[2] / "checkpoints" / "pretrained"
VIEWS = {
    f"mode=walk&run={RUN}&at=1&seeds=5%2C9&frames=12": ".where >> text=1 of 12: seed 5",
    f"mode=directions&run={RUN}&seed=4&direction=2&reach=3.0&steps=9": ".where >> text=5 of 9: seed 4",
    f"mode=plane&run={RUN}&x=7&y=2": ".where >> text=seed 2007",
    f"mode=class&run={CONDITIONAL}&seed=4&frames=9": ".where >> text=1 of 9: benign",
    f"mode=same&rows=training&run={RUN}&list=3%2C4": "figure >> nth=1",
    f"mode=seeds&run={RUN}&first=60&variety=0.8": ".where >> text=Seed 60",
    f"mode=project&run={RUN}&source=dataset&data=phantom&part=val&image=2&effort=100": "text=shown 3×",
    f"mode=seeds&run={RUN}&stars={RUN}%402!malignant!1!3": "text=1 starred picture",
}


def pictures(page: Any) -> list[str]:
    found = page.locator("figure img, [data-testid=stImage] img")
    found.first.wait_for()
    return [image.get_attribute("src") for image in found.all()]


@pytest.mark.parametrize("link", VIEWS, ids=lambda link: link.split("&")[0])
def test_a_reload_restores_the_view(phantom_app: Any, page: Any, link: str) -> None:
    make_run(RUN, "dcgan", "phantom", "malignant")
    make_run(CONDITIONAL, "acgan", "phantom")
    page.goto(f"{phantom_app.url}/explore?{link}")
    expect(page.locator(VIEWS[link])).to_be_visible()
    before, address = pictures(page), page.url
    page.reload()
    expect(page.locator(VIEWS[link])).to_be_visible()
    assert pictures(page) == before
    assert page.url == address


# --- the seed plane ----------------------------------------------------------------------------------------------------------------------


def test_dragging_the_plane_changes_the_picture_and_the_address(phantom_app: Any, page: Any) -> None:
    make_run(RUN, "dcgan", "phantom", "malignant")
    page.goto(f"{phantom_app.url}/explore?mode=plane&run={RUN}&x=3.5&y=0.5")
    picture, pad = page.locator(".picture"), page.locator(".pad")
    expect(page.locator(".where")).to_contain_text("x 3.50, y 0.50")
    drawn(page)  # else the plane moves down by a quarter of its map below the mouse
    first = picture.get_attribute("src")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4, steps=8)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"x=3\.2[45]&.*y=0\.2[45]|y=0\.2[45]&.*x=3\.2[45]"))
    expect(picture).not_to_have_attribute("src", first)
    second = picture.get_attribute("src")
    box = picture.bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 200 - box["width"] / 2, box["y"] + 100, steps=8)  # half a picture to the left: half a seed to the right
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"x=3\.7[456]"))
    expect(picture).not_to_have_attribute("src", second)


def test_the_plane_moves_by_keys_and_snaps_to_the_picture_of_a_seed(phantom_app: Any, page: Any) -> None:
    make_run(RUN, "dcgan", "phantom", "malignant")
    page.goto(f"{phantom_app.url}/explore?mode=plane&run={RUN}&x=3.5&y=0.5")
    expect(page.locator(".where")).to_contain_text("x 3.50, y 0.50")
    page.locator(".pad").focus()
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    expect(page.locator(".where")).to_contain_text("x 4.60, y 0.45")
    expect(page).to_have_url(re.compile(r"x=4\.6"))
    page.keyboard.press("s")
    expect(page.locator(".said")).to_contain_text("only whole seeds")
    page.keyboard.press("Enter")
    expect(page.locator(".where")).to_contain_text("seed 5")
    expect(page).to_have_url(re.compile(r"x=5&"))
    corner = page.locator(".corner", has_text="Seed 5").first.locator("img")
    expect(page.locator(".picture")).to_have_attribute("alt", re.compile(", seed 5$"))
    assert same_pixels(page, ".picture", corner)
    page.keyboard.press("s")
    expect(page.get_by_text("1 starred picture")).to_be_visible()
    assert "stars=" in page.url


def same_pixels(page: Any, selector: str, other: Any) -> bool:
    """Whether two pictures of the page are equal; their files are not, because each names itself."""
    read = """async (node) => {
        await node.decode();
        const canvas = new OffscreenCanvas(node.naturalWidth, node.naturalHeight), context = canvas.getContext("2d");
        context.drawImage(node, 0, 0);
        return [...context.getImageData(0, 0, canvas.width, canvas.height).data].join();
    }"""
    return page.locator(selector).evaluate(read) == other.evaluate(read)


# --- stars and nearest real images -------------------------------------------------------------------------------------------------------


def test_quick_stars_are_all_kept_and_survive_a_reload(phantom_app: Any, page: Any) -> None:
    make_run(RUN, "dcgan", "phantom", "malignant")
    page.goto(f"{phantom_app.url}/explore?mode=seeds&run={RUN}")
    page.locator(".scrub").focus()
    for _ in range(12):
        page.keyboard.press("s")
        page.keyboard.press("ArrowRight")
    expect(page.get_by_text("12 starred pictures")).to_be_visible()
    page.locator(".scrub").focus()
    page.keyboard.press("Home")
    page.keyboard.press("s")
    expect(page.get_by_text("11 starred pictures")).to_be_visible()
    page.reload()
    expect(page.get_by_text("11 starred pictures")).to_be_visible()
    expect(page.locator(".badge", has_text="★")).to_have_count(11)
    expect(page.get_by_role("button", name="☆ Star")).to_be_visible()


def test_a_picture_between_seeds_cannot_be_starred_and_says_why(phantom_app: Any, page: Any) -> None:
    make_run(RUN, "dcgan", "phantom", "malignant")
    page.goto(f"{phantom_app.url}/explore?mode=walk&run={RUN}&seeds=5,9&frames=12")
    page.locator(".scrub").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("s")
    expect(page.locator(".said")).to_contain_text("between seeds")
    page.keyboard.press("End")
    page.keyboard.press("s")
    expect(page.get_by_text("1 starred picture")).to_be_visible()
    assert "!1!9" in urllib.parse.unquote(page.url)


def test_a_film_comes_back_where_it_stood(phantom_app: Any, page: Any) -> None:
    make_run(RUN, "dcgan", "phantom", "malignant")
    page.goto(f"{phantom_app.url}/explore?mode=walk&run={RUN}&seeds=5,9&frames=12")
    page.locator(".scrub").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".where")).to_contain_text("2 of 12")
    page.get_by_role("radio", name="Seed plane").click()
    expect(page.locator(".plane .where")).to_contain_text("seed")
    expect(page.locator(".scrub")).to_have_count(0)
    page.get_by_role("radio", name="Walk").click()
    expect(page.locator(".plane")).to_have_count(0)
    expect(page.locator(".where")).to_contain_text("2 of 12")
    page.get_by_role("textbox", name="Seeds to visit").fill("5,12")
    page.get_by_role("textbox", name="Seeds to visit").press("Enter")
    expect(page.locator(".strip .cell")).to_have_count(12)
    expect(page.locator(".where")).to_contain_text("of the way from seed 5 to seed 12")


def test_nearest_real_images_come_beneath_without_disturbing_the_film(phantom_app: Any, page: Any) -> None:
    """A small extractor stands in for derm, whose features of 64 pictures and their turns would take a test too long."""
    make_run(RUN, "dcgan", "phantom", "malignant")
    nearest_making.prepare(RUN, EYES)
    run = runs.load_run(RUN)
    shutil.copytree(SHIPPED, workspace.checkpoints() / "pretrained")
    shutil.copytree(nearest.folder_of(run, EYES), nearest.folder_of(run, nearest.DERM))
    page.goto(f"{phantom_app.url}/explore?mode=walk&run={RUN}&seeds=5,9&frames=12")
    page.locator(".scrub").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".where")).to_contain_text("2 of 12")
    shown = page.locator(".made img").get_attribute("src")
    page.get_by_text("Nearest real images", exact=True).click()
    expect(page.locator(".real img")).to_be_visible()
    expect(page.locator(".real .words")).to_contain_text("Distance")
    expect(page.locator(".where")).to_contain_text("2 of 12")
    assert page.locator(".made img").get_attribute("src") == shown
    expect(page.locator(".cell img.under")).to_have_count(12)
    expect(page.locator(".real img")).to_have_attribute("alt", re.compile("^Nearest real training image, PH"))
    for name, value in (("filter", "none"), ("opacity", "1"), ("border-radius", "0px"), ("image-rendering", "pixelated")):
        expect(page.locator(".real img")).to_have_css(name, value)
    page.get_by_text("Nearest real images", exact=True).click()
    expect(page.locator(".real")).to_have_count(0)
    expect(page.locator(".cell img.under")).to_have_count(0)
