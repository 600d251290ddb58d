"""The audit of a generator or of a folder of pictures."""

import dataclasses
from pathlib import Path

import numpy as np

from gan_aug import files, images, randomness, runs, workspace
from gan_aug.audit.copies import closest, digests_of, seen_among
from gan_aug.audit.records import Audit, append
from gan_aug.audit.spaces import in_pixels, measure, through
from gan_aug.audit.verdict import by_class, judge, notes
from gan_aug.data import training_list
from gan_aug.data.dataset import ImageSet
from gan_aug.errors import InvalidValue
from gan_aug.metrics import record
from gan_aug.metrics.extractors import OnProgress, fingerprint
from gan_aug.records import Split
from gan_aug.subjects import Folder, Generator, Setting, open_setting

SHEET = "closest_pairs.png"


def audit(
    subject: str,
    data: str,
    extractor: str | None = None,
    n: int = 1000,
    seed: int = 0,
    *,
    out: Path | None = None,
    class_name: str | None = None,
    split_id: str | None = None,
    on_progress: OnProgress | None = None,
) -> Audit:
    """Compare a generator's images, or a folder of pictures, with the images it was trained on.

    The result is also kept, as a JSON line: in the run's folder, or in the workspace for a folder of pictures.

    Parameters
    ----------
    subject : str
        ``RUN``, ``RUN@best``, ``RUN@last``, ``RUN@kimg``, or a folder.
    data : str
        Name of the dataset with the training images.
    extractor : str, optional
        A network to look through, besides the pixels; see :func:`gan_aug.metrics.extractors.open_extractor`.
    n : int
        Images of each kind, at most.
    seed : int
        Decides which images are taken.
    out : Path, optional
        Folder for the picture sheet; by default one in the workspace.
    class_name : str, optional
        Class of the training images of a folder of pictures, if they were made after one.
    split_id : str, optional
        By default the split that the run was trained on, or the dataset's only one.

    Raises
    ------
    LeakError
        If the generator or the extractor has seen images of val: they would not be held out.
    InvalidValue, NotFound, ExtractorUnavailable
        If something named does not exist or does not fit.
    """
    if n < 2:
        raise InvalidValue(f"n cannot be {n}.", "Compare at least 2 images.")
    setting = open_setting(subject, data, class_name, split_id, seed)
    source, image_set = setting.source, setting.image_set
    folder = _sheet_folder(out, source)
    spaces = [through(extractor, (image_set, setting.split), on_progress)] if extractor else []
    spaces.append(in_pixels())
    drawn = _draw(setting, n)
    size, fakes, real, train = setting.size, drawn.fakes, drawn.real, drawn.train

    groups = np.unique(np.array(setting.split.groups)[drawn.held_out], return_inverse=True)[1]
    measured = [measure(space, fakes, real, groups, image_set, train, size, seed, on_progress) for space in spaces]
    digests = digests_of(image_set, train, size)
    sets = ((fakes, [found.fake for found in measured]), (real, [found.held_out for found in measured]))
    seen = [seen_among(pictures, found, digests, image_set, train) for pictures, found in sets]
    pairs, picture = closest(source.names(len(fakes), seed), fakes, measured[0].fake, seen[0], image_set, train, size)
    _write_sheet(folder / SHEET, picture, setting)
    verdict, reasons = judge(len(fakes), len(real), seen, [found.audit for found in measured])
    labels = setting.labels
    result = Audit(
        subject=source.name,
        verdict=verdict,
        reasons=reasons,
        notes=notes(source, n, len(fakes), len(real), drawn.missing, extractor, image_set),
        n_fake=len(fakes),
        n_held_out=len(real),
        n_train=len(train),
        identical=int(seen[0].identical.sum()),
        near_duplicates=(int(seen[0].near.sum()), int(seen[1].near.sum())),
        spaces=tuple(found.audit for found in measured),
        classes=by_class(drawn.known, labels[drawn.held_out], groups, labels[train], measured[0], seen[0], image_set.record.classes),
        pairs=pairs,
        sheet=str(folder / SHEET),
        dataset=data,
        dataset_fingerprint=image_set.record.fingerprint,
        split_id=setting.split.id,
        split_fingerprint=setting.split.fingerprint,
        class_name=setting.class_name,
        seed=seed,
        image_size=size,
        codec=source.codec,
        fake_set_fingerprint=fingerprint(fakes),
        held_out_fingerprint=fingerprint(real),
        train_fingerprint=files.sha256_bytes("\n".join(sorted(image_set.table["pixel_sha256"].to_numpy()[train])).encode()),
        versions=record.versions(),
        created=runs.now(),
    )
    append(source.folder, result)
    return result


