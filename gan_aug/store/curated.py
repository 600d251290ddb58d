"""Curated sets: what people accepted of a batch, frozen in versions."""

import collections
import dataclasses
from pathlib import Path

import sqlalchemy as sa

from gan_aug import files, workspace
from gan_aug.errors import InvalidValue, NotFound
from gan_aug.records import SyntheticImage, from_dict, to_dict
from gan_aug.store import tables
from gan_aug.store.database import now, read, write
from gan_aug.store.reviews import batch, cases, reviews_of

# Which images of a batch become a curated set, from the accepting and rejecting reviewers of each.
RULES = {
    "any": lambda accepts, rejects: accepts >= 1,
    "majority": lambda accepts, rejects: accepts > rejects,
    "unanimous": lambda accepts, rejects: accepts >= 1 and rejects == 0,
}


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


@dataclasses.dataclass(frozen=True)
class CuratedEntry:
    """A version of a curated set as a list shows it, without its pictures."""

    name: str
    version: int
    batch: str
    rule: str
    n_images: int
    created: str


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


def curated_list(batch_name: str | None = None) -> list[CuratedEntry]:
    """All versions of all curated sets, or of those from one batch, newest first; their pictures are counted, not read."""
    table = tables.curated_sets
    n_images = sa.func.json_array_length(table.c.images)
    query = sa.select(table.c.name, table.c.version, table.c.batch, table.c.rule, n_images, table.c.created)
    if batch_name is not None:
        query = query.where(table.c.batch == batch_name)
    query = query.order_by(table.c.created.desc())
    return [CuratedEntry(*row) for row in read(lambda connection: connection.execute(query).all())]


def curated_set(name: str, version: int | None = None) -> list[CuratedImage]:
    """The pictures of a curated set, in its newest version or the one that is given.

    Raises
    ------
    NotFound
    """
    table = tables.curated_sets
    query = sa.select(table).where(table.c.name == name).order_by(table.c.version.desc()).limit(1)
    if version is not None:
        query = query.where(table.c.version == version)
    row = read(lambda connection: connection.execute(query).mappings().first())
    if row is None:
        which = name if version is None else f"{name} version {version}"
        raise NotFound(f"There is no curated set {which}.", "Save one on the Review page, from a batch with accepted images.")
    return list(from_dict(CuratedSet, dict(row)).images)
