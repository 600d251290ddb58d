"""Run folders: ids, references, statistics that are being written, status by lock."""

import dataclasses

import pytest

from gan_aug import files, runs
from gan_aug.errors import CorruptFile, InvalidValue, NotFound
from gan_aug.records import GanConfig, Run, to_dict


def make_run(run_id: str = "dcgan-64-demo-all-s0-1a2b", **changes: object) -> Run:
    run = Run(
        id=run_id,
        kind="gan",
        spec="dcgan",
        config=to_dict(GanConfig(total_kimg=5.0)),
        dataset="demo",
        dataset_fingerprint="d",
        split_id="s",
        split_fingerprint="f",
        classes=("benign", "malignant"),
        class_name=None,
        n_images=3,
        seed=0,
        code_version="0",
        device="cpu",
        created="2026-01-01T00:00:00+00:00",
    )
    run = dataclasses.replace(run, **changes)
    runs.create_run(run, [])
    return run


def add_snapshot(run: Run, step: int, kimg: float) -> None:
    folder = runs.snapshot_folder(runs.run_folder(run.id), step)
    files.write_bytes(folder / "G.safetensors", b"weights")
    recorded = {"G.safetensors": {"sha256": files.sha256_bytes(b"weights"), "bytes": 7}}
    meta = {"format": 1, "step": step, "kimg": kimg, "sampled": "G.safetensors", "files": recorded, "metrics": {}, "created": ""}
    files.write_json(folder / "meta.json", meta)


def test_a_run_is_found_again(workspace):
    run = make_run()
    assert runs.load_run(run.id) == run
    assert runs.list_runs() == runs.list_runs("gan") == [run]
    assert runs.list_runs("classifier") == []
    with pytest.raises(InvalidValue, match="already is a run"):
        make_run()


def test_records_are_read_once_and_again_when_the_folder_is_another(workspace):
    run = make_run()
    assert runs.load_run(run.id) is runs.list_runs()[0]
    files.write_json(runs.run_folder(run.id) / "run.json", to_dict(dataclasses.replace(run, dataset="another")))
    assert runs.load_run(run.id).dataset == "another"


def test_shipped_runs_are_listed(workspace, monkeypatch):
    monkeypatch.setenv("GAN_AUG_CHECKPOINTS", str(workspace / "checkpoints" / "pretrained"))
    run = make_run("shipped")
    monkeypatch.setenv("GAN_AUG_CHECKPOINTS", str(workspace / "checkpoints"))
    assert runs.list_runs() == [run]
    assert runs.run_folder("shipped").parent.name == "pretrained"


def test_a_missing_run_names_the_nearest(workspace):
    make_run()
    with pytest.raises(NotFound) as caught:
        runs.load_run("dcgan-64-demo-all-s0-1a2c")
    assert "dcgan-64-demo-all-s0-1a2b" in caught.value.todo


@pytest.mark.parametrize("bad", ["../x", "", ".", "a/b", "a\0b", "-x", "x" * 101])
def test_names_that_are_paths_are_refused(workspace, bad):
    with pytest.raises(InvalidValue, match="cannot be a run id"):
        runs.run_folder(bad)


def test_references(workspace):
    run = make_run()
    with pytest.raises(NotFound, match="no snapshot yet"):
        runs.resolve(run.id)
    for step, kimg in ((10, 1.0), (20, 2.5), (30, 4.0)):
        add_snapshot(run, step, kimg)
    assert runs.resolve(run.id)[1].step == runs.resolve(f"{run.id}@last")[1].step == 30
    assert runs.resolve(f"{run.id}@2.5")[1].step == 20
    with pytest.raises(NotFound, match="No best snapshot"):
        runs.resolve(f"{run.id}@best")
    assert runs.best(run.id) is None
    runs.choose_best(run.id, 10, "KID")
    assert (runs.best(run.id)["step"], runs.best(run.id)["reason"]) == (10, "KID")
    assert runs.resolve(run.id)[1].step == runs.resolve(f"{run.id}@best")[1].step == 10
    with pytest.raises(NotFound) as caught:
        runs.resolve(f"{run.id}@3")
    assert "1, 2.5, 4" in caught.value.todo


def test_an_unfinished_snapshot_is_none(workspace):
    run = make_run()
    add_snapshot(run, 10, 1.0)
    (runs.snapshot_folder(runs.run_folder(run.id), 20)).mkdir()
    assert [checkpoint.step for checkpoint in runs.list_checkpoints(run.id)] == [10]


def test_a_later_format_is_refused(workspace):
    run = make_run()
    add_snapshot(run, 10, 1.0)
    path = runs.snapshot_folder(runs.run_folder(run.id), 10) / "meta.json"
    files.write_json(path, {**files.read_json(path), "format": 2})
    with pytest.raises(CorruptFile, match="format 2"):
        runs.read_meta(path.parent)


def test_verify_names_what_is_missing_or_changed(workspace):
    run = make_run()
    add_snapshot(run, 10, 1.0)
    checkpoint = runs.list_checkpoints(run.id)[0]
    runs.verify(checkpoint)
    weights = runs.Path(checkpoint.folder) / "G.safetensors"
    weights.write_bytes(b"weightS")
    with pytest.raises(CorruptFile, match="bytes that were saved"):
        runs.verify(checkpoint)
    weights.unlink()
    with pytest.raises(CorruptFile, match="missing"):
        runs.verify(checkpoint)


def test_statistics_are_read_as_they_grow(workspace):
    run = make_run()
    folder = runs.run_folder(run.id)
    assert runs.read_stats(run.id) == ([], 0)
    runs.append_stats(folder, {"step": 1})
    lines, offset = runs.read_stats(run.id)
    with (folder / "stats.jsonl").open("a") as stream:
        stream.write('{"step": 2')  # a line that is still being written
    assert (lines, runs.read_stats(run.id, offset)) == ([{"step": 1}], ([], offset))
    with (folder / "stats.jsonl").open("a") as stream:
        stream.write("}\n")
    assert runs.read_stats(run.id, offset)[0] == [{"step": 2}]
    runs.truncate_stats(folder, 1)
    assert runs.read_stats(run.id, offset + 20)[0] == [{"step": 1}]


def test_status_is_told_by_the_lock(workspace):
    run = make_run()
    assert runs.status(run.id).state == "new"
    folder = runs.run_folder(run.id)
    running = runs.RunStatus("running", 3, 0.1, 5.0, 10.0, "Training.", (), runs.now())
    with runs.training_lock(run.id):
        assert runs.status(run.id).state == "running"
        runs.write_status(folder, running)
        assert runs.status(run.id) == running
    assert runs.status(run.id).state == "lost"
    runs.write_status(folder, dataclasses.replace(running, state="finished"))
    assert runs.status(run.id).state == "finished"


def test_files_are_whole_or_absent(tmp_path):
    path = tmp_path / "a" / "b.json"
    files.write_json(path, {"x": 1})
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(path, {"x": float("nan")})
    assert files.read_json(path) == {"x": 1}
    assert [item.name for item in path.parent.iterdir()] == ["b.json"]
    with pytest.raises(RuntimeError), files.new_folder(tmp_path / "c") as folder:
        (folder / "half").write_text("x")
        raise RuntimeError
    assert sorted(item.name for item in tmp_path.iterdir()) == ["a"]
