"""How alike images are, picture by picture: the AIDL21 project's table of random pairs, and what its metrics can say when used as meant.

random pairs    a generated image and a real one, drawn blindly: not a measure of quality; beside it, two real images of different groups
best match      an image and the most alike of its ten nearest training images; beside it, held-out real images
variety         two images of one set and class; beside it, two real images: more alike than those means less variety
"""

import dataclasses
import functools
from pathlib import Path

import numpy as np

from gan_aug import randomness, runs
from gan_aug.audit.run import held_out_rows, training_rows
from gan_aug.audit.spaces import Space, in_pixels, through
from gan_aug.data.dataset import ImageSet
from gan_aug.errors import InvalidValue
from gan_aug.metrics import copying, pictures, record
from gan_aug.metrics.extractors import OnProgress, fingerprint
from gan_aug.records import to_dict
from gan_aug.subjects import Setting, open_setting

SHORTLIST = 10  # nearest training images among which the most alike is sought
LEGACY_LABEL = (
    "Random pairs, as the AIDL21 project measured: each generated image against an unrelated real one, each stretched to the full range. "
    "They do not measure the quality of a generator; two real images of different people score as badly, as the columns beside them show."
)

_FILE = "picture_metrics.jsonl"


@dataclasses.dataclass(frozen=True)
class Spread:
    """One metric over pairs of images."""

    n: int  # pairs
    mean: float
    quartiles: tuple[float, ...]  # 25, 50, 75 %


@dataclasses.dataclass(frozen=True)
class Row:
    """One metric, of generated images and of real ones at the same kind of pairs."""

    pairs: str  # random pairs | best match | variety
    metric: str
    title: str
    higher_is_alike: bool
    fake: Spread
    real: Spread


@dataclasses.dataclass(frozen=True)
class Resemblance:
    """All rows with their protocol."""

    subject: str
    label: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    shortlist_by: str  # the space in which the nearest training images were sought; empty without best match
    dataset: str
    dataset_fingerprint: str
    split_id: str
    split_fingerprint: str
    class_name: str | None
    seed: int
    image_size: int  # [px]
    codec: str
    fake_set_fingerprint: str
    real_set_fingerprint: str
    versions: dict[str, str]
    created: str


def legacy_metrics(
    subject: str,
    data: str,
    n: int = 200,
    seed: int = 0,
    *,
    matched: bool = False,
    extractor: str | None = None,
    class_name: str | None = None,
    split_id: str | None = None,
    on_progress: OnProgress | None = None,
) -> Resemblance:
    """Measure a generator, or a folder of pictures, by PSNR, SSIM, MS-GMSD, MDSI and HaarPSI. Real images are of val.

    The numbers are also kept, as a JSON line: in the run's folder, or in the workspace for a folder of pictures.

    Parameters
    ----------
    subject : str
        ``RUN``, ``RUN@best``, ``RUN@last``, ``RUN@kimg``, or a folder.
    data : str
        Name of the dataset with the real images.
    n : int
        Images on either side, at most.
    seed : int
        Decides which images are taken.
    matched : bool
        Also measure best match and variety.
    extractor : str, optional
        Network by which the nearest training images are sought; by default pixels.
    class_name : str, optional
        Class of the real images; by default the one that the run was trained on, or all.
    split_id : str, optional
        By default the split that the run was trained on, or the dataset's only one.

    Raises
    ------
    InvalidValue, NotFound, LeakError, ExtractorUnavailable
        If something named does not exist or does not fit, the images are too small for a metric, or there are fewer than 3.
    """
    setting = open_setting(subject, data, class_name, split_id, seed)
    train, _ = training_rows(setting.source, setting.image_set, setting.split, setting.class_name)
    held_out = _chosen(setting, n)
    size = setting.size
    labels = setting.labels[held_out]
    real = np.asarray(setting.image_set.at(size)[held_out])
    fakes = setting.source.pictures(labels, size, setting.class_name, seed)

    groups = np.array(setting.split.groups)[held_out]
    apart = _of_different_groups(_neighbours(np.zeros(len(held_out)), seed), groups)
    rows = _rows("random pairs", pictures.compare(fakes, real, rescale=True), _within(real, apart, rescale=True))
    shortlist_by = ""
    if matched:
        space = through(extractor, (setting.image_set, setting.split), on_progress) if extractor else in_pixels()
        shortlist_by = space.name
        rows += _rows("best match", *(_best_match(space, some, setting.image_set, train, size, on_progress) for some in (fakes, real)))
        # Without known classes of the generated images both sets are taken as one class.
        told = setting.source.conditional or setting.class_name is not None
        pairs = _neighbours(np.unique(labels, return_inverse=True)[1] if told else np.zeros(len(labels)), seed)
        rows += _rows("variety", _within(fakes, pairs), _within(real, _of_different_groups(pairs, groups)))
    result = Resemblance(
        subject=setting.source.name,
        label=LEGACY_LABEL,
        rows=rows,
        notes=_notes(n, len(real), size, matched, setting.image_set),
        shortlist_by=shortlist_by,
        dataset=data,
        dataset_fingerprint=setting.image_set.record.fingerprint,
        split_id=setting.split.id,
        split_fingerprint=setting.split.fingerprint,
        class_name=setting.class_name,
        seed=seed,
        image_size=size,
        codec=setting.source.codec,
        fake_set_fingerprint=fingerprint(fakes),
        real_set_fingerprint=fingerprint(real),
        versions=record.versions(),
        created=runs.now(),
    )
    record.append_lines(_file(setting.source.folder), [to_dict(result)])
    return result


