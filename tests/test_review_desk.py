"""The page Review: no decision is lost, none is stored twice, and what comes from a browser is checked."""

import csv
import io
import uuid
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import make_batch, make_run
from test_pages import _as_on_the_server, click, open_page, texts  # noqa: F401 (the fixture applies here too)
from test_pages_results import sent

from gan_aug import files, images, jobs, store
from pages.components import review_grid, review_result
from pages.components.review_desk import Desk

# --- review: the saving of decisions -----------------------------------------------------------------------------------------------------


def event(image: str, decision: str | None, reason: str | None = None, second: int = 0, **changes: Any) -> dict[str, Any]:
    """A decision as the browser sends it."""
    made = {
        "id": str(uuid.uuid4()), "batch": "b", "reviewer": "ana", "image": image, "decision": decision, "reason": reason, "seconds": 1.25,
        "created": f"2026-01-01T10:00:{second:02d}.000Z",
    }  # fmt: skip
    return {**made, **changes}


def message(desk: Desk, *events: Any, wish: dict[str, Any] | None = None, holds: bool = True) -> None:
    desk.take({"id": str(uuid.uuid4()), "view": desk.view if holds else None, "events": list(events), "wish": wish})


def test_decisions_are_stored_and_acknowledged(workspace: Path) -> None:
    names = make_batch("b", 5)
    desk = Desk("b", "ana", "all")
    events = [event(names[0], "accept"), event(names[1], "reject", "blur"), event(names[2], "unsure")]
    message(desk, *events)
    assert set(desk.grid().saved) == {each["id"] for each in events}
    assert desk.grid().decisions == {names[0]: ["accept", None], names[1]: ["reject", "blur"], names[2]: ["unsure", None]}
    assert {review.image: review.decision for review in store.reviews_of("b", "ana")} == {
        names[0]: "accept", names[1]: "reject", names[2]: "unsure",
    }  # fmt: skip


def test_a_message_that_is_sent_again_stores_nothing_twice(workspace: Path) -> None:
    names = make_batch("b", 2)
    desk = Desk("b", "ana", "all")
    events = [event(names[0], "accept"), event(names[1], "reject")]
    for _ in range(3):
        message(desk, *events)
        assert set(desk.grid().saved) == {each["id"] for each in events}
    assert len(store.review_history("b")) == 2


def test_an_undo_restores_what_was_said_before(workspace: Path) -> None:
    names = make_batch("b", 2)
    desk = Desk("b", "ana", "all")
    message(desk, event(names[0], "accept", second=1), event(names[0], "reject", "copy", second=2))
    message(desk, event(names[0], "accept", second=3))
    assert desk.grid().decisions == {names[0]: ["accept", None]}
    message(desk, event(names[0], None, second=4))
    assert desk.grid().decisions == {}
    assert len(store.review_history("b")) == 4


def test_the_log_for_undo_is_sent_once(workspace: Path) -> None:
    names = make_batch("b", 2)
    message(Desk("b", "ana", "all"), event(names[0], "accept"), event(names[1], "reject", reviewer="ben"))
    desk = Desk("b", "ana", "all")
    assert [(entry["image"], entry["decision"]) for entry in desk.grid().log] == [(names[0], "accept")]
    message(desk)
    assert desk.grid().log is None
    assert desk.grid().tiles is None
    message(desk, holds=False)
    assert len(desk.grid().log) == 1
    assert len(desk.grid().tiles) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"image": "nowhere"}, {"image": ["b-0"]}, {"batch": "nowhere"}, {"batch": None}, {"decision": "maybe"}, {"decision": ["accept"]},
        {"reason": "because"}, {"decision": "accept", "reason": "blur"}, {"seconds": -1}, {"seconds": "long"}, {"seconds": float("nan")},
        {"created": "yesterday"}, {"created": "2026-01-01T10:00:00"}, {"reviewer": ""}, {"reviewer": "a\nb"}, {"id": "1"},
    ],
)  # fmt: skip
def test_an_event_that_cannot_be_stored_is_refused_and_holds_up_no_other(workspace: Path, change: dict[str, Any]) -> None:
    names = make_batch("b", 2)
    desk = Desk("b", "ana", "all")
    good, bad = event(names[1], "accept"), {**event(names[0], "reject"), **change}
    message(desk, bad, good)
    assert desk.grid().saved == (good["id"],)
    assert desk.grid().refused == (bad["id"],)
    assert desk.grid().error is None
    assert [review.image for review in store.reviews_of("b")] == [names[1]]


