"""What each kind of job does: one function a kind, which calls the part of gan_aug that does it, tells its progress and can be stopped.

What is heavy is imported where it is used, so that a job loads only what its kind needs. The fields of a kind's arguments have the names of
the parameters that they become.
"""

import datetime
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from gan_aug import files, store, workspace
from gan_aug.errors import Busy, CorruptFile, InvalidValue, NotFound
from gan_aug.jobs import Progress, Stopped, kinds
from gan_aug.records import from_dict, to_dict

_T = TypeVar("_T")
_LOOK_AGAIN = 2.0  # seconds between two looks at work that other processes are at


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
    from gan_aug.data.taken_over import take_over_split

    options = to_dict(arguments)
    like = options.pop("like")
    split = take_over_split(arguments.name, like).split if like else make_split(**options)
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


def _audit(arguments: kinds.AuditGenerator, progress: Progress) -> dict[str, Any]:
    from gan_aug.audit import audit

    options = to_dict(arguments)
    found = audit(options.pop("reference"), **options, on_progress=_counter(progress))
    return {"checkpoint": found.subject, "verdict": found.verdict, "sheet": found.sheet}


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
    """Cells that are done are not trained again, and those that another process is at are left to it: several can work at one study."""
    from gan_aug import report, study, train_classifier

    plan = study.load_study(arguments.name)

    def run(cell: study.Cell) -> None:
        if cell.state == "done":
            return
        cells = study.cells(plan)
        done = sum(other.state in ("trained", "done") for other in cells)

        def on_tick(tick: dict[str, Any]) -> None:
            share = (done + tick["step"] / tick["total_steps"]) / len(cells)
            progress.report(share, f"classifier {done + 1} of {len(cells)}: {cell.scheme}, seed {cell.seed}")

        train_classifier.run_cell(plan, cell.scheme, cell.seed, on_tick=on_tick, should_stop=progress.should_stop)

    _in_turn(study.cells(plan), run, progress)
    study.analyse(plan.name)
    path = workspace.studies() / plan.name / "report.html"
    report.write_html(plan.name, path)
    return {"study": plan.name, "report": str(path)}


def _sweep(arguments: kinds.RunSweep, progress: Progress) -> dict[str, Any]:
    """Point by point; what is trained is not trained again, and what another process trains is left to it."""
    from gan_aug import report, study

    planned = study.load_sweep(arguments.name)

    def run(point: study.Point) -> None:
        number = planned.points.index(point)

        def at_point(share: float, message: str) -> None:
            progress.report((number + share) / len(planned.points), f"{point.label}: {message}")

        if _has_results(point.study):  # its GANs may be gone by now
            return
        with study.hold_point(planned, point):
            if not study.is_planned(point):
                _train_recipes(planned, point, progress, at_point)
                study.plan_point(planned, point)
        _study(kinds.RunStudy(point.study), _Part(progress, at_point))

    _in_turn(planned.points, run, progress)
    path = study.result_file(planned).with_name("report.html")
    report.write_sweep_html(planned.name, path)
    return {"sweep": planned.name, "report": str(path)}


def _has_results(name: str) -> bool:
    """Whether a study was gone through to its end; its report is the last that it writes."""
    from gan_aug import study

    try:
        study.load_analysis(name)
    except (NotFound, CorruptFile):
        return False
    return (workspace.studies() / name / "report.html").exists()


def _in_turn(items: Sequence[_T], run: Callable[[_T], object], progress: Progress) -> None:
    """Run every item. One that another process is at is put off, and then looked at again: that process may end before the item does."""
    waiting = list(items)
    while waiting:
        busy = []
        for item in waiting:
            try:
                run(item)
            except Busy:
                busy.append(item)
            if progress.should_stop():
                raise Stopped
        if len(busy) == len(waiting):
            progress.report(1 - len(busy) / len(items), "waiting for other processes")
            time.sleep(_LOOK_AGAIN)
        waiting = busy


def _train_recipes(sweep: Any, point: Any, progress: Progress, report: Callable[[float, str], None]) -> None:
    """Train the GANs of a point, or go on with them; one that was deleted before the study was planned is trained anew."""
    from gan_aug import runs, study, train_gan

    for recipe in sweep.recipes:
        run_id = study.trained_for(sweep, point).get(recipe.text)
        if run_id is None or not runs.is_there(run_id):
            options = {"class_name": recipe.class_name, "preset": sweep.preset, "settings": sweep.gan_settings}
            run_id = train_gan.prepare(recipe.gan, sweep.dataset, split_id=point.split_id, parent=sweep.name, **options).id
            study.note_run(sweep, point, recipe, run_id)

        def on_tick(tick: dict[str, Any], recipe: Any = recipe) -> None:
            report(0.0, f"{recipe.gan}, {tick['kimg']:g} of {tick['total_kimg']:g} thousand images")

        if runs.status(run_id).state != "finished":
            train_gan.train(run_id, on_tick=on_tick, should_stop=progress.should_stop)
        if runs.status(run_id).state != "finished":
            raise Stopped


class _Part:
    """The progress of a part of a job: it reports through the whole's, and stops with it."""

    def __init__(self, whole: Progress, report: Callable[[float, str], None]):
        self.report, self.should_stop = report, whole.should_stop


# --- reviews -----------------------------------------------------------------------------------------------------------------------------


def _review_batch(arguments: kinds.MakeReviewBatch, progress: Progress) -> dict[str, Any]:
    """Write the pictures of a batch below ``reviews`` in the workspace, then the batch itself into the database."""
    from gan_aug import batches

    folder = workspace.home() / "reviews" / arguments.name
    if any(batch.name == arguments.name for batch in store.batches()):
        if progress.kept.get("stored"):
            return {"batch": arguments.name}  # an earlier attempt was killed just before it could say that it was done
        raise InvalidValue(f"There already is a batch {arguments.name!r}.", "Choose another name.")
    if folder.exists() and not progress.kept.get("folder"):
        raise InvalidValue(f"There already is a folder {folder}, of no batch.", "Choose another name, or remove the folder.")
    progress.keep(folder=str(folder))
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier attempt, which was killed before it stored the batch
    options = to_dict(arguments)
    del options["by"]
    with files.new_folder(folder) as temporary:
        cases, settings = batches.make(folder=temporary, **options, on_progress=_counter(progress))
    progress.keep(stored=True)
    store.create_batch(arguments.name, arguments.mode, cases, arguments.by, settings)
    return {"batch": arguments.name, "cases": len(cases)}


# --- upkeep ------------------------------------------------------------------------------------------------------------------------------


def _nearest(arguments: kinds.PrepareNearest, progress: Progress) -> dict[str, Any]:
    from gan_aug import nearest_making

    record = nearest_making.prepare(**to_dict(arguments), on_progress=_counter(progress))
    return {"extractor": record.extractor, "images": record.n_train}


def _project(arguments: kinds.ProjectImage, progress: Progress) -> dict[str, Any]:
    from gan_aug import project, projections

    options = to_dict(arguments)
    name, reference = options.pop("name"), options.pop("reference")
    with projections.given(name) as image:
        found = project.project(reference, image, out=projections.folder(name), **options, on_progress=_counter(progress))
    return {"projection": name, "distance": found.distance}


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
    "audit": _audit,
    "sample": _sample,
    "classify": _classify,
    "study": _study,
    "sweep": _sweep,
    "review_batch": _review_batch,
    "nearest": _nearest,
    "project": _project,
    "reindex": _reindex,
    "sleep": _sleep,
}
