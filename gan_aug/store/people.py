"""Smaller things that people leave behind: notes on runs, and names of latent directions."""

import dataclasses
import math

import sqlalchemy as sa

from gan_aug import workspace
from gan_aug.errors import InvalidValue
from gan_aug.store import tables
from gan_aug.store.database import now, read, write


@dataclasses.dataclass(frozen=True)
class Note:
    """A remark on a run."""

    run_id: str
    text: str
    author: str
    created: str


@dataclasses.dataclass(frozen=True)
class Direction:
    """A direction in a generator's latent space, with the name somebody gave it."""

    run_id: str
    name: str
    vector: tuple[float, ...]  # z_dim numbers
    created: str
    created_by: str


def add_note(run_id: str, text: str, author: str = "page") -> Note:
    """Leave a remark on a run."""
    if not text.strip():
        raise InvalidValue("The note is empty.", "Write something first.")
    note = Note(workspace.check_name(run_id, "run id"), text.strip(), author, now())
    write(lambda connection: connection.execute(tables.notes.insert().values(**dataclasses.asdict(note))))
    return note


def notes(run_id: str) -> list[Note]:
    """The remarks on a run, oldest first."""
    table = tables.notes
    query = (
        sa.select(table.c.run_id, table.c.text, table.c.author, table.c.created).where(table.c.run_id == run_id).order_by(table.c.sequence)
    )
    return [Note(*row) for row in read(lambda connection: connection.execute(query).all())]


def save_direction(run_id: str, name: str, vector: list[float], created_by: str = "page") -> Direction:
    """Name a direction of a run's latent space; a direction of the same name is replaced.

    Raises
    ------
    InvalidValue
        If the vector is empty, zero, or not finite.
    """
    values = tuple(float(value) for value in vector)
    if not any(values) or not all(map(math.isfinite, values)):
        raise InvalidValue(f"The direction {name!r} has no length.", "Give a vector of finite numbers that are not all 0.")
    direction = Direction(
        workspace.check_name(run_id, "run id"), workspace.check_name(name, "name of a direction"), values, now(), created_by
    )
    table = tables.directions

    def replace(connection: sa.Connection) -> None:
        connection.execute(table.delete().where(table.c.run_id == run_id, table.c.name == name))
        connection.execute(table.insert().values(**dataclasses.asdict(direction)))

    write(replace)
    return direction


def directions(run_id: str) -> list[Direction]:
    """The named directions of a run, by name."""
    query = sa.select(tables.directions).where(tables.directions.c.run_id == run_id).order_by(tables.directions.c.name)
    rows = read(lambda connection: connection.execute(query).mappings().all())
    return [Direction(**{**row, "vector": tuple(row["vector"])}) for row in rows]
