"""What each kind of job does: one function a kind, which calls the part of gan_aug that does it, tells its progress and can be stopped.

What is heavy is imported where it is used, so that a job loads only what its kind needs. The fields of a kind's arguments have the names of
the parameters that they become.
"""

import dataclasses
import datetime
import hashlib
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gan_aug import files, store, workspace
from gan_aug.errors import InvalidValue, NotFound
from gan_aug.jobs import Progress, Stopped, kinds
from gan_aug.records import SyntheticImage, from_dict, to_dict

_BLOCK = 64  # images between two reports
_REPEATED = 0.1  # share of a blind batch that is shown twice
_PAINTED = (0.35, 0.65)  # the share of painted images in a blind batch is drawn from this range, so that counting tells a reader nothing


def _counter(progress: Progress) -> Callable[[int, int, str], None]:
    """An ``on_progress(done, in all, what)`` that reports to a job and, when it is to stop, ends the work where it stands."""

    def on_progress(done: int, total: int, what: str) -> None:
        if progress.should_stop():
            raise Stopped
        progress.report(done / total if total else 0.0, what)

    return on_progress


# --- data --------------------------------------------------------------------------------------------------------------------------------


def _demo(arguments: kinds.DrawDemo, progress: Progress) -> dict[str, Any]:
    from gan_aug.data.phantom import make_phantom
    from gan_aug.data.split import make_split

    dataset = make_phantom(**to_dict(arguments), on_progress=_counter(progress))
    return {"dataset": dataset.name, "images": dataset.n_images, "split": make_split(dataset.name).id}


def _import(arguments: kinds.ImportImages, progress: Progress) -> dict[str, Any]:
    from gan_aug.data.importer import ImportStopped, import_dataset
    from gan_aug.data.split import make_split

    options = to_dict(arguments)
    paths = [Path(path) for path in options.pop("paths")]

    def on_progress(done: int, total: int, what: str) -> None:
        progress.report(done / total if total else 0.0, what)

    try:
        dataset = import_dataset(paths, **options, on_progress=on_progress, should_stop=progress.should_stop)
    except ImportStopped:
        raise Stopped from None
    progress.report(1.0, "Splitting by patient, lesion and near-duplicate.")
    return {"dataset": dataset.name, "images": dataset.n_images, "split": make_split(dataset.name).id}


def _split(arguments: kinds.SplitDataset, progress: Progress) -> dict[str, Any]:
    from gan_aug.data.split import make_split

    split = make_split(**to_dict(arguments))
    return {"dataset": split.dataset, "split": split.id}


# --- GANs --------------------------------------------------------------------------------------------------------------------------------


def _train_gan(arguments: kinds.TrainGan, progress: Progress) -> dict[str, Any]:
    from gan_aug import train_gan

    run_id = progress.kept.get("run_id") or arguments.run_id
    if run_id is None:
        options = to_dict(arguments)
        del options["run_id"]
        run_id = train_gan.prepare(**options).id
    progress.keep(run_id=run_id)

    def on_tick(tick: dict[str, Any]) -> None:
        progress.report(tick["kimg"] / tick["total_kimg"], f"{tick['kimg']:g} of {tick['total_kimg']:g} thousand images{_left(tick)}")

    checkpoint = train_gan.train(run_id, on_tick=on_tick, should_stop=progress.should_stop)
    return {"run_id": run_id, "checkpoint": checkpoint.id}


def _left(tick: dict[str, Any]) -> str:
    return f", about {datetime.timedelta(seconds=round(tick['seconds_left']))} left"


def _export(arguments: kinds.ExportGenerator, progress: Progress) -> dict[str, Any]:
    from gan_aug import export, runs

    _, checkpoint = runs.resolve(arguments.checkpoint)
    return {"checkpoint": checkpoint.id, "file": str(export.export_onnx(checkpoint))}


def _evaluate(arguments: kinds.EvaluateGenerator, progress: Progress) -> dict[str, Any]:
    from gan_aug import evaluate

    options = to_dict(arguments)
    records = evaluate.evaluate(options.pop("reference"), **options, on_progress=_counter(progress))
    return {"metrics": [to_dict(record) for record in records]}


def _select_best(arguments: kinds.SelectBest, progress: Progress) -> dict[str, Any]:
    from gan_aug import evaluate

    checkpoint = evaluate.select_best(**to_dict(arguments), on_progress=_counter(progress))
    return {"checkpoint": checkpoint.id}


