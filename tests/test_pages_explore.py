"""The page Explore, driven without a browser: what each mode shows, what it says where there is nothing, and where something is wrong."""

import base64
import dataclasses
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import Z_DIM, make_batch, make_run
from PIL import Image
from streamlit.testing.v1 import AppTest
from test_pages import _as_on_the_server, click, open_page, texts  # noqa: F401 (the fixture applies here too)

from gan_aug import directions, files, images, jobs, latent, nearest, nearest_making, projections, runs, sample, store
from gan_aug import workspace as workspace_paths
from gan_aug.data.dataset import ImageSet, open_dataset
from gan_aug.data.split import load_split
from gan_aug.errors import UserError
from gan_aug.records import NOTICE, SyntheticImage
from gan_aug.render import open_generator
from pages.components import explore_directions, explore_plane, film_view, filmstrip, generation, nearest_real, stars

DCGAN, ACGAN = "dcgan-phantom-malignant-ab12", "acgan-phantom-cd34"


@pytest.fixture
def generators(phantom: str) -> str:
    """A workspace with an unconditional and a conditional generator of the phantom dataset."""
    make_run(DCGAN, "dcgan", phantom, "malignant", kimg=(1.0, 2.5, 4.0))
    make_run(ACGAN, "acgan", phantom)
    return phantom


def explore(**address: str) -> AppTest:
    """The page at an address, which must not show a traceback."""
    app = open_page("explore", **address)
    assert not app.exception
    return app


def film(app: AppTest) -> dict[str, Any]:
    """What the page hands to the filmstrip in the browser."""
    return sent(app, "gan_aug_filmstrip")


def sent(app: AppTest, name: str) -> dict[str, Any]:
    (element,) = [element for element in app.get("bidi_component") if element.proto.component_name == name]
    return json.loads(element.proto.json)


def pixels(frame: dict[str, str]) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content(frame))))


def content(frame: dict[str, str]) -> bytes:
    return base64.b64decode(frame["src"].partition(",")[2])


def provenance(frame: dict[str, str], folder: Path) -> dict[str, Any]:
    path = folder / frame["name"]
    path.write_bytes(content(frame))
    return images.read_provenance(path)


# --- directions --------------------------------------------------------------------------------------------------------------------------


def test_the_strip_of_a_direction_is_the_way_along_it_with_the_seed_in_the_middle(generators: str, tmp_path: Path) -> None:
    shown = film(explore(mode="directions", run=DCGAN, at="2.5", seed="5", direction="2", reach="4.0", steps="9"))
    (row,) = shown["rows"]
    assert shown["start"] == 4
    assert shown["captions"][0] == "4.0 before seed 5" and shown["captions"][4] == "seed 5" and shown["captions"][8] == "4.0 beyond seed 5"
    vector = directions.find(f"{DCGAN}@2.5").vectors[1]
    renderer = open_generator(f"{DCGAN}@2.5")[2]
    expected = renderer.render(np.stack([latent.z_of_seed(5, Z_DIM) + offset * vector for offset in (-4.0, 0.0, 1.0)]).astype(np.float32))
    assert np.array_equal(pixels(row["frames"][0]), expected[0])
    assert np.array_equal(pixels(row["frames"][4]), expected[1])
    assert np.array_equal(pixels(row["frames"][5]), expected[2])
    origin = provenance(row["frames"][5], tmp_path)
    assert (origin["checkpoint"], origin["seed"], origin["direction"], origin["frame"]) == (f"{DCGAN}@2.5", 5, "direction-2", 5)
    np.testing.assert_allclose(origin["vector"], vector, rtol=1e-6)


