"""Where a scheme's synthetic images come from: snapshots of generators and curated sets, and the real images that those have seen."""

import dataclasses
from pathlib import Path

from gan_aug import catalog, files, runs, workspace
from gan_aug.backbones import InitialWeights
from gan_aug.data import training_list
from gan_aug.data.dataset import ImageSet
from gan_aug.errors import CorruptFile, InvalidValue, NotFound
from gan_aug.records import ClassifierConfig, Run, Scheme, SeenImage, Split, SyntheticImage, from_dict


@dataclasses.dataclass(frozen=True)
class Generator:
    """A snapshot that generates images for a scheme."""

    checkpoint: str  # RUN@kimg
    weights_sha256: str
    classes: tuple[str, ...]  # what it can generate
    resolution: int  # [px]


@dataclasses.dataclass(frozen=True)
class CuratedImage:
    """A generated picture that people accepted, as they saw it."""

    image: SyntheticImage
    path: Path  # PNG
    sha256: str  # of the file
    class_name: str


def find_generators(scheme: Scheme, classes: tuple[str, ...]) -> tuple[Generator, ...]:
    """The snapshots that a scheme's references mean now.

    Raises
    ------
    NotFound
        If a run or snapshot does not exist.
    InvalidValue
        If a run cannot tell its classes apart, generates a class that the data do not have, or two runs generate the same class.
    """
    references = scheme.checkpoint.split("&") if scheme.checkpoint else []
    found = [_find_generator(reference, classes) for reference in references]
    generated = [name for generator in found for name in generator.classes]
    for name in generated:
        if generated.count(name) > 1:
            raise InvalidValue(f"In the scheme {scheme.name!r} two runs generate {name} images.", "Name one run for each class.")
    return tuple(found)


def _find_generator(reference: str, classes: tuple[str, ...]) -> Generator:
    run, checkpoint = runs.resolve(reference)
    if run.kind != "gan":
        raise InvalidValue(
            f"{run.id} is a {run.kind}, and cannot generate images.", "Name a run of a GAN; list them with: gan-aug runs --kind gan"
        )
    generates = run.classes if catalog.entry(run.spec).conditional else (_one_class(run),)
    for name in generates:
        if name not in classes:
            raise InvalidValue(f"{run.id} generates {name!r}, a class that these data do not have.", f"They have: {', '.join(classes)}.")
    return Generator(checkpoint.id, checkpoint.weights_sha256, generates, int(run.config["resolution"]))


def _one_class(run: Run) -> str:
    """The class of an unconditional generator."""
    if run.class_name is None:
        raise InvalidValue(
            f"{run.id} was trained on all classes without their labels, so its images have none.",
            "Train it on one class (--class malignant), or train an acgan.",
        )
    return run.class_name


def check_resolution(generators: tuple[Generator, ...], config: ClassifierConfig) -> None:
    """Refuse generators of images smaller than the classifier's: enlarged images are soft, and softness would tell the classes apart.

    Raises
    ------
    InvalidValue
    """
    for generator in generators:
        if generator.resolution < config.resolution:
            raise InvalidValue(
                f"{generator.checkpoint} generates {generator.resolution} px, and the classifier looks at {config.resolution} px.",
                f"Set resolution={generator.resolution}, or use a generator of {config.resolution} px.",
            )


def freeze(scheme: Scheme, generators: tuple[Generator, ...]) -> Scheme:
    """The scheme with its references replaced by what they mean now, so that training a generator on does not change an arm."""
    if generators:
        scheme = dataclasses.replace(scheme, checkpoint="&".join(generator.checkpoint for generator in generators))
    if scheme.curated:
        path = _curated_file(scheme.curated)
        scheme = dataclasses.replace(scheme, curated=f"{path.parent.name}@{path.stem.removeprefix('v')}")
    return scheme


# --- curated sets ------------------------------------------------------------------------------------------------------------------------


def _curated_file(reference: str) -> Path:
    """The file ``curated/SET/vN.json`` that ``SET`` (newest version) or ``SET@N`` means."""
    name, _, version = reference.partition("@")
    folder = workspace.home() / "curated" / workspace.check_name(name, "name of a curated set")
    versions = {int(path.stem[1:]): path for path in folder.glob("v*.json") if path.stem[1:].isdecimal()}
    if not versions or (version and int(version) not in versions):
        raise NotFound(f"There is no curated set {reference!r}.", "Save one on the Review page, from a batch with accepted images.")
    return versions[int(version) if version else max(versions)]


def curated_images(scheme: Scheme, classes: tuple[str, ...]) -> list[CuratedImage]:
    """The pictures of a scheme's curated set; none if it has no set.

    Raises
    ------
    NotFound
        If there is no such set.
    InvalidValue
        If a picture's class is not known or not among ``classes``.
    """
    if scheme.curated is None:
        return []
    found = []
    for line in files.read_json(_curated_file(scheme.curated))["images"]:
        image = from_dict(SyntheticImage, line["image"])
        class_name = image.class_name or _one_class(runs.load_run(image.checkpoint.partition("@")[0]))
        if class_name not in classes:
            raise InvalidValue(
                f"The curated set {scheme.curated!r} holds {class_name!r} images, a class that these data do not have.",
                f"They have: {', '.join(classes)}.",
            )
        found.append(CuratedImage(image, workspace.home() / line["file"], line["sha256"], class_name))
    return found


def digest_of_curated(pictures: list[CuratedImage]) -> str | None:
    """Digest over a curated set's pictures and their classes, in order; None for a scheme without a set."""
    lines = (f"{picture.sha256}\t{picture.class_name}\n" for picture in pictures)
    return files.sha256_bytes("".join(lines).encode()) if pictures else None


def check_bytes(picture: CuratedImage) -> None:
    """Refuse a picture that is not the one that was judged.

    Raises
    ------
    CorruptFile
    """
    if not picture.path.is_file() or files.sha256_file(picture.path) != picture.sha256:
        raise CorruptFile(
            f"{picture.path} is missing or is not the picture that was accepted.", "Bring the file back, or save the curated set again."
        )


# --- what they have seen -----------------------------------------------------------------------------------------------------------------


def seen_images(
    generators: tuple[Generator, ...], curated: list[CuratedImage], weights: InitialWeights | None
) -> dict[str, list[SeenImage]]:
    """The real images that whatever a classifier is made from was trained on, by run id.

    Curated pictures answer for the runs that generated them. What weights have seen that no run of ours wrote is not known here.
    """
    references = [generator.checkpoint for generator in generators] + [picture.image.checkpoint for picture in curated]
    run_ids = dict.fromkeys(reference.partition("@")[0] for reference in references)
    if weights and weights.run_id:
        run_ids[weights.run_id] = None
    return {run_id: training_list.read(runs.run_folder(run_id)) for run_id in run_ids}


def refuse_leaks(seen: dict[str, list[SeenImage]], image_set: ImageSet, split: Split) -> None:
    """Refuse runs that have seen an image of the val or test part, or a duplicate or relative of one.

    Raises
    ------
    LeakError
        Naming the images.
    """
    for run_id, images in seen.items():
        training_list.refuse_leak(images, image_set, split, f"run {run_id}")