def _sample(arguments: kinds.SampleImages, progress: Progress) -> dict[str, Any]:
    from gan_aug import latent, sample

    manifest = sample.sample_to_folder(
        arguments.reference,
        latent.parse_seeds(arguments.seeds),
        workspace.home() / "exports" / arguments.name,
        arguments.class_name,
        arguments.truncation,
        on_progress=_counter(progress),
    )
    return {"manifest": str(manifest)}


# --- classifiers and studies -------------------------------------------------------------------------------------------------------------


def _classify(arguments: kinds.TrainClassifier, progress: Progress) -> dict[str, Any]:
    from gan_aug import train_classifier
    from gan_aug.records import ClassifierConfig

    run_id = progress.kept.get("run_id") or arguments.run_id
    if run_id is None:
        config = from_dict(ClassifierConfig, arguments.config)
        run_id = train_classifier.prepare(arguments.data, arguments.scheme, config, arguments.seed, arguments.split_id).id
    progress.keep(run_id=run_id)

    def on_tick(tick: dict[str, Any]) -> None:
        progress.report(tick["step"] / tick["total_steps"], f"step {tick['step']:,} of {tick['total_steps']:,}{_left(tick)}")

    checkpoint = train_classifier.train(run_id, on_tick=on_tick, should_stop=progress.should_stop)
    return {"run_id": run_id, "checkpoint": checkpoint.id}


def _study(arguments: kinds.RunStudy, progress: Progress) -> dict[str, Any]:
    """Cells that an earlier attempt finished are not trained again."""
    from gan_aug import report, study, train_classifier

    plan = study.load_study(arguments.name)
    cells = study.cells(plan)
    missing = [cell for cell in cells if cell.state != "done"]
    for number, cell in enumerate(missing, start=len(cells) - len(missing)):

        def on_tick(tick: dict[str, Any], number: int = number, cell: Any = cell) -> None:
            share = (number + tick["step"] / tick["total_steps"]) / len(cells)
            progress.report(share, f"classifier {number + 1} of {len(cells)}: {cell.scheme}, seed {cell.seed}")

        train_classifier.run_cell(plan, cell.scheme, cell.seed, on_tick=on_tick, should_stop=progress.should_stop)
        if progress.should_stop():
            raise Stopped
    study.analyse(plan.name)
    path = workspace.studies() / plan.name / "report.html"
    report.write_html(plan.name, path)
    return {"study": plan.name, "report": str(path)}


# --- reviews -----------------------------------------------------------------------------------------------------------------------------


def _review_batch(arguments: kinds.MakeReviewBatch, progress: Progress) -> dict[str, Any]:
    """Write the pictures of a batch below ``reviews`` in the workspace, then the batch itself into the database."""
    folder = workspace.home() / "reviews" / arguments.name
    if any(batch.name == arguments.name for batch in store.batches()):
        if progress.kept.get("stored"):
            return {"batch": arguments.name}  # an earlier attempt was killed just before it could say that it was done
        raise InvalidValue(f"There already is a batch {arguments.name!r}.", "Choose another name.")
    if folder.exists() and not progress.kept.get("folder"):
        raise InvalidValue(f"There already is a folder {folder}, of no batch.", "Choose another name, or remove the folder.")
    progress.keep(folder=str(folder))
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier attempt, which was killed before it stored the batch
    draw = random.Random(f"{arguments.name} {arguments.reference} {arguments.first_seed}")
    with files.new_folder(folder) as temporary:
        real = _choose_real(arguments, draw) if arguments.mode == "blind" else []
        cases = _paint_cases(arguments, temporary, progress)
        if arguments.mode == "blind":
            cases = _mix(cases, [_write_case(arguments.name, temporary, content, real=origin) for content, origin in real], draw, temporary)
    progress.keep(stored=True)
    store.create_batch(arguments.name, arguments.mode, cases, arguments.by)
    return {"batch": arguments.name, "cases": len(cases)}


