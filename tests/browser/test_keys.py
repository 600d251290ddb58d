"""The list of keys, from any page, by its key."""

from typing import Any

import pytest
from served import drawn

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
pytestmark = pytest.mark.browser


def test_a_question_mark_opens_the_list_of_keys_and_escape_closes_it(app: Any, page: Any) -> None:
    page.goto(f"{app.url}/data")
    page.get_by_role("button", name="Keys").wait_for()
    drawn(page)  # a key that is pressed while the page is still being drawn can be lost
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("undo, as often as you like")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_question_mark_in_a_field_is_a_question_mark(app: Any, page: Any) -> None:
    page.goto(f"{app.url}/data")
    field = page.get_by_label("Name of the dataset")
    field.click()
    page.keyboard.type("what?")
    expect(field).to_have_value("what?")
    expect(page.get_by_role("dialog")).to_have_count(0)
