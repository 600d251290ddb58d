"""What the workspace keeps of projections: images of datasets and uploads, through the job, and words about the result."""

import dataclasses
import io
import os
import time

import numpy as np
import pytest
from PIL import Image
from test_pages import _as_on_the_server, open_page  # noqa: F401 (the fixture applies here too)
from tiny_gans import make_gan

from gan_aug import images, jobs, projections, runs, sample
from gan_aug.data import training_list
from gan_aug.data.dataset import open_dataset
from gan_aug.data.split import load_split
from gan_aug.errors import InvalidValue, NotFound, UserError
from gan_aug.projections import Kept, Origin, Projection

RUN = "tiny"
QUICK = {"steps": 3, "starts": 1}


@pytest.fixture
def run(phantom: str, monkeypatch: pytest.MonkeyPatch) -> runs.Run:
    """A GAN of random weights, said to have seen the phantom's train part; jobs are run by hand."""
    monkeypatch.setenv("GAN_AUG_AUTOSTART", "0")
    monkeypatch.setenv("GAN_AUG_SLOTS", "cpu")
    make_gan("dcgan", RUN, class_name="malignant")
    image_set, split = open_dataset(phantom), load_split(phantom)
    training_list.write(runs.run_folder(RUN), training_list.training_list(image_set, split, split.rows("train")))
    return runs.load_run(RUN)


def an_id(part: str) -> str:
    return str(open_dataset("phantom").table["image_id"].iat[load_split("phantom").rows(part)[0]])


def do(name: str) -> jobs.Job:
    return jobs.run_job(jobs.submit("project", {"name": name, "reference": RUN, **QUICK}).id)


def photograph(size: int = 90) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (size, size + 10, 3)).astype(np.uint8)).save(stream, "JPEG")
    return stream.getvalue()


@pytest.mark.parametrize("part", ["train", "val"])
def test_an_image_of_a_dataset_is_projected_and_kept(run: runs.Run, part: str) -> None:
    origin = projections.of_dataset(run, "phantom", an_id(part), part)
    assert origin.seen is (part == "train")
    assert do(origin.name).status == "done"
    (kept,) = projections.finished(RUN)
    assert kept.origin == origin
    assert (kept.record.checkpoint, kept.record.steps) == ("tiny@3.2", 3)
    row = open_dataset("phantom").table["image_id"].tolist().index(an_id(part))
    shown = kept.pictures()
    assert [picture.shape for picture in shown] == [(64, 64, 3)] * 3
    assert np.array_equal(shown[0], open_dataset("phantom").images[row])
    assert np.sqrt(np.mean((shown[1].astype(float) - shown[0]) ** 2)) == pytest.approx(kept.record.distance, rel=1e-6)
    assert np.sqrt(np.mean((shown[2].astype(float) - shown[0]) ** 2)) == pytest.approx(kept.record.random_least, rel=1e-6)
    projections.remove(origin.name)
    assert projections.finished(RUN) == []


def test_of_an_upload_nothing_is_kept_but_the_square_that_the_result_shows(run: runs.Run) -> None:
    content = photograph()
    origin = projections.of_upload(run, content, "../../Mrs Smith/*<b>left</b> arm.jpg")
    assert "/" not in origin.given and "<" not in origin.given
    folder = projections.folder(origin.name)
    with Image.open(folder / projections.GIVEN) as kept:
        assert kept.size == (64, 64) and not kept.getexif()
    assert do(origin.name).status == "done"
    assert sorted(path.name for path in folder.iterdir()) == ["origin.json", "projection.json", "projection.png"]
    (found,) = projections.finished(RUN)
    expected = folder.parent / "expected.jpg"
    expected.write_bytes(content)
    assert np.array_equal(found.pictures()[0], images.read_picture(expected, 64).pixels)


def test_an_upload_goes_when_its_projection_fails_too(run: runs.Run) -> None:
    origin = projections.of_upload(run, photograph(), "a.jpg")
    job = jobs.submit("project", {"name": origin.name, "reference": "gone", **QUICK})
    assert jobs.run_job(job.id).status == "failed"
    assert not (projections.folder(origin.name) / projections.GIVEN).exists()
    failed = jobs.run_job(jobs.resume(job.id).id)
    assert "Upload it again" in failed.message


def test_an_upload_that_nobody_projects_goes_after_a_day(run: runs.Run) -> None:
    old, new = (projections.of_upload(run, photograph(), "a.jpg") for _ in range(2))
    path = projections.folder(old.name) / projections.GIVEN
    os.utime(path, (time.time() - 90_000,) * 2)
    projections.sweep()
    assert not path.exists()
    assert (projections.folder(new.name) / projections.GIVEN).exists()


def upload(run: runs.Run, seconds_ago: float = 0) -> projections.Origin:
    """An uploaded picture."""
    origin = projections.of_upload(run, photograph(), "Mrs Smith.jpg")
    for path in projections.folder(origin.name).iterdir():
        os.utime(path, (time.time() - seconds_ago,) * 2)
    return origin


def kept() -> set[str]:
    return {path.name for path in projections.home().iterdir()}


