"""Run folders: ids, references, statistics that are being written, status by lock."""

import dataclasses
import errno
import json
import os
import re

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


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "Expecting value"),
        ('{"id": "dcgan-64', "Unterminated string"),
        ("[]", "list"),
        ("no-kind", "'kind'"),
        ({"novel": 1}, "Run has no 'novel'"),
        ({"config": None}, "config cannot be None"),
        ({"created": 5}, "created cannot be 5"),
        ({"kind": "toaster"}, "kind cannot be 'toaster'"),
    ],
)
def test_a_damaged_record_is_named_and_does_not_hide_the_other_runs(workspace, content, says):
    good, bad = make_run(), make_run("bad")
    path = runs.run_folder(bad.id) / "run.json"
    if content == "no-kind":
        files.write_json(path, {name: value for name, value in to_dict(bad).items() if name != "kind"})
    elif isinstance(content, dict):
        files.write_json(path, {**to_dict(bad), **content})
    else:
        path.write_text(content)
    for _ in range(2):
        with pytest.raises(CorruptFile) as caught:
            runs.load_run(bad.id)
    assert caught.value.what.startswith(f"{path} cannot be read (") and says in caught.value.what
    assert f"delete the folder {path.parent}" in caught.value.todo
    assert runs.list_runs() == runs.list_runs("gan") == [good]
    assert runs.scan_runs("classifier") == ([], {bad.id: f"{caught.value.what} {caught.value.todo}"})


def test_a_folder_that_was_given_another_name_is_told(workspace):
    run = make_run()
    folder = runs.run_folder(run.id)
    folder.rename(folder.with_name("mine"))
    with pytest.raises(CorruptFile) as caught:
        runs.load_run("mine")
    assert str(folder.with_name("mine")) in caught.value.what and caught.value.todo == f"Call the folder {run.id} again."
    folder.with_name("mine").rename(folder.with_name("my run"))
    found, damaged = runs.scan_runs()
    assert found == [] and list(damaged) == ["my run"] and "'my run' cannot be a run id" in damaged["my run"]


@pytest.mark.parametrize("content", ["", "[1]", '{"state": "running"}', "state", "novel"])
def test_a_damaged_status_is_named_and_only_its_run_is_without_one(workspace, content):
    good, bad = make_run(), make_run("bad")
    path = runs.run_folder(bad.id) / "status.json"
    status = dataclasses.asdict(runs.status(good.id))
    if content in ("state", "novel"):
        files.write_json(path, {**status, content: "asleep"})
    else:
        path.write_text(content)
    with pytest.raises(CorruptFile) as caught:
        runs.status(bad.id)
    assert str(path) in caught.value.what and "Delete that file" in caught.value.todo
    found, damaged = runs.scan_statuses(runs.list_runs())
    assert found == [(good, runs.status(good.id))]
    assert list(damaged) == [bad.id] and str(path) in damaged[bad.id]
    path.unlink()
    assert runs.status(bad.id).state == "new"


@pytest.mark.parametrize("content", ["", "[]", '{"step": "10", "reason": "KID"}', '{"step": 10}'])
def test_a_damaged_choice_of_the_best_is_named(workspace, content):
    run = make_run()
    add_snapshot(run, 10, 1.0)
    path = runs.run_folder(run.id) / runs.BEST_NAME
    path.write_text(content)
    for call in (runs.best, runs.resolve):
        with pytest.raises(CorruptFile) as caught:
            call(run.id)
        assert str(path) in caught.value.what and "Delete that file" in caught.value.todo
        assert caught.value.todo.endswith("choose again with: gan-aug evaluate dcgan-64-demo-all-s0-1a2b --data demo --select")
    assert runs.resolve(f"{run.id}@last")[1].step == 10


def test_shipped_runs_are_listed(workspace, monkeypatch):
    monkeypatch.setenv("GAN_AUG_CHECKPOINTS", str(workspace / "checkpoints" / "pretrained"))
    run = make_run("shipped")
    monkeypatch.setenv("GAN_AUG_CHECKPOINTS", str(workspace / "checkpoints"))
    assert runs.list_runs() == [run]
    assert runs.run_folder("shipped").parent.name == "pretrained"
    anew = make_run("shipped", seed=1)
    assert runs.list_runs() == [anew], "a run that is made anew in the place of a shipped one is listed once"


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
    with pytest.raises(NotFound, match="No best snapshot") as caught:
        runs.resolve(f"{run.id}@best")
    assert caught.value.todo == "Choose one with: gan-aug evaluate dcgan-64-demo-all-s0-1a2b --data demo --select"
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


