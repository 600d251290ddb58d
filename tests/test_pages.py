"""The pages Overview, Data, Train and About, driven without a browser: empty, filled, and with something wrong."""

import dataclasses
import datetime
import errno
import functools
import math
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly
import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from gan_aug import catalog, files, images, jobs, lengthening, runs, store
from gan_aug.data.dataset import folder_of, open_dataset
from gan_aug.data.split import load_split
from gan_aug.errors import UserError
from gan_aug.jobs import queue
from gan_aug.records import NOTICE, GanConfig, Run, to_dict

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("overview", "data", "train", "about")

# An AppTest looks through all installed packages for components, 0.3 s each time; they stay the same while tests run.
SCAN_ONCE = functools.cache(manifest_scanner.scan_component_manifests)


@pytest.fixture(autouse=True)
def _as_on_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages find their components and run through the router, as they do on a server; submitted jobs stay in the queue."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setenv("GAN_AUG_AUTOSTART", "0")
    monkeypatch.setattr(manifest_scanner, "scan_component_manifests", SCAN_ONCE)
    original = PagesManager.__init__

    def without_discovery(self: PagesManager, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        PagesManager.uses_pages_directory = False

    monkeypatch.setattr(PagesManager, "__init__", without_discovery)


def open_page(name: str, **address: str) -> AppTest:
    """The app at a page, after one run."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30).run()
    app.switch_page(f"pages/{name}.py")
    for key, value in address.items():
        app.query_params[key] = value
    return app.run()


def texts(app: AppTest) -> str:
    """Everything that is written on the page."""
    kinds = ("title", "subheader", "markdown", "caption", "info", "warning", "error", "success", "table")
    return "\n".join(str(element.value) for kind in kinds for element in app.get(kind))


def click(app: AppTest, label: str) -> AppTest:
    """Press the button of that label."""
    (button,) = [button for button in app.button if button.label == label]
    return button.click().run()


RUN = "dcgan-64-phantom-malignant-s0-aaaa"


def make_run(name: str = RUN, gan: str = "dcgan", state: str = "finished", ticks: int = 5, **changes) -> Run:
    """A run folder with some ticks, as a training leaves it."""
    config = catalog.gan_config(gan)
    run = Run(
        id=name, kind="gan", spec=gan, config=to_dict(config), dataset="phantom", dataset_fingerprint="f" * 64, split_id="s" * 12,
        split_fingerprint="f" * 64, classes=("benign", "malignant"), class_name="malignant", n_images=30, seed=7, code_version="0",
        device="cpu", created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), preset="small-data", phantom=True,
    )  # fmt: skip
    folder = runs.create_run(dataclasses.replace(run, **changes), [])
    for tick in range(1, ticks + 1):
        runs.append_stats(folder, {"step": tick * 60, "kimg": tick * 0.96, "images_per_second": 50.0, "D/loss": 1.0, "G/loss": 2.0})
    runs.write_status(folder, runs.RunStatus(state, ticks * 60, ticks * 0.96, config.total_kimg, 50.0, "A word.", (), runs.now()))
    return run


# --- every page --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_an_empty_workspace(workspace: Path, name: str) -> None:
    app = open_page(name)
    assert not app.exception
    assert not app.error
    assert app.title[0].value == name.capitalize()
    assert NOTICE in [caption.value for caption in app.sidebar.caption]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_a_filled_workspace(phantom: str, name: str) -> None:
    make_run()
    app = open_page(name)
    assert not app.exception
    assert not app.error


@pytest.mark.parametrize("name", ["overview", "data", "train"])
def test_a_page_without_its_database_says_so_in_words(phantom: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run()
    monkeypatch.setenv("GAN_AUG_DATABASE_URL", "mysql://somewhere/else")
    app = open_page(name)
    assert not app.exception
    assert any("GAN\\_AUG\\_DATABASE\\_URL" in error.value for error in app.error)


def guarded(kind: str) -> None:
    from gan_aug.errors import NotFound
    from pages.components import chrome

    with chrome.guard():
        if kind.isdecimal():
            raise OSError(int(kind), "What the *system* says", "/some/file")
        raise NotFound("There is no_such *thing*.", "Make one.") if kind == "user" else ZeroDivisionError("secret detail")


def test_the_guard_shows_the_two_sentences_of_a_user_error(workspace: Path) -> None:
    app = AppTest.from_function(guarded, args=("user",)).run()
    assert not app.exception
    assert app.error[0].value == "**There is no\\_such \\*thing\\*.**  \nMake one."


def test_the_guard_hides_a_defect_and_logs_it(workspace: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = AppTest.from_function(guarded, args=("defect",)).run()
    assert not app.exception
    assert "secret detail" not in app.error[0].value
    record = next(record for record in caplog.records if record.name == "gan_aug.pages")
    assert record.args[0] in app.error[0].value
    assert "secret detail" in str(record.exc_info[1])


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS])
def test_the_guard_tells_what_the_system_says_of_a_full_or_closed_disk(workspace: Path, number: int) -> None:
    app = AppTest.from_function(guarded, args=(str(number),)).run()
    assert not app.exception
    said = app.error[0].value.replace("\\", "")
    assert said == "**What the *system* says: /some/file**  \nMake room, or make it writable."
    assert "reference" in AppTest.from_function(guarded, args=(str(errno.EIO),)).run().error[0].value


# --- overview ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["overview", "data"])
def test_the_demo_is_asked_for_once(workspace: Path, name: str) -> None:
    app = click(open_page(name), "Load the phantom demo")
    assert [job.kind for job in jobs.list_jobs()] == ["demo"]
    assert app.button[[button.label for button in app.button].index("Load the phantom demo")].disabled
    assert "Waiting" in texts(app)


def test_the_checklist_knows_what_was_done(phantom: str) -> None:
    first = texts(open_page("overview"))
    assert "160 images" in first
    assert first.count("Done") == 1
    make_run()
    assert texts(open_page("overview")).count("Done") == 2


def test_a_waiting_job_can_be_stopped(workspace: Path) -> None:
    job = jobs.submit("sleep", {"seconds": 1.0})
    click(open_page("overview"), "Stop")
    assert jobs.get(job.id).status == "cancelled"


def test_a_lost_job_is_found_and_can_be_resumed(workspace: Path) -> None:
    job = jobs.submit("demo", {})
    assert queue.claim(job.id)  # and no process holds its lock
    app = open_page("data")
    assert jobs.get(job.id).status == "lost"
    assert "Interrupted" in texts(app)
    click(app, "Try again")
    assert jobs.get(job.id).status == "queued"


def test_a_failed_job_shows_its_log_without_the_traceback(workspace: Path) -> None:
    job = jobs.submit("demo", {})
    assert queue.claim(job.id)
    log = 'one line\nTraceback (most recent call last):\n  File "work.py", line 3, in _demo\n    raise NotFound\nNotFound: No disk.\n'
    (queue.folder(job.id) / "log.txt").parent.mkdir(parents=True, exist_ok=True)
    (queue.folder(job.id) / "log.txt").write_text(log)
    queue.finish(jobs.get(job.id), "failed", message="There is no disk.")
    app = open_page("overview")
    assert "There is no disk." in texts(app)
    assert [code.value for code in app.code if "line" in code.value] == ["one line\nNotFound: No disk."]


# --- data --------------------------------------------------------------------------------------------------------------------------------


def test_pictures_are_shown_as_they_are_and_filtered(phantom: str) -> None:
    app = open_page("data")
    assert "160 images. Stored at 64 px, shown 2 times enlarged" in texts(app)
    assert len(app.image) == 1 and all(picture.url.endswith(".png") for picture in app.image[0].proto.imgs)  # a JPEG would alter pixels
    malignant = int((open_dataset(phantom).table["label"] == "malignant").sum())
    app = app.selectbox(key="label").select("malignant").run()
    assert f"{malignant:,} images. Stored" in texts(app)
    in_test = len(load_split(phantom).rows("test"))
    app.selectbox(key="label").select("all")
    assert f"{in_test:,} images. Stored" in texts(app.selectbox(key="part").select("test").run())


def test_a_link_restores_filters_and_page(phantom: str) -> None:
    table = open_dataset(phantom).table
    n = int((table["label"] == "benign").sum())
    app = open_page("data", label="benign", page="2")
    assert f"{n:,} images. Stored" in texts(app)
    assert len(app.image[0].proto.imgs) == min(48, n - 48)
    assert not open_page("data", label="nothing", page="99").exception
    app = open_page("data", page="9" * 5000)
    assert not app.exception and not app.error


@pytest.mark.parametrize("view", ["images", "balance", "split", "report", "import"])
def test_every_view_has_an_address(phantom: str, view: str) -> None:
    app = open_page("data", dataset=phantom, view=view)
    assert not app.exception
    assert not app.error
    assert app.query_params["view"] in (view, [view])


def test_a_link_to_a_dataset_that_is_gone(phantom: str) -> None:
    app = open_page("data", dataset="gone")
    assert "There is no dataset gone" in app.warning[0].value


def test_the_leak_check_counts_the_groups(phantom: str) -> None:
    app = open_page("data", view="split")
    assert f"{len(set(load_split(phantom).groups))} groups" in texts(app)
    assert "No patient, lesion or duplicate is in two parts." in texts(app)


def test_balance_counts_every_image_once(workspace: Path) -> None:
    from pages.components.balance import MOST_BARS, counted

    column = pd.Series([f"d{number % 20}" for number in range(100)] + [""] * 9)
    labels = pd.Series(["benign"] * 50 + ["malignant"] * 59)
    counts = counted(column, labels, ("benign", "malignant"))
    assert counts.to_numpy().sum() == 109
    assert len(counts) == MOST_BARS
    assert counts.index[0] == "not given"
    assert counts.index[-1] == "10 others"
    assert list(counts.sum()) == [50, 59]


def fill_import(app: AppTest, paths: str, name: str) -> AppTest:
    app.text_area[0].input(paths)
    app.text_input[0].input(name)
    return click(app, "Import")


def test_an_import_becomes_a_job(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_AUG_IMPORT_ROOTS", str(tmp_path))
    (tmp_path / "photos").mkdir()
    app = fill_import(open_page("data"), str(tmp_path / "photos"), "mine")
    assert not app.error
    (job,) = jobs.list_jobs()
    assert (job.kind, job.arguments["paths"], job.arguments["name"], job.arguments["size"]) == (
        "import",
        [str(tmp_path / "photos")],
        "mine",
        128,
    )


@pytest.mark.parametrize(
    ("paths", "name", "words"),
    [("", "mine", "no folder to import"), ("{root}/none", "mine", "does not exist"), ("{root}", "phantom", "already is a dataset"),
     ("{root}", "../up", "cannot be a name"), ("/etc", "mine", "may not be imported")],
)  # fmt: skip
def test_a_wrong_import_is_refused(
    phantom: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: str, name: str, words: str
) -> None:
    from pages.components.import_form import checked

    monkeypatch.setenv("GAN_AUG_IMPORT_ROOTS", str(tmp_path))
    with pytest.raises(UserError, match=words):
        checked(paths.format(root=tmp_path), name)


@pytest.mark.parametrize("there", [True, False], ids=["roots", "no roots"])
@pytest.mark.parametrize("text", ["~nosuchuser/x", "{root}/" + "x" * 300, "{root}/closed/x", "{root}/a\0b"])
def test_a_path_that_cannot_be_read_is_named_with_the_reason(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, there: bool
) -> None:
    from pages.components.import_form import checked

    def exists(path: Path) -> bool:
        if "closed" in str(path):  # tests that run as root may look into every folder
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return original(path)

    original = Path.exists
    monkeypatch.setattr(Path, "exists", exists)
    if there:
        monkeypatch.setenv("GAN_AUG_IMPORT_ROOTS", str(tmp_path))
    path = text.format(root=tmp_path)
    with pytest.raises(UserError, match=re.escape(f"{path} ") + "(cannot be read on|does not exist on) this machine"):
        checked(path, "mine")


def test_a_link_cannot_lead_out_of_the_import_roots(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pages.components.import_form import checked

    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "link").symlink_to("/etc")
    monkeypatch.setenv("GAN_AUG_IMPORT_ROOTS", str(tmp_path / "inside"))
    with pytest.raises(UserError, match="may not be imported"):
        checked(str(tmp_path / "inside" / "link"), "mine")


def test_a_split_becomes_a_job(phantom: str) -> None:
    click(open_page("data", view="split"), "Make the split")
    (job,) = jobs.list_jobs()
    assert (job.kind, job.arguments["name"], job.arguments["val"]) == ("split", "phantom", 0.15)


def test_the_split_that_a_model_brings_is_taken_over_by_a_job(phantom: str) -> None:
    make_run("given")
    table = folder_of("phantom") / "splits" / f"{load_split('phantom').id}.parquet"
    files.write_bytes(runs.run_folder("given") / "split.parquet", table.read_bytes())
    click(open_page("data", view="split"), "Take it over")
    (job,) = jobs.list_jobs()
    assert (job.kind, job.arguments["name"], job.arguments["like"]) == ("split", "phantom", "given")


# --- train -------------------------------------------------------------------------------------------------------------------------------


def test_a_training_is_launched_as_it_was_filled_in(phantom: str) -> None:
    app = open_page("train")
    app.segmented_control(key="train--gan").set_value("sngan").run()
    app.number_input(key="train--sngan-small-data-total_kimg").set_value(2.5)
    app.number_input(key="train--sngan-small-data-batch_size").set_value(8).run()
    click(app, "Launch")
    (job,) = jobs.list_jobs()
    assert job.kind == "train_gan"
    assert {name: job.arguments[name] for name in ("gan", "data", "class_name", "preset")} == {
        "gan": "sngan", "data": "phantom", "class_name": "malignant", "preset": "small-data",
    }  # fmt: skip
    assert job.arguments["settings"] == {"batch_size": 8, "total_kimg": 2.5}
    assert job.arguments["split_id"] == load_split(phantom).id


def test_a_gan_offers_the_presets_it_has_and_no_others(phantom: str) -> None:
    app = open_page("train")
    app.selectbox(key="train--preset").set_value("aidl21").run()
    app.segmented_control(key="train--gan").set_value("r3gan").run()
    assert not app.exception and not app.error
    assert app.selectbox(key="train--preset").options == ["small-data", "paper"]
    assert app.selectbox(key="train--preset").value == "small-data"
    click(app, "Launch")
    assert jobs.list_jobs()[0].arguments["preset"] == "small-data"


def test_preflight_counts_the_training_images_of_the_class(phantom: str) -> None:
    split, table = load_split(phantom), open_dataset(phantom).table
    count = int((table["label"].iloc[split.rows("train")] == "malignant").sum())
    assert f"{count} malignant" in texts(open_page("train"))


def test_preflight_estimates_time_from_earlier_runs(phantom: str) -> None:
    assert "unknown until a first run" in texts(open_page("train", view="new"))
    make_run()
    assert "about 33 min" in texts(open_page("train", view="new"))  # 100 thousand images at 50 a second


def test_an_impossible_setting_cannot_be_launched(phantom: str) -> None:
    app = open_page("train")
    app.number_input(key="train--dcgan-small-data-batch_size").set_value(1).run()
    assert "batch\\_size cannot be 1" in app.error[0].value
    assert "Launch" not in [button.label for button in app.button]


def test_the_form_explains_every_setting(workspace: Path) -> None:
    from pages.components.config_help import WORDS

    assert set(WORDS) == {field.name for field in dataclasses.fields(GanConfig)}


def test_the_address_chooses_the_run(phantom: str) -> None:
    make_run("dcgan-one")
    make_run("dcgan-two")
    assert "dcgan-one" in [heading.value.replace("\\", "") for heading in open_page("train", run="dcgan-one").subheader]
    assert "There is no run" in texts(open_page("train", run="dcgan-three"))


def test_the_sample_grid_can_be_scrubbed(phantom: str) -> None:
    folder = runs.run_folder(make_run().id)
    for step in (60, 300):
        files.write_bytes(folder / "grids" / f"step-{step:08d}.png", images.png_bytes(np.full((64, 64, 3), step % 256, np.uint8)))
    app = open_page("train")
    assert "After 4.8 thousand images." in texts(app)
    assert app.image[0].proto.imgs[0].url.endswith(".png")
    assert "In use: the newest snapshot." in texts(app)
    assert "After 1.0 thousand images." in texts(app.select_slider[0].set_value(60).run())
    assert "After 1.0 thousand images." in texts(open_page("train", run=RUN, step="60"))
    assert "After 4.8 thousand images." in texts(open_page("train", run=RUN, step="6" * 5000))
    runs.choose_best(RUN, 60, "KID 0.1 on val.")
    assert "In use: the best snapshot, after 1.0 thousand images. KID 0.1 on val." in texts(app.run()).replace("\\", "")
    links = {link.proto.label: link.proto.query_string for link in app.get("page_link")}
    assert links == {"Explore it": f"run={RUN}", "Measure it": f"view=generators&runs={RUN}"}


def test_runs_that_cannot_be_shown_are_named_above_the_others(phantom: str) -> None:
    make_run("dcgan-good")
    for name in ("dcgan-bad", "dcgan-lost"):
        make_run(name)
    make_run("future-one", spec="future")
    record = runs.run_folder("dcgan-bad") / "run.json"
    record.write_text("{")
    status = runs.run_folder("dcgan-lost") / "status.json"
    status.write_text("{}")
    app = open_page("train")
    assert not app.exception and not app.error
    told = [warning.value.replace("\\", "") for warning in app.warning]
    assert [words.partition(" cannot be read")[0] for words in told[:2]] == [str(record), str(status)]
    assert told[2].startswith("Run future-one is of a GAN 'future'") and str(runs.run_folder("future-one")) in told[2]
    assert app.dataframe[0].value["Run"].tolist() == ["dcgan-good"]
    for name in ("overview", "explore", "compare"):
        assert not open_page(name).error


def test_a_damaged_dataset_is_named_above_the_others(phantom: str) -> None:
    folder = open_dataset(phantom).folder.with_name("bad")
    folder.mkdir()
    (folder / "dataset.json").write_text("{}")
    app = open_page("data")
    assert not app.error and app.selectbox(key="dataset").options == [phantom]
    assert app.warning[0].value.replace("\\", "").startswith("dataset.json of dataset 'bad' cannot be read")


def test_a_workspace_whose_only_run_is_damaged_says_so(phantom: str) -> None:
    path = runs.run_folder(make_run().id) / "run.json"
    path.write_text("")
    app = open_page("train")
    assert not app.error and str(path) in app.warning[0].value.replace("\\", "")
    assert "No GAN has been trained yet" in texts(app)


def test_a_failed_run_says_why(phantom: str) -> None:
    make_run(state="failed")
    app = open_page("train")
    assert app.error[0].value == "A word."
    click(app, "Resume")
    assert jobs.list_jobs()[0].arguments["run_id"] == RUN


def test_a_run_of_a_console_is_watched_but_not_stopped_here(phantom: str) -> None:
    run = make_run(state="running")
    assert "Interrupted" in texts(open_page("train"))
    with files.try_lock(runs.run_folder(run.id) / "run.lock") as held:
        assert held
        app = open_page("train")
    assert "Started from a console" in texts(app)
    assert not {"Stop", "Resume"} & {button.label for button in app.button}


def test_the_health_of_a_run_is_told_and_its_variety_charted(phantom: str) -> None:
    from pages.components.run_charts import panels

    run = make_run(state="running")
    folder = runs.run_folder(run.id)
    runs.append_stats(folder, {"step": 999, "kimg": 9.9, "images_per_second": 50.0, "diversity": 0.05})
    runs.write_status(folder, dataclasses.replace(runs.status(run.id), flags=("Mode collapse: something is *wrong*.",)))
    app = open_page("train", run=run.id)
    assert "Mode collapse: something is *wrong*." in [warning.value.replace("\\", "") for warning in app.warning]
    (panel,) = [panel for panel in panels(runs.read_stats(run.id)[0]) if panel.title == "Variety of the generated images"]
    assert list(panel.lines[0].y) == [0.05]


def test_the_job_of_a_run_is_found_again(phantom: str) -> None:
    run = make_run(state="stopped")
    job = jobs.submit("train_gan", {"run_id": run.id})
    app = open_page("train", run=run.id)
    assert "Waiting for its turn" in texts(app)
    app.button(key=f"stop-run-{run.id}").click().run()
    assert jobs.get(job.id).status == "cancelled"
    click(open_page("train", run=run.id), "Resume")
    assert jobs.get(job.id).status == "queued"


def test_a_clone_starts_from_the_settings_of_the_run(phantom: str) -> None:
    make_run(config=to_dict(catalog.gan_config("dcgan", batch_size=24)), seed=7)
    app = click(open_page("train"), "Clone")
    assert "filled in" in texts(app)
    other = app.segmented_control(key=f"train-{RUN}-gan").set_value("sngan").run()
    assert other.number_input(key=f"train-{RUN}-sngan-small-data-batch_size").value == 16
    app = other.segmented_control(key=f"train-{RUN}-gan").set_value("dcgan").run()
    click(app, "Launch")
    (job,) = jobs.list_jobs()
    assert (job.arguments["settings"], job.arguments["seed"], job.arguments["parent"]) == ({"batch_size": 24}, 7, RUN)


def test_a_finished_training_goes_on_to_a_greater_length(phantom: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run()
    app = click(open_page("train", run=run.id), "Go on")
    assert "No snapshot of run" in app.error[0].value and jobs.list_jobs() == [] and len(runs.list_runs("gan")) == 1

    asked = []
    monkeypatch.setattr(lengthening, "lengthen", lambda *arguments: asked.append(arguments) or make_run("dcgan-longer"))
    app = open_page("train", run=run.id)
    app.number_input[0].set_value(250.0)
    click(app, "Go on")
    assert asked == [(run.id, 250.0)]
    assert [job.arguments["run_id"] for job in jobs.list_jobs()] == ["dcgan-longer"]
    assert not [button for button in open_page("train", run=make_run("dcgan-lost", state="stopped").id).button if button.label == "Go on"]


def test_several_runs_share_charts_and_the_address_says_which(phantom: str) -> None:
    for name in ("dcgan-one", "dcgan-two", "dcgan-three"):
        make_run(name)
    app = open_page("train", run="dcgan-two", **{"with": "dcgan-one"})
    assert not app.exception and not app.error
    assert (app.query_params["run"], app.query_params["with"]) == ("dcgan-two", "dcgan-one")
    assert "dcgan-two" in [heading.value.replace("\\", "") for heading in app.subheader]


def test_a_run_says_what_was_changed_of_its_preset_and_several_where_they_differ(phantom: str) -> None:
    usual = make_run("dcgan-one").config
    make_run("dcgan-two", config={**usual, "d_norm": "none", "augment": ["translation"], "total_kimg": 5.0, "precision": "fp32"})
    app = open_page("train", run="dcgan-one", filter="changed")
    assert list(app.dataframe[0].value["Run"]) == ["dcgan-two"]
    app = open_page("train", run="dcgan-two")
    assert dict(zip(*app.dataframe[0].value[["Run", "Preset"]].T.values, strict=True)) == {
        "dcgan-one": "small-data", "dcgan-two": "small-data, changed",
    }  # fmt: skip
    assert "preset small-data (changed: Normalisation in D = none, DiffAugment = translation), seed 7" in texts(app).replace("\\", "")
    settings = app.dataframe[1].value.set_index("Property")
    assert settings.loc[["d_norm", "augment", "width"]].values.tolist() == [
        ["none", "batch"], ["translation", "translation,cutout"], ["48", ""],
    ]  # fmt: skip
    app = open_page("train", run="dcgan-one")
    assert "preset small-data, seed 7" in texts(app).replace("\\", "")
    assert list(app.dataframe[1].value) == ["Property", "Value"]
    app = open_page("train", run="dcgan-two", **{"with": "dcgan-one"})
    differing = app.dataframe[1].value.set_index("Property")
    assert set(differing.index) == {"d_norm", "augment", "total_kimg", "precision"}
    assert differing.loc["d_norm"].to_dict() == {"dcgan-two": "none", "dcgan-one": "batch"}
    assert "All other settings are the same." in texts(app)


def test_overlaid_charts_have_a_line_for_each_run_that_has_the_statistic(workspace: Path) -> None:
    from pages.components.run_charts import overlaid

    rows = [{"step": 1, "kimg": 0.1, "D/loss": 1.0, "G/loss": 2.0}]
    charts = {panel.title: panel for panel in overlaid({"a": rows, "b": [{"step": 1, "kimg": 0.2, "D/loss": 3.0}]})}
    assert set(charts) == {"Losses: discriminator", "Losses: generator"}
    assert [(line.name, list(line.x), list(line.y)) for line in charts["Losses: discriminator"].lines] == [
        ("a", [0.1], [1.0]),
        ("b", [0.2], [3.0]),
    ]
    assert [list(line.y) for line in charts["Losses: generator"].lines] == [[2.0], []]


def test_the_run_table_is_filtered_by_words(phantom: str) -> None:
    make_run("dcgan-one")
    make_run("dcgan-two", state="stopped")
    app = open_page("train", run="dcgan-one", filter="Two stop")
    assert list(app.dataframe[0].value["Run"]) == ["dcgan-two"]
    app = open_page("train", run="dcgan-one", filter="nothing like it")
    assert "No run has all these words" in texts(app) and "dcgan-one" in app.subheader[0].value.replace("\\", "")


def test_notes_on_a_run_are_kept(phantom: str) -> None:
    run = make_run()
    app = open_page("train", run=run.id)
    app.text_area[0].input("Colours *look* right.")
    click(app, "Keep it")
    assert [note.text for note in store.notes(run.id)] == ["Colours *look* right."]
    assert "Colours *look* right." in texts(open_page("train", run=run.id)).replace("\\", "")


def test_a_note_that_cannot_be_kept_is_told_in_words(phantom: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise store.DatabaseUnavailable("The database is locked.", "Wait.")

    monkeypatch.setattr(store, "add_note", away)
    app = open_page("train", run=make_run().id)
    app.text_area[0].input("A remark.")
    app = click(app, "Keep it")
    assert not app.exception
    assert "The database is locked" in app.error[0].value
    assert app.text_area[0].value == "A remark."


def test_the_form_says_in_what_a_new_run_differs(phantom: str) -> None:
    from pages.components.train_form import differences

    run = runs.load_run(make_run(config=to_dict(catalog.gan_config("dcgan", batch_size=24, augment=())), seed=7).id)
    arguments = {"gan": "dcgan", "data": run.dataset, "class_name": run.class_name, "preset": "small-data", "settings": {}, "seed": 7}
    assert differences(run, arguments) == [("batch_size", "24", "16"), ("augment", "none", "translation, cutout")]
    same = {**arguments, "settings": {"batch_size": 24, "augment": ()}}
    assert differences(run, same) == []
    app = open_page("train", view="new")
    app.selectbox(key="difference-").set_value(run.id).run()
    assert not app.exception and "batch_size" in list(app.dataframe[0].value["setting"])


# --- charts ------------------------------------------------------------------------------------------------------------------------------


def test_thinning_keeps_spikes_ends_and_order() -> None:
    from pages.components.live_chart import thin

    y = [math.sin(i / 50) for i in range(20_000)]
    y[7_777], y[12_345] = 9.0, float("nan")
    x, thinned = thin(range(20_000), y, 600)
    assert len(x) <= 600
    assert x == sorted(x)
    assert 9.0 in thinned
    assert min(value for value in thinned if value is not None) == pytest.approx(-1, abs=1e-3)
    assert thin([0, 1, 2], [1.23456, float("inf"), None]) == ([0, 1, 2], [1.235, None, None])


def test_a_statistic_without_a_chart_gets_one() -> None:
    from pages.components.run_charts import panels

    titles = {panel.title: panel for panel in panels([{"step": 1, "kimg": 0.1, "D/loss": 1.0}, {"step": 2, "kimg": 0.2, "New/stat": 3.0}])}
    assert set(titles) == {"Losses", "New/stat"}
    assert list(titles["New/stat"].lines[0].x) == [0.2]


def resumed_statistics() -> None:
    import streamlit as st

    from pages.components.run_charts import statistics

    st.text(",".join(str(row["step"]) for row in statistics("dcgan-r")))


def test_statistics_of_a_resumed_run_do_not_go_back(workspace: Path) -> None:
    make_run("dcgan-r", ticks=3)
    app = AppTest.from_function(resumed_statistics).run()
    assert app.text[0].value == "60,120,180"
    folder = runs.run_folder("dcgan-r")
    runs.truncate_stats(folder, 60)
    for step in (100, 160, 220, 280):
        runs.append_stats(folder, {"step": step, "kimg": step / 60})
    assert app.run().text[0].value == "60,100,160,220,280"


def test_the_chart_library_is_the_one_of_the_installed_plotly(workspace: Path) -> None:
    from pages.components.live_chart import library_url

    name = library_url().rpartition("/")[2]
    wheel = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    assert files.sha256_file(ROOT / "static" / name) == files.sha256_file(wheel)
    assert tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["server"].get("enableStaticServing") is True


def test_no_full_collection_follows_every_run_of_a_page() -> None:
    """It took three quarters of the server's time (benchmarks/pages.py)."""
    assert tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["runner"]["postScriptGC"] is False
