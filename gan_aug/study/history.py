"""What is on record about a study's generators and its test images: who has read them, and audits for copied training images."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gan_aug import runs, workspace
from gan_aug.data.dataset import open_dataset
from gan_aug.data.split import digest_of_test, list_splits
from gan_aug.errors import InvalidValue, UserError
from gan_aug.metrics.record import evaluations
from gan_aug.study.cells import test_accesses
from gan_aug.study.planning import Plan, load_plan, scan_studies
from gan_aug.study.sweep import Sweep, list_sweeps

# --- who has read the test part ----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _TestPart:
    """The test images of a study, wherever they are met: every thinned split has an id of its own, and they have the same test part."""

    split_id: str
    digest: str | None  # None if neither the dataset nor the study's log says it
    digests: dict[str, str]  # split id -> digest, for lines that were logged without one

    def is_in(self, line: dict[str, Any], split_id: str | None) -> bool:
        """Whether a log's line, of a split of that id, is of these images."""
        digest = line.get("test_digest") or self.digests.get(split_id)
        return split_id == self.split_id or (digest is not None and digest == self.digest)


def _test_part(settled: Plan) -> _TestPart:
    study = settled.study
    try:
        image_set = open_dataset(study.dataset)
        digests = {split.id: digest_of_test(image_set, split) for split in list_splits(study.dataset)}
    except UserError:  # the dataset is gone or damaged; the logs are not
        digests = {}
    logged = (line["test_digest"] for line in test_accesses(study) if "test_digest" in line)
    return _TestPart(study.split_id, digests.get(study.split_id) or next(logged, None), digests)


def readings(settled: Plan) -> list[dict[str, Any]]:
    """Measurements of generators against the study's test images, oldest first, as they were logged beside the datasets."""
    test = _test_part(settled)
    lines = [line for path in workspace.datasets().glob("[!.]*/test_access.jsonl") for line in _lines(path)]
    return sorted((line for line in lines if test.is_in(line, line.get("split"))), key=lambda line: line["time"])


def others_on_test(settled: Plan) -> list[str]:
    """Other studies that have read the same test images, points of its own sweep included; each makes a chance finding likelier."""
    test = _test_part(settled)
    return [name for name, lines in _others(settled) if any(test.is_in(line, line["split_fingerprint"][:12]) for line in lines)]


def _others(settled: Plan) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The names of the other studies, and their readings of test under another plan than this one: a copied folder is no other study."""
    found, damaged = scan_studies()
    for name in (*(study.name for study in found), *damaged):  # one whose plan is damaged has read test all the same
        try:
            lines = test_accesses(name) if name != settled.study.name else []
        except InvalidValue:  # a folder that can be no study's
            continue
        yield name, [line for line in lines if line["plan_sha256"] != settled.sha256]


def sweep_of(settled: Plan) -> Sweep | None:
    """The sweep of which the study is a point; None if it is of none."""
    return next((sweep for sweep in list_sweeps() if settled.study.name in {point.study for point in sweep.points}), None)


# --- what is known of the external set ---------------------------------------------------------------------------------------------------


def others_on_external(settled: Plan) -> list[str]:
    """Other studies that have read the external set, as theirs or as their own data, points of the study's own sweep included."""
    wanted = {settled.study.external, settled.external_fingerprint} - {None}
    return [name for name, lines in _others(settled) if lines and wanted & {data for line in lines for data in _data_of(name, line)}]


def _data_of(name: str, line: dict[str, Any]) -> set[str]:
    """Names and fingerprints of the datasets of which a study's reading was; its plan tells them where the line is too old to."""
    if "external" in line:
        return {line["dataset"], line["dataset_fingerprint"], line["external"], line["external_fingerprint"]} - {None}
    try:
        plan = load_plan(name)
    except UserError:
        return set()
    return {plan.study.dataset, plan.dataset_fingerprint, plan.study.external, plan.external_fingerprint} - {None}


