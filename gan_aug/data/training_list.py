"""Training lists: which images some weights have seen. A list travels with its weights; a study refuses weights that met its val or test.

Seven ways to meet: the same image of the same dataset, the same group of the same dataset (patient, lesion, duplicates), the same bytes,
the same pixels, the same patient, the same lesion, and a near-duplicate.

Patients and lesions are compared by digests of their ids. An id that is unique in its collection, such as those of the ISIC archive, means
the same in every dataset; any other only in the dataset of that name, for two clinics may both have a patient 3. Older lists have no
digests. A digest hides no id from somebody who tries them all.

Near-duplicates are verified on pixels where the seen dataset is in the workspace as it was. Elsewhere a perceptual hash that differs in at
most 2 of 64 bits counts, which misses about every second one: 12 genuine pairs differ in 1 to 8 bits, 6 of them in at most 2. A limit that
finds them all would refuse nearly all weights: of 90,000 unrelated pairs (300 images each of ISIC 2017 and HAM10000) 1 differs in at most 2
bits, 4 in 3, 14 in 5 and 41 in 8, where 22 of the 300 images of ISIC 2017 are met.
"""

import itertools
import re
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
_OLDER_COLUMNS = tuple(name for name in _COLUMNS if name not in ("patient_sha256", "lesion_sha256"))
_HELD_OUT = ("val", "test")
_BLIND_DISTANCE = 2  # bits of the perceptual hash, where no pixels can be compared
_NAMED = 5  # images named in an error
_UNIQUE_ID = re.compile(r"(IP|IL|HAM|BCN)_\d{7}")  # patients and lesions of the ISIC archive, lesions of HAM10000 and BCN20000


def training_list(image_set: ImageSet, split: Split, rows: Sequence[int]) -> list[SeenImage]:
    """The lines for training on ``rows`` of a dataset."""
    table = image_set.table.iloc[list(rows)]
    columns = (table[name].tolist() for name in ("image_id", "byte_sha256", "pixel_sha256", "phash"))
    patients, lesions = _digests(image_set, "patient_id", rows), _digests(image_set, "lesion_id", rows)
    return [
        SeenImage(image_set.record.name, image_id, split.groups[row], *digests)
        for row, image_id, *digests in zip(rows, *columns, patients, lesions, strict=True)
    ]


def _digests(image_set: ImageSet, column: str, rows: Sequence[int]) -> list[str]:
    """The patients or lesions of some images as a list carries them: it tells who is the same, but not who; empty where unknown."""
    names = image_set.table[column].iloc[list(rows)].tolist()
    place = {name: "" if _UNIQUE_ID.fullmatch(name) else image_set.record.name for name in names}
    digest = {name: files.sha256_bytes(f"{column}\t{place[name]}\t{name}".encode()) if name else "" for name in place}
    return [digest[name] for name in names]


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
    if tuple(table.columns) not in (_COLUMNS, _OLDER_COLUMNS):
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
    """Held-out images that were seen: image id -> how (image, bytes, the same patient, near-duplicate ...), in table order."""
    name, groups = image_set.record.name, split.groups
    rows = [row for row, part in enumerate(split.parts) if part in _HELD_OUT]
    table = image_set.table.iloc[rows]
    here = _rows_here(seen, image_set)
    own = [image for image in seen if image.dataset == name]  # ids and group names mean nothing across datasets
    patients = _sharing(image_set, "patient_id", rows, {image.patient_sha256 for image in seen})
    lesions = _sharing(image_set, "lesion_id", rows, {image.lesion_sha256 for image in seen})
    there = patients | lesions | {row for row in here if row is not None}
    ways = (
        ("image", table["image_id"], {image.image_id for image in own}),
        ("bytes", table["byte_sha256"], {image.byte_sha256 for image in seen}),
        ("pixels", table["pixel_sha256"], {image.pixel_sha256 for image in seen}),
        ("the same patient", rows, patients),
        ("the same lesion", rows, lesions),
        ("group", [groups[row] for row in rows], {image.group for image in own} | {groups[row] for row in there}),
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


def count_outside(seen: list[SeenImage], image_set: ImageSet, rows: Sequence[int]) -> int:
    """How many of the seen images are none of ``rows`` of a dataset, by name, bytes or pixels."""
    name, inside = image_set.record.name, set(rows)
    ids = set(image_set.table["image_id"].iloc[list(rows)])
    here = _rows_here(seen, image_set)
    return sum(row not in inside and not (image.dataset == name and image.image_id in ids) for image, row in zip(seen, here, strict=True))


def _sharing(image_set: ImageSet, column: str, rows: list[int], seen: set[str]) -> set[int]:
    """Those of ``rows`` whose patient or lesion was seen."""
    return {row for row, digest in zip(rows, _digests(image_set, column, rows), strict=True) if digest and digest in seen}


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