def test_an_upload_goes_once_its_job_has_ended_and_stays_while_it_waits(run: runs.Run) -> None:
    waits, ended, fresh = upload(run, 90_000), upload(run), upload(run)
    upload(run, 90)  # and nobody has asked for its projection
    projections.sweep({waits.name: True, ended.name: False})
    assert kept() == {waits.name, fresh.name}, "even the note with the name of the file; a job may be about to be asked for"
    assert (projections.folder(waits.name) / projections.GIVEN).exists()


def test_what_was_noted_of_a_failed_upload_goes_and_of_an_image_of_a_dataset_stays(run: runs.Run) -> None:
    failed, image = upload(run), projections.of_dataset(run, "phantom", an_id("train"))
    job = jobs.submit("project", {"name": failed.name, "reference": "gone", **QUICK})
    assert jobs.run_job(job.id).status == "failed"
    projections.sweep({failed.name: False, image.name: False})
    assert kept() == {image.name}, "its job can be tried again"
    again = jobs.run_job(jobs.resume(job.id).id)
    assert "Upload it again" in again.message


def test_of_a_job_that_was_killed_at_its_very_end_the_result_stays_without_the_upload(run: runs.Run) -> None:
    origin = upload(run)
    given = (projections.folder(origin.name) / projections.GIVEN).read_bytes()
    assert do(origin.name).status == "done"
    (projections.folder(origin.name) / projections.GIVEN).write_bytes(given)
    projections.sweep({origin.name: False})
    assert not (projections.folder(origin.name) / projections.GIVEN).exists()
    assert [found.origin for found in projections.finished(RUN)] == [origin]


def test_the_page_removes_the_upload_of_a_job_that_was_stopped_before_it_began(run: runs.Run) -> None:
    stopped, waits = upload(run), upload(run)
    for origin in (stopped, waits):
        jobs.submit("project", {"name": origin.name, "reference": RUN, **QUICK})
    app = open_page("explore", mode="project", run=RUN)
    assert kept() == {stopped.name, waits.name}
    job = next(job for job in jobs.list_jobs() if job.arguments["name"] == stopped.name)
    app.button(key=f"stop-{job.id}").click().run()
    assert not app.exception and not app.error
    assert jobs.get(job.id).status == "cancelled"
    assert kept() == {waits.name}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"), (b"<html><script>", "HTML"), (b"%PDF-1.4", "PDF"), (b"GIF89a" + bytes(50), "GIF"), (bytes(1000), "broken"),
        (photograph(20), "20 pixels"), (photograph()[:900], "broken"), (bytes(21_000_000), "20 MB"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_photograph_is_refused_in_words(run: runs.Run, content: bytes, reason: str) -> None:
    with pytest.raises(InvalidValue) as error:
        projections.of_upload(run, content, "x.jpg")
    assert reason in str(error.value)
    assert not projections.home().exists()


def test_names_that_are_not_there_are_refused(run: runs.Run) -> None:
    with pytest.raises(NotFound, match="no image"):
        projections.of_dataset(run, "phantom", "gone")
    with pytest.raises(NotFound, match="no projection"):
        projections.load("gone")
    with pytest.raises(UserError):
        projections.load("../secret")
    with pytest.raises(UserError, match="name"):
        jobs.submit("project", {"name": "../x", "reference": RUN})


def test_a_damaged_projection_does_not_hide_the_others(run: runs.Run) -> None:
    good, bad = (projections.of_dataset(run, "phantom", an_id("train")) for _ in range(2))
    for origin in (good, bad):
        assert do(origin.name).status == "done"
    (projections.folder(bad.name) / projections.RECORD).write_text("{")
    assert [kept.origin.name for kept in projections.finished(RUN)] == [good.name]
    (projections.folder(good.name) / projections.PICTURE).write_bytes(b"x")
    with pytest.raises(UserError, match="cannot be read"):
        projections.load(good.name).pictures()


def test_a_projection_is_told_in_words() -> None:
    record = Projection("r@1", None, "x", "0", (1.0,), 4.0, 0.1, (4.0,), 30.0, 60.0, 7.5, 1.0, "random-conv:0", 300, 0, "")
    origin = Origin("n", "r", "x", "d", "x", "train", True, "")
    told = " ".join(projections.in_words(Kept(origin, record)))
    assert "4.0 grey levels" in told and "30.0" in told and "60.0" in told and "7.5 times nearer" in told and "audit" in told
    unseen = " ".join(projections.in_words(Kept(dataclasses.replace(origin, seen=False), record)))
    assert "audit" not in unseen and "can produce this image" in unseen
    far = dataclasses.replace(record, distance=25.0, closer_than_random=1.2, length=1.6)
    told = " ".join(projections.in_words(Kept(origin, far)))
    assert "does not hold this image" in told and "1.6 times as long" in told and "audit" not in told


def test_a_picture_of_its_own_is_found_again_far_nearer_than_by_chance(run: runs.Run) -> None:
    generated, _ = sample.sample(RUN, [5])
    origin = projections.of_upload(run, images.png_bytes(generated[0]), "own.png")
    job = jobs.submit("project", {"name": origin.name, "reference": RUN, "steps": 150})
    assert jobs.run_job(job.id).status == "done"
    (kept,) = projections.finished(RUN)
    assert kept.record.closer_than_random > projections.FAR_NEARER
