"""The database: what people decide (reviews, curated sets, directions, notes) and which jobs are to be done.

What machines make lies in files (run folders, datasets, studies); the table of runs here is only an index of them. Every function opens its
own short transaction, so that pages, jobs and the console can call them from any process or thread at once.
"""

from gan_aug.store.backups import backup, backup_daily
from gan_aug.store.curated import (
    CuratedEntry,
    CuratedImage,
    CuratedSet,
    curated_list,
    curated_set,
    save_curated_set,
)
from gan_aug.store.database import DatabaseUnavailable, now, read, write
from gan_aug.store.index import indexed_runs, reindex
from gan_aug.store.people import (
    Direction,
    Note,
    add_note,
    directions,
    notes,
    save_direction,
)
from gan_aug.store.reviews import (
    ReviewBatch,
    ReviewCase,
    StoredReview,
    add_reviews,
    batch,
    batches,
    cases,
    close_batch,
    create_batch,
    review_history,
    reviews_of,
    tally,
)

__all__ = [
    "CuratedEntry",
    "CuratedImage",
    "CuratedSet",
    "DatabaseUnavailable",
    "Direction",
    "Note",
    "ReviewBatch",
    "ReviewCase",
    "StoredReview",
    "add_note",
    "add_reviews",
    "backup",
    "backup_daily",
    "batch",
    "batches",
    "cases",
    "close_batch",
    "create_batch",
    "curated_list",
    "curated_set",
    "directions",
    "indexed_runs",
    "notes",
    "now",
    "read",
    "reindex",
    "review_history",
    "reviews_of",
    "save_curated_set",
    "save_direction",
    "tally",
    "write",
]
