"""The page Compare in a real browser: a link restores the view, keys reach it, figures have names, pictures are as they are stored."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import make_run, make_study, make_sweep
from PIL import Image
from served import drawn

from gan_aug.data.dataset import open_dataset

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
expect.set_options(timeout=30_000)  # milliseconds; a busy machine takes its time
pytestmark = pytest.mark.browser

SCHEMES = ["none", "standard", "weighted"]


def settled(page: Any) -> None:
    """Wait until the page is drawn, and see that nothing failed."""
    expect(page.get_by_role("heading", name="Compare")).to_be_visible()
    drawn(page)
    expect(page.get_by_text("Traceback")).to_have_count(0)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_a_link_restores_the_view_also_after_a_reload(phantom_app: Any, page: Any) -> None:
    make_study("s", "phantom", SCHEMES)
    page.goto(f"{phantom_app.url}/compare?study=s&show=point&aim=sensitivity&level=0.9&a=weighted&b=none&schemes=none&schemes=weighted")
    settled(page)
    expect(page.get_by_role("heading", name="Cases that flip")).to_be_visible()
    for _ in range(2):
        for segment in ("Studies", "One operating point, cases that flip", "Sensitivity", "0.9"):
            expect(page.get_by_role("radio", name=segment, exact=True)).to_be_checked()
        expect(page.get_by_text("Thresholds for sensitivity 0.9, chosen on val")).to_be_visible()
        expect(page.get_by_text("A: weighted. B: none.")).to_be_visible()
        page.reload()
        settled(page)
        expect(page.get_by_role("heading", name="Cases that flip")).to_be_visible()
    page.get_by_role("radio", name="0.98", exact=True).click()
    expect(page.get_by_text("Thresholds for sensitivity 0.98, chosen on val")).to_be_visible()
    assert "level=0.98" in page.url
    page.reload()
    settled(page)
    expect(page.get_by_text("Thresholds for sensitivity 0.98, chosen on val")).to_be_visible()


def test_views_are_changed_by_keys_and_the_focus_is_seen(phantom_app: Any, page: Any) -> None:
    make_study("s", "phantom", SCHEMES)
    page.goto(f"{phantom_app.url}/compare?study=s")
    settled(page)
    expect(page.get_by_role("heading", name="ROC curves")).to_be_visible()
    names = ("Curves and numbers", "One operating point, cases that flip", "Seeds and ratios")
    views = [page.get_by_role("radio", name=name, exact=True) for name in names]
    expect(views[0]).to_be_checked()
    for _ in range(40):
        page.keyboard.press("Tab")
        if views[0].evaluate("node => node === document.activeElement"):
            break
    expect(views[0]).to_be_focused()
    ring = page.evaluate("(() => { const s = getComputedStyle(document.activeElement); return [s.outlineStyle, s.boxShadow] })()")
    assert ring != ["none", "none"], "where the focus is must be seen"
    for view in views[1:]:
        page.keyboard.press("ArrowRight")
        expect(view).to_be_focused()
    page.keyboard.press("Space")
    expect(page.get_by_role("heading", name="Over the ratio")).to_be_visible()
    assert "show=spread" in page.url


def test_figures_have_names_and_pictures_are_as_stored(phantom_app: Any, page: Any) -> None:
    make_study("s", "phantom", SCHEMES)
    page.goto(f"{phantom_app.url}/compare?study=s&show=point")
    settled(page)
    expect(page.get_by_label("Net benefit over the probability from which a lesion is called positive")).to_be_visible()
    picture = page.get_by_test_id("stImage").locator("img").first
    expect(picture).to_be_visible()
    name = picture.get_attribute("alt").partition(",")[0].removeprefix("Image ")
    content = page.request.get(picture.evaluate("node => node.src")).body()
    image_set = open_dataset("phantom")
    row = image_set.table["image_id"].tolist().index(name)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), image_set.images[row])
    for style, value in (("filter", "none"), ("opacity", "1"), ("border-radius", "0px"), ("image-rendering", "pixelated")):
        expect(picture).to_have_css(style, value)


def test_a_figure_is_saved_as_a_drawing_by_a_key(phantom_app: Any, page: Any) -> None:
    make_study("s", "phantom", SCHEMES)
    page.goto(f"{phantom_app.url}/compare?study=s&show=spread")
    settled(page)
    save = page.get_by_role("button", name="Download plot").first
    save.focus()
    with page.expect_download() as saved:
        page.keyboard.press("Enter")
    assert saved.value.suggested_filename == "s-seeds.svg"
    drawing = Path(saved.value.path()).read_text(encoding="utf-8")
    assert drawing.startswith("<svg") and "not a clinical performance claim" in drawing


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_is_wider_than_a_small_window(phantom_app: Any, new_page: Any, scheme: str) -> None:
    make_study("s", "phantom", SCHEMES)
    make_sweep("w", "phantom", ["standard", "oversample"])
    page = new_page(viewport={"width": 800, "height": 900}, color_scheme=scheme)
    views = [
        "study=s",
        "study=s&show=point",
        "study=s&show=spread",
        "study=s&show=settings",
        "view=sweeps&sweep=w",
        "view=new",
        "view=plan",
    ]
    for view in views:
        page.goto(f"{phantom_app.url}/compare?{view}")
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 800


def test_a_sweep_leads_to_its_studies(phantom_app: Any, page: Any) -> None:
    make_sweep("w", "phantom", ["standard", "oversample"])
    page.goto(f"{phantom_app.url}/compare?view=sweeps&sweep=w")
    settled(page)
    page.get_by_role("link", name="Study: all training images").click()
    expect(page.get_by_role("heading", name="ROC curves")).to_be_visible()
    settled(page)
    assert "study=w-2" in page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_has_a_serious_fault_for_those_who_see_or_point_badly(phantom_app: Any, new_page: Any, scheme: str) -> None:
    pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    from test_accessibility import serious

    make_study("s", "phantom", SCHEMES)
    make_sweep("w", "phantom", ["standard", "oversample"])
    make_run("dcgan-phantom-malignant-ab12", "dcgan", "phantom", "malignant")
    page = new_page(color_scheme=scheme)
    views = [f"study=s&show={show}" for show in ("curves", "point", "spread", "settings")]
    views += ["view=sweeps&sweep=w", "view=generators", "view=new", "view=plan"]
    assert [fault for view in views for fault in serious(page, f"{phantom_app.url}/compare?{view}")] == []