@pytest.mark.parametrize(
    "change",
    [
        {"files": None}, {"step": None}, {"created": None}, {"step": "x"}, {"step": 1.5}, {"kimg": "1"}, {"kimg": float("nan")},
        {"sampled": "G"}, {"sampled": []}, {"files": []}, {"files": {"G.safetensors": "0"}},
        {"files": {"G.safetensors": {"sha256": "0"}}}, {"files": {"G.safetensors": {"sha256": 0, "bytes": 7}}}, {"metrics": []},
    ],
)  # fmt: skip
def test_a_damaged_snapshot_is_left_out_and_told(workspace, change):
    run = make_run()
    add_snapshot(run, 10, 1.0)
    add_snapshot(run, 20, 2.0)
    path = runs.snapshot_folder(runs.run_folder(run.id), 20) / "meta.json"
    meta = {name: value for name, value in {**files.read_json(path), **change}.items() if value is not None}
    path.write_text(json.dumps(meta))
    found, notices = runs.scan_checkpoints(run.id)
    assert ([checkpoint.step for checkpoint in found], notices) == ([10], [f"{path} is damaged."])
    with pytest.raises(CorruptFile, match=re.escape(f"{path} is damaged.")):
        runs.read_meta(path.parent)
    assert runs.resolve(run.id)[1].step == 10
    runs.choose_best(run.id, 20, "KID")
    with pytest.raises(NotFound) as caught:
        runs.resolve(f"{run.id}@best")
    assert caught.value.what == f"Run {run.id} has no snapshot @best. {path} is damaged."


def test_a_run_without_a_readable_snapshot_says_so(workspace):
    run = make_run()
    add_snapshot(run, 10, 1.0)
    path = runs.snapshot_folder(runs.run_folder(run.id), 10) / "meta.json"
    path.write_text('{"format": 1}')
    with pytest.raises(NotFound) as caught:
        runs.resolve(run.id)
    assert caught.value.what == f"Run {run.id} has no snapshot that can be read: {path} is damaged."
    assert caught.value.todo == "Bring its files back, make them readable, or update gan_aug if a newer version wrote them."


def test_a_snapshots_folder_that_cannot_be_read_is_told(workspace, monkeypatch):
    run = make_run()
    add_snapshot(run, 10, 1.0)
    folder = runs.run_folder(run.id) / "snapshots"
    genuine = os.scandir, os.listdir

    def refusing(listing):  # for root, as whom tests may run, every folder is readable
        def listed(place="."):
            if str(place) == str(folder):
                raise PermissionError(errno.EACCES, "Permission denied", str(place))
            return listing(place)

        return listed

    monkeypatch.setattr(os, "scandir", refusing(genuine[0]))
    monkeypatch.setattr(os, "listdir", refusing(genuine[1]))
    assert runs.scan_checkpoints(run.id) == ([], [f"{folder} cannot be read: Permission denied."])
    with pytest.raises(NotFound) as caught:
        runs.resolve(run.id)
    assert caught.value.what == f"Run {run.id} has no snapshot that can be read: {folder} cannot be read: Permission denied."


def test_one_snapshot_that_cannot_be_read_is_told_and_a_stray_file_is_none(workspace):
    run = make_run()
    add_snapshot(run, 10, 1.0)
    add_snapshot(run, 20, 2.0)
    folder = runs.run_folder(run.id)
    (folder / "snapshots" / "step-notes").write_text("x")
    path = runs.snapshot_folder(folder, 20) / "meta.json"
    path.unlink()
    path.mkdir()
    found, notices = runs.scan_checkpoints(run.id)
    assert ([checkpoint.step for checkpoint in found], notices) == ([10], [f"{path.parent} cannot be read: Is a directory."])


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


