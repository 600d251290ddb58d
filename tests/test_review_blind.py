"""The page Review: blind batches, from the first picture to the closed result; who reads; the order of a batch to be curated."""

import re
import uuid
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from made_up import make_batch, make_blind_batch, make_run
from streamlit.errors import StreamlitAuthError
from test_pages import _as_on_the_server, click, open_page, texts  # noqa: F401 (the fixture applies here too)
from test_pages_results import sent
from test_readings import MEANT, answer, answer_all, right
from test_review_desk import event, grids, message

from gan_aug import jobs, readings, reviews, store
from pages.components.review_desk import BlindDesk, Desk

BLIND = "gan_aug_review_blind"


def said(image: str, confidence: int, second: int = 0, **changes: Any) -> dict[str, Any]:
    """An answer as the browser sends it."""
    return event(image, MEANT[confidence], second=second, **{"confidence": confidence, **changes})


# --- the reading -------------------------------------------------------------------------------------------------------------------------


def test_the_browser_is_given_nothing_but_pictures_in_the_readers_order(workspace: Path) -> None:
    cases = make_blind_batch("b", n=20, repeats=4)
    answer_all("b", "ben", cases, right)
    grid = BlindDesk("b", "ana").grid()
    order = [case.image for case in reviews.reading_order(store.batch("b"), "ana")]
    assert [tile.id for tile in grid.tiles] == order
    assert {tile.label for tile in grid.tiles} == {""}
    assert (grid.decisions, grid.others, grid.log, grid.total) == ({}, {}, [], 24), "nothing of other readers"
    assert BlindDesk("b", "cleo").grid().tiles != grid.tiles


def test_an_answer_is_stored_with_its_confidence_and_taken_up_again(workspace: Path) -> None:
    make_blind_batch("b", n=20)
    desk = BlindDesk("b", "ana")
    order = [tile.id for tile in desk.grid().tiles]
    assert (desk.grid().target, desk.grid().resume) == (order[0], True)
    message(desk, *(said(image, 1 + place % 5, place) for place, image in enumerate(order[:7])))
    assert len(desk.grid().saved) == 7
    stored = {review.image: (review.decision, review.confidence) for review in store.reviews_of("b", "ana")}
    assert stored == {image: (MEANT[1 + place % 5], 1 + place % 5) for place, image in enumerate(order[:7])}
    again = BlindDesk("b", "ana").grid()
    assert (again.target, again.resume) == (order[7], True)
    assert again.decisions[order[1]] == ["real", 2]
    assert [entry["confidence"] for entry in again.log] == [1, 2, 3, 4, 5, 1, 2]


