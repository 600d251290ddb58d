"""Review batches, the decisions made on them, and the curated sets that follow.

Decisions are only ever added. A change of mind is a newer row, an undo is a row without a decision, and the id comes from the client, so a
save that is sent twice is stored once.
"""

import collections
import dataclasses
import datetime
import functools
import math
import uuid
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gan_aug import files, workspace
from gan_aug.errors import InvalidValue, NotFound
from gan_aug.records import Review, SyntheticImage, from_dict, to_dict
from gan_aug.store import tables
from gan_aug.store.database import now, read, write
from gan_aug.store.engine import database_url

DECISIONS = {"curate": ("accept", "reject", "unsure"), "blind": ("real", "synthetic", "unsure")}

# Which images of a batch become a curated set, from the accepting and rejecting reviewers of each.
RULES = {
    "any": lambda accepts, rejects: accepts >= 1,
    "majority": lambda accepts, rejects: accepts > rejects,
    "unanimous": lambda accepts, rejects: accepts >= 1 and rejects == 0,
}

_ROWS = 500  # ids looked up in one statement; databases limit their number


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
class CuratedImage:
    """A synthetic picture that people accepted, with the very bytes they saw."""

    image: SyntheticImage
    file: str  # PNG, relative to the workspace
    sha256: str

    @property
    def path(self) -> Path:
        """The file in this workspace."""
        return workspace.home() / self.file


@dataclasses.dataclass(frozen=True)
class CuratedSet:
    """The accepted pictures of a batch at one moment; a later save is a new version."""

    name: str
    version: int
    batch: str
    rule: str  # any | majority | unanimous
    images: tuple[CuratedImage, ...]
    created: str


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
        raise NotFound(f"There is no review batch {name!r}.", "Make one with: gan-aug review create NAME --from RUN --n 200")
    return found[0]


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
    batch(name)
    write(lambda connection: connection.execute(table.update().where(table.c.name == name, table.c.closed.is_(None)).values(closed=now())))
    return batch(name)


def cases(name: str) -> list[ReviewCase]:
    """The pictures of the batch ``name``, in the order in which they are to be shown."""
    return list(_cases(str(database_url()), name, batch(name).created))


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
        connection.execute(tables.reviews.insert(), [to_dict(review) for review in new.values()])
    return len(new)


def _stored_reviews(connection: sa.Connection, ids: list[str]) -> dict[str, Review]:
    columns = [tables.reviews.c[field.name] for field in dataclasses.fields(Review)]
    found = {}
    for start in range(0, len(ids), _ROWS):
        query = sa.select(*columns).where(tables.reviews.c.id.in_(ids[start : start + _ROWS]))
        found |= {row["id"]: Review(**row) for row in connection.execute(query).mappings()}
    return found


def _check_against_batch(connection: sa.Connection, name: str, reviews: list[Review]) -> None:
    """Raise unless the batch is open, has the images, and knows the decisions."""
    found = _batches(connection, tables.review_batches.c.name == name)
    if not found:
        raise NotFound(f"There is no review batch {name!r}.", "See the batches on the Review page.")
    if found[0].closed:
        raise InvalidValue(f"Batch {name!r} was closed at {found[0].closed}.", "Decisions are no longer taken; make a new batch.")
    images = set(connection.execute(sa.select(tables.review_cases.c.image).where(tables.review_cases.c.batch == name)).scalars())
    allowed = DECISIONS[found[0].mode]
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
    except (ValueError, TypeError, AttributeError):
        raise InvalidValue(f"Review {review.id!r} of {review.created!r} has no UUID or no ISO 8601 time.", "Load the page again.") from None
    if created.tzinfo is None:
        raise InvalidValue(f"The time {review.created!r} of a review has no time zone.", "Give it in UTC, as 2026-01-31T12:00:00Z.")
    _check_person(review.reviewer)
    if review.confidence is not None and review.confidence not in (1, 2, 3, 4, 5):
        raise InvalidValue(f"A confidence cannot be {review.confidence!r}.", "Use a whole number from 1 to 5.")
    if not (isinstance(review.seconds, (int, float)) and math.isfinite(review.seconds) and review.seconds >= 0):
        raise InvalidValue(f"A case cannot be looked at for {review.seconds!r} seconds.", "Give a number, 0 or above.")
    utc = created.astimezone(datetime.UTC).isoformat(timespec="microseconds")
    return dataclasses.replace(review, id=identity, created=utc, seconds=float(review.seconds))


def _check_person(name: str) -> None:
    if not (isinstance(name, str) and 1 <= len(name) <= 200 and name.isprintable() and name.strip() == name):
        raise InvalidValue(f"{name!r} cannot be a person's name.", "Use 1 to 200 printable characters.")


