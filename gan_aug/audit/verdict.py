"""An audit in words."""

import numpy as np

from gan_aug.audit.copies import Seen
from gan_aug.audit.records import ClassAudit, SpaceAudit
from gan_aug.audit.spaces import Measured
from gan_aug.data.dataset import ImageSet
from gan_aug.metrics import copying
from gan_aug.subjects import Folder, Generator

COPIES, CLEAN, TOO_FEW = "copies", "no sign of copying", "too few images to say"

FEWEST = 50  # images of each kind for "no sign": of 50, one copy in ten leaves none only once in 200
LEVEL = 0.001  # chance of a false alarm that is accepted of each test
CT_LEVEL = -3.0  # C_T below which its authors speak of copying


def judge(n_fake: int, n_held_out: int, seen: list[Seen], spaces: list[SpaceAudit]) -> tuple[str, tuple[str, ...]]:
    """The verdict and its reasons. Copies that were found count at any number of images; their absence needs enough of them."""
    reasons = []
    identical, near, expected = int(seen[0].identical.sum()), int(seen[0].near.sum()), int(seen[1].near.sum())
    certain = seen[0].sure.sum() > identical and not seen[1].sure.any()
    if identical:
        reasons.append(f"{identical} of {n_fake} generated images are training images, pixel by pixel.")
    if near > identical and (certain or _fisher(near, n_fake, expected, n_held_out) < LEVEL):
        reasons.append(
            f"{near} of {n_fake} generated images are near-duplicates of training images; of {n_held_out} held-out ones, {expected}."
        )
    for space in spaces:
        if space.closer_chance < LEVEL:
            reasons.append(
                f"By {space.space}, generated images are relatively nearer to {space.closer_than_any} training images than any held-out "
                f"image is to one; the chance of that without copying is {space.closer_chance:.1g}."
            )
        # In pixels, blurred images are near to everything; what lies nearer through a network is nearer in what is shown.
        if space.space != "pixels" and space.ct is not None and space.ct < CT_LEVEL:
            reasons.append(
                f"C_T by {space.space} is {space.ct:.1f}: generated images lie nearer to the training images than held-out ones do."
            )
    if reasons:
        return COPIES, tuple(reasons)
    alike = (
        f"{near} of {n_fake} generated images and {expected} of {n_held_out} held-out ones resemble a training image (similarity up to "
        f"{seen[0].similarity.max():.2f}), which chance explains; look at the closest pairs."
    )
    resembling = (alike,) if near else ()
    if min(n_fake, n_held_out) < FEWEST:
        few = f"{n_fake} generated and {n_held_out} held-out images were compared, and {FEWEST} of each are needed."
        return TOO_FEW, (f"No copy was found, but {few}", *resembling)
    clean = f"Of {n_fake} generated images none repeats a training image, and they lie no nearer than {n_held_out} held-out ones."
    return CLEAN, (clean, *resembling)


def _fisher(a: int, n: int, b: int, m: int) -> float:
    """One-sided chance of ``a`` of ``n`` beside ``b`` of ``m``, if both kinds are alike."""
    from scipy.stats import fisher_exact

    return float(fisher_exact([[a, n - a], [b, m - b]], alternative="greater").pvalue)


def by_class(
    known: np.ndarray,
    held_out: np.ndarray,
    groups: np.ndarray,
    train: np.ndarray,
    measured: Measured,
    seen: Seen,
    classes: tuple[str, ...],
) -> tuple[ClassAudit, ...]:
    """The first space's numbers by class."""
    told = all(name is not None for name in known)
    fake_labels = known if told else train[measured.fake.rows]
    held_out_labels = held_out if told else train[measured.held_out.rows]
    found = []
    for name in classes:
        fake, real = fake_labels == name, held_out_labels == name
        if not fake.any():
            continue
        distances = measured.fake.nearest[fake], measured.held_out.nearest[real]
        enough = min(map(len, distances)) >= copying.FEWEST_IN_CELL
        medians = tuple(float(np.median(some)) if len(some) else None for some in distances)
        shares = tuple(
            100 * float(some.mean()) if len(some) else None for some in (measured.authentic[0][fake], measured.authentic[1][real])
        )
        counts = int(fake.sum()), int(real.sum()), int(seen.identical[fake].sum()), int(seen.near[fake].sum())
        found.append(ClassAudit(name, told, *counts, medians, shares, copying.rank_z(*distances, groups[real]) if enough else None))
    return tuple(found)


def notes(
    source: Generator | Folder, asked: int, n_fake: int, n_held_out: int, missing: int, extractor: str | None, image_set: ImageSet
) -> tuple[str, ...]:
    """What a reader of the audit must know."""
    notes = []
    if min(n_fake, n_held_out) < asked:
        notes.append(f"{asked} images of each kind were asked for; there are {n_fake} generated and {n_held_out} held-out ones.")
    if missing:
        notes.append(f"{missing} images that the generator was trained on are not in {image_set.record.name} and were not compared.")
    if isinstance(source, Folder):
        notes.append(
            "The pictures are compared with the train part of the split; whether what made them was trained on it is not known here."
        )
    if extractor is None:
        notes.append("No extractor was named, so images are compared by pixels alone: a copy that is shifted or recoloured stays unseen.")
    elif extractor.startswith("random-conv"):
        notes.append("random-conv is an extractor for tests; it knows nothing of lesions.")
    if image_set.record.phantom:
        notes.append("The images are phantoms, drawn by rule; nothing here says anything about skin lesions.")
    return tuple(notes)
