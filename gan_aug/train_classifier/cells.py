"""What trained classifiers say: predictions of one, and the cells of a study."""

import torch

from gan_aug import checkpoint, classifier, device, files, runs, study
from gan_aug.data.dataset import open_dataset
from gan_aug.data.split import load_split
from gan_aug.errors import InvalidValue
from gan_aug.records import ClassifierConfig, Prediction, Run, Study, from_dict
from gan_aug.train_classifier.loop import prepare, train
from gan_aug.training import OnTick, ShouldStop


def load_classifier(reference: str, device_name: str = "auto") -> tuple[Run, classifier.Classifier, torch.device]:
    """The trained network that ``RUN``, ``RUN@best`` or ``RUN@last`` means, in evaluation mode.

    Raises
    ------
    NotFound, InvalidValue, CorruptFile
    """
    run, made = runs.resolve(reference)
    if run.kind != "classifier":
        raise InvalidValue(f"{run.id} is a {run.kind}, not a classifier.", "List the classifiers with: gan-aug runs --kind classifier")
    on = device.pick(device_name)
    model = classifier.build(from_dict(ClassifierConfig, run.config), len(run.classes))
    model.load_state_dict(checkpoint.load_sampled(made))
    return run, model.to(on, memory_format=torch.channels_last).eval(), on


def predict(run_id: str, part: str = "val", positive: str | None = None) -> list[Prediction]:
    """The scores of a classifier's best weights for the train or val part of its data.

    Parameters
    ----------
    positive : str, optional
        The class whose probability is the score; ``malignant`` where there is one.

    Raises
    ------
    InvalidValue
        For ``test``, which is only read by a study, once, when all its cells are trained.
    """
    if part not in ("train", "val"):
        raise InvalidValue(
            f"Predictions for {part!r} are not made one classifier at a time.", "Run a study: it reads test once, at its end."
        )
    run, model, on = load_classifier(run_id)
    image_set, split = open_dataset(run.dataset), load_split(run.dataset, run.split_id)
    name = positive or study.default_positive(image_set)
    if name not in run.classes:
        raise InvalidValue(f"{run.id} knows no class {name!r}.", f"It knows: {', '.join(run.classes)}.")
    config = from_dict(ClassifierConfig, run.config)
    exam = study.make_exam(image_set, part, split.rows(part), split.groups, name, run.classes, config)
    return exam.predictions(run.parent or "", run.scheme, run.seed, classifier.probabilities(model, exam.images, exam.rows, on))


# --- the cells of a study ----------------------------------------------------------------------------------------------------------------


def run_cell(
    planned: Study | str,
    scheme: str,
    seed: int,
    *,
    on_tick: OnTick | None = None,
    should_stop: ShouldStop | None = None,
    device_name: str = "auto",
) -> study.Cell:
    """Train one cell of a study, or go on with it, and write its predictions for val; the last cell to end opens the test part for all.

    A cell that is done is left as it is. Everything that could leak is checked again before the training starts.

    Raises
    ------
    Busy
        If another process is at this cell, or has opened the test part; in the second case the cell is trained.
    LeakError, UserError
        See :func:`gan_aug.study.check_cell` and :func:`train`.
    """
    planned = study.load_study(study.study_name(planned))
    lock = study.find_cell(planned, scheme, seed).folder / "cell.lock"
    with files.hold(lock, f"The cell {scheme}, seed {seed}, of study {planned.name} is being run"):
        cell = study.find_cell(planned, scheme, seed)
        if cell.state not in ("trained", "done"):
            _train_cell(cell, on_tick, should_stop, device_name)
    if all(other.state in ("trained", "done") for other in study.cells(planned)):
        final_evaluate(planned.name, device_name)
    return study.find_cell(planned, scheme, seed)


def _train_cell(cell: study.Cell, on_tick: OnTick | None, should_stop: ShouldStop | None, device_name: str) -> None:
    settled, arm = study.check_cell(cell.study, cell.scheme)
    run_id = cell.run_id
    if run_id is None:
        config = from_dict(ClassifierConfig, settled.study.config)
        run_id = prepare(settled.study.dataset, arm.frozen, config, cell.seed, settled.study.split_id, cell.study, device_name).id
        study.write_cell(cell, run_id)
    train(run_id, on_tick=on_tick, should_stop=should_stop)
    if runs.status(run_id).state == "finished":
        study.write_cell(cell, run_id, _examine(cell, run_id, [study.val_exam(cell.study)], device_name))


def _examine(cell: study.Cell, run_id: str, exams: list[study.Exam], device_name: str) -> list[Prediction]:
    """The predictions of a cell's best weights for some exams."""
    _, model, on = load_classifier(run_id, device_name)
    found = []
    for exam in exams:
        probabilities = classifier.probabilities(model, exam.images, exam.rows, on)
        found += exam.predictions(cell.study, cell.scheme, cell.seed, probabilities)
    return found


def final_evaluate(name: str, device_name: str = "auto") -> None:
    """Open the test part (and the external set) of a study whose cells are all trained, and write every cell's predictions.

    Nothing happens if that was done before. The opening is logged; if it is cut short it is done again, and logged again.

    Raises
    ------
    Busy
        If another process does it now.
    UserError
        If a cell is not trained, or the plan was changed since test was read before.
    """
    with files.hold(study.study_folder(name) / "final.lock", f"The test part of study {name} is being read"):
        if all(cell.state == "done" for cell in study.cells(name)):
            return
        exams = [study.val_exam(name), *study.open_test(name)]
        for cell in study.cells(name):
            if cell.state != "done":  # it was when a reading was cut short, and its run may be gone since
                study.write_cell(cell, cell.run_id, _examine(cell, cell.run_id, exams, device_name))