@pytest.mark.parametrize("events", [None, "text", 3, [None, 1, []], {"id": "x"}])
def test_a_message_that_is_no_list_of_events_stores_nothing(workspace: Path, events: Any) -> None:
    make_batch("b", 2)
    desk = Desk("b", "ana", "all")
    desk.take({"id": "m", "events": events})
    assert desk.grid().saved == desk.grid().refused == ()
    assert desk.grid().reply == "m"


def test_what_another_grid_has_left_behind_is_stored_too(workspace: Path) -> None:
    make_batch("b", 2)
    others = make_batch("other", 2)
    message(Desk("b", "ana", "all"), event(others[1], "reject", batch="other", reviewer="ben"))
    assert [(review.reviewer, review.image) for review in store.reviews_of("other")] == [("ben", others[1])]


def test_decisions_for_a_closed_batch_are_refused(workspace: Path) -> None:
    names = make_batch("b", 2)
    desk = Desk("b", "ana", "all")
    store.close_batch("b")
    late = event(names[0], "accept")
    message(desk, late)
    assert desk.grid().refused == (late["id"],)
    assert not store.reviews_of("b")


def test_while_the_database_is_away_nothing_is_acknowledged_and_nothing_lost(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = make_batch("b", 130)
    desk = Desk("b", "ana", "all")
    kept = event(names[0], "accept")

    def away(*_: Any) -> None:
        raise store.DatabaseUnavailable("The database is locked.", "Wait.")

    with monkeypatch.context() as patch:
        patch.setattr(store, "add_reviews", away)
        message(desk, kept, wish={"page": 1})
        grid = desk.grid()
        assert grid.error == "The database is locked."
        assert grid.saved == grid.refused == ()
        assert grid.page == 1  # the reviewer goes on
    message(desk, kept)
    assert desk.grid().error is None
    assert desk.grid().saved == (kept["id"],)
    assert len(store.review_history("b")) == 1


def test_what_was_stored_but_cannot_be_read_back_is_sent_again(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = make_batch("b", 2)
    desk = Desk("b", "ana", "all")
    kept = event(names[0], "accept")

    def away(*_: Any) -> None:
        raise store.DatabaseUnavailable("The database is locked.", "Wait.")

    with monkeypatch.context() as patch:
        patch.setattr(store, "reviews_of", away)
        message(desk, kept)
        assert desk.grid().saved == ()
        assert desk.grid().error
    message(desk, kept)
    assert desk.grid().saved == (kept["id"],)
    assert len(store.review_history("b")) == 1


def test_a_key_reads_the_readers_own_decisions_and_of_others_those_on_the_page(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = make_batch("b", 130)
    for reader in ("ben", "cleo"):
        message(Desk("b", reader), *(event(name, "accept", second=1, reviewer=reader) for name in names))
    message(Desk("b", "ben"), event(names[1], None, second=2, reviewer="ben"), event(names[2], "reject", second=3, reviewer="ben"))
    desk = Desk("b", "ana")
    read, counted = [], []
    reviews_of, tally = store.reviews_of, store.tally
    monkeypatch.setattr(store, "reviews_of", lambda *asked: read.append(asked) or reviews_of(*asked))
    monkeypatch.setattr(store, "tally", lambda *asked: counted.append(asked) or tally(*asked))
    monkeypatch.setattr(store, "review_history", None)
    message(desk, *(event(name, "accept", second=5) for name in (*names[:3], names[100])))
    assert desk.grid().others == {names[0]: [2, 0, 0], names[1]: [1, 0, 0], names[2]: [1, 1, 0]}
    assert read == [("b", "ana")]
    assert counted == [("b", "ana", set(names[:3]))]


def test_a_database_that_goes_away_between_saving_and_showing_takes_no_page_away(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = make_batch("b", 3)
    message(Desk("b", "ben"), event(names[0], "reject", reviewer="ben"))
    desk = Desk("b", "ana")
    message(desk, event(names[0], "accept"))
    assert desk.grid().others == {names[0]: [0, 1, 0]}

    def away(*_: Any) -> None:
        raise store.DatabaseUnavailable("The database is locked.", "Wait.")

    message(desk, event(names[1], "accept"))
    monkeypatch.setattr(store, "tally", away)
    grid = desk.grid()
    assert len(grid.saved) == 1 and grid.error is None
    assert grid.others == {names[0]: [0, 1, 0]}, "as it was last seen"


# --- review: pages and selections --------------------------------------------------------------------------------------------------------


def test_a_batch_is_shown_sixty_at_a_time(workspace: Path) -> None:
    names = make_batch("b", 130)
    desk = Desk("b", "ana", "all")
    assert [tile.id for tile in desk.grid().tiles] == names[:60]
    assert desk.grid().pages == 3
    message(desk, wish={"page": 2})
    assert [tile.id for tile in desk.grid().tiles] == names[120:]
    for wrong in ({"page": 3}, {"page": -1}, {"page": "1"}, {"image": "nowhere"}, {"image": []}, {}):
        message(desk, wish=wrong)
        assert desk.grid().page == 2
    message(desk, wish={"image": names[70]})
    assert desk.grid().page == 1
    assert desk.grid().target == names[70]


def test_a_selection_stays_as_it_is_until_it_is_made_again(workspace: Path) -> None:
    names = make_batch("b", 70)
    desk = Desk("b", "ana", "undecided")
    message(desk, *[event(name, "accept") for name in names[:3]])
    assert len(desk.images) == 70
    message(desk, wish={"again": True})
    assert [tile.id for tile in desk.grid().tiles] == names[3:63]
    assert [tile.id for tile in Desk("b", "ana", "accept").grid().tiles] == names[:3]
    assert len(Desk("b", "ben", "undecided").images) == 70
    assert Desk("b", "ana", "reject").grid().tiles == []


@pytest.mark.parametrize("damage", ["absent", "changed"])
def test_a_picture_that_is_not_the_one_of_the_batch_is_not_shown(workspace: Path, damage: str) -> None:
    make_batch("b", 3, missing=1 if damage == "absent" else None)
    if damage == "changed":
        case = store.cases("b")[1]
        files.write_bytes(case.path, images.png_bytes(np.zeros((64, 64, 3), np.uint8)))
    tiles = Desk("b", "ana", "all").grid().tiles
    assert [tile.src is None for tile in tiles] == [False, True, False]


def test_the_review_page_shows_the_grid_of_the_reviewer(workspace: Path) -> None:
    names = make_batch("b", 70)
    message(Desk("b", "ana", "all"), event(names[0], "accept"))
    grid = sent(open_page("review", batch="b", reviewer="ana"), "gan_aug_review_grid")
    assert len(grid["tiles"]) == 60
    assert grid["resolution"] == 64
    assert grid["decisions"] == {names[0]: ["accept", None]}
    assert [code for code, _, _ in grid["reasons"]] == list(review_grid.REASON_CODES)
    assert len(grid["reasons"]) == 6
    assert sent(open_page("review", batch="b", reviewer="ben"), "gan_aug_review_grid")["decisions"] == {}


def grids(app: Any) -> list[str]:
    """Names of the review's own components on the page."""
    names = [element.proto.component_name for element in app.get("bidi_component")]
    return [name for name in names if name.startswith("gan_aug_review")]


def test_nobody_judges_without_a_name(workspace: Path) -> None:
    make_batch("b", 3)
    app = open_page("review")
    assert "Say above who you are" in texts(app)
    assert not grids(app)


def test_the_result_counts_hides_others_until_one_is_done_and_keeps_a_set(workspace: Path) -> None:
    names = make_batch("b", 3)
    message(Desk("b", "ana", "all"), event(names[0], "accept", second=1), event(names[1], "reject", "blur", second=2))
    message(
        Desk("b", "ben", "all"), event(names[0], "accept", reviewer="ben", second=3), event(names[1], "accept", reviewer="ben", second=4)
    )
    app = open_page("review", batch="b", reviewer="ana", view="result")
    assert not app.exception
    assert [metric.value for metric in app.metric[:4]] == ["1", "1", "0", "1"]
    assert "once you have decided" in texts(app)
    assert not app.dataframe
    assert all(button.proto.disabled for button in app.get("download_button")), "the table would tell"
    message(Desk("b", "ana", "all"), event(names[2], "unsure", second=5))
    app = open_page("review", batch="b", reviewer="ana", view="result")
    assert app.dataframe[0].value["Reader"].tolist() == ["ben"]
    assert app.dataframe[0].value["Agreement with you"].tolist() == ["50%"]
    assert not any(button.proto.disabled for button in app.get("download_button"))
    app = click(app, "Save the set")
    assert not app.error
    assert [(listed.version, listed.n_images) for listed in store.curated_list()] == [(1, 1)]
    assert "curated:b" in texts(app)


def test_a_set_without_an_accepted_image_is_refused_in_words(workspace: Path) -> None:
    make_batch("b", 3)
    app = click(open_page("review", batch="b", reviewer="ana", view="result"), "Save the set")
    assert not app.exception
    assert "No image of batch" in app.error[0].value


def test_the_exported_table_names_image_seed_reader_and_decision(workspace: Path) -> None:
    names = make_batch("b", 3)
    message(Desk("b", "ana", "all"), event(names[2], "reject", "copy"))
    (row,) = csv.DictReader(io.StringIO(review_result.csv("b").decode()))
    assert (row["checkpoint"], row["seed"], row["class"]) == ("dcgan-phantom@4", "2", "malignant")
    assert (row["reviewer"], row["decision"], row["reason"], row["seconds"]) == ("ana", "reject", "copy", "1.25")
    with zipfile.ZipFile(io.BytesIO(review_result.archive("b"))) as packed:
        assert len(packed.namelist()) == 1 + len(names)
        assert files.sha256_bytes(packed.read(row["file"])) == row["sha256"]


def test_a_new_batch_is_queued_with_its_generator(phantom: str) -> None:
    make_run("acgan-phantom-cd34", "acgan", phantom)
    app = click(open_page("review"), "Generate the batch")
    assert not app.error
    (job,) = jobs.list_jobs()
    assert job.kind == "review_batch"
    assert job.arguments["reference"] == "acgan-phantom-cd34@2"
    assert job.arguments["class_name"] == "benign"
    assert job.arguments["n"] == 200
    assert job.arguments["name"] == "acgan-cd34-1"
    assert app.text_input[0].value == "acgan-cd34-1", "a second click must not send a name that nobody has read"
    said = click(app, "Generate the batch").error[0].value.replace("\\", "")
    assert "already is a batch acgan-cd34-1" in said and "such as acgan-cd34-2" in said
    assert len(jobs.list_jobs()) == 1


def test_another_name_is_offered_once_there_is_a_batch_of_the_first_and_not_while_that_is_sent(phantom: str) -> None:
    make_run("acgan-phantom-cd34", "acgan", phantom)
    make_run("dcgan-phantom-ab12", "dcgan", phantom, "malignant")
    app = open_page("review")
    app.selectbox(key="batch_run").set_value("acgan-phantom-cd34").run()
    assert app.text_input(key="batch_name").value == "acgan-cd34-1"
    app.selectbox(key="batch_run").set_value("dcgan-phantom-ab12").run()
    assert app.text_input(key="batch_name").value == "dcgan-ab12-1"
    app = click(app, "Generate the batch")
    make_batch("dcgan-ab12-1", 3)
    app = app.run()
    assert app.text_input(key="batch_name").value == "dcgan-ab12-2"
    make_batch("dcgan-ab12-2", 3)
    app = click(app, "Generate the batch")  # of the name that was on the screen
    assert "already is a batch dcgan-ab12-2" in app.error[0].value.replace("\\", "")
    assert len(jobs.list_jobs()) == 1
    app = app.run()
    assert app.text_input(key="batch_name").value == "dcgan-ab12-3"


def test_a_batch_that_is_refused_leaves_the_grid(phantom: str) -> None:
    make_run("dcgan-phantom-ab12", "dcgan", phantom, "malignant")
    make_batch("b", 3)
    app = open_page("review", batch="b", reviewer="ana")
    app.text_input(key="batch_name").set_value("../up")
    app = click(app, "Generate the batch")
    assert "cannot be a batch name" in app.error[0].value.replace("\\", "")
    assert grids(app) and not jobs.list_jobs()
