"""Analysing a finished study, and reading the analysis back."""

from gan_aug import files, runs
from gan_aug.data.dataset import open_dataset
from gan_aug.errors import InvalidValue, NotFound
from gan_aug.records import Study, to_dict
from gan_aug.study import history, unequal, words
from gan_aug.study.cells import cells, check_unchanged, predictions
from gan_aug.study.measure import measure_part
from gan_aug.study.planning import load_plan, study_folder, study_name
from gan_aug.study.results import Analysis


def analyse(study: Study | str) -> Analysis:
    """Work out what a finished study says, from its stored predictions alone, and keep it as analysis.json.

    Raises
    ------
    InvalidValue
        If a cell is not done, or the plan was changed after the test part had been read.
    """
    settled = load_plan(study_name(study))
    planned = settled.study
    check_unchanged(settled)
    missing = [cell for cell in cells(planned) if cell.state != "done"]
    if missing:
        raise InvalidValue(
            f"{len(missing)} of {len(planned.schemes) * len(planned.seeds)} cells of study {planned.name} are not done.",
            f"Run it to its end; {missing[0].scheme}, seed {missing[0].seed}, is {missing[0].state}.",
        )
    found = predictions(planned)
    parts = [
        measure_part(found, part, dataset, planned.schemes, planned.base, _sources(dataset))
        for part, dataset in (("test", planned.dataset), ("external", planned.external))
        if dataset
    ]
    learned = words.has_learned(parts[0], planned.base)
    analysis = Analysis(
        study=planned.name,
        plan_sha256=settled.sha256,
        base=planned.base,
        positive=planned.positive,
        seeds=planned.seeds,
        learned=learned,
        verdict=words.verdict(parts[0], planned.base),
        findings=tuple(sentence for part in parts for sentence in words.findings(part, planned.base, learned)),
        cautions=words.cautions(tuple(parts), len(planned.seeds), settled.phantom) + unequal.cautions(settled) + history.cautions(settled),
        parts=tuple(parts),
        phantom=settled.phantom,
        created=runs.now(),
        code_version=runs.code_version(),
    )
    files.write_json(study_folder(planned.name) / "analysis.json", to_dict(analysis))
    return analysis


def _sources(dataset: str) -> dict[str, str]:
    """Where each image of a dataset comes from, by its id."""
    table = open_dataset(dataset).table
    return dict(zip(table["image_id"], table["source"], strict=True))


def load_analysis(study: Study | str) -> Analysis:
    """The analysis that was kept.

    Raises
    ------
    NotFound
        If the study was not analysed yet.
    CorruptFile
        If its analysis.json is damaged.
    InvalidValue
        If it was planned anew since.
    """
    settled = load_plan(study_name(study))
    path = study_folder(settled.study.name) / "analysis.json"
    if not path.exists():
        raise NotFound(f"Study {settled.study.name} has no results yet.", "Run it to its end; then see: gan-aug study report")
    analysis = files.read_record(Analysis, path, f"Make it anew from the predictions: gan-aug study report {settled.study.name}")
    if analysis.plan_sha256 != settled.sha256:
        raise InvalidValue(f"The results of study {settled.study.name} belong to another plan.", "Plan a study under a new name.")
    return analysis
