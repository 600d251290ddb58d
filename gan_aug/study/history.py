"""What is on record about a study's generators and its test part: measurements against it, and audits for copied training images."""

import json
from pathlib import Path
from typing import Any

from gan_aug import runs
from gan_aug.data.dataset import folder_of
from gan_aug.study.planning import Plan


def readings(settled: Plan) -> list[dict[str, Any]]:
    """Measurements of generators against the study's test part, oldest first, as they were logged beside the dataset."""
    lines = _lines(folder_of(settled.study.dataset) / "test_access.jsonl")
    return [line for line in lines if line.get("split") == settled.study.split_id]


def generators(settled: Plan) -> tuple[str, ...]:
    """The snapshots that generate for the study's arms, RUN@kimg, each once."""
    return tuple(dict.fromkeys(generator.checkpoint for arm in settled.arms for generator in arm.generators))


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
    return tuple(found)


def _lines(path: Path) -> list[dict[str, Any]]:
    """The finished lines of a JSON-lines file; none if there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
