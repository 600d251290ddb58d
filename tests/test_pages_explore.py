"""The page Explore, driven without a browser: what each mode shows, what it says where there is nothing, and where something is wrong."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import Z_DIM, make_run
from PIL import Image
from streamlit.testing.v1 import AppTest
from test_pages import _as_on_the_server, click, open_page, texts  # noqa: F401 (the fixture applies here too)

from gan_aug import directions, images, latent, runs, sample, store
from gan_aug.render import open_generator
from pages.components import explore_directions

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
