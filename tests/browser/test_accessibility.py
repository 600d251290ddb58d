"""Every page, empty and filled, in light and in dark: nothing that axe-core calls serious, and a theme that follows the browser's wish."""

from typing import Any

import pytest
from made_up import make_batch
from served import drawn

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
Axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed").Axe
pytestmark = pytest.mark.browser

PAGES = ("/", "/data", "/train", "/explore", "/review", "/compare", "/about")


def serious(page: Any, address: str) -> list[str]:
    """What axe-core finds of serious or critical weight on the page at an address, one line each."""
    page.goto(address)
    page.wait_for_selector("h1")
    drawn(page)
    page.wait_for_timeout(1000)  # what arrives with a fragment
    return [
        f"{address}: {found['id']}: {node['html'][:200]}: {node['failureSummary']}"
        for found in Axe().run(page).response["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_empty_pages_have_no_serious_fault(app: Any, new_page: Any, scheme: str) -> None:
    page = new_page(color_scheme=scheme)
    assert [fault for path in PAGES for fault in serious(page, app.url + path)] == []
    shade = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert (int(shade.removeprefix("rgb(").split(",")[0]) > 127) == (scheme == "light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_filled_pages_have_no_serious_fault(phantom_app: Any, new_page: Any, scheme: str) -> None:
    make_batch("b", 8)
    page = new_page(color_scheme=scheme)
    paths = (*PAGES, "/data?view=split", "/review?batch=b&reviewer=ana", "/review?batch=b&reviewer=ana&view=result")
    assert [fault for path in paths for fault in serious(page, phantom_app.url + path)] == []


def test_the_check_sees_a_fault(app: Any, page: Any) -> None:
    page.goto(app.url)
    page.wait_for_selector("h1")
    page.evaluate("document.querySelector('h1').style.color = '#eee'")
    found = [each["id"] for each in Axe().run(page).response["violations"] if each["impact"] == "serious"]
    assert "color-contrast" in found