def external_choices(settled: Plan) -> tuple[str, ...]:
    """In sentences, which generators may have been chosen by their numbers on the external set."""
    name = settled.study.external
    if name is None:
        return ()
    run_ids = dict.fromkeys(checkpoint.partition("@")[0] for checkpoint in generators(settled))
    return tuple(sentence for run_id in run_ids if (sentence := _choice_on(run_id, name)))


def _choice_on(run_id: str, dataset: str) -> str:
    """What was measured of a run on a dataset, in a sentence; nothing if nothing was."""
    if not runs.is_there(run_id):
        return f"Whether {run_id} was measured on {dataset} can no longer be looked at: its run was deleted."
    chosen = runs.best(run_id)
    if chosen and f" of {dataset}, " in chosen["reason"]:
        return f"A snapshot of {run_id} was chosen on {dataset}, so its arm is favoured there. The reason on record: {chosen['reason']}"
    records = [record for record in evaluations(run_id) if record.dataset == dataset]
    if not records:
        return ""
    measures = ", ".join(dict.fromkeys(record.title for record in records))
    return (
        f"{run_id} was measured on {dataset} ({measures}; first on {records[0].created[:10]}). If it, its snapshot or its ratio was chosen "
        "by that, its arm is favoured there."
    )


# --- what is known of the generators -----------------------------------------------------------------------------------------------------


def generators(settled: Plan) -> tuple[str, ...]:
    """The snapshots that generate for the study's arms, RUN@kimg, each once; those of curated pictures too."""
    named = [(*(generator.checkpoint for generator in arm.generators), *arm.curated_from) for arm in settled.arms]
    return tuple(dict.fromkeys(checkpoint for checkpoints in named for checkpoint in checkpoints))


def last_audit(checkpoint: str) -> dict[str, Any] | None:
    """The newest audit of a snapshot, as it was written (see :mod:`gan_aug.audit`, which cannot be imported without torch).

    None if there is none, or the run is gone.
    """
    run_id = checkpoint.partition("@")[0]
    lines = _lines(runs.run_folder(run_id) / "audits.jsonl") if runs.is_there(run_id) else []
    return next((line for line in reversed(lines) if line.get("subject") == checkpoint), None)


def audits(run_id: str) -> list[dict[str, Any]]:
    """The newest audit of every snapshot of a run, as they were written; the snapshot is their ``subject``."""
    return list({line["subject"]: line for line in _lines(runs.run_folder(run_id) / "audits.jsonl")}.values())


def cautions(settled: Plan) -> tuple[str, ...]:
    """A generator may have been chosen by its numbers on the test part, or may repeat the patients that it was trained on."""
    found = []
    early = {str(line.get("subject")).partition("@")[0] for line in readings(settled) if line["time"] < settled.study.created}
    for run_id in dict.fromkeys(checkpoint.partition("@")[0] for checkpoint in generators(settled)):
        if run_id in early:
            found.append(
                f"{run_id} had been measured against the test part before the study was planned. If it, its snapshot or its ratio was "
                "chosen by that, its arm is favoured."
            )
    for checkpoint in generators(settled):
        audit = last_audit(checkpoint)
        if not runs.is_there(checkpoint.partition("@")[0]):
            found.append(f"Whether {checkpoint} repeats images that it was trained on can no longer be looked at: its run was deleted.")
        elif audit is None:
            found.append(f"Whether {checkpoint} repeats images that it was trained on has not been looked at: there is no audit of it.")
        elif audit["verdict"] == "copies":
            found.append(f"{checkpoint} repeats images that it was trained on, says its audit. Its images are no new patients.")
    for arm in settled.arms:
        if "curated:" in arm.frozen and not arm.curated_from:  # planned by an older version
            found.append(f"Which generators the pictures of {arm.scheme} come from is not on record, so nothing is said of them here.")
    found += external_choices(settled)
    return tuple(found)


def _lines(path: Path) -> list[dict[str, Any]]:
    """The finished lines of a JSON-lines file; none if there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
