"""Review batches, and the decisions made on them.

Decisions are only ever added. A change of mind is a newer row, an undo is a row without a decision, and the id comes from the client, so a
save that is sent twice is stored once.
"""

import dataclasses
import datetime
import functools
import math
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gan_aug import workspace
from gan_aug.errors import InvalidValue, NotFound
from gan_aug.records import Review, SyntheticImage, from_dict, to_dict
from gan_aug.store import tables
from gan_aug.store.database import now, read, write
from gan_aug.store.engine import database_url

DECISIONS = {"curate": ("accept", "reject", "unsure"), "blind": ("real", "synthetic", "unsure")}

_ROWS = 500  # ids looked up in one statement; databases limit their number
_MAKE_ONE = "Make one with: gan-aug review create NAME --from RUN --n 200"


@dataclasses.dataclass(frozen=True)
class ReviewCase:
    """One picture of a batch, as it is shown. Exactly one of ``synthetic`` and ``real`` is given."""

    image: str  # opaque id within the batch
    file: str  # relative to the workspace
    sha256: str  # of the file
    synthetic: SyntheticImage | None = None
    real: dict[str, Any] | None = None  # {"dataset", "image_id"}
    repeat_of: str | None = None  # the image of which this is a hidden repeat
    facts: dict[str, Any] | None = None  # what was measured of it when the batch was made; see gan_aug/batches/facts.py

    @property
    def path(self) -> Path:
        """The file in this workspace."""
        return workspace.home() / self.file


@dataclasses.dataclass(frozen=True)
class ReviewBatch:
    """Pictures to be judged."""

    name: str
    mode: str  # curate | blind
    created: str
    created_by: str
    closed: str | None  # when judging ended; no decision is taken afterwards
    settings: dict[str, Any]  # what was laid down when it was made; empty in batches of older versions
    n_cases: int
    n_reviewers: int  # who have judged at least one image


@dataclasses.dataclass(frozen=True)
class StoredReview(Review):
    """A decision, and when it came in by the clock of whoever stored it. ``created`` is by the clock of the reviewer's device."""

    arrived: str

    @property
    def order(self) -> tuple[str, str, str]:
        """What decisions of one reviewer are sorted by, oldest first.

        A decision cannot have been made after it came in, so a clock that is ahead counts only up to then. One that came in late, from a
        device that was offline, keeps its place. A clock that is behind cannot be told from that.
        """
        return min(self.created, self.arrived), self.arrived, self.created


# A row stored by a version that noted no arrival has none: its own time then counts.
_ARRIVED = sa.func.coalesce(tables.reviews.c.arrived, tables.reviews.c.created).label("arrived")
_STORED = [_ARRIVED if field.name == "arrived" else tables.reviews.c[field.name] for field in dataclasses.fields(StoredReview)]

# The place of a row among those of one reviewer on one image, the one that counts first: StoredReview.order as SQL.
_MOMENT = sa.case((tables.reviews.c.created < _ARRIVED.element, tables.reviews.c.created), else_=_ARRIVED.element)
_RANK = (
    sa.func.row_number()
    .over(
        partition_by=[tables.reviews.c.reviewer, tables.reviews.c.image],
        order_by=[each.desc() for each in (_MOMENT, _ARRIVED.element, tables.reviews.c.created, tables.reviews.c.sequence)],
    )
    .label("rank")
)


# --- batches -----------------------------------------------------------------------------------------------------------------------------


def create_batch(name: str, mode: str, cases: list[ReviewCase], created_by: str, settings: dict[str, Any] | None = None) -> ReviewBatch:
    """Store a batch with its pictures, in the order in which they are to be shown, and with what was laid down about it.

    Raises
    ------
    InvalidValue
        If the name is taken or no name, the mode is unknown, there is no case, or two cases have one id.
    """
    workspace.check_name(name, "batch name")
    if mode not in DECISIONS:
        raise InvalidValue(f"A batch cannot have the mode {mode!r}.", f"Use {' or '.join(DECISIONS)}.")
    if not cases or len({case.image for case in cases}) < len(cases):
        raise InvalidValue(f"Batch {name!r} has no image, or one id twice.", "Give each image an id of its own.")
    _check_person(created_by)
    if any((case.synthetic is None) == (case.real is None) for case in cases):
        raise InvalidValue(f"An image of batch {name!r} is both real and synthetic, or neither.", "Give its one origin.")
    rows = [{"batch": name, "position": position, **to_dict(case)} for position, case in enumerate(cases)]

    def insert(connection: sa.Connection) -> None:
        if connection.execute(sa.select(tables.review_batches.c.name).where(tables.review_batches.c.name == name)).first():
            raise InvalidValue(f"There already is a batch {name!r}.", "Choose another name.")
        connection.execute(
            tables.review_batches.insert().values(name=name, mode=mode, created=now(), created_by=created_by, settings=settings or {})
        )
        connection.execute(tables.review_cases.insert(), rows)

    write(insert)
    return batch(name)


