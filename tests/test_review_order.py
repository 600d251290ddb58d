"""Which of a reader's decisions on an image is the last, where clocks of devices are wrong and decisions come in late."""

import csv
import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from made_up import make_batch as make_pictures
from test_store import decisions, make_batch, review

from gan_aug import reviews, store
from gan_aug.records import Review
from pages.components.review_desk import Desk


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Review]]:
    """Store decisions at a time of day by the server's clock; each is given as (time by the device's clock, image, decision)."""

    def store_at(moment: str, *said: tuple[str, str, str | None]) -> list[Review]:
        monkeypatch.setattr(store.reviews, "now", lambda: f"{day(moment)}.000000+00:00")
        made = [review(image, decision, f"{day(created)}Z") for created, image, decision in said]
        assert store.add_reviews(made) == len(made)
        return made

    return store_at


def day(moment: str) -> str:
    return moment if "T" in moment else f"2026-01-01T{moment}"


def test_a_clock_that_is_ahead_does_not_overrule_what_is_said_afterwards(workspace: Path, at: Callable[..., list[Review]]) -> None:
    make_batch()
    at("12:00:00", ("13:00:00", "im0", "accept"), ("13:00:01", "im1", "accept"), ("13:00:02", "im2", "accept"))
    at("12:05:00", ("12:05:00", "im0", "reject"), ("12:05:01", "im1", None))
    assert decisions() == {"im0": "reject", "im2": "accept"}


def test_a_wrong_year_locks_no_image(workspace: Path, at: Callable[..., list[Review]]) -> None:
    make_batch()
    at("12:00:00", ("2036-01-01T12:00:00", "im0", "accept"))
    at("12:00:09", ("12:00:09", "im0", "unsure"))
    assert decisions() == {"im0": "unsure"}
    at("12:00:20", ("2036-01-01T12:00:20", "im0", "reject"))
    assert decisions() == {"im0": "reject"}


def test_what_a_clock_that_is_ahead_sends_together_keeps_its_order(workspace: Path, at: Callable[..., list[Review]]) -> None:
    make_batch()
    at("12:00:00", ("13:00:05", "im0", "reject"), ("13:00:00", "im0", "accept"))
    assert decisions() == {"im0": "reject"}
    at("12:00:10", ("13:00:07", "im0", None))
    assert decisions() == {}


def test_a_clock_that_is_behind_keeps_its_own_order(workspace: Path, at: Callable[..., list[Review]]) -> None:
    make_batch()
    at("12:00:00", ("11:00:00", "im0", "accept"), ("11:00:01", "im1", "accept"))
    at("12:00:05", ("11:00:05", "im0", "reject"))
    at("12:00:09", ("11:00:09", "im1", None))
    assert decisions() == {"im0": "reject"}
    at("12:05:00", ("12:05:00", "im0", "unsure"))  # from a device whose clock is right
    assert decisions() == {"im0": "unsure"}


def test_a_clock_that_is_put_right_goes_on(workspace: Path, at: Callable[..., list[Review]]) -> None:
    make_batch()
    at("12:00:00", ("13:00:00", "im0", "accept"))
    at("12:00:30", ("12:00:30", "im0", "reject"))
    at("12:01:00", ("12:01:00", "im0", None))
    assert decisions() == {}


def test_decisions_made_offline_keep_their_place_when_they_come_in_late(workspace: Path, at: Callable[..., list[Review]]) -> None:
    make_batch()
    at("12:30:00", ("12:30:00", "im0", "reject"), ("11:59:00", "im1", "accept"))
    at("13:00:00", ("12:00:00", "im0", "accept"), ("12:00:05", "im1", "unsure"), ("12:00:09", "im1", None), ("12:00:10", "im2", "accept"))
    assert decisions() == {"im0": "reject", "im2": "accept"}


def test_what_is_sent_again_later_is_stored_once_with_its_first_arrival(workspace: Path, at: Callable[..., list[Review]]) -> None:
    make_batch()
    (first,) = at("12:00:00", ("13:00:00", "im0", "accept"))
    at("12:05:00", ("12:05:00", "im0", "reject"))
    assert store.add_reviews([first]) == 0
    assert decisions() == {"im0": "reject"}
    assert [(found.created[11:19], found.arrived[11:19]) for found in store.review_history("batch")] == [
        ("13:00:00", "12:00:00"), ("12:05:00", "12:05:00"),
    ], "what the device said stays as it was, or what is sent again would be another decision"  # fmt: skip


def test_a_servers_clock_that_is_set_back_hides_no_decision(workspace: Path, at: Callable[..., list[Review]]) -> None:
    make_batch()
    at("12:00:00", ("12:00:00", "im0", "accept"))
    at("2020-01-01T00:00:00", ("12:00:30", "im0", "reject"))
    assert decisions() == {"im0": "reject"}


def test_rows_of_a_version_that_noted_no_arrival_count_by_their_own_time(workspace: Path, at: Callable[..., list[Review]]) -> None:
    make_batch()
    at("12:00:00", ("12:00:00", "im0", "accept"))
    row = dataclasses.asdict(review("im0", "reject", "2026-01-01T12:00:05.000000+00:00"))
    store.write(lambda connection: connection.execute(store.tables.reviews.insert().values(**row)))
    assert decisions() == {"im0": "reject"}
    assert store.review_history("batch")[-1].arrived == row["created"]
    at("12:00:09", ("12:00:09", "im0", None))
    assert decisions() == {}


def test_the_exported_table_has_both_times(workspace: Path, tmp_path: Path, at: Callable[..., list[Review]]) -> None:
    make_pictures("batch", 1)
    at("12:00:00", ("13:00:00", "batch-0", "accept"))
    at("12:05:00", ("12:05:00", "batch-0", "reject"))
    with reviews.export("batch", tmp_path / "out").table.open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["decision"], row["created"], row["arrived"]) == ("reject", *["2026-01-01T12:05:00.000000+00:00"] * 2)


def test_the_log_for_undo_is_in_the_order_that_counts(workspace: Path, at: Callable[..., list[Review]]) -> None:
    make_pictures("batch", 1)
    at("12:00:00", ("13:00:00", "batch-0", "accept"))
    at("12:30:00", ("12:30:00", "batch-0", "reject"))
    at("13:00:00", ("12:20:00", "batch-0", "unsure"))  # made offline
    assert [entry["decision"] for entry in Desk("batch", "ann").grid().log] == ["accept", "unsure", "reject"]