def test_files_that_are_not_asked_for_are_not_verified(workspace):
    run = make_run()
    add_snapshot(run, 10, 1.0)
    checkpoint = runs.list_checkpoints(run.id)[0]
    other = runs.Path(checkpoint.folder) / "optim.pt"
    other.write_bytes(b"x")
    meta = runs.Path(checkpoint.folder) / "meta.json"
    content = files.read_json(meta)
    files.write_json(meta, {**content, "files": {**content["files"], "optim.pt": {"sha256": "0" * 64, "bytes": 1}}})
    runs.verify(checkpoint, "G.safetensors")
    with pytest.raises(CorruptFile, match=r"optim\.pt does not have"):
        runs.verify(checkpoint)
    with pytest.raises(CorruptFile, match=r"D\.safetensors is missing"):
        runs.verify(checkpoint, "D.safetensors")


def test_statistics_are_read_as_they_grow(workspace):
    run = make_run()
    folder = runs.run_folder(run.id)
    assert runs.read_stats(run.id) == ([], runs.STATS_START)
    runs.append_stats(folder, {"step": 1})
    lines, place = runs.read_stats(run.id)
    with (folder / "stats.jsonl").open("a") as stream:
        stream.write('{"step": 2')  # a line that is still being written
    assert (lines, runs.read_stats(run.id, place)) == ([{"step": 1}], ([], place))
    with (folder / "stats.jsonl").open("a") as stream:
        stream.write("}\n")
    lines, place = runs.read_stats(run.id, place)
    assert lines == [{"step": 2}]
    runs.truncate_stats(folder, 1)
    assert runs.read_stats(run.id, place)[0] == [{"step": 1}]


def test_statistics_of_a_resumed_run_are_read_anew_however_long_they_have_become(workspace):
    run = make_run()
    folder = runs.run_folder(run.id)
    for step in range(4):
        runs.append_stats(folder, {"step": step})
    _, place = runs.read_stats(run.id)
    runs.truncate_stats(folder, 1)
    resumed = [{"step": 0}, {"step": 1}, *({"step": step, "speed": 10.0**step} for step in range(2, 9))]
    for line in resumed[2:]:
        runs.append_stats(folder, line)
    assert runs.read_stats(run.id, place)[0] == resumed


DAMAGED = [b"broken{", b'{"a": 1}', b"[1]", b"", b'{"step": "2"}', b'{"step": 2, "loss": "x"}', b'{"step": 2, "loss": NaN}', b"\xff"]


@pytest.mark.parametrize("line", DAMAGED)
def test_damaged_lines_of_statistics_are_left_out_and_told(workspace, caplog, line):
    run = make_run()
    path = runs.run_folder(run.id) / "stats.jsonl"
    path.write_bytes(b'{"step": 1}\n' + line + b'\n{"step": 3}\n')
    lines, place = runs.read_stats(run.id)
    assert lines == [{"step": 1}, {"step": 3}]
    assert caplog.messages == [f"{path} is damaged in line 2; the statistics there are left out."]
    with path.open("ab") as stream:
        stream.write(line + b'\n{"step": 4}\n')
    assert runs.read_stats(run.id, place)[0] == [{"step": 4}]
    assert caplog.messages[1:] == [f"{path} is damaged in line 4; the statistics there are left out."]


@pytest.mark.parametrize("line", DAMAGED)
def test_a_resumed_run_sets_damaged_lines_of_statistics_aside(workspace, caplog, line):
    run = make_run()
    path = runs.run_folder(run.id) / "stats.jsonl"
    path.write_bytes(b'{"step": 1}\n' + line + b'\n{"step": 3}\n{"step": 4}\n{"st')
    runs.truncate_stats(path.parent, 3)
    assert path.read_bytes() == b'{"step": 1}\n{"step": 3}\n'
    aside = path.with_name("damaged-stats.txt")
    assert aside.read_bytes() == line + b"\n"
    told = f"{path} is damaged in line 2; the statistics there are left out. What stood there is now in {aside}."
    assert runs.log_tail(run.id).endswith(f"  {told}") and caplog.messages == [told]
    runs.truncate_stats(path.parent, 1)
    assert path.read_bytes() == b'{"step": 1}\n' and aside.read_bytes() == line + b"\n" and len(caplog.messages) == 1


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
