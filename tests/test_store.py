"""The database: schema and migrations, transactions, reviews, curated sets, backups."""

import dataclasses
import errno
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import preloaded
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from gan_aug import files, jobs, migrations, runs, store
from gan_aug.errors import CorruptFile, InvalidValue, NotFound, UserError
from gan_aug.records import Review, Run, SyntheticImage
from gan_aug.store import backups, database, engine, tables


def make_batch(name: str = "batch", mode: str = "curate", n: int = 3) -> store.ReviewBatch:
    cases = [store.ReviewCase(f"im{i}", f"reviews/{name}/im{i}.png", f"{i:064d}", SyntheticImage("run@10", i, None)) for i in range(n)]
    return store.create_batch(name, mode, cases, created_by="ann")


def review(image: str = "im0", decision: str | None = "accept", created: str = "2026-01-01T12:00:00Z", **values: object) -> Review:
    fields = {"batch": "batch", "reviewer": "ann", "reason": None, "confidence": None, "seconds": 1.5} | values
    return Review(id=str(uuid.uuid4()), image=image, decision=decision, created=created, **fields)


def decisions(reviewer: str | None = None) -> dict[str, str | None]:
    return {found.image: found.decision for found in store.reviews_of("batch", reviewer)}


# --- connections -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "filesystem", "mode"),
    [
        ((3, 40, 1), "ext4", "delete"),
        ((3, 51, 2), "ext4", "delete"),
        ((3, 51, 3), "ext4", "wal"),
        ((3, 52, 0), "ext4", "wal"),
        ((3, 50, 6), "ext4", "delete"),
        ((3, 50, 7), "ext4", "wal"),
        ((3, 44, 5), "ext4", "delete"),
        ((3, 44, 6), "ext4", "wal"),
        ((3, 45, 0), "ext4", "delete"),
        ((3, 51, 3), "nfs4", "delete"),
    ],
)
def test_the_log_is_written_ahead_only_where_sqlite_does_not_lose_it(version: tuple[int, ...], filesystem: str, mode: str) -> None:
    assert engine.wanted_journal(version, filesystem) == mode


def test_a_file_left_in_the_wrong_journal_mode_is_put_right(workspace: Path) -> None:
    wanted = engine.wanted_journal(sqlite3.sqlite_version_info, engine.filesystem_type(workspace))
    path = workspace / "gan_aug.db"
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA journal_mode={'delete' if wanted == 'wal' else 'wal'}")
        connection.execute("CREATE TABLE other (x)")
    connection.close()
    store.batches()
    assert engine.journal(path) == wanted


def test_every_connection_syncs_and_checks_references(workspace: Path) -> None:
    pragma = {
        name: store.read(lambda connection, name=name: connection.exec_driver_sql(f"PRAGMA {name}").scalar())
        for name in ("synchronous", "foreign_keys", "busy_timeout")
    }
    assert pragma == {"synchronous": 2, "foreign_keys": 1, "busy_timeout": 60_000}


def test_a_reading_transaction_cannot_write(workspace: Path) -> None:
    with pytest.raises(UserError, match="readonly"):
        store.read(lambda connection: connection.execute(tables.review_batches.delete()))


def test_readers_do_not_wait_for_a_writer(workspace: Path) -> None:
    make_batch()

    def write_slowly(connection: sa.Connection) -> int:
        connection.execute(tables.review_batches.update().values(created_by="bob"))
        started = time.monotonic()
        assert store.batch("batch").created_by == "ann"
        return time.monotonic() - started < 5

    assert store.write(write_slowly)
    assert store.batch("batch").created_by == "bob"