def batches() -> list[ReviewBatch]:
    """All batches, newest first."""
    return read(lambda connection: _batches(connection, sa.true()))


def batch(name: str) -> ReviewBatch:
    """The batch of that name.

    Raises
    ------
    NotFound
    """
    found = read(lambda connection: _batches(connection, tables.review_batches.c.name == name))
    if not found:
        raise NotFound(f"There is no review batch {name!r}.", _MAKE_ONE)
    return found[0]


def _head(connection: sa.Connection, name: str) -> sa.Row[Any]:
    """Mode and times of a batch, which cost nothing to ask for, as its counts do.

    Raises
    ------
    NotFound
    """
    table = tables.review_batches
    found = connection.execute(sa.select(table.c.mode, table.c.created, table.c.closed).where(table.c.name == name)).first()
    if found is None:
        raise NotFound(f"There is no review batch {name!r}.", _MAKE_ONE)
    return found


def _batches(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[ReviewBatch]:
    table = tables.review_batches
    n_cases = sa.select(sa.func.count()).where(tables.review_cases.c.batch == table.c.name).scalar_subquery()
    n_reviewers = (
        sa.select(sa.func.count(tables.reviews.c.reviewer.distinct())).where(tables.reviews.c.batch == table.c.name).scalar_subquery()
    )
    query = (
        sa.select(*table.c, n_cases.label("n_cases"), n_reviewers.label("n_reviewers")).where(condition).order_by(table.c.created.desc())
    )
    return [ReviewBatch(**{**row, "settings": row["settings"] or {}}) for row in connection.execute(query).mappings()]


def close_batch(name: str) -> ReviewBatch:
    """End the judging of a batch; closing it again changes nothing."""
    table = tables.review_batches
    read(lambda connection: _head(connection, name))
    write(lambda connection: connection.execute(table.update().where(table.c.name == name, table.c.closed.is_(None)).values(closed=now())))
    return batch(name)


def cases(name: str) -> list[ReviewCase]:
    """The pictures of the batch ``name``, in the order in which they are to be shown."""
    return list(_cases(str(database_url()), name, read(lambda connection: _head(connection, name)).created))


@functools.lru_cache(8)
def _cases(database: str, name: str, created: str) -> tuple[ReviewCase, ...]:
    """The cases of a batch, which never change; all who read one batch share them."""
    table = tables.review_cases
    columns = [table.c[field.name] for field in dataclasses.fields(ReviewCase)]
    rows = read(
        lambda connection: connection.execute(sa.select(*columns).where(table.c.batch == name).order_by(table.c.position)).mappings().all()
    )
    return tuple(
        ReviewCase(**{**row, "synthetic": from_dict(SyntheticImage, row["synthetic"]) if row["synthetic"] else None}) for row in rows
    )


# --- decisions ---------------------------------------------------------------------------------------------------------------------------


def add_reviews(reviews: list[Review]) -> int:
    """Store decisions, all or none, and return how many were new.

    A review whose id is stored already is left as it is, so that a client can send again what it is not sure of.

    Raises
    ------
    InvalidValue
        If a value is impossible, the batch is closed, or an id is stored with another content.
    NotFound
        If a batch or an image of it does not exist.
    """
    reviews = [_checked(review) for review in reviews]
    return write(lambda connection: _insert_reviews(connection, reviews)) if reviews else 0


def _insert_reviews(connection: sa.Connection, reviews: list[Review]) -> int:
    """Insert what is not there yet. Writers take turns, so nothing comes between the look and the insertion."""
    stored = _stored_reviews(connection, [review.id for review in reviews])
    new: dict[str, Review] = {}
    for review in reviews:
        known = stored.get(review.id) or new.get(review.id)
        if known is None:
            new[review.id] = review
        elif known != review:
            raise InvalidValue(f"Review {review.id} is stored already, with another content.", "Give each decision an id of its own.")
    for name in {review.batch for review in new.values()}:
        _check_against_batch(connection, name, [review for review in new.values() if review.batch == name])
    if new:
        arrived = _arrival(connection)
        connection.execute(tables.reviews.insert(), [{**to_dict(review), "arrived": arrived} for review in new.values()])
    return len(new)


def _arrival(connection: sa.Connection) -> str:
    """The time as that of an arrival, which is never before an earlier one: a server's clock that was set back must not hide decisions."""
    table = tables.reviews
    last = connection.execute(sa.select(table.c.arrived).order_by(table.c.sequence.desc()).limit(1)).scalar()
    return max(now(), last or "")


def _stored_reviews(connection: sa.Connection, ids: list[str]) -> dict[str, Review]:
    columns = [tables.reviews.c[field.name] for field in dataclasses.fields(Review)]
    found = {}
    for start in range(0, len(ids), _ROWS):
        query = sa.select(*columns).where(tables.reviews.c.id.in_(ids[start : start + _ROWS]))
        found |= {row["id"]: Review(**row) for row in connection.execute(query).mappings()}
    return found


def _check_against_batch(connection: sa.Connection, name: str, reviews: list[Review]) -> None:
    """Raise unless the batch is open, has the images, and knows the decisions."""
    found = _head(connection, name)
    if found.closed:
        raise InvalidValue(f"Batch {name!r} was closed at {found.closed}.", "Decisions are no longer taken; make a new batch.")
    table, wanted, images = tables.review_cases, sorted({review.image for review in reviews}), set()
    for start in range(0, len(wanted), _ROWS):
        query = sa.select(table.c.image).where(table.c.batch == name, table.c.image.in_(wanted[start : start + _ROWS]))
        images |= set(connection.execute(query).scalars())
    allowed = DECISIONS[found.mode]
    for review in reviews:
        if review.image not in images:
            raise NotFound(f"Batch {name!r} has no image {review.image!r}.", "Load the batch again.")
        if review.decision is not None and review.decision not in allowed:
            raise InvalidValue(f"{review.decision!r} is no decision in batch {name!r}.", f"Use {', '.join(allowed)}, or none to undo.")


def _checked(review: Review) -> Review:
    """The review with its time in the form that sorts, after a look at every value that came from outside."""
    try:
        identity = str(uuid.UUID(review.id))
        created = datetime.datetime.fromisoformat(review.created)
        utc = created.astimezone(datetime.UTC).isoformat(timespec="microseconds")
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise InvalidValue(f"Review {review.id!r} of {review.created!r} has no UUID or no ISO 8601 time.", "Load the page again.") from None
    if created.tzinfo is None:
        raise InvalidValue(f"The time {review.created!r} of a review has no time zone.", "Give it in UTC, as 2026-01-31T12:00:00Z.")
    _check_person(review.reviewer)
    if review.confidence is not None and review.confidence not in (1, 2, 3, 4, 5):
        raise InvalidValue(f"A confidence cannot be {review.confidence!r}.", "Use a whole number from 1 to 5.")
    if not (isinstance(review.seconds, (int, float)) and math.isfinite(review.seconds) and review.seconds >= 0):
        raise InvalidValue(f"A case cannot be looked at for {review.seconds!r} seconds.", "Give a number, 0 or above.")
    return dataclasses.replace(review, id=identity, created=utc, seconds=float(review.seconds))


def _check_person(name: str) -> None:
    if not (isinstance(name, str) and 1 <= len(name) <= 200 and name.isprintable() and name.strip() == name):
        raise InvalidValue(f"{name!r} cannot be a person's name.", "Use 1 to 200 printable characters.")


def reviews_of(name: str, reviewer: str | None = None) -> list[StoredReview]:
    """What each reviewer (or the one given) now says of each image of the batch ``name``; an image whose decision was undone is absent.

    The last row counts, in the order of :attr:`StoredReview.order`.
    """
    table = tables.reviews
    ranked = sa.select(*_STORED, table.c.sequence, _RANK).where(*_of(name, reviewer)).subquery()
    query = sa.select(*(ranked.c[field.name] for field in dataclasses.fields(StoredReview)))
    return _stored(name, query.where(ranked.c.rank == 1, ranked.c.decision.is_not(None)).order_by(ranked.c.sequence))


def review_history(name: str, reviewer: str | None = None) -> list[StoredReview]:
    """Every row of the batch ``name`` (by the reviewer, if one is given), undone and overruled ones too, in order of arrival."""
    return _stored(name, sa.select(*_STORED).where(*_of(name, reviewer)).order_by(tables.reviews.c.sequence))


def tally(name: str, without: str, images: Collection[str] | None = None) -> dict[str, dict[str, int]]:
    """How many reviewers other than ``without`` now say what of each image of the batch ``name``, or of those given.

    Returns
    -------
    dict of dict
        Image -> decision -> number of reviewers; nothing for an image of which nobody says anything.
    """
    table = tables.reviews
    condition = [table.c.batch == name, table.c.reviewer != without]
    if images is not None:
        condition.append(table.c.image.in_(sorted(images)))
    ranked = sa.select(table.c.image, table.c.decision, _RANK).where(*condition).subquery()
    query = (
        sa.select(ranked.c.image, ranked.c.decision, sa.func.count())
        .where(ranked.c.rank == 1, ranked.c.decision.is_not(None))
        .group_by(ranked.c.image, ranked.c.decision)
    )
    found: dict[str, dict[str, int]] = {}
    for image, decision, count in read(lambda connection: connection.execute(query).all()):
        found.setdefault(image, {})[decision] = count
    return found


def _of(name: str, reviewer: str | None) -> list[sa.ColumnElement[bool]]:
    table = tables.reviews
    return [table.c.batch == name] if reviewer is None else [table.c.batch == name, table.c.reviewer == reviewer]


def _stored(name: str, query: sa.Select[Any]) -> list[StoredReview]:
    def rows(connection: sa.Connection) -> Sequence[sa.Row[Any]]:
        _head(connection, name)
        return connection.execute(query).all()

    return [StoredReview(*row) for row in read(rows)]
