"""What is measured of the pictures of a batch to be curated, once, when it is made: what a reviewer can sort and filter by."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gan_aug import catalog, device, gans, images, runs
from gan_aug.audit.spaces import Space, through
from gan_aug.checkpoint import load_weights
from gan_aug.data import duplicates
from gan_aug.data.dataset import ImageSet, open_dataset
from gan_aug.data.split import load_split
from gan_aug.errors import NotFound
from gan_aug.metrics import copying
from gan_aug.records import Checkpoint, GanConfig, Run, Split, from_dict
from gan_aug.train_gan.state import training_rows

OnProgress = Callable[[int, int, str], None]

# Keys of a case's facts. A value that is not known is None.
FACTS = {
    "nearest_real": "distance to the nearest training image in its best flip or turn, through the batch's extractor",
    "uniqueness": "distance to the nearest other picture of the batch, measured likewise",
    "d_score": "what the run's own discriminator says at this snapshot; above 0 it takes the picture for a photograph",
    "alike": "the first of the near-duplicates to which the picture belongs",
}

_BATCH = 32


def measure(
    run: Run,
    checkpoint: Checkpoint,
    pictures: np.ndarray,
    names: list[str],
    extractor: str | None,
    on_progress: OnProgress | None = None,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Facts of each picture (N, R, R, 3) uint8, and which extractor and discriminator they come from.

    Without an extractor distances are not known. Of a run that was passed on, as those that come with gan_aug, the discriminator's score is
    not known, since its weights stay behind; nor are distances to the training images, unless their dataset is there with its split.

    Raises
    ------
    UserError
        If the extractor does not exist, or has seen held-out images.
    """
    space, distances, unknown = None, {}, None
    if extractor is not None:
        there, unknown = _training(run)
        space, distances = _distances(run, pictures, extractor, there, on_progress)
    scores = _d_scores(run, checkpoint, pictures)
    alike = _groups(pictures)
    facts = [
        {
            **{key: float(values[number]) for key, values in distances.items()},
            "d_score": None if scores is None else float(scores[number]),
            "alike": names[alike[number]] if number in alike else None,
        }
        for number in range(len(pictures))
    ]
    about = {
        "extractor": space.name if space else None,
        "extractor_sha256": space.weights_sha256 if space else None,
        "nearest_unknown": unknown,  # why
    }
    return [dict.fromkeys(FACTS) | fact for fact in facts], about


def _training(run: Run) -> tuple[tuple[ImageSet, Split] | None, str | None]:
    """Dataset and split of a run; or None, and why."""
    try:
        return (open_dataset(run.dataset), load_split(run.dataset, run.split_id)), None
    except NotFound as error:
        return None, error.what


def _distances(
    run: Run, pictures: np.ndarray, extractor: str, there: tuple[ImageSet, Split] | None, on_progress: OnProgress | None
) -> tuple[Space, dict[str, np.ndarray]]:
    space, found = through(extractor, there, on_progress), {}
    turned = np.stack([space.features(np.ascontiguousarray(copying.turned(pictures, turn))) for turn in range(copying.TURNS)])
    if there:
        rows = training_rows(*there, run.class_name)
        blocks = functools.partial(space.blocks, there[0], rows, pictures.shape[1], on_progress)
        found["nearest_real"] = copying.nearest(turned, blocks, k=1).nearest
    if len(pictures) > 1:
        own = np.arange(len(pictures))
        found["uniqueness"] = copying.nearest(turned, lambda: iter([(0, turned[0])]), k=1, own=own).nearest
    return space, found


@torch.no_grad()
def _d_scores(run: Run, checkpoint: Checkpoint, pictures: np.ndarray) -> np.ndarray | None:
    """The discriminator's logit of each picture, (N,), or None where its weights are not there."""
    path = Path(checkpoint.folder) / "D.safetensors"
    if not path.exists():
        return None
    runs.verify(checkpoint, path.name)
    n_classes = len(run.classes) if catalog.entry(run.spec).conditional else 0
    _, D = gans.spec(run.spec).build(from_dict(GanConfig, run.config), n_classes)
    D.load_state_dict(load_weights(path))
    where = device.pick("auto")
    D = D.to(where).eval()
    scores = []
    for start in range(0, len(pictures), _BATCH):
        batch = torch.from_numpy(images.to_float(pictures[start : start + _BATCH])).permute(0, 3, 1, 2)
        said = D(batch.to(where))
        scores.append((said[0] if isinstance(said, tuple) else said).flatten().cpu().numpy())
    return np.concatenate(scores)


def _groups(pictures: np.ndarray) -> dict[int, int]:
    """Near-duplicates among the pictures: position -> position of the first of its group, for those that have any."""
    found = duplicates.find_near_duplicates(pictures, [duplicates.phash(picture) for picture in pictures])
    first: dict[int, int] = {}

    def root(position: int) -> int:
        while first.get(position, position) != position:
            position = first[position]
        return position

    for a, b, _ in found:
        low, high = sorted((root(a), root(b)))
        first[high] = first[low] = low
    return {position: root(position) for pair in found for position in pair[:2]}
