"""The audit of a generator or of a folder of pictures."""

from pathlib import Path

import numpy as np

from gan_aug import files, images, randomness, runs, workspace
from gan_aug.audit.copies import closest, digests_of, seen_among
from gan_aug.audit.records import Audit, append
from gan_aug.audit.spaces import in_pixels, measure, through
from gan_aug.audit.verdict import by_class, judge, notes
from gan_aug.data import training_list
from gan_aug.data.dataset import ImageSet, open_dataset
from gan_aug.data.split import load_split
from gan_aug.errors import InvalidValue
from gan_aug.metrics import record
from gan_aug.metrics.extractors import OnProgress, fingerprint
from gan_aug.records import Split
from gan_aug.subjects import Folder, Generator, open_subject

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
    if not 0 <= seed < 1_000_000:
        raise InvalidValue(f"Seed {seed} is out of range.", "Use a whole number from 0 to 999999.")
    if n < 2:
        raise InvalidValue(f"n cannot be {n}.", "Compare at least 2 images.")
    source = open_subject(subject)
    run = source.run if isinstance(source, Generator) else None
    image_set = open_dataset(data)
    split = load_split(data, split_id or (run.split_id if run and run.dataset == data else None))
    class_name = class_name or (run.class_name if run else None)
    if class_name is not None and class_name not in image_set.record.classes:
        raise InvalidValue(f"Dataset {data!r} has no class {class_name!r}.", f"It has: {', '.join(image_set.record.classes)}.")
    folder = _sheet_folder(out, source)
    spaces = [through(extractor, image_set, split, on_progress)] if extractor else []
    spaces.append(in_pixels())

    train, missing = training_rows(source, image_set, split, class_name)
    held_out = held_out_rows(image_set, split, class_name, n, seed)
    size = source.size(image_set)
    labels = image_set.table["label"].to_numpy()
    drawn = labels[train][randomness.order(seed, 2, len(train))]
    n_fake = n if run else min(n, len(source.files))
    fakes = source.pictures(np.resize(drawn, n_fake), size, class_name, seed)
    known = np.resize(drawn, n_fake) if source.conditional and class_name is None else np.full(n_fake, class_name, object)
    real = np.asarray(image_set.at(size)[held_out])

    measured = [measure(space, fakes, real, image_set, train, size, seed, on_progress) for space in spaces]
    digests = digests_of(image_set, train, size)
    sets = ((fakes, [found.fake for found in measured]), (real, [found.held_out for found in measured]))
    seen = [seen_among(pictures, found, digests, image_set, train) for pictures, found in sets]
    pairs, picture = closest(source.names(n_fake, seed), fakes, measured[0].fake, seen[0], image_set, train, size)
    verdict, reasons = judge(len(fakes), len(real), seen, [found.audit for found in measured])
    files.write_bytes(
        folder / SHEET, images.png_bytes(picture, {"audit": source.name, "dataset": data, "shows": "generated | nearest real"})
    )
    result = Audit(
        subject=source.name,
        verdict=verdict,
        reasons=reasons,
        notes=notes(source, n, len(fakes), len(real), missing, extractor, image_set),
        n_fake=len(fakes),
        n_held_out=len(real),
        n_train=len(train),
        identical=int(seen[0].identical.sum()),
        near_duplicates=(int(seen[0].near.sum()), int(seen[1].near.sum())),
        spaces=tuple(found.audit for found in measured),
        classes=by_class(known, labels[held_out], labels[train], measured[0], seen[0], image_set.record.classes),
        pairs=pairs,
        sheet=str(folder / SHEET),
        dataset=data,
        dataset_fingerprint=image_set.record.fingerprint,
        split_id=split.id,
        split_fingerprint=split.fingerprint,
        class_name=class_name,
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