def test_a_direction_is_saved_under_a_name_and_found_again_by_its_address(generators: str) -> None:
    app = explore(mode="directions", run=DCGAN, direction="3")
    before = film(app)["view"]
    app.text_input[0].set_value("darker")
    app = click(app, "Save under this name")
    (saved,) = store.directions(DCGAN)
    assert saved.name == "darker"
    np.testing.assert_allclose(saved.vector, directions.find(DCGAN).vectors[2], rtol=1e-6)
    again = explore(mode="directions", run=DCGAN, direction="name:darker")
    assert again.selectbox(key="direction").value == "name:darker"
    assert [pixels(frame).tolist() for frame in film(again)["rows"][0]["frames"]] == [
        pixels(frame).tolist() for frame in film(app)["rows"][0]["frames"]
    ]
    assert film(again)["view"] != before, "its files are called after its name"
    table = again.dataframe[0].value
    assert table["Name"].tolist()[:4] == ["", "", "darker", ""]


@pytest.mark.parametrize("name", ["", "two words", "../up", "taken"])
def test_a_name_that_cannot_be_is_refused_in_words(generators: str, name: str) -> None:
    store.save_direction(DCGAN, "taken", [1.0] * Z_DIM)
    app = explore(mode="directions", run=DCGAN, direction="1")
    app.text_input[0].set_value(name)
    app = click(app, "Save under this name")
    assert not app.exception
    assert len(app.error) == 1
    assert len(store.directions(DCGAN)) == 1


def test_the_strongest_directions_stand_one_below_the_other(generators: str) -> None:
    app = explore(mode="directions", run=DCGAN, seed="5", direction="overview", reach="4.0", steps="5")
    rows = film(app)["rows"]
    assert [row["label"].partition(":")[0] for row in rows] == [f"Direction {number}" for number in range(1, 7)]
    one = film(explore(mode="directions", run=DCGAN, seed="5", direction="4", reach="4.0", steps="5"))["rows"][0]
    assert [pixels(frame).tolist() for frame in rows[3]["frames"]] == [pixels(frame).tolist() for frame in one["frames"]]
    assert not app.text_input, "an overview has no name"


def test_shares_are_parts_of_the_squared_change() -> None:
    np.testing.assert_allclose(explore_directions.shares(np.array([3.0, 2.0, 1.0, 0.0])), [9 / 14, 4 / 14, 1 / 14, 0.0])


def test_a_conditional_generator_goes_its_way_in_the_chosen_class(generators: str) -> None:
    shown = film(explore(mode="directions", run=ACGAN, seed="3", steps="5", **{"class": "malignant"}))
    expected, _ = sample.sample(runs.resolve(ACGAN)[1].id, [3], "malignant")
    assert np.array_equal(pixels(shown["rows"][0]["frames"][2]), expected[0])


def test_a_link_to_a_direction_that_is_gone_says_so(generators: str) -> None:
    app = explore(mode="directions", run=DCGAN, direction="name:gone")
    assert "gone" in app.warning[0].value
    assert film(app)["rows"]


def test_directions_of_a_generator_that_has_none_are_explained(generators: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Any) -> Any:
        raise directions.InvalidValue("z does not enter this generator by a linear layer.", "Directions cannot be read off.")

    monkeypatch.setattr(directions, "first_layer", refuse)
    app = explore(mode="directions", run=DCGAN, at="1")
    assert "linear layer" in app.error[0].value


# --- nearest real images -----------------------------------------------------------------------------------------------------------------

EYES = "random-conv:0"


