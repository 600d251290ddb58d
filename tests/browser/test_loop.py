"""The whole loop in a real browser, on phantom data: load the demo, train, walk, judge, run a study, see the curves."""

import re
from typing import Any

import pytest
from served import App, by_command, drawn

from gan_aug import store, study

try:
    from playwright.sync_api import expect
except ModuleNotFoundError:
    expect = None  # the fixtures say so, and skip or fail

pytestmark = pytest.mark.browser

SHORT = 30_000  # milliseconds
LONG = 180_000


@pytest.fixture
def launch() -> Any:
    """By the command that people use."""
    return by_command


def go(page: Any, name: str) -> None:
    """Follow the link of a page in the sidebar."""
    settled(page)
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", name=name, exact=True, level=1)).to_be_visible(timeout=SHORT)


def fill(page: Any, label: str, value: str) -> None:
    """Write into a field, and wait until the page has taken it."""
    field = page.get_by_label(label, exact=True)
    field.fill(value)
    field.press("Enter")
    settled(page)


def settled(page: Any) -> None:
    """Wait until the script that runs after an input has ended."""
    page.wait_for_timeout(300)
    drawn(page)


def load_demo(page: Any, app: App) -> None:
    page.goto(app.url)
    page.get_by_role("button", name="Load the phantom demo").click()
    expect(page.get_by_text("phantom (2,000 images)")).to_be_visible(timeout=LONG)
    go(page, "Data")
    expect(page.get_by_text("2,000 images of 64 px")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("labelled (benign|malignant)"))).to_have_count(48)


def train(page: Any) -> None:
    go(page, "Train")
    fill(page, "Length [thousand images]", "2.5")
    page.get_by_text("Advanced settings").click()
    fill(page, "Statistics every", "0.1")
    fill(page, "Snapshot every", "0.5")
    page.get_by_role("button", name="Launch").click()
    page.wait_for_url(re.compile("run=dcgan-64-phantom-malignant"), timeout=LONG)
    expect(page.locator(".live-plot .main-svg").first).to_be_visible(timeout=LONG)
    watch_the_chart(page)


def watch_the_chart(page: Any) -> None:
    """While the training goes on, the chart takes new points five times over, keeps its zoom, and is never rebuilt."""
    page.evaluate(
        """() => {
            window.plot = document.querySelector('.live-plot');
            window.lengths = new Set();  // numbers of points that were drawn
            window.removed = 0;
            const react = window.Plotly.react;
            window.Plotly.react = (plot, traces, ...more) => {
                if (plot === window.plot) window.lengths.add(traces[1].x.length);
                return react(plot, traces, ...more);
            };
            new MutationObserver((changes) => { for (const change of changes) window.removed += change.removedNodes.length; })
                .observe(window.plot.closest('.live-grid'), { childList: true });
            return window.Plotly.relayout(window.plot, { 'xaxis.range': [0, 0.3] });
        }"""
    )
    page.wait_for_function("window.lengths.size >= 6", timeout=LONG)
    assert page.evaluate("window.plot.isConnected && window.removed === 0")
    assert page.evaluate("window.plot.layout.xaxis.range") == [0, 0.3]


def see_it_finish(app: App, page: Any, new_page: Any) -> Any:
    """Close the page and the app in the middle of the training: it goes on, and is found again. Returns the new page."""
    address = page.url
    page.close()
    app.stop()
    app.start()
    page = new_page()
    page.goto(address)
    expect(page.locator(".stMarkdownBadge", has_text="Finished")).to_be_visible(timeout=LONG)
    expect(page.get_by_role("img", name=re.compile("64 generated images"))).to_be_visible()
    return page


def walk(page: Any) -> None:
    """Scrub through the pictures between two seeds; the server is not asked for any of them."""
    go(page, "Explore")
    picture = page.locator(".film figure img")
    expect(page.locator(".film .where")).to_contain_text("1 of 24", timeout=LONG)
    first = picture.get_attribute("src")
    page.locator(".film .scrub").focus()
    page.keyboard.press("End")
    expect(page.locator(".film .where")).to_contain_text("24 of 24")
    assert picture.get_attribute("src") not in (None, first)


def judge(page: Any) -> None:
    """Three keys are three decisions in the database, and the undone one is taken back."""
    go(page, "Review")
    fill(page, "Images", "20")
    page.get_by_role("button", name="Generate the batch").click()
    fill(page, "Your name", "reader")
    grid = page.locator(".review .grid")
    expect(grid.locator(".tile")).to_have_count(20, timeout=LONG)
    grid.focus()
    for key in ("a", "x", "u", "z"):
        page.keyboard.press(key)
    expect(page.locator(".review .count")).to_contain_text("2 of 20")
    (batch,) = store.batches()
    for _ in range(50):
        kept = [review.decision for review in store.reviews_of(batch.name, "reader") if review.decision]
        if sorted(kept) == ["accept", "reject"]:
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"stored: {kept}")


def compare(page: Any) -> None:
    """Three small classifiers, each the poorer for its few steps, and their curves."""
    go(page, "Compare")
    page.get_by_role("button", name="Plan a study").click()
    schemes = page.get_by_label("Schemes", exact=True)
    schemes.fill("standard + synthetic")
    page.get_by_role("option", name=re.compile("as many as real")).first.click()
    page.keyboard.press("Escape")
    fill(page, "Seeds per scheme", "1")
    fill(page, "Training steps", "10")
    page.get_by_role("button", name="Plan and run").click()
    expect(page.get_by_role("heading", name="ROC curves")).to_be_visible(timeout=2 * LONG)
    expect(page.locator(".js-plotly-plot .scatterlayer .trace").first).to_be_visible()
    (planned,) = study.list_studies()
    assert len(planned.schemes) == 3
    assert {arm.scheme for arm in study.load_analysis(planned).parts[0].arms} == set(planned.schemes)
    go(page, "Overview")
    expect(page.get_by_text("What the last study said")).to_be_visible()
    expect(page.locator(".stMarkdownBadge", has_text="Done")).to_have_count(4)


def test_the_whole_loop(app: App, page: Any, new_page: Any) -> None:
    load_demo(page, app)
    train(page)
    page = see_it_finish(app, page, new_page)
    walk(page)
    judge(page)
    compare(page)


@pytest.mark.parametrize("name", ["data", "train", "explore", "review", "compare", "about"])
def test_a_deep_link_is_the_first_visit_after_a_start(app: App, page: Any, name: str) -> None:
    page.goto(f"{app.url}/{name}")
    expect(page.get_by_role("heading", name=name.capitalize(), exact=True, level=1)).to_be_visible()
    expect(page.get_by_test_id("stSidebarNav").get_by_role("link", name="Overview")).to_be_visible()
    expect(page.get_by_text("Research tool. Synthetic images.").first).to_be_visible()
