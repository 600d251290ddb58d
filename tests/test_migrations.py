"""How databases of older versions become those of today, also under programs that run already."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from test_store import postgresql, review  # noqa: F401 (a fixture)

from gan_aug import migrations, store
from gan_aug.store import database


def make_old(url: str, revision: str, *created: str) -> None:
    """A database as the version of ``revision`` left it, with a batch of one image and its decisions at these times."""
    from alembic import command
    from alembic.config import Config

    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(migrations.FOLDER))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        run = connection.exec_driver_sql
        run("INSERT INTO review_batches (name, mode, created, created_by) VALUES ('batch', 'curate', '2025-01-01', 'ann')")
        run("INSERT INTO review_cases (batch, image, position, file, sha256) VALUES ('batch', 'im0', 0, 'im0.png', '0')")
        for number, moment in enumerate(created):
            decision = ("accept", "reject")[number % 2]
            row = f"('id{number}', 'batch', 'ann', 'im0', '{decision}', 1.5, '{moment}')"
            run(f"INSERT INTO reviews (id, batch, reviewer, image, decision, seconds, created) VALUES {row}")
    engine.dispose()


PAST, FUTURE = "2025-01-01T12:00:00.000000+00:00", "2036-01-01T12:00:00.000000+00:00"


def check_arrivals(*created: str) -> None:
    """What a migrated database says: the old order among old rows, and none of them above what is decided from now on."""
    found = store.review_history("batch")
    before = store.database.now()
    assert [row.created for row in found] == list(created)
    assert [row.arrived for row in found if row.created == PAST] == [PAST]
    assert all(row.arrived <= before for row in found)
    assert [row.decision for row in store.reviews_of("batch")] == ["accept"], "the row of the latest time, as before"
    store.add_reviews([review("im0", "unsure", store.database.now())])
    assert [row.decision for row in store.reviews_of("batch")] == ["unsure"]


LATER = "2036-01-01T12:00:05.000000+00:00"


def test_decisions_get_an_arrival_and_a_wrong_year_loses_its_hold(workspace: Path) -> None:
    make_old(f"sqlite:///{workspace / 'gan_aug.db'}", "0002", LATER, FUTURE, PAST)
    check_arrivals(LATER, FUTURE, PAST)


@pytest.fixture
def empty_postgresql(postgresql: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:  # noqa: F811
    """URL of a new database on the server."""
    server = sa.create_engine(sa.make_url(postgresql).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE older")
    url = postgresql.replace("/postgres?", "/older?")
    monkeypatch.setenv("GAN_AUG_DATABASE_URL", url)
    yield url.replace("postgresql:", "postgresql+psycopg:")
    with server.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE older")
    server.dispose()


def test_they_do_on_postgresql(workspace: Path, empty_postgresql: str) -> None:
    make_old(empty_postgresql, "0002", LATER, FUTURE, PAST)
    check_arrivals(LATER, FUTURE, PAST)


def test_tables_that_became_older_on_postgresql_are_brought_up_to_date(workspace: Path, empty_postgresql: str) -> None:
    assert store.batches() == []
    engine = sa.create_engine(empty_postgresql)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()
    make_old(empty_postgresql, "0002", PAST)
    assert [row.decision for row in store.reviews_of("batch")] == ["accept"]
    assert store.add_reviews([review("im0", "reject")]) == 1


def copied(old: Path, path: Path) -> None:
    shutil.copyfile(old, path)  # into the same file


def moved(old: Path, path: Path) -> None:
    os.replace(old, path)


def reading() -> None:
    assert [row.decision for row in store.reviews_of("batch")] == ["accept"]


def writing() -> None:
    assert store.add_reviews([review("im0", "reject")]) == 1


@pytest.mark.parametrize("put", [copied, moved])
@pytest.mark.parametrize("work", [reading, writing])
def test_an_older_backup_in_the_place_of_the_file_is_brought_up_to_date(
    workspace: Path, tmp_path: Path, put: Callable[[Path, Path], None], work: Callable[[], None]
) -> None:
    store.add_note("run", "of the newer one")
    old = tmp_path / "backup.db"
    make_old(f"sqlite:///{old}", "0002", PAST)
    put(old, workspace / "gan_aug.db")
    work()
    assert store.notes("run") == []
    assert list((workspace / "backups").glob("before-migration-0002-to-*.db")), "as at the start of a program"


def test_a_backup_that_was_moved_into_place_gets_the_right_journal(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    store.add_note("run", "kept")
    backup = store.backup()
    monkeypatch.setattr(database, "set_journal", seen.append)
    store.notes("run")
    assert seen == []
    moved(backup, workspace / "gan_aug.db")
    assert [note.text for note in store.notes("run")] == ["kept"]
    assert seen == [workspace / "gan_aug.db"]


def test_a_table_that_is_missing_from_a_database_of_today_is_named(workspace: Path) -> None:
    store.add_note("run", "kept")
    engine = sa.create_engine(f"sqlite:///{workspace / 'gan_aug.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE notes")
    engine.dispose()
    with pytest.raises(store.DatabaseUnavailable, match="no such table: notes") as caught:
        store.notes("run")
    assert "backup" in caught.value.todo
    assert store.batches() == []
