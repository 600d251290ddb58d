"""Ordered changes of the database's shape, one file each in ``versions``, applied by Alembic inside the caller's transaction.

To change the schema: edit ``gan_aug/store/tables.py``, add ``versions/<next number>_<what>.py`` with ``upgrade()``, and run
``tests/test_store.py``, which compares the two. There is no way down: a backup is made before each migration.
"""

from pathlib import Path

import sqlalchemy as sa

from gan_aug.errors import UserError

FOLDER = Path(__file__).resolve().parent


def revisions() -> list[str]:
    """The revisions that this version of gan_aug knows, in order."""
    return sorted(path.name.partition("_")[0] for path in (FOLDER / "versions").glob("[0-9]*_*.py"))


def head() -> str:
    """The newest revision."""
    return revisions()[-1]


def current(connection: sa.Connection) -> str | None:
    """The revision that a database is at, or None if it is new."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def refuse_unknown(revision: str | None) -> None:
    """Raise if a database was made by a newer gan_aug, whose tables this one would misunderstand."""
    if revision is not None and revision not in revisions():
        raise UserError(
            f"The database is at revision {revision}, and this version of gan_aug knows revisions up to {head()}.",
            "Update gan_aug, or name another database with GAN_AUG_DATABASE_URL or GAN_AUG_HOME.",
        )


def upgrade(connection: sa.Connection) -> None:
    """Apply every missing revision within the connection's transaction: all of them, or on any error none."""
    from alembic import command  # takes a fifth of a second to import, and is needed once in the life of a database
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