def _chosen(setting: Setting, n: int) -> np.ndarray:
    """Rows of the real images: at most n, and no more than there are pictures to set against them."""
    held_out = held_out_rows(setting.image_set, setting.split, setting.class_name, n, setting.seed)
    if setting.run is None:
        held_out = held_out[: len(setting.source.files)]
    if len(held_out) < 3:
        raise InvalidValue(f"Only {len(held_out)} images a side could be compared.", "Give at least 3 on either side.")
    return held_out


def _of_different_groups(pairs: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Two pictures of one patient would be more alike than two of a class are."""
    return pairs[groups[pairs[:, 0]] != groups[pairs[:, 1]]]


def _file(folder: Path) -> Path:
    return folder / _FILE


def _neighbours(kinds: np.ndarray, seed: int) -> np.ndarray:
    """Pairs (p, 2) of positions of equal kind: each image with the next of its kind in an order that belongs to the seed."""
    place = np.lexsort((randomness.order(seed, 4, len(kinds)), kinds))
    pairs = np.stack([place[:-1], place[1:]], axis=1)
    return pairs[kinds[pairs[:, 0]] == kinds[pairs[:, 1]]]


def _within(some: np.ndarray, pairs: np.ndarray, rescale: bool = False) -> dict[str, np.ndarray]:
    return pictures.compare(some[pairs[:, 0]], some[pairs[:, 1]], rescale)


def _best_match(
    space: Space, some: np.ndarray, image_set: ImageSet, train: np.ndarray, size: int, on_progress: OnProgress | None
) -> dict[str, np.ndarray]:
    """The most alike of each image's nearest training images, each in the flip or turn in which it is nearest."""
    queries = np.stack([space.features(np.ascontiguousarray(copying.turned(some, turn))) for turn in range(copying.TURNS)])
    k = min(SHORTLIST, len(train))
    found = copying.nearest(queries, functools.partial(space.blocks, image_set, train, size), k)
    values: dict[str, list[np.ndarray]] = {name: [] for name in pictures.METRICS}
    for place in range(len(some)):
        turned = [copying.turned(some[place : place + 1], int(turn))[0] for turn in found.neighbour_turns[place]]
        others = np.asarray(image_set.at(size)[train[found.neighbours[place]]])
        for name, numbers in pictures.compare(np.stack(turned), others).items():
            values[name].append(numbers)
        if on_progress:
            on_progress(place + 1, len(some), "best matches")
    return pictures.best_of({name: np.concatenate(numbers) for name, numbers in values.items()}, k)


def _rows(pairs: str, fake: dict[str, np.ndarray], real: dict[str, np.ndarray]) -> tuple[Row, ...]:
    found = []
    for name, metric in pictures.METRICS.items():
        if min(len(fake[name]), len(real[name])) == 0:
            raise InvalidValue(f"There are no two images of different groups and one class to compare ({pairs}).", "Ask for more images.")
        found.append(Row(pairs, name, metric.title, metric.higher_is_alike, _spread(fake[name]), _spread(real[name])))
    return tuple(found)


def _spread(values: np.ndarray) -> Spread:
    return Spread(len(values), float(values.mean()), tuple(float(value) for value in np.percentile(values, (25, 50, 75))))


def _notes(asked: int, n: int, size: int, matched: bool, image_set: ImageSet) -> tuple[str, ...]:
    notes = []
    if n < asked:
        notes.append(f"{asked} images a side were asked for, and {n} are compared: there are no more on one side.")
    notes.append(
        f"Measured by piq at {size} px. The project used piqa, which differs by up to 0.005 in MDSI and 0.0001 in SSIM, and batches of 16."
    )
    if matched:
        notes.append("Best match far above that of held-out images is a sign of copying: run the audit. None of these numbers is realism.")
    if image_set.record.phantom:
        notes.append("The images are phantoms, drawn by rule; nothing here says anything about skin lesions.")
    return tuple(notes)