@pytest.fixture
def eyes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small extractor in place of derm, which is not in the checkpoints of a test."""
    monkeypatch.setattr(nearest_real, "extractors", lambda: [EYES])


def test_without_the_comparison_the_page_offers_to_prepare_it(generators: str, eyes: None) -> None:
    app = explore(mode="walk", run=DCGAN, near="true")
    assert film(app)["rows"][0]["reals"] is None, "the pictures are there nevertheless"
    app = click(app, "Prepare the nearest real images")
    (job,) = jobs.list_jobs()
    assert (job.kind, job.arguments) == ("nearest", {"run_id": DCGAN, "extractor": EYES})
    assert "Prepare the nearest real images" not in [button.label for button in app.button]
    assert "Waiting" in texts(app)


def test_the_nearest_real_image_comes_after_the_pictures_and_is_the_right_one(
    generators: str, eyes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    nearest_making.prepare(DCGAN, EYES)
    order: list[str] = []
    show, downloads, look_up = filmstrip.show, film_view.downloads, nearest_real.look_up
    monkeypatch.setattr(filmstrip, "show", lambda film, *more: order.append("film") or show(film, *more))
    monkeypatch.setattr(film_view, "downloads", lambda *given: order.append("the rest") or downloads(*given))
    monkeypatch.setattr(nearest_real, "look_up", lambda *given: order.append("search") or look_up(*given))
    app = explore(mode="walk", run=DCGAN, seeds="5,9", frames="8", near="true")
    assert order == ["film", "the rest", "search", "film", "the rest"]
    (row,) = film(app)["rows"]
    assert len(row["reals"]) == 8
    space = nearest.opened(runs.load_run(DCGAN), EYES)
    generated = np.stack([pixels(frame) for frame in row["frames"]])
    for real, found in zip(row["reals"], space.find(generated), strict=True):
        assert real["name"] == f"{space.images.table['image_id'].iat[found.row]} (phantom: drawn, not skin)"
        assert real["distance"] == f"{found.distance:.2f}"
        assert np.array_equal(pixels(real), space.picture(found))
        assert f"usual: {space.record.usual:.2f}" in real["words"]
    assert f"half lie nearer than {space.record.usual:.2f}" in texts(app).replace("\\", "")


@pytest.mark.parametrize(
    ("neighbour", "said"),
    [
        (nearest.Neighbour(0, 0, 0.0, 0), "as good as the training image itself"),
        (nearest.Neighbour(0, 0, 1.25, 0), "Distance 1.25 (usual: 2.00); nearer than any of 20 unseen real images."),
        (nearest.Neighbour(0, 0, 2.5, 13), "13 of 20 unseen real images lie nearer"),
        (nearest.Neighbour(0, 0, 9.0, 20), "farther than all of 20 unseen real images"),
    ],
)
def test_a_distance_is_told_beside_the_yardstick(neighbour: nearest.Neighbour, said: str) -> None:
    assert said in nearest_real.words(neighbour, 20, 2.0)


def test_without_the_dataset_the_page_tells_the_stored_audit(generators: str, eyes: None) -> None:
    shutil.rmtree(workspace_paths.datasets() / "phantom")
    app = explore(mode="walk", run=DCGAN, at="2.5", near="true")
    assert film(app)["rows"]
    assert "not in this workspace" in app.info[0].value
    assert "no audit of this snapshot" in texts(app)
    line = {"subject": f"{DCGAN}@2.5", "verdict": "copies", "reasons": ["3 of 50 are training images."], "created": "2026-01-02T00:00:00"}
    (runs.run_folder(DCGAN) / "audits.jsonl").write_text(json.dumps(line) + "\n")
    said = texts(explore(mode="walk", run=DCGAN, at="2.5", near="true")).replace("\\", "")
    assert "**copies**" in said and "3 of 50 are training images." in said and "2026-01-02" in said


def test_an_extractor_that_is_not_there_is_named(generators: str) -> None:
    app = explore(mode="walk", run=DCGAN, near="true")
    assert "derm" in texts(app)
    assert film(app)["rows"]
    assert not app.error


def test_a_search_that_fails_is_told_once_and_leaves_the_pictures(generators: str, eyes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    nearest_making.prepare(DCGAN, EYES)
    asked: list[int] = []

    def fail(self: Any, pictures: np.ndarray) -> Any:
        asked.append(len(pictures))
        raise UserError("The features cannot be read.", "Prepare them again.")

    monkeypatch.setattr(nearest.Space, "find", fail)
    app = explore(mode="walk", run=DCGAN, seeds="5,10", near="true")
    assert not app.exception
    assert "cannot be read" in app.error[0].value
    app = app.run()
    assert len(asked) == 1
    assert "could not be looked up" in texts(app)
    assert film(app)["rows"]


def test_side_by_side_each_generator_has_its_own_training_images(generators: str, eyes: None) -> None:
    nearest_making.prepare(DCGAN, EYES)
    app = explore(mode="same", runs=f"{DCGAN},{ACGAN}", list="1,2", near="true")
    reals = [row["reals"] for row in film(app)["rows"]]
    assert all(reals), "both have seen the same images here, and so share what was prepared"


# --- stars -------------------------------------------------------------------------------------------------------------------------------


def test_only_pictures_of_whole_seeds_can_be_starred(generators: str) -> None:
    assert film(explore(mode="walk", run=DCGAN, seeds="5,9,12", frames="9"))["can_star"] == [True, *[False] * 3] * 2 + [True]
    assert film(explore(mode="directions", run=DCGAN, steps="5"))["can_star"] == [False, False, True, False, False]
    assert film(explore(mode="class", seed="4", frames="9"))["can_star"] == [True, *[False] * 7, True]
    assert all(film(explore(mode="seeds", run=DCGAN))["can_star"])


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The address, as :mod:`pages.components.stars` writes and reads it."""
    kept: dict[str, list[str]] = {}

    class Params:
        def get_all(self, key: str) -> list[str]:
            return kept.get(key, [])

        def __setitem__(self, key: str, value: list[str]) -> None:
            kept[key] = value

    monkeypatch.setattr(stars.st, "query_params", Params())
    return kept


