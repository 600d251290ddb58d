"""Training lists: which images some weights have seen. A list travels with its weights; a study refuses weights that met its val or test.

Five ways to meet: the same image of the same dataset, the same group of the same dataset (patient, lesion, duplicates), the same bytes, the
same pixels, and a near-duplicate. Near-duplicates are verified on pixels where the seen dataset is in the workspace as it was; else a
perceptual hash that differs in at most 2 of 64 bits counts, which errs on the side of refusing.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from gan_aug import files
from gan_aug.data import duplicates
from gan_aug.data.dataset import ImageSet, open_dataset
from gan_aug.data.duplicates import Pictures
from gan_aug.errors import CorruptFile, LeakError, NotFound, UserError
from gan_aug.records import SeenImage, Split

FILE = "training_list.parquet"
_COLUMNS = tuple(SeenImage.__dataclass_fields__)
_HELD_OUT = ("val", "test")
_BLIND_DISTANCE = 2  # bits of the perceptual hash, where no pixels can be compared
_NAMED = 5  # images named in an error


def training_list(image_set: ImageSet, split: Split, rows: Sequence[int]) -> list[SeenImage]:
    """The lines for training on ``rows`` of a dataset."""
    table = image_set.table.iloc[list(rows)]
    columns = (table[name].tolist() for name in ("image_id", "byte_sha256", "pixel_sha256", "phash"))
    return [
        SeenImage(image_set.record.name, image_id, split.groups[row], byte_sha256, pixel_sha256, phash)
        for row, image_id, byte_sha256, pixel_sha256, phash in zip(rows, *columns, strict=True)
    ]


def write(folder: Path, seen: list[SeenImage]) -> Path:
    """Write a training list into a run's folder, atomically."""
    table = pd.DataFrame([[getattr(image, name) for name in _COLUMNS] for image in seen], columns=list(_COLUMNS), dtype=str)
    path = folder / FILE
    files.write_bytes(path, table.to_parquet(index=False))
    return path


def read(folder: Path) -> list[SeenImage]:
    """Read the training list of a run's folder.

    Raises
    ------
    NotFound
        If there is none: nothing is known about what the weights have seen, so nothing may be concluded.
    CorruptFile
        If it is not a training list.
    """
    path = folder / FILE
    if not path.exists():
        raise NotFound(f"There is no training list in {str(folder)!r}.", "Weights without one cannot be used in a study; train them here.")
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise CorruptFile(
            f"The training list in {str(folder)!r} cannot be read ({error}).", "Restore the run's folder, or train again."
        ) from None
    if tuple(table.columns) != _COLUMNS:
        raise CorruptFile(
            f"The training list in {str(folder)!r} has other columns than a training list.", "Restore the run's folder, or train again."
        )
    return [SeenImage(*values) for values in table.itertuples(index=False, name=None)]


def refuse_leak(seen: list[SeenImage], image_set: ImageSet, split: Split, what: str) -> None:
    """Refuse weights that have seen images of val or test.

    Parameters
    ----------
    seen : list of SeenImage
        The weights' training list.
    image_set : ImageSet
        The dataset of the study.
    split : Split
        Its split.
    what : str
        The weights, as the message names them, such as ``"GAN dcgan-ab12"``.

    Raises
    ------
    LeakError
        Naming the number and the first of the images met, and how.
    """
    meetings = find_leaks(seen, image_set, split)
    if not meetings:
        return
    kinds = Counter(meetings.values())
    ways = ", ".join(f"{count} by {kind}" for kind, count in kinds.most_common())
    first = ", ".join(list(meetings)[:_NAMED]) + (" ..." if len(meetings) > _NAMED else "")
    raise LeakError(
        f"{what} has seen {len(meetings)} images of val or test of split {split.id} ({ways}): {first}.",
        f"Use weights that were trained on the train part of this split, or on other data than {image_set.record.name!r}. Or take over the "
        f"split that they were trained in: gan-aug data split {image_set.record.name} --like RUN",
    )


def find_leaks(seen: list[SeenImage], image_set: ImageSet, split: Split) -> dict[str, str]:
    """Held-out images that were seen: image id -> how (image, bytes, pixels, group or near-duplicate), in table order."""
    name, groups = image_set.record.name, split.groups
    rows = [row for row, part in enumerate(split.parts) if part in _HELD_OUT]
    table = image_set.table.iloc[rows]
    here = _rows_here(seen, image_set)
    own = [image for image in seen if image.dataset == name]  # ids and group names mean nothing across datasets
    ways = (
        ("image", table["image_id"], {image.image_id for image in own}),
        ("bytes", table["byte_sha256"], {image.byte_sha256 for image in seen}),
        ("pixels", table["pixel_sha256"], {image.pixel_sha256 for image in seen}),
        ("group", [groups[row] for row in rows], {image.group for image in own} | {groups[row] for row in here if row is not None}),
    )
    found: dict[int, str] = {}
    for kind, held_out, known in ways:
        for row, value in zip(rows, held_out, strict=True):
            if value in known:
                found.setdefault(row, kind)
    # Near-duplicates within this dataset are in one group already; what is left to look at are images from elsewhere.
    strangers = [image for image, row in zip(seen, here, strict=True) if row is None]
    for row in _look_alikes(strangers, image_set, [row for row in rows if row not in found]):
        found[row] = "near-duplicate"
    ids = image_set.table["image_id"]
    return {ids.iat[row]: found[row] for row in sorted(found)}


def _rows_here(seen: list[SeenImage], image_set: ImageSet) -> list[int | None]:
    """For every seen image the row of this dataset with equal bytes or pixels, or None."""
    table = image_set.table
    by_bytes = {value: row for row, value in enumerate(table["byte_sha256"])}
    by_pixels = {value: row for row, value in enumerate(table["pixel_sha256"])}
    return [by_bytes.get(image.byte_sha256, by_pixels.get(image.pixel_sha256)) for image in seen]


def _look_alikes(seen: list[SeenImage], image_set: ImageSet, rows: list[int]) -> set[int]:
    """Those of ``rows`` that look like a seen image."""
    hashes = image_set.table["phash"]
    held_out = Pictures(image_set.images, rows, [hashes.iat[row] for row in rows])
    found: set[int] = set()
    for name, group in itertools.groupby(sorted(seen, key=lambda image: image.dataset), key=lambda image: image.dataset):
        known, unknown = _seen_pictures(name, list(group))
        matches = [j for _, j, _ in duplicates.find_matches(known, held_out)] if known else []
        matches += [j for _, j in duplicates.find_equal_hashes(unknown, held_out.phashes, _BLIND_DISTANCE)]
        found.update(rows[j] for j in matches)
    return found


def _seen_pictures(name: str, seen: list[SeenImage]) -> tuple[Pictures | None, list[str]]:
    """The seen images of one dataset: the pictures of those that the workspace still has, and the hashes of the others."""
    try:
        image_set = open_dataset(name)
    except UserError:  # not here, or no longer readable: the hashes must do
        return None, [image.phash for image in seen]
    row_of = {value: row for row, value in enumerate(image_set.table["pixel_sha256"])}
    here = [image for image in seen if image.pixel_sha256 in row_of]
    pictures = Pictures(image_set.images, [row_of[image.pixel_sha256] for image in here], [image.phash for image in here])
    return pictures, [image.phash for image in seen if image.pixel_sha256 not in row_of]