def reviews_of(name: str, reviewer: str | None = None) -> list[Review]:
    """What each reviewer (or the one given) now says of each image of the batch ``name``; an image whose decision was undone is absent.

    The newest row counts, by the client's time and then by arrival.
    """
    batch(name)
    table = tables.reviews
    newest = sa.func.row_number().over(
        partition_by=[table.c.reviewer, table.c.image], order_by=[table.c.created.desc(), table.c.sequence.desc()]
    )
    condition = table.c.batch == name if reviewer is None else sa.and_(table.c.batch == name, table.c.reviewer == reviewer)
    ranked = sa.select(table, newest.label("rank")).where(condition).subquery()
    return _reviews(sa.select(ranked).where(ranked.c.rank == 1, ranked.c.decision.is_not(None)).order_by(ranked.c.sequence))


def review_history(name: str) -> list[Review]:
    """Every row of the batch ``name``, undone and overruled ones too, in order of arrival."""
    batch(name)
    return _reviews(sa.select(tables.reviews).where(tables.reviews.c.batch == name).order_by(tables.reviews.c.sequence))


def _reviews(query: sa.Select[Any]) -> list[Review]:
    rows = read(lambda connection: connection.execute(query).mappings().all())
    return [Review(**{field.name: row[field.name] for field in dataclasses.fields(Review)}) for row in rows]


# --- curated sets ------------------------------------------------------------------------------------------------------------------------


def save_curated_set(name: str, batch_name: str, rule: str = "unanimous") -> CuratedSet:
    """Freeze the accepted synthetic pictures of a batch as the next version of the set ``name``.

    The set is also written to ``curated/<name>/v<version>.json`` in the workspace, so that a training needs no database. Such a file is
    never replaced, whichever database wrote it: studies name a set by its version.

    Parameters
    ----------
    rule : str
        ``any`` (someone accepted), ``majority`` (more accepted than rejected) or ``unanimous`` (someone accepted, nobody rejected).

    Raises
    ------
    InvalidValue
        If the rule is unknown, the batch is a blind one, or nothing was accepted.
    """
    workspace.check_name(name, "name of a curated set")
    if rule not in RULES:
        raise InvalidValue(f"There is no rule {rule!r}.", f"Use {', '.join(RULES)}.")
    if batch(batch_name).mode != "curate":
        raise InvalidValue(f"Batch {batch_name!r} is blind: it has no accepted images.", "Use a batch of the mode curate.")
    votes = collections.Counter((review.image, review.decision) for review in reviews_of(batch_name))
    accepted = [
        CuratedImage(case.synthetic, case.file, case.sha256)
        for case in cases(batch_name)
        if case.synthetic and RULES[rule](votes[case.image, "accept"], votes[case.image, "reject"])
    ]
    if not accepted:
        raise InvalidValue(f"No image of batch {batch_name!r} is accepted under the rule {rule!r}.", "Review it first.")
    table = tables.curated_sets

    def insert(connection: sa.Connection) -> CuratedSet:
        stored = connection.execute(sa.select(sa.func.max(table.c.version)).where(table.c.name == name)).scalar() or 0
        record = CuratedSet(name, max(stored, _newest_file(name)) + 1, batch_name, rule, tuple(accepted), now())
        connection.execute(table.insert().values(**to_dict(record)))
        # Before the commit: no stored set may lack its file. A file whose commit fails stays, and its number is not given again.
        files.write_json(_folder_of_set(name) / f"v{record.version}.json", to_dict(record))
        return record

    return write(insert)


def _folder_of_set(name: str) -> Path:
    return workspace.home() / "curated" / name


def _newest_file(name: str) -> int:
    """The highest version of a set that has a file; 0 if there is none."""
    numbers = (path.stem[1:] for path in _folder_of_set(name).glob("v*.json"))
    return max((int(number) for number in numbers if number.isdecimal()), default=0)


def curated_sets() -> list[CuratedSet]:
    """All versions of all curated sets, newest first."""
    query = sa.select(tables.curated_sets).order_by(tables.curated_sets.c.created.desc())
    return [from_dict(CuratedSet, dict(row)) for row in read(lambda connection: connection.execute(query).mappings().all())]


def curated_set(name: str, version: int | None = None) -> list[CuratedImage]:
    """The pictures of a curated set, in its newest version or the one that is given.

    Raises
    ------
    NotFound
    """
    found = [record for record in curated_sets() if record.name == name and version in (None, record.version)]
    if not found:
        which = name if version is None else f"{name} version {version}"
        raise NotFound(f"There is no curated set {which}.", "Save one on the Review page, from a batch with accepted images.")
    return list(max(found, key=lambda record: record.version).images)