@pytest.mark.parametrize(
    "change",
    [
        {"confidence": None}, {"confidence": 6}, {"confidence": 0}, {"confidence": "5"}, {"confidence": 1.5}, {"confidence": 2},
        {"decision": "accept", "confidence": None}, {"reason": "blur"}, {"image": "nowhere"}, {"decision": ["synthetic"]},
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_is_refused(workspace: Path, change: dict[str, Any]) -> None:
    make_blind_batch("b")
    desk = BlindDesk("b", "ana")
    order = [tile.id for tile in desk.grid().tiles]
    bad, good = {**said(order[0], 5), **change}, said(order[1], 4)
    message(desk, bad, good)
    assert (desk.grid().saved, desk.grid().refused) == ((good["id"],), (bad["id"],))
    assert [review.image for review in store.reviews_of("b")] == [order[1]]


def test_large_pictures_are_sent_some_at_a_time_and_pages_turn_both_ways(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_blind_batch("b", n=20, repeats=0)
    monkeypatch.setattr("pages.components.review_desk._PAGE_BYTES", 8 * 4 * 64**2)
    desk = BlindDesk("b", "ana")
    assert (len(desk.grid().tiles), desk.grid().pages) == (8, 3)
    order = desk.images
    assert [tile.id for tile in desk.grid().ahead] == order[8:16], "sent before they are wanted"
    message(desk, wish={"page": 1})
    assert (desk.grid().page, desk.grid().target, desk.grid().resume) == (1, order[8], False)
    assert [tile.id for tile in desk.grid().ahead] == order[16:]
    message(desk)
    assert (desk.grid().tiles, desk.grid().ahead) == (None, None)
    message(desk, wish={"page": 0})
    assert (desk.grid().page, desk.grid().target) == (0, order[7]), "backwards one comes to the last of the page"
    message(desk, *(said(image, 2, place) for place, image in enumerate(order[:9])))
    assert BlindDesk("b", "ana").grid().target == order[9]
    message(desk, wish={"image": order[3]})
    assert (desk.grid().page, desk.grid().target) == (0, order[3])


def test_a_reading_that_is_complete_opens_behind_its_last_picture(workspace: Path) -> None:
    cases = make_blind_batch("b")
    answer_all("b", "ana", cases, right)
    grid = BlindDesk("b", "ana").grid()
    assert (grid.target, grid.page, len(grid.decisions)) == (None, grid.pages - 1, grid.total)


# --- the page ----------------------------------------------------------------------------------------------------------------------------


def test_the_page_of_an_open_blind_batch_tells_nothing(workspace: Path) -> None:
    cases = make_blind_batch("b", n=20, repeats=4)
    answer_all("b", "ben", cases, right)
    app = open_page("review", batch="b", reviewer="ana")
    assert not app.exception and not app.error
    grid = sent(app, BLIND)
    assert len(grid["tiles"]) == 24
    assert grid["scale"][0] == "Surely real" and len(grid["scale"]) == 5
    app = open_page("review", batch="b", reviewer="ana", view="result")
    shown = texts(app)
    assert "Nothing" not in shown and "Until then nothing is told" in shown
    for secret in ("AUC", "ben", "twice", "Sensitivity", "10 real", "seed"):
        assert secret not in shown
    assert not app.dataframe and not app.get("plotly_chart")


def test_a_blind_batch_is_closed_on_the_page_and_tells_its_result(workspace: Path) -> None:
    cases = make_blind_batch("b", n=20, repeats=4)
    answer_all("b", "ana", cases, right)
    answer_all("b", "ben <i>", cases, lambda case: 1 + int(case.image[0], 16) % 5)
    app = click(open_page("review", batch="b", reviewer="ana", view="result"), "Close for everybody")
    assert not app.exception and not app.error
    assert store.batch("b").closed
    result = readings.blind_result("b")
    shown = texts(app).replace("\\", "")
    assert "10 real and 10 synthetic pictures. 4 of them were shown twice." in shown
    for reader in result.readers:
        assert readings.in_words(result, reader) in shown
    assert readings.average_in_words(result) in shown
    assert app.dataframe[0].value["Reader"].tolist() == ["ana", "ben <i>"]
    assert app.dataframe[0].value["Accuracy"].tolist()[0].startswith("100 % (")
    assert app.dataframe[1].value["Readers"].tolist() == ["ana, ben <i>"]
    assert [button.label for button in app.get("download_button")] == ["Table (CSV)", "iMRMC", "Table, iMRMC and images (ZIP)"]
    assert not [button for button in app.button if button.label == "Close for everybody"]
    assert "This batch is closed" in texts(open_page("review", batch="b", reviewer="ana"))


def test_a_blind_batch_closed_before_its_first_answer(workspace: Path) -> None:
    make_blind_batch("b")
    store.close_batch("b")
    app = open_page("review", batch="b", reviewer="ana", view="result")
    assert not app.exception and not app.error
    assert "before anybody had answered" in texts(app)


@pytest.mark.parametrize("view", ["judge", "result"])
def test_without_its_database_the_page_says_so_in_words(workspace: Path, monkeypatch: pytest.MonkeyPatch, view: str) -> None:
    make_blind_batch("b")
    monkeypatch.setenv("GAN_AUG_DATABASE_URL", "mysql://somewhere/else")
    app = open_page("review", batch="b", reviewer="ana", view=view)
    assert not app.exception
    assert any("GAN\\_AUG\\_DATABASE\\_URL" in error.value for error in app.error)


def test_a_missing_picture_fails_only_what_needs_it(workspace: Path) -> None:
    cases = make_blind_batch("b")
    gone = next(iter(cases.values()))
    gone.path.unlink()
    grid = BlindDesk("b", "ana").grid()
    assert [tile.id for tile in grid.tiles if tile.src is None] == [gone.image]
    answer_all("b", "ana", cases, right)
    store.close_batch("b")
    app = open_page("review", batch="b", reviewer="ana", view="result")
    assert not app.exception and not app.error


def test_a_new_blind_batch_is_queued_with_what_is_laid_down(phantom: str) -> None:
    make_run("dcgan-phantom-ab12", "dcgan", phantom, "malignant")
    app = open_page("review")
    app.segmented_control(key="batch_mode").set_value("blind").run()
    assert not app.exception and not app.error
    app = click(app, "Generate the batch")
    (job,) = jobs.list_jobs()
    wanted = {"mode": "blind", "n": 100, "data": "phantom", "part": "train", "margin": 0.1, "reference": "dcgan-phantom-ab12@2"}
    assert wanted.items() <= job.arguments.items()


def test_a_batch_of_a_generator_that_was_passed_on_says_what_will_stay_unknown(workspace: Path, phantom: str) -> None:
    make_run("dcgan-phantom-ab12", "dcgan", phantom, "malignant")
    assert "stays unknown" not in texts(open_page("review"))
    (workspace / "datasets" / phantom).rename(workspace / "elsewhere")
    app = open_page("review")
    assert not app.exception and f"dataset {phantom}) are not in this workspace" in texts(app)
    why = f"There is no dataset called '{phantom}'."
    make_batch("b", 3, facts=[dict.fromkeys(("nearest_real", "d_score", "alike")) | {"uniqueness": 1.0}] * 3,
               settings={"extractor": "derm", "nearest_unknown": why})  # fmt: skip
    assert f"Not known: the training images were not at hand. {why}" in texts(
        open_page("review", batch="b", reviewer="a", sort="nearest_real")
    )


# --- who reads ---------------------------------------------------------------------------------------------------------------------------


def with_login(user: dict[str, Any], **address: str) -> Any:
    app = open_page("review", **address)
    app.secrets["auth"] = {"client_id": "x", "redirect_uri": "y", "cookie_secret": "z"}
    app.user = user
    return app.run()


def test_without_a_log_in_the_name_is_a_label_and_said_to_be_no_security(workspace: Path) -> None:
    make_batch("b", 3)
    app = open_page("review", batch="b")
    assert "no security" in app.text_input(key="reviewer").help
    assert sent(open_page("review", batch="b", reviewer="ana"), "gan_aug_review_grid")["exclusive"] is False


def test_where_a_log_in_is_configured_nobody_judges_without_it(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_batch("b", 3)
    app = with_login({"is_logged_in": False}, batch="b", reviewer="mallory")
    assert not app.exception and not app.error
    assert not grids(app)
    assert not [field for field in app.text_input if field.key == "reviewer"], "a name in the address is worth nothing"
    asked = []
    monkeypatch.setattr(st, "login", asked.append)
    click(app, "Log in")
    assert asked == [None]


def test_who_is_logged_in_reads_under_that_name(workspace: Path) -> None:
    names = make_batch("b", 3)
    message(Desk("b", "ana@clinic.org"), event(names[1], "reject", reviewer="ana@clinic.org"))
    app = with_login({"is_logged_in": True, "email": "ana@clinic.org"}, batch="b", reviewer="mallory")
    assert not app.exception and not app.error
    grid = sent(app, "gan_aug_review_grid")
    assert (grid["reviewer"], grid["exclusive"]) == ("ana@clinic.org", True)
    assert grid["decisions"] == {names[1]: ["reject", None]}


def test_a_log_in_that_cannot_be_used_is_told_in_words(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_batch("b", 3)

    def broken(provider: str | None) -> None:
        raise StreamlitAuthError("Authlib is missing.")

    monkeypatch.setattr(st, "login", broken)
    app = click(with_login({"is_logged_in": False}, batch="b"), "Log in")
    assert not app.exception
    assert "Authlib is missing" in app.error[0].value.replace("\\", "")


def test_a_reader_who_is_logged_in_cannot_decide_for_another(workspace: Path) -> None:
    names = make_batch("b", 3)
    desk = Desk("b", "ana", exclusive=True)
    mine, forged = event(names[0], "accept"), event(names[1], "accept", reviewer="ben")
    message(desk, mine, forged)
    assert (desk.grid().saved, desk.grid().refused) == ((mine["id"],), ()), "it may be a colleague's, who comes back"
    assert [review.reviewer for review in store.reviews_of("b")] == ["ana"]


# --- sorting and filtering ---------------------------------------------------------------------------------------------------------------


FACTS = [
    {"nearest_real": near, "d_score": score, "uniqueness": None, "alike": alike}
    for near, score, alike in [(3.0, 0.1, None), (1.0, -2.0, "b-1"), (2.0, None, None), (None, 1.0, "b-1"), (0.5, 0.0, None)]
]


def order(desk: Desk) -> list[int]:
    return [int(re.sub(r"b-", "", tile.id)) for tile in desk.grid().tiles]


def test_sorted_by_what_is_known_with_the_unknown_last(workspace: Path) -> None:
    make_batch("b", 5, facts=FACTS)
    assert order(Desk("b", "ana", alike="all")) == [0, 1, 2, 3, 4]
    assert order(Desk("b", "ana", sort="nearest_real", alike="all")) == [4, 1, 2, 0, 3]
    assert order(Desk("b", "ana", sort="d_score", alike="all")) == [1, 4, 0, 3, 2]
    assert order(Desk("b", "ana", sort="uniqueness", alike="all")) == [0, 1, 2, 3, 4], "nothing is known of it"
    assert order(Desk("b", "ana", sort="nearest_real", share="50", alike="all")) == [4, 1], "half of those of which it is known"
    assert order(Desk("b", "ana", sort="uniqueness", share="10", alike="all")) == []


def test_near_duplicates_are_one_tile_that_says_how_many_it_stands_for(workspace: Path) -> None:
    make_batch("b", 5, facts=FACTS)
    desk = Desk("b", "ana")
    assert order(desk) == [0, 1, 2, 4]
    assert [tile.alike for tile in desk.grid().tiles] == [1, 2, 1, 1]
    assert desk.grid().total == 4
    message(desk, event("b-3", "accept"))  # judged where all were shown
    assert order(Desk("b", "ana")) == [0, 2, 3, 4], "what is decided stands for its group"


def test_who_has_decided_on_one_near_duplicate_has_done_with_all(workspace: Path) -> None:
    make_batch("b", 5, facts=FACTS)
    cases = store.cases("b")
    assert reviews.undecided(cases, set()) == 4
    assert reviews.undecided(cases, {"b-0", "b-3"}) == 2
    for place in (0, 2, 3, 4):
        message(Desk("b", "ana"), event(f"b-{place}", "accept", second=place))
    for reader in ("ben", "cleo"):
        message(Desk("b", reader), *(event(f"b-{place}", "accept", second=place, reviewer=reader) for place in (0, 2)))
        message(Desk("b", reader), event("b-4", "reject", second=9, reviewer=reader))
    app = open_page("review", batch="b", reviewer="ana", view="result")
    assert not app.exception and not app.error
    assert [metric.value for metric in app.metric[:4]] == ["4", "0", "0", "0"]
    assert app.dataframe[0].value["Reader"].tolist() == ["ben", "cleo"], "told, for nothing is left to decide on"
    assert "Of all 3 readers together, on the 3 images" in texts(app)


def test_how_disputed_an_image_is_stays_hidden_until_one_has_decided(workspace: Path) -> None:
    make_batch("b", 5)
    for reader, accepted in (("ben", {0, 1, 2}), ("cleo", {0, 1}), ("dan", {0})):
        for place in range(3):
            message(Desk("b", reader), event(f"b-{place}", "accept" if place in accepted else "reject", second=place, reviewer=reader))
    desk = Desk("b", "ana", sort="disagreement")
    assert order(desk) == [0, 1, 2, 3, 4] and desk.known("disagreement") == {} and desk.grid().others == {}
    message(desk, event("b-0", "accept", second=10), event("b-1", "accept", second=11))
    desk = Desk("b", "ana", sort="disagreement")
    assert desk.known("disagreement") == {"b-0": 0.0, "b-1": 0.25}
    assert order(desk) == [1, 0, 2, 3, 4]
    assert desk.grid().others == {"b-0": [3, 0, 0], "b-1": [2, 1, 0]}
    message(desk, event("b-1", None, second=12))
    assert desk.grid().others == {"b-0": [3, 0, 0]}, "undone is undecided"


def test_the_address_restores_order_share_and_page(workspace: Path) -> None:
    make_batch(
        "b", 130, facts=[{"nearest_real": float(-place), "d_score": None, "uniqueness": None, "alike": None} for place in range(130)]
    )
    app = open_page("review", batch="b", reviewer="ana", sort="nearest_real", share="50", page="2")
    assert not app.exception and not app.error
    grid = sent(app, "gan_aug_review_grid")
    assert (grid["page"], grid["pages"], grid["total"], grid["tiles"][0]["id"]) == (1, 2, 65, "b-69")
    assert "known of 130 of 130 images" in texts(app)
    app = open_page("review", batch="b", reviewer="ana", sort="d_score", page="99")
    assert sent(app, "gan_aug_review_grid")["page"] == 2
    assert "Not known" in texts(app)
    assert not open_page("review", batch="b", reviewer="ana", page="x", sort="y").exception


def test_a_stored_answer_is_the_one_that_was_given(workspace: Path) -> None:
    cases = make_blind_batch("b")
    image = next(iter(cases))
    first = answer("b", "ana", image, 4)
    store.add_reviews([first])
    message(BlindDesk("b", "ana"), said(image, 4, id=str(uuid.UUID(first.id)), seconds=2.5, created=first.created))
    assert len(store.review_history("b")) == 1, "sent again"
