"""Every view has an address: opened by somebody else, or after a reload, it shows the same choices, headings and pictures."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from made_up import make_batch, make_run, make_study, make_sweep
from served import drawn

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
pytestmark = pytest.mark.browser

DCGAN, ACGAN = "dcgan-phantom-malignant-ab12", "acgan-phantom-cd34"

# What is chosen, written, headed and pictured on a page. Charts that draw themselves anew are judged by their names.
STATE = """() => {
    const main = document.querySelector('[data-testid=stMain]');
    const all = (selector) => [...main.querySelectorAll(selector)];
    return {
        chosen: all('[role=radio][aria-checked=true], [aria-pressed=true], [aria-current=page]').map((node) => node.innerText),
        lists: all('[data-testid=stSelectbox], [data-testid=stMultiSelect]').map((node) => node.innerText),
        fields: all('input').map((node) => node.type === 'checkbox' ? node.checked : node.value),
        headings: all('h1, h2, h3').map((node) => node.innerText),
        pictures: all('img').map((node) => node.alt),
    };
}"""

VIEWS = {
    "/data?dataset=phantom&label=malignant&part=val": "malignant",
    "/data?dataset=phantom&page=2": "images of",
    "/data?dataset=phantom&view=balance": "Balance",
    "/data?dataset=phantom&view=split": "Split and leaks",
    f"/train?view=runs&run={DCGAN}&with={ACGAN}&filter=phantom": "phantom",
    "/train?view=new": "New run",
    "/review?batch=b&reviewer=ana&view=judge&page=2": "Page 2 of 2",
    "/review?batch=b&reviewer=ana&view=result&sort=disagreement": "Result",
    f"/compare?view=generators&runs={ACGAN}&pairs=true": "AC-GAN cd34",
    "/compare?view=sweeps&sweep=w": "Difference to standard",
    "/compare?study=s&show=spread": "Seeds and ratios",
    "/compare?view=plan": "New sweep",
}


def choices(address: str) -> set[tuple[str, str]]:
    """What an address says after its question mark."""
    return set(parse_qsl(urlsplit(address).query))


def state(page: Any, words: str) -> dict[str, Any]:
    """What the page shows once ``words`` are on it, its script has ended, and nothing more arrives with a fragment."""
    expect(page.get_by_test_id("stMain")).to_contain_text(words, timeout=30_000)
    shown: list[dict[str, Any]] = []
    while len(shown) < 20 and (len(shown) < 2 or shown[-1] != shown[-2]):
        drawn(page)
        shown.append(page.evaluate(STATE))
        page.wait_for_timeout(1000)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    return shown[-1]


def test_every_link_restores_its_view(phantom_app: Any, new_page: Any) -> None:
    make_run(DCGAN, "dcgan", "phantom", "malignant")
    make_run(ACGAN, "acgan", "phantom")
    make_batch("b", 70)
    make_study("s", "phantom", ["none", "standard", "weighted"])
    make_sweep("w", "phantom", ["standard", "oversample"])
    page = new_page()
    for path, words in VIEWS.items():
        page.goto(phantom_app.url + path)
        first, address = state(page, words), page.url
        assert choices(path) <= choices(address), path
        page.reload()
        assert state(page, words) == first, path
        assert page.url == address, path
        somebody_else = new_page()
        somebody_else.goto(address)
        assert state(somebody_else, words) == first, path
        somebody_else.close()