def test_a_failed_transaction_leaves_nothing(workspace: Path) -> None:
    def write(connection: sa.Connection) -> None:
        connection.execute(tables.notes.insert().values(run_id="r", text="t", author="a", created="c"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.write(write)
    assert store.notes("r") == []


def test_a_database_that_stays_locked_is_named(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.batches()
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(database, "_RETRY_WAITS", (0.01, 0.01))
    monkeypatch.setattr(database, "_engines", {})
    blocker = sqlite3.connect(workspace / "gan_aug.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(store.DatabaseUnavailable, match="cannot be used: database is locked"):
        store.add_note("run", "text")
    blocker.execute("ROLLBACK")
    blocker.close()
    store.add_note("run", "text")
    assert len(store.notes("run")) == 1


def test_a_folder_in_which_nothing_can_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GAN_AUG_HOME", str(tmp_path / "file" / "workspace"))
    for attempt in (store.batches, jobs.list_jobs, lambda: jobs.submit("demo", {})):
        with pytest.raises(store.DatabaseUnavailable) as caught:
            attempt()
        assert str(tmp_path / "file" / "workspace") in caught.value.what and "Not a directory" in caught.value.what
        assert "is writable" in caught.value.todo


def test_a_full_disk_is_named(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "write_bytes", refuse)
    with pytest.raises(store.DatabaseUnavailable) as caught:
        jobs.list_jobs()
    assert caught.value.what == f"{workspace} cannot be used: No space left on device."
    assert caught.value.todo.startswith("Free some space")


def test_what_cannot_be_changed_to_the_right_journal_is_named(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise sqlite3.OperationalError("attempt to write a readonly database")

    monkeypatch.setattr(database, "set_journal", refuse)
    with pytest.raises(store.DatabaseUnavailable, match=r"gan_aug\.db cannot be used: attempt to write a readonly database"):
        store.batches()


def test_a_writer_that_was_refused_tries_again(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.batches()
    calls = []

    def work(connection: sa.Connection) -> str:
        calls.append(1)
        if len(calls) == 1:
            raise sa.exc.OperationalError("COMMIT", {}, sqlite3.OperationalError("database is locked"))
        return "done"

    monkeypatch.setattr(database, "_RETRY_WAITS", (0.01, 0.01))
    assert store.write(work) == "done"
    assert len(calls) == 2


def test_a_damaged_file_is_named_with_what_to_do(workspace: Path) -> None:
    (workspace / "gan_aug.db").write_bytes(b"this is no database, but it is longer than a header of one hundred bytes" * 50)
    with pytest.raises(store.DatabaseUnavailable) as caught:
        store.batches()
    assert "not a database" in caught.value.what
    assert "backups" in caught.value.todo


@pytest.mark.parametrize("url", ["mysql://user:secret@host/db", "nonsense secret", "sqlite://", "sqlite:///:memory:"])
def test_a_url_of_anything_else_is_refused_without_repeating_its_password(
    url: str, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAN_AUG_DATABASE_URL", url)
    with pytest.raises(InvalidValue) as caught:
        store.batches()
    assert "secret" not in str(caught.value)


def test_the_url_can_name_another_file(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_AUG_DATABASE_URL", f"sqlite:///{tmp_path}/elsewhere/team.db")
    store.add_note("run", "text")
    assert (tmp_path / "elsewhere" / "team.db").exists()
    assert not (workspace / "gan_aug.db").exists()


def test_a_database_that_was_deleted_is_made_anew(workspace: Path) -> None:
    store.add_note("run", "text")
    (workspace / "gan_aug.db").unlink()
    assert store.notes("run") == []


# --- migrations --------------------------------------------------------------------------------------------------------------------------


def test_the_migrations_end_in_the_tables_that_the_code_uses(workspace: Path) -> None:
    store.batches()

    def differences(connection: sa.Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
        return compare_metadata(context, tables.metadata)

    assert store.read(differences) == []


def test_the_migrations_are_one_line_in_the_order_of_their_names() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(migrations.FOLDER))
    chain = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert chain[::-1] == migrations.revisions()
    assert migrations.head() == chain[0]


@pytest.fixture
def next_version(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A database of today with a note in it, then migrations of a later version; yields the file of the newest one."""
    store.add_note("run", "kept")
    folder = tmp_path / "migrations"
    shutil.copytree(migrations.FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    newest = folder / "versions" / "9999_later.py"
    newest.write_text(
        f'import sqlalchemy as sa\nfrom alembic import op\n\nrevision = "9999"\ndown_revision = "{migrations.head()}"\n\n\n'
        'def upgrade():\n    op.add_column("notes", sa.Column("mood", sa.String(10)))\n'
    )
    monkeypatch.setattr(migrations, "FOLDER", folder)
    monkeypatch.setattr(database, "_engines", {})
    yield newest


def columns_of_notes(path: Path) -> list[str]:
    with sqlite3.connect(path) as connection:
        found = [row[1] for row in connection.execute("PRAGMA table_info(notes)")]
    connection.close()
    return found


def test_an_older_database_is_backed_up_and_brought_up_to_date(workspace: Path, next_version: Path) -> None:
    assert [note.text for note in store.notes("run")] == ["kept"]
    assert "mood" in columns_of_notes(workspace / "gan_aug.db")
    (copy,) = (workspace / "backups").glob("before-migration-*-to-9999-*.db")
    assert "mood" not in columns_of_notes(copy)


def test_reviews_of_the_first_version_are_kept(workspace: Path) -> None:
    from alembic import command
    from alembic.config import Config

    engine_of_then = sa.create_engine(f"sqlite:///{workspace / 'gan_aug.db'}")
    with engine_of_then.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(migrations.FOLDER))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql("INSERT INTO review_batches VALUES ('old', 'curate', '2026-01-01', 'ann', NULL)")
        origin = '{"checkpoint": "run@10", "seed": 5, "class_name": null, "truncation": 1.0}'
        row = ("old", "a", 0, "reviews/old/a.png", "0" * 64, origin, None, None)
        connection.exec_driver_sql("INSERT INTO review_cases VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        connection.exec_driver_sql("INSERT INTO reviews VALUES (1, 'x', 'old', 'ann', 'a', 'accept', NULL, NULL, 1.5, '2026-01-01')")
    engine_of_then.dispose()
    assert store.batch("old").settings == {}
    (case,) = store.cases("old")
    assert (case.synthetic.seed, case.facts) == (5, None)
    assert [review.decision for review in store.reviews_of("old")] == ["accept"]


def test_a_migration_that_fails_changes_nothing(workspace: Path, next_version: Path) -> None:
    next_version.write_text(next_version.read_text() + "    op.execute('INSERT INTO no_such_table VALUES (1)')\n")
    before = (workspace / "gan_aug.db").read_bytes()
    with pytest.raises(UserError, match="no_such_table"):
        store.notes("run")
    assert "mood" not in columns_of_notes(workspace / "gan_aug.db")
    assert (workspace / "gan_aug.db").read_bytes() == before


def test_a_database_of_a_newer_version_is_refused(workspace: Path, next_version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.notes("run")
    monkeypatch.undo()
    monkeypatch.setenv("GAN_AUG_HOME", str(workspace))
    monkeypatch.setattr(database, "_engines", {})
    with pytest.raises(UserError, match="revision 9999"):
        store.notes("run")


def run_together(folder: Path, count: int, function: Callable[..., None], *arguments: object, seconds: float = 60) -> None:
    """Call a function in so many processes at once; each gets its number and the arguments, and all must succeed and print nothing."""
    logs = [folder / f"process-{number}.txt" for number in range(count)]
    children = [preloaded.Child(call_logged, log, function, number, *arguments) for number, log in enumerate(logs)]
    codes = [child.wait(seconds) for child in children]
    assert [(code, log.read_text()) for code, log in zip(codes, logs, strict=True)] == [(0, "")] * count


def call_logged(log: Path, function: Callable[..., None], *arguments: object) -> None:
    preloaded.print_to(log)
    function(*arguments)


def add_note(number: int) -> None:
    store.add_note("run", str(number))


def test_several_processes_make_the_database_at_once(workspace: Path) -> None:
    run_together(workspace.parent, 4, add_note)
    assert sorted(note.text for note in store.notes("run")) == list("0123")
    assert not list((workspace / "backups").glob("*")), "a new database has nothing to back up"


# --- batches and decisions ---------------------------------------------------------------------------------------------------------------


def test_a_batch_comes_back_as_it_was_stored(workspace: Path) -> None:
    real = store.ReviewCase("x", "reviews/mixed/x.png", "0" * 64, real={"dataset": "d", "image_id": "7"})
    generated = store.ReviewCase("b", "reviews/mixed/b.png", "1" * 64, SyntheticImage("run@10", 5, "malignant", 0.7))
    again = store.ReviewCase("a", "reviews/mixed/a.png", "0" * 64, real=real.real, repeat_of="x")
    made = store.create_batch("mixed", "blind", [real, generated, again], "ann")
    assert store.cases("mixed") == [real, generated, again]
    assert generated.path == workspace / "reviews" / "mixed" / "b.png"
    assert (made.n_cases, made.n_reviewers, made.closed) == (3, 0, None)
    make_batch("later")
    assert [batch.name for batch in store.batches()] == ["later", "mixed"]


@pytest.mark.parametrize(
    ("name", "mode", "n"), [("../up", "curate", 2), ("batch", "guess", 2), ("batch", "curate", 0), ("taken", "curate", 2)]
)
def test_an_impossible_batch_is_refused(workspace: Path, name: str, mode: str, n: int) -> None:
    make_batch("taken")
    with pytest.raises(InvalidValue):
        make_batch(name, mode, n)
    assert [batch.name for batch in store.batches()] == ["taken"]


def test_a_case_is_real_or_synthetic(workspace: Path) -> None:
    with pytest.raises(InvalidValue, match="real and synthetic"):
        store.create_batch("batch", "blind", [store.ReviewCase("a", "a.png", "0" * 64)], "ann")


def test_a_repeated_save_stores_nothing_new(workspace: Path) -> None:
    make_batch()
    first, second = review("im0"), review("im1")
    assert store.add_reviews([first]) == 1
    assert store.add_reviews([first]) == 0
    assert store.add_reviews([first, second, second]) == 1
    assert len(store.review_history("batch")) == 2
    assert store.add_reviews([]) == 0


def test_an_id_with_another_content_is_refused_not_swallowed(workspace: Path) -> None:
    make_batch()
    first = review("im0", "accept")
    store.add_reviews([first])
    with pytest.raises(InvalidValue, match="another content"):
        store.add_reviews([review("im1"), dataclasses.replace(first, decision="reject")])
    assert decisions() == {"im0": "accept"}, "all or none"


def test_the_latest_decision_counts_and_an_undo_clears_it(workspace: Path) -> None:
    make_batch()
    store.add_reviews(
        [review("im0", "accept", "2026-01-01T12:00:00Z"), review("im0", "reject", "2026-01-01T12:00:05Z"), review("im1", "unsure")]
    )
    assert decisions() == {"im0": "reject", "im1": "unsure"}
    store.add_reviews([review("im0", None, "2026-01-01T12:00:09Z")])
    assert decisions() == {"im1": "unsure"}
    store.add_reviews([review("im0", "accept", "2026-01-01T12:00:10Z")])
    assert decisions() == {"im0": "accept", "im1": "unsure"}
    assert [found.decision for found in store.review_history("batch")] == ["accept", "reject", "unsure", None, "accept"]


def test_a_decision_that_arrives_late_does_not_overrule_a_newer_one(workspace: Path) -> None:
    make_batch()
    store.add_reviews([review("im0", "reject", "2026-01-01T12:00:05.500Z")])
    store.add_reviews([review("im0", "accept", "2026-01-01T12:00:05Z")])  # sorts after the other as a text, and is earlier
    store.add_reviews([review("im1", "reject", "2026-01-01T14:00:00+02:00"), review("im1", "accept", "2026-01-01T12:30:00+00:00")])
    assert decisions() == {"im0": "reject", "im1": "accept"}


def test_of_two_decisions_at_one_time_the_later_to_arrive_counts(workspace: Path) -> None:
    make_batch()
    store.add_reviews([review("im0", "accept")])
    store.add_reviews([review("im0", "reject")])
    assert decisions() == {"im0": "reject"}


def test_reviewers_are_kept_apart(workspace: Path) -> None:
    make_batch()
    store.add_reviews(
        [review("im0", "accept"), review("im0", "reject", reviewer="bob@clinic.org"), review("im1", "reject", reviewer="bob@clinic.org")]
    )
    assert decisions("ann") == {"im0": "accept"}
    assert decisions("bob@clinic.org") == {"im0": "reject", "im1": "reject"}
    assert len(store.reviews_of("batch")) == 3
    assert store.batch("batch").n_reviewers == 2


def test_a_tally_counts_what_others_say_now(workspace: Path) -> None:
    make_batch()
    for reviewer in ("ann", "bob", "cleo", "dan"):
        store.add_reviews([review(f"im{i}", reviewer=reviewer) for i in range(3)])
    later = "2026-01-01T12:00:05Z"
    store.add_reviews([review("im0", "reject", later, reviewer="bob"), review("im1", None, later, reviewer="cleo")])
    assert store.tally("batch", "ann") == {"im0": {"accept": 2, "reject": 1}, "im1": {"accept": 2}, "im2": {"accept": 3}}
    assert store.tally("batch", "bob", {"im0", "im1"}) == {"im0": {"accept": 3}, "im1": {"accept": 2}}
    store.add_reviews([review("im2", None, later, reviewer=reviewer) for reviewer in ("bob", "cleo", "dan")])
    assert store.tally("batch", "ann", ["im2"]) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"id": "1"},
        {"created": "yesterday"},
        {"created": "2026-01-01T12:00:00"},
        {"created": "9999-12-31T23:59:59-01:00"},
        {"decision": "real"},
        {"decision": ""},
        {"confidence": 6},
        {"seconds": -1.0},
        {"seconds": float("nan")},
        {"reviewer": ""},
        {"reviewer": "a\nb"},
    ],
)
def test_an_impossible_review_is_refused(workspace: Path, change: dict[str, object]) -> None:
    make_batch()
    with pytest.raises(InvalidValue):
        store.add_reviews([review("im1"), dataclasses.replace(review("im0"), **change)])
    assert store.review_history("batch") == []


@pytest.mark.parametrize("change", [{"image": "im99"}, {"batch": "other"}])
def test_a_review_of_something_unknown_is_refused(workspace: Path, change: dict[str, object]) -> None:
    make_batch()
    with pytest.raises(NotFound):
        store.add_reviews([dataclasses.replace(review(), **change)])


def test_blind_batches_have_decisions_of_their_own(workspace: Path) -> None:
    make_batch(mode="blind")
    store.add_reviews([review("im0", "synthetic", confidence=4)])
    with pytest.raises(InvalidValue, match="'accept' is no decision"):
        store.add_reviews([review("im1", "accept")])
    assert store.reviews_of("batch")[0].confidence == 4


def test_a_closed_batch_takes_no_decision_but_a_repeat_of_a_stored_one(workspace: Path) -> None:
    make_batch()
    first = review("im0")
    store.add_reviews([first])
    closed = store.close_batch("batch").closed
    assert closed == store.close_batch("batch").closed
    with pytest.raises(InvalidValue, match="was closed"):
        store.add_reviews([review("im1")])
    assert store.add_reviews([first]) == 0


def test_unknown_batches_are_named(workspace: Path) -> None:
    for call in (store.batch, store.cases, store.reviews_of, store.review_history, store.close_batch):
        with pytest.raises(NotFound, match="'nothing'"):
            call("nothing")


def add_reviews(number: int, count: int) -> None:
    """One decision after the other, each in a transaction of its own."""
    for image in range(count):
        assert store.add_reviews([review(f"im{image}", reviewer=f"reader{number}")]) == 1


def test_eight_processes_writing_at_once_lose_nothing(workspace: Path) -> None:
    make_batch(n=200)
    run_together(workspace.parent, 8, add_reviews, 200, seconds=180)
    per_reader = {}
    for found in store.review_history("batch"):
        per_reader.setdefault(found.reviewer, set()).add(found.image)
    assert {reader: len(images) for reader, images in per_reader.items()} == {f"reader{number}": 200 for number in range(8)}
    assert store.read(lambda connection: connection.exec_driver_sql("PRAGMA integrity_check").scalar()) == "ok"


# --- curated sets, notes, directions, index ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rule", "seeds"), [("any", [0, 1, 2]), ("majority", [0, 1]), ("unanimous", [0])])
def test_a_curated_set_holds_what_its_rule_accepts(workspace: Path, rule: str, seeds: list[int]) -> None:
    make_batch(n=5)
    votes = {"im0": ["accept", "unsure"], "im1": ["accept", "accept", "reject"], "im2": ["accept", "reject"], "im3": ["unsure"]}
    store.add_reviews([review(image, vote, reviewer=f"reader{i}") for image, cast in votes.items() for i, vote in enumerate(cast)])
    record = store.save_curated_set("good", "batch", rule)
    assert [picture.image.seed for picture in record.images] == seeds
    assert store.curated_set("good") == list(record.images)


def test_a_curated_set_has_versions_and_a_file_for_machines_without_a_database(workspace: Path) -> None:
    make_batch()
    store.add_reviews([review("im0")])
    store.save_curated_set("good", "batch")
    store.add_reviews([review("im1")])
    second = store.save_curated_set("good", "batch")
    assert (second.version, len(store.curated_set("good")), len(store.curated_set("good", version=1))) == (2, 2, 1)
    written = json.loads((workspace / "curated" / "good" / "v2.json").read_text())
    assert [(line["image"]["seed"], line["file"], line["sha256"]) for line in written["images"]] == [
        (i, f"reviews/batch/im{i}.png", f"{i:064d}") for i in range(2)
    ]
    assert [(listed.name, listed.version) for listed in store.curated_list()] == [("good", 2), ("good", 1)]


def test_a_list_of_curated_sets_counts_pictures_and_one_set_reads_its_own_only(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("batch", "other"):
        make_batch(name)
        store.add_reviews([review("im0", batch=name)])
        store.save_curated_set(f"from-{name}", name)
    store.add_reviews([review("im1")])
    store.save_curated_set("from-batch", "batch", "any")
    listed = [(found.name, found.version, found.batch, found.rule, found.n_images) for found in store.curated_list()]
    newest = ("from-batch", 2, "batch", "any", 2)
    assert listed == [newest, ("from-other", 1, "other", "unanimous", 1), ("from-batch", 1, "batch", "unanimous", 1)]
    assert [found.name for found in store.curated_list("other")] == ["from-other"]
    parsed = []
    read_set = store.curated.from_dict
    monkeypatch.setattr(store.curated, "from_dict", lambda *asked: parsed.append(asked) or read_set(*asked))
    store.curated_list()
    assert not parsed
    assert [picture.image.seed for picture in store.curated_set("from-batch")] == [0, 1]
    assert [picture.image.seed for picture in store.curated_set("from-batch", 1)] == [0]
    assert len(parsed) == 2


def test_a_file_of_another_database_is_not_replaced(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_batch()
    store.add_reviews([review("im0")])
    store.save_curated_set("good", "batch")
    first = (workspace / "curated" / "good" / "v1.json").read_bytes()
    monkeypatch.setenv("GAN_AUG_DATABASE_URL", f"sqlite:///{workspace}/other.db")
    make_batch()
    store.add_reviews([review("im1")])
    assert store.save_curated_set("good", "batch").version == 2
    assert (workspace / "curated" / "good" / "v1.json").read_bytes() == first
    assert [picture.image.seed for picture in store.curated_set("good", 2)] == [1]


def test_an_empty_or_blind_or_unknown_curated_set_is_refused(workspace: Path) -> None:
    make_batch()
    make_batch("blind", mode="blind")
    with pytest.raises(InvalidValue, match="No image"):
        store.save_curated_set("good", "batch")
    with pytest.raises(InvalidValue, match="is blind"):
        store.save_curated_set("good", "blind")
    with pytest.raises(InvalidValue, match="rule"):
        store.save_curated_set("good", "batch", "most")
    with pytest.raises(NotFound):
        store.curated_set("good")
    assert not (workspace / "curated").exists()


def test_notes_stay_in_order_and_apart(workspace: Path) -> None:
    store.add_note("run-a", " first ", "ann")
    store.add_note("run-b", "other")
    store.add_note("run-a", "second")
    assert [(note.text, note.author) for note in store.notes("run-a")] == [("first", "ann"), ("second", "page")]
    with pytest.raises(InvalidValue):
        store.add_note("run-a", "   ")


def test_a_direction_is_replaced_by_one_of_the_same_name(workspace: Path) -> None:
    store.save_direction("run-a", "darker", [1.0, 0.0])
    store.save_direction("run-a", "darker", [0.5, -0.25])
    store.save_direction("run-a", "border", [0.0, 1.0])
    assert [(found.name, found.vector) for found in store.directions("run-a")] == [("border", (0.0, 1.0)), ("darker", (0.5, -0.25))]
    for vector in ([], [0.0, 0.0], [1.0, float("nan")]):
        with pytest.raises(InvalidValue):
            store.save_direction("run-a", "none", vector)


def make_run(run_id: str, created: str) -> None:
    run = Run(
        run_id, "gan", "dcgan", {"total_kimg": 5.0}, "phantom", "f", "s", "g", ("benign", "malignant"), None, 10, 0, "0", "cpu", created
    )  # fmt: skip
    runs.create_run(run, [])


def test_the_index_is_made_anew_from_the_folders(workspace: Path) -> None:
    assert store.reindex() == 0
    make_run("run-a", "2026-01-01T00:00:00+00:00")
    make_run("run-b", "2026-01-02T00:00:00+00:00")
    assert store.reindex() == 2
    shutil.rmtree(runs.run_folder("run-a"))
    make_run("run-c", "2026-01-03T00:00:00+00:00")
    assert store.reindex() == 2
    assert [(row["run_id"], row["state"], row["kimg"], row["n_snapshots"]) for row in store.indexed_runs()] == [
        ("run-c", "new", 0.0, 0),
        ("run-b", "new", 0.0, 0),
    ]


# --- backups -----------------------------------------------------------------------------------------------------------------------------


def test_a_backup_holds_everything_and_ten_are_kept(workspace: Path) -> None:
    with pytest.raises(NotFound):
        store.backup()
    older = backups.backups_folder() / "before-migration-0000-to-0001-x.db"
    store.add_note("run", "kept")
    made = [store.backup() for _ in range(12)]
    older.write_bytes(b"")
    kept = sorted(backups.backups_folder().glob("gan_aug-*.db"))
    assert kept == made[2:]
    store.add_note("run", "later")
    shutil.copy(made[-1], workspace / "gan_aug.db")
    assert [note.text for note in store.notes("run")] == ["kept"]
    store.backup()
    assert older.exists(), "backups made before a migration are not thinned out"


def test_a_backup_that_has_no_place_is_told(workspace: Path) -> None:
    store.add_note("run", "text")
    (workspace / "backups").write_text("")
    with pytest.raises(UserError) as caught:
        store.backup()
    assert str(workspace / "backups") in caught.value.what and "writable" in caught.value.todo


def test_the_daily_backup_is_made_once_a_day(workspace: Path) -> None:
    assert store.backup_daily() is None
    store.add_note("run", "text")
    first = store.backup_daily()
    assert first is not None
    assert store.backup_daily() is None
    yesterday = time.time() - 25 * 3600
    os.utime(first, (yesterday, yesterday))
    assert store.backup_daily() not in (None, first)


def test_a_damaged_database_is_not_backed_up_over_good_ones(workspace: Path) -> None:
    make_batch(n=200)
    path = workspace / "gan_aug.db"
    good = store.backup()
    content = bytearray(path.read_bytes())
    page = 4096
    for start in range(2 * page, len(content), page):
        content[start : start + 64] = b"\xff" * 64
    path.write_bytes(content)
    with pytest.raises(CorruptFile):
        store.backup()
    assert list(backups.backups_folder().iterdir()) == [good]


# --- PostgreSQL --------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """URL of a server that runs for this file, on a socket in a temporary folder."""
    pytest.importorskip("psycopg", reason="the PostgreSQL driver psycopg is not installed")
    programs = {name: shutil.which(name) for name in ("initdb", "pg_ctl")}
    if None in programs.values():
        pytest.skip("PostgreSQL's programs initdb and pg_ctl are not on the PATH")
    folder = Path(tempfile.mkdtemp(prefix="gan_aug-pg-"))
    owner = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        owner = {"user": "nobody"}
        shutil.chown(folder, "nobody")

    def call(*command: str) -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, timeout=60, **owner)

    try:
        call(programs["initdb"], "-D", f"{folder}/data", "-A", "trust", "-U", "gan_aug", "--no-sync")
        call(programs["pg_ctl"], "-D", f"{folder}/data", "-o", f"-k {folder} -h ''", "-l", f"{folder}/log", "-w", "start")
        yield f"postgresql:///postgres?host={folder}&user=gan_aug"
        call(programs["pg_ctl"], "-D", f"{folder}/data", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_the_same_holds_on_postgresql(workspace: Path, postgresql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_AUG_DATABASE_URL", postgresql)
    make_batch(n=50)
    first = review("im0")
    assert store.add_reviews([first]) == 1
    assert store.add_reviews([first]) == 0
    run_together(workspace.parent, 4, add_reviews, 50)
    assert len(store.review_history("batch")) == 201
    assert store.save_curated_set("good", "batch").version == 1
    assert [(found.name, found.n_images) for found in store.curated_list()] == [("good", 50)]
    assert store.tally("batch", "ann", ["im0", "im1"]) == {"im0": {"accept": 4}, "im1": {"accept": 4}}
    with pytest.raises(InvalidValue, match="another content"):
        store.add_reviews([dataclasses.replace(first, decision="reject")])
    with pytest.raises(UserError, match="read-only"):
        store.read(lambda connection: connection.execute(tables.notes.delete()))
    with pytest.raises(UserError, match="PostgreSQL"):
        store.backup()
    assert not (workspace / "gan_aug.db").exists()