def _paint_cases(arguments: kinds.MakeReviewBatch, folder: Path, progress: Progress) -> list[store.ReviewCase]:
    from gan_aug import images, runs, sample

    run, checkpoint = runs.resolve(arguments.reference)
    cases = []
    seeds = list(range(arguments.first_seed, arguments.first_seed + arguments.n))
    for start in range(0, len(seeds), _BLOCK):
        _counter(progress)(start, len(seeds), f"Painting with {checkpoint.id}.")
        painted, names = sample.sample(checkpoint.id, seeds[start : start + _BLOCK], arguments.class_name, arguments.truncation)
        for pixels, name in zip(painted, names, strict=True):
            # In a blind batch the file must not tell what the picture is; the database keeps it.
            blind = arguments.mode == "blind"
            origin = None if blind else sample.provenance(run, checkpoint, name.seed, name.class_name, name.truncation)
            cases.append(_write_case(arguments.name, folder, images.png_bytes(pixels, origin), synthetic=name))
    return cases


def _write_case(
    batch: str, folder: Path, content: bytes, synthetic: SyntheticImage | None = None, real: dict[str, str] | None = None
) -> store.ReviewCase:
    """Write one picture under an opaque name."""
    image = hashlib.sha256(f"{batch} {synthetic} {real}".encode()).hexdigest()[:16]
    (folder / f"{image}.png").write_bytes(content)
    return store.ReviewCase(image, f"reviews/{batch}/{image}.png", files.sha256_bytes(content), synthetic, real)


def _choose_real(arguments: kinds.MakeReviewBatch, draw: random.Random) -> list[tuple[bytes, dict[str, str]]]:
    """Real images for a blind batch, as PNG bytes and origin, of the class that is painted.

    They come from the train part, which the generator has seen anyway: showing them costs no study its held-out images.
    """
    from gan_aug import images, runs
    from gan_aug.data.dataset import open_dataset
    from gan_aug.data.split import load_split

    run, _ = runs.resolve(arguments.reference)
    image_set = open_dataset(arguments.data)
    class_name = arguments.class_name or run.class_name
    split = load_split(arguments.data, run.split_id if arguments.data == run.dataset else None)
    table = image_set.table
    rows = [row for row in split.rows("train") if class_name in (None, table["label"][row])]
    share = draw.uniform(*_PAINTED)
    wanted = round(arguments.n * (1 - share) / share)
    if len(rows) < wanted:
        raise NotFound(
            f"{arguments.data} has {len(rows)} training images of class {class_name or 'any'}, and {wanted} are needed.",
            f"Ask for at most {round(len(rows) * _PAINTED[0] / (1 - _PAINTED[0]))} painted images.",
        )
    pictures = image_set.at(run.config["resolution"])
    return [
        (images.png_bytes(pictures[row], None), {"dataset": arguments.data, "image_id": str(table["image_id"][row])})
        for row in draw.sample(rows, wanted)
    ]


def _mix(painted: list[store.ReviewCase], real: list[store.ReviewCase], draw: random.Random, folder: Path) -> list[store.ReviewCase]:
    """Painted and real pictures in random order, and some of them again in the second half, so that some time lies between two looks."""
    cases = painted + real
    draw.shuffle(cases)
    again = []
    for case in draw.sample(cases, round(len(cases) * _REPEATED)):
        image = hashlib.sha256(f"again {case.image}".encode()).hexdigest()[:16]
        shutil.copyfile(folder / f"{case.image}.png", folder / f"{image}.png")
        file = str(Path(case.file).with_name(f"{image}.png"))
        again.append(dataclasses.replace(case, image=image, file=file, repeat_of=case.image))
    late = cases[len(cases) // 2 :] + again
    draw.shuffle(late)
    return cases[: len(cases) // 2] + late


# --- upkeep ------------------------------------------------------------------------------------------------------------------------------


def _reindex(arguments: kinds.Reindex, progress: Progress) -> dict[str, Any]:
    return {"runs": store.reindex()}


def _sleep(arguments: kinds.Sleep, progress: Progress) -> dict[str, Any]:
    end = time.monotonic() + arguments.seconds
    while (left := end - time.monotonic()) > 0:
        if progress.should_stop():
            raise Stopped
        progress.report(1 - left / arguments.seconds, f"{left:.0f} s left")
        time.sleep(min(left, 0.1))
    return {"slept": arguments.seconds}


WORK: dict[str, Callable[[Any, Progress], dict[str, Any]]] = {
    "demo": _demo,
    "import": _import,
    "split": _split,
    "train_gan": _train_gan,
    "export": _export,
    "evaluate": _evaluate,
    "select_best": _select_best,
    "sample": _sample,
    "classify": _classify,
    "study": _study,
    "review_batch": _review_batch,
    "reindex": _reindex,
    "sleep": _sleep,
}