@dataclasses.dataclass(frozen=True)
class _Drawn:
    """The images of an audit."""

    train: np.ndarray  # rows of the training images
    missing: int  # training images that the dataset lacks
    held_out: np.ndarray  # rows of the real images that were not trained on
    real: np.ndarray  # those images (n, R, R, 3) uint8
    fakes: np.ndarray  # (m, R, R, 3) uint8
    known: np.ndarray  # class name of each, None where it is not known


def _draw(setting: Setting, n: int) -> _Drawn:
    """At most n images of each kind; generated ones of the classes of the training images, in their shares."""
    source, class_name, seed = setting.source, setting.class_name, setting.seed
    train, missing = training_rows(source, setting.image_set, setting.split, class_name)
    held_out = held_out_rows(setting.image_set, setting.split, class_name, n, seed)
    labels = setting.labels[train][randomness.order(seed, 2, len(train))]
    n_fake = n if setting.run else min(n, len(source.files))
    wanted = np.resize(labels, n_fake)
    return _Drawn(
        train=train,
        missing=missing,
        held_out=held_out,
        real=np.asarray(setting.image_set.at(setting.size)[held_out]),
        fakes=source.pictures(wanted, setting.size, class_name, seed),
        known=wanted if source.conditional and class_name is None else np.full(n_fake, class_name, object),
    )


def _write_sheet(path: Path, picture: np.ndarray, setting: Setting) -> None:
    """The closest pairs as a PNG that says what it shows."""
    about = {"audit": setting.source.name, "dataset": setting.image_set.record.name, "shows": "generated | closest real"}
    origin = runs.statement(images.PARTLY_SYNTHETIC) | about
    files.write_bytes(path, images.png_bytes(picture, origin))


def _sheet_folder(out: Path | None, source: Generator | Folder) -> Path:
    """Where the sheet goes."""
    if out is None:
        name = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in source.name)[-80:]
        return workspace.home() / "audits" / name
    workspace.refuse_source(out, "the sheet of closest pairs")
    return out


def training_rows(source: Generator | Folder, image_set: ImageSet, split: Split, class_name: str | None) -> tuple[np.ndarray, int]:
    """Rows of the training images, and how many the dataset lacks."""
    if isinstance(source, Generator):
        listed = training_list.read(runs.run_folder(source.run.id))
        training_list.refuse_leak(listed, image_set, split, f"run {source.run.id}")
        digests = {image.pixel_sha256 for image in listed}
        found = image_set.table["pixel_sha256"].isin(digests).to_numpy()
        rows, missing = np.flatnonzero(found), len(digests - set(image_set.table["pixel_sha256"]))
        if len(rows) == 0:
            raise InvalidValue(
                f"Dataset {image_set.record.name!r} holds none of the {len(listed)} images that {source.run.id} was trained on.",
                f"Name the dataset that it was trained on: {source.run.dataset}.",
            )
    else:
        rows, missing = np.array(split.rows("train"), np.int64), 0
        if class_name is not None:
            rows = rows[image_set.table["label"].to_numpy()[rows] == class_name]
    if len(rows) < 2:
        raise InvalidValue(f"There are only {len(rows)} training images to compare with.", "Choose a larger class or dataset.")
    return rows, missing


def held_out_rows(image_set: ImageSet, split: Split, class_name: str | None, n: int, seed: int) -> np.ndarray:
    """Rows of at most n images of val, in an order that belongs to the seed."""
    rows = np.array(split.rows("val"), np.int64)
    if class_name is not None:
        rows = rows[image_set.table["label"].to_numpy()[rows] == class_name]
    if len(rows) == 0:
        raise InvalidValue(f"val of {image_set.record.name!r} holds no image to compare with.", "Make a split with a val part.")
    return rows[randomness.order(seed, 1, len(rows))[:n]]
