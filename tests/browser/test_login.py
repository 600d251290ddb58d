"""Log-ins: the app, a browser, and a provider that speaks OpenID Connect."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_up import make_batch
from served import App

from gan_aug import store

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
Provider = pytest.importorskip("provider", reason="authlib is not installed", exc_type=ImportError).Provider
expect.set_options(timeout=30_000)
pytestmark = pytest.mark.browser


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider that knows Ana."""
    running = Provider("ana@clinic.org")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def app_environment(workspace: Path, app_url: str, provider: Provider) -> dict[str, str]:
    """People log in with the provider."""
    secrets = workspace.parent / "secrets.toml"
    secrets.write_text(provider.secrets_toml(app_url))
    return {"STREAMLIT_SECRETS_FILES": str(secrets)}


def log_in(app: App, page: Any) -> None:
    page.goto(f"{app.url}/review?batch=b&reviewer=mallory")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_selector(".tile")


def test_a_reader_logs_in_comes_back_to_the_batch_and_judges_under_that_name(app: App, page: Any) -> None:
    names = make_batch("b", 3)
    log_in(app, page)
    assert re.fullmatch(r".*/review\?.*batch=b.*", page.url)
    expect(page.get_by_text("Logged in as ana@clinic.org")).to_be_visible()
    expect(page.locator(".grid")).to_be_focused()
    page.keyboard.type("a")
    page.wait_for_selector(".review[data-waiting='0']")
    assert [(review.image, review.reviewer) for review in store.reviews_of("b", "ana@clinic.org")] == [(names[0], "ana@clinic.org")]
    assert not store.reviews_of("b", "mallory")


def test_a_log_in_outlasts_a_reload_until_the_log_out(app: App, page: Any) -> None:
    make_batch("b", 3)
    log_in(app, page)
    page.reload()
    page.wait_for_selector(".tile")
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("button", name="Log in").wait_for()
    page.goto(f"{app.url}/review?batch=b")
    page.get_by_role("button", name="Log in").wait_for()
    expect(page.locator(".tile")).to_have_count(0)


def test_whom_the_provider_refuses_judges_nothing(app: App, page: Any, provider: Provider) -> None:
    make_batch("b", 3)
    provider.refuses = True
    page.goto(f"{app.url}/review?batch=b")
    with page.expect_navigation(url=re.compile(r".*/$")):
        page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Log in").wait_for()
    page.goto(f"{app.url}/review?batch=b")
    page.get_by_role("button", name="Log in").wait_for()
    expect(page.locator(".tile")).to_have_count(0)


def test_a_stranger_sees_no_page_and_comes_back_to_any_address(phantom_app: App, page: Any) -> None:
    page.goto(f"{phantom_app.url}/data?view=balance")
    page.get_by_role("button", name="Log in").wait_for()
    expect(page.get_by_role("link", name="Overview")).to_have_count(0)
    expect(page.get_by_test_id("stSidebar")).to_have_count(0)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("Logged in as ana@clinic.org")).to_be_visible()
    expect(page.get_by_role("radio", name="Balance")).to_be_checked()
    assert "view=balance" in page.url
    page.get_by_role("link", name="Overview").click()
    page.get_by_text("What to do next").wait_for()


def test_who_logs_in_in_another_tab_is_not_led_away_later(phantom_app: App, page: Any) -> None:
    page.goto(f"{phantom_app.url}/data?view=balance")
    page.get_by_role("button", name="Log in").wait_for()
    other = page.context.new_page()
    other.goto(phantom_app.url)
    other.get_by_role("button", name="Log in").click()
    other.get_by_text("Logged in as ana@clinic.org").wait_for()
    page.reload()
    expect(page.get_by_role("radio", name="Balance")).to_be_checked()
    page.get_by_role("link", name="Overview").click()
    page.get_by_text("What to do next").wait_for()
    page.wait_for_timeout(1000)
    expect(page.get_by_text("What to do next")).to_be_visible()
