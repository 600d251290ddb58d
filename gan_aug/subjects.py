"""What is measured: a snapshot of a GAN, or a folder of pictures from anywhere. Both give images by the same calls."""

import dataclasses
from pathlib import Path

import numpy as np

from gan_aug import catalog, images, randomness, runs, sampled_folder, workspace
from gan_aug.data.dataset import ImageSet, open_dataset
from gan_aug.data.split import load_split
from gan_aug.errors import InvalidValue, NotFound
from gan_aug.metrics import record
from gan_aug.records import Checkpoint, Run, Split
from gan_aug.sample import sample

CODECS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp", ".bmp": "bmp", ".tif": "tiff", ".tiff": "tiff"}

_SEEDS_PER_DRAW = 1_000_000  # apart, so that another evaluation seed means other synthetic images


@dataclasses.dataclass(frozen=True)
class Generator:
    """A snapshot of a GAN."""

    run: Run
    checkpoint: Checkpoint
    codec = "none"  # its images were never stored

    @property
    def name(self) -> str:
        return self.checkpoint.id

    @property
    def folder(self) -> Path:
        """Where its numbers are kept."""
        return runs.run_folder(self.run.id)

    @property
    def file(self) -> Path:
        """Its measurements."""
        return record.evaluations_file(self.run.id)

    @property
    def conditional(self) -> bool:
        return catalog.entry(self.run.spec).conditional

    def size(self, image_set: ImageSet) -> int:
        return int(self.run.config["resolution"])

    def seeds(self, n: int, seed: int) -> np.ndarray:
        """Its own seeds of ``n`` images, which belong to the seed of the measurement."""
        return np.arange(n) + seed * _SEEDS_PER_DRAW

    def names(self, n: int, seed: int) -> list[str]:
        """What to call each of ``n`` images."""
        return [f"seed {number}" for number in self.seeds(n, seed)]

    def pictures(self, labels: np.ndarray, size: int, class_name: str | None, seed: int) -> np.ndarray:
        """As many images as ``labels``; of a conditional GAN, and no class named, one of each label."""
        n = len(labels)
        seeds = self.seeds(n, seed)
        wanted = labels if self.conditional and class_name is None else np.full(n, class_name, object)
        generated = np.empty((n, size, size, 3), np.uint8)
        for name in dict.fromkeys(wanted):
            generated[wanted == name] = sample(self.name, seeds[wanted == name].tolist(), name)[0]
        return generated


@dataclasses.dataclass(frozen=True)
class Folder:
    """A folder of pictures from anywhere."""

    path: Path
    files: tuple[Path, ...]
    conditional = False

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def folder(self) -> Path:
        """Where its numbers are kept."""
        return workspace.home()

    @property
    def file(self) -> Path:
        """Its measurements."""
        return workspace.home() / "evaluations.jsonl"

    @property
    def codec(self) -> str:
        return "+".join(sorted({CODECS[file.suffix.lower()] for file in self.files}))

    def size(self, image_set: ImageSet) -> int:
        """Nothing is enlarged: the size of the pictures, or that of the dataset where they are larger."""
        first = images.read_picture(self.files[0], image_set.record.size)
        return min(image_set.record.size, first.width, first.height)

    def _chosen(self, n: int, seed: int) -> list[Path]:
        return [self.files[number] for number in randomness.order(seed, 0, len(self.files))[:n]]

    def names(self, n: int, seed: int) -> list[str]:
        """What to call each of ``n`` pictures."""
        return [str(file.relative_to(self.path)) for file in self._chosen(n, seed)]

    def pictures(self, labels: np.ndarray, size: int, class_name: str | None, seed: int) -> np.ndarray:
        """As many of the pictures as ``labels``, whatever these say."""
        out = np.empty((len(labels), size, size, 3), np.uint8)
        for place, file in enumerate(self._chosen(len(labels), seed)):
            picture = images.read_picture(file, size)
            if min(picture.width, picture.height) < size:
                raise InvalidValue(
                    f"{file.name} is {picture.width} x {picture.height} px, smaller than {self.files[0].name}.",
                    "Put pictures of one size into the folder.",
                )
            out[place] = picture.pixels
        return out


def open_subject(subject: str) -> Generator | Folder:
    """What is to be measured: a folder of pictures where there is one of that name, else a snapshot of a run.

    Raises
    ------
    NotFound, InvalidValue
        If there is neither, the folder holds no pictures or others than its manifest of sampled pictures lists, or the run is not a GAN's.
    """
    folder = Path(subject)
    if folder.is_dir() and not (folder / "run.json").exists():  # a run's own folder holds pictures too, but they are grids
        found = tuple(sorted(path for path in folder.rglob("*") if path.suffix.lower() in CODECS and path.is_file()))
        if not found:
            raise NotFound(f"Folder {folder} holds no pictures.", f"Give a folder with files of type {', '.join(CODECS)}.")
        _refuse_unlisted(folder, found)
        return Folder(folder.resolve(), found)
    run, checkpoint = runs.resolve(subject)
    if run.kind != "gan":
        raise InvalidValue(f"Run {run.id} is a {run.kind} and makes no images.", "See the GANs with: gan-aug runs --kind gan")
    return Generator(run, checkpoint)


def _refuse_unlisted(folder: Path, found: tuple[Path, ...]) -> None:
    """Refuse pictures that lie in or below a folder filled by sampling without being of its manifest: they need not be of the generator."""
    rows = {path.parent: sampled_folder.listed(path.parent) for path in folder.rglob(sampled_folder.MANIFEST)}
    sampled = {place: names for place, names in rows.items() if names is not None}
    for path in found:
        for place in path.parents:
            if place in sampled and not (place == path.parent and path.name in sampled[place]):
                raise InvalidValue(
                    f"{path} is not listed in {place / sampled_folder.MANIFEST}: it may be no picture of the generator.",
                    "Move it elsewhere; if 'gan-aug sample' was interrupted there, repeat that call, and it is listed.",
                )


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is measured, and which real images it is held against."""

    source: Generator | Folder
    image_set: ImageSet
    split: Split
    class_name: str | None  # of the real images; None: all classes
    seed: int

    @property
    def run(self) -> Run | None:
        """The run whose generator is measured; None for a folder of pictures."""
        return self.source.run if isinstance(self.source, Generator) else None

    @property
    def size(self) -> int:
        """Side at which images are compared [px]."""
        return self.source.size(self.image_set)

    @property
    def labels(self) -> np.ndarray:
        """Class name of every image of the dataset."""
        return self.image_set.table["label"].to_numpy()


def open_setting(subject: str, data: str, class_name: str | None, split_id: str | None, seed: int) -> Setting:
    """A subject beside a dataset: of the class and in the split of the run's training, unless others are named.

    Raises
    ------
    NotFound, InvalidValue
        If something named does not exist or does not fit, or the seed is out of range.
    """
    randomness.check_seed(seed, randomness.MEASURED_BELOW)
    source = open_subject(subject)
    run = source.run if isinstance(source, Generator) else None
    image_set = open_dataset(data)
    if split_id is None and run and run.dataset == data:
        split_id = run.split_id
    split = load_split(data, split_id)
    if class_name is None and run:
        class_name = run.class_name
    if class_name is not None and class_name not in image_set.record.classes:
        raise InvalidValue(f"Dataset {data!r} has no class {class_name!r}.", f"It has: {', '.join(image_set.record.classes)}.")
    return Setting(source, image_set, split, class_name, seed)