def test_stars_come_and_go_with_the_pictures_that_are_shown(address: dict[str, list[str]]) -> None:
    images_of = [(SyntheticImage("run@1", seed, "a b!c", 1.0),) for seed in range(4)]
    other = [(SyntheticImage("run@2", 7, None, 0.5),)]
    stars.change(other, [0])
    stars.change(images_of, [3, 1])
    stars.change(images_of, [1, 2])
    assert stars.starred() == [other[0][0], images_of[1][0], images_of[2][0]]
    assert len(address[stars.KEY]) == 2
    stars.change(images_of, [])
    assert stars.starred() == [other[0][0]]
    stars.change(images_of, [9, -1])
    assert stars.starred() == [other[0][0]]


@pytest.mark.parametrize(
    "text", ["", "x", "a!b!c!d", "run@1!m!1!", "run@1!m!1!-4", "run@1!m!nan!4", "run@1!m!9!4", "run@1!m!1!" + "9" * 40]
)
def test_an_address_that_is_no_star_is_left_out(address: dict[str, list[str]], text: str) -> None:
    address[stars.KEY] = [text, "run@1!m!1!4"]
    assert stars.starred() == [SyntheticImage("run@1", 4, "m", 1.0)]


def test_starred_seeds_become_a_review_batch_of_exactly_these_pictures(generators: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_AUG_SLOTS", "cpu")
    app = explore(mode="seeds", run=ACGAN, stars=f"{ACGAN}@2!malignant!0.8!3.11", **{"class": "malignant", "variety": "0.8"})
    assert film(app)["starred"] == [3, 11]
    assert "2 starred pictures" in texts(app)
    app.text_input[-1].set_value("mine")
    app = click(app, "Generate the batch")
    assert not app.error
    assert film(app)["starred"] == []
    (job,) = jobs.list_jobs()
    assert "is being generated" in texts(app)
    assert jobs.run_job(job.id).status == "done"
    assert "is ready" in texts(app.run())
    cases = store.cases("mine")
    assert {case.synthetic for case in cases} == {SyntheticImage(f"{ACGAN}@2", seed, "malignant", 0.8) for seed in (3, 11)}
    for case in cases:
        shown = pixels(film(app)["rows"][0]["frames"][case.synthetic.seed])
        assert np.array_equal(np.asarray(Image.open(case.path)), shown)


def test_stars_can_be_removed_and_a_batch_name_that_is_taken_is_refused(generators: str) -> None:
    make_batch("there", 2)
    app = explore(mode="seeds", run=DCGAN, stars=f"{DCGAN}@4!malignant!1!3")
    app.text_input[-1].set_value("there")
    app = click(app, "Generate the batch")
    assert "already is a batch" in app.error[0].value
    assert jobs.list_jobs() == []
    app = click(app, "Remove")
    assert "starred" not in texts(app)


def test_stars_of_a_generator_that_is_gone_cannot_be_generated(generators: str) -> None:
    app = click(explore(mode="seeds", run=DCGAN, stars="gone@4!malignant!1!3"), "Generate the batch")
    assert "gone" in app.error[0].value
    assert jobs.list_jobs() == []


# --- the seed plane ----------------------------------------------------------------------------------------------------------------------


def plane(app: AppTest) -> dict[str, Any]:
    """What the page hands to the seed plane in the browser."""
    return sent(app, "gan_aug_seed_plane")


def test_whole_numbers_of_the_plane_are_seeds_and_points_between_are_blends(generators: str, tmp_path: Path) -> None:
    at_seed = plane(explore(mode="plane", run=DCGAN, at="2.5", x="7", y="2"))
    expected, _ = sample.sample(f"{DCGAN}@2.5", [2007])
    assert np.array_equal(pixels(at_seed["picture"]), expected[0])
    assert at_seed["caption"] == "seed 2007"
    between = plane(explore(mode="plane", run=DCGAN, at="2.5", x="7.25", y="2.5"))
    z = latent.plane(7.25, 2.5, Z_DIM)
    assert np.array_equal(pixels(between["picture"]), open_generator(f"{DCGAN}@2.5")[2].render(z[None])[0])
    origin = provenance(between["picture"], tmp_path)
    assert (origin["x"], origin["y"], origin["checkpoint"]) == (7.25, 2.5, f"{DCGAN}@2.5")
    assert "Phantom" in between["note"]


def test_the_corners_of_the_plane_show_the_seeds_around(generators: str) -> None:
    corners = plane(explore(mode="plane", run=DCGAN, x="7.25", y="2.5"))["corners"]
    expected, _ = sample.sample(DCGAN, [2007, 2008, 3007, 3008])
    assert list(corners) == ["2007", "2008", "3007", "3008"]
    for picture, image in zip(corners.values(), expected, strict=True):
        assert np.array_equal(pixels({"src": picture}), image)
    assert {"6", "7", "8", "1006", "1007", "1008"} == set(plane(explore(mode="plane", run=DCGAN, x="7", y="0"))["corners"])


@pytest.mark.parametrize(
    ("text", "value"), [("7.25", 7.25), ("0", 0.0), ("999", 999.0), ("5000", 3.5), ("-3", 3.5), ("nan", 3.5), ("x", 3.5), (None, 3.5)]
)
def test_the_address_gives_a_point_of_the_plane_or_none(text: str | None, value: float) -> None:
    assert explore_plane.in_address(text, 3.5) == value


def test_the_edge_of_the_plane_stays_in_the_address(generators: str) -> None:
    app = explore(mode="plane", run=DCGAN, x="7.25", y="0.5")
    app.number_input(key="y").set_value(0.0).run()
    assert app.query_params["y"] == "0"
    shown = plane(explore(mode="plane", run=DCGAN, **{key: app.query_params[key] for key in ("x", "y")}))
    assert (shown["x"], shown["y"]) == (7.25, 0.0)


@pytest.mark.parametrize(
    "message",
    [None, "x", {}, {"view": "v"}, {"view": "v", "x": "3", "y": 2}, {"view": "v", "x": float("nan"), "y": 2},
     {"view": "v", "x": -1, "y": 2}, {"view": "v", "x": 1000, "y": 2}, {"view": "v", "x": True, "y": 2}, {"view": "other", "x": 1, "y": 2}],
)  # fmt: skip
def test_a_message_that_means_no_point_is_not_followed(message: Any) -> None:
    assert explore_plane.read(message, "v") is None


def test_a_message_of_the_browser_is_a_point_of_two_digits() -> None:
    assert explore_plane.read({"view": "v", "x": 3.14159, "y": 2, "rest": True}, "v") == (3.14, 2.0)


def test_the_point_of_the_plane_has_its_nearest_real_image(generators: str, eyes: None) -> None:
    assert plane(explore(mode="plane", run=DCGAN, near="true"))["compares"] is False
    nearest_making.prepare(DCGAN, EYES)
    shown = plane(explore(mode="plane", run=DCGAN, near="true"))
    (found,) = nearest.opened(runs.load_run(DCGAN), EYES).find(pixels(shown["picture"])[None])
    assert shown["compares"] and shown["real"]["distance"] == f"{found.distance:.2f}"


def test_a_starred_seed_of_the_plane_is_shown_as_starred(generators: str) -> None:
    star = f"{DCGAN}@4!malignant!1!2007"
    assert plane(explore(mode="plane", run=DCGAN, x="7", y="2", stars=star))["starred"] is True
    assert plane(explore(mode="plane", run=DCGAN, x="7.5", y="2", stars=star))["starred"] is False


# --- projection --------------------------------------------------------------------------------------------------------------------------


def captions(app: AppTest) -> str:
    """What is written under the pictures of the page."""
    return "\n".join(str(caption) for image in app.image for caption in image.captions).replace("\\", "")


def make_projection(identity: str, distance: float = 12.0, closer: float = 2.0) -> projections.Origin:
    """A finished projection of an image of the phantom dataset, as the job leaves it."""
    run = runs.load_run(DCGAN)
    origin = projections.of_dataset(run, "phantom", identity, "train")
    record = projections.Projection(
        f"{DCGAN}@4", "malignant", "given.png", "0", (0.0,), distance, 0.1, (distance,), distance * closer, 60.0, closer, 1.0,
        "random-conv:0", 300, 0, "2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    generated = [np.full((64, 64, 3), value, np.uint8) for value in (10, 20, 30)]
    files.write_bytes(projections.folder(origin.name) / projections.PICTURE, images.png_bytes(images.strip(np.stack(generated))))
    files.write_json(projections.folder(origin.name) / projections.RECORD, dataclasses.asdict(record))
    return origin


def test_an_image_is_chosen_by_number_or_id_and_projected_by_a_job(generators: str) -> None:
    row = load_split("phantom").rows("val")[2]
    identity = open_dataset("phantom").table["image_id"].iat[row]
    app = explore(mode="project", run=DCGAN, at="2.5", part="val", image="3", effort="100")
    assert identity in captions(app) and "No image has been projected" in texts(app)
    app = click(app, "Project this image")
    (job,) = jobs.list_jobs()
    assert (job.kind, job.arguments["reference"], job.arguments["steps"]) == ("project", f"{DCGAN}@2.5", 100)
    origin = projections._origin(job.arguments["name"])
    assert (origin.data, origin.image_id, origin.part, origin.seen) == ("phantom", identity, "val", False)
    assert app.query_params["projection"] == origin.name
    assert not app.warning
    assert identity in captions(explore(mode="project", run=DCGAN, part="val", image=identity))


def test_one_image_is_shown_without_making_all_of_them_smaller(generators: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def all_of_them(*_: Any) -> None:
        raise AssertionError("a dataset of 400,000 images takes minutes")

    monkeypatch.setattr(ImageSet, "at", all_of_them)
    app = explore(mode="project", run=DCGAN, image="3")
    assert not app.error and app.image


@pytest.mark.parametrize("text", ["0", "9999", "nobody", "", "../x", "9" * 5000])
def test_an_image_that_is_not_there_is_named(generators: str, text: str) -> None:
    app = explore(mode="project", run=DCGAN)
    app.text_input(key="image").set_value(text).run()
    assert not app.exception
    assert "no image" in app.error[0].value
    assert "Project this image" not in [button.label for button in app.button]


def test_a_projection_is_shown_with_its_words_and_can_be_deleted(generators: str, tmp_path: Path) -> None:
    ids = open_dataset("phantom").table["image_id"]
    first, second = (load_split("phantom").rows("train")[place] for place in (0, 1))
    far, near = make_projection(ids.iat[first]), make_projection(ids.iat[second], closer=8.0)
    app = explore(mode="project", run=DCGAN, projection=near.name)
    assert "8.0 times nearer" in texts(app).replace("\\", "")
    assert "was trained on this image" in texts(app)
    assert [pixels(row["frames"][0])[0, 0, 0] for row in film(app)["rows"]] == [10, 20, 30]
    assert [row["note"] for row in film(app)["rows"]] == [ids.iat[second], "Synthetic", "Synthetic"]
    assert provenance(film(app)["rows"][1]["frames"][0], tmp_path)["notice"] == NOTICE
    assert app.selectbox(key="projection").value == near.name
    app = explore(mode="project", run=DCGAN, projection=far.name)
    assert "does not hold this image" in texts(app)
    app = click(app, "Delete this projection")
    assert [kept.origin.name for kept in projections.finished(DCGAN)] == [near.name]
    assert app.selectbox(key="projection").value == near.name
    assert not app.warning
    assert "gone" in explore(mode="project", run=DCGAN, projection="gone").warning[0].value


def test_a_damaged_projection_is_explained(generators: str) -> None:
    origin = make_projection(open_dataset("phantom").table["image_id"].iat[0])
    (projections.folder(origin.name) / projections.PICTURE).write_bytes(b"x")
    app = explore(mode="project", run=DCGAN)
    assert "cannot be read" in app.error[0].value
    assert "Delete this projection" in [button.label for button in app.button]


def test_without_a_dataset_an_own_picture_can_be_projected(generators: str) -> None:
    shutil.rmtree(workspace_paths.datasets() / "phantom")
    assert "no dataset in this workspace" in explore(mode="project", run=DCGAN).info[0].value
    app = explore(mode="project", run=DCGAN, source="upload")
    picture = images.png_bytes(np.random.default_rng(0).integers(0, 256, (80, 90, 3)).astype(np.uint8))
    app.file_uploader[0].set_value([("mine.png", picture, "image/png")]).run()
    app = click(app, "Project this picture")
    assert not app.error
    (job,) = jobs.list_jobs()
    assert (projections.folder(job.arguments["name"]) / projections.GIVEN).exists()


def test_an_upload_that_is_no_photograph_is_refused_in_words(generators: str) -> None:
    app = explore(mode="project", run=DCGAN, source="upload")
    app.file_uploader[0].set_value([("mine.png", b"<html><script>alert(1)</script>", "image/png")]).run()
    app = click(app, "Project this picture")
    assert not app.exception
    assert "HTML" in app.error[0].value
    assert jobs.list_jobs() == []


# --- every mode --------------------------------------------------------------------------------------------------------------------------

MODES = ("walk", "directions", "plane", "class", "same", "seeds", "project")


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_without_generators_says_what_to_do(workspace: Path, mode: str) -> None:
    app = explore(mode=mode)
    assert not app.error
    assert "no trained generator" in app.info[0].value


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_of_a_filled_workspace(generators: str, mode: str) -> None:
    app = explore(mode=mode)
    assert not app.error
    assert app.query_params["mode"] == mode


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "project"])
def test_a_mode_whose_snapshot_cannot_be_prepared_says_so(phantom: str, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    def fail(*_: Any) -> None:
        raise UserError("It could not be exported.", "Use an earlier snapshot.")

    monkeypatch.setattr(generation, "ensure_onnx", fail)
    make_run(ACGAN, "acgan", phantom, exported=False)
    app = explore(mode=mode)
    assert "earlier snapshot" in app.error[0].value
