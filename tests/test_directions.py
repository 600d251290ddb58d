"""Directions, planes and projection: known answers of constructed generators, and an image of a generator found again."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from made_images import save_photographs
from PIL import Image
from tiny_gans import make_gan
from torch import nn

from gan_aug import cli, directions, images, latent, project, runs, sample, store
from gan_aug.data.dataset import rejected
from gan_aug.data.importer import import_dataset
from gan_aug.errors import InvalidValue
from gan_aug.export import export_onnx, load_generator, to_onnx
from gan_aug.gans.blocks import ConvGenerator
from gan_aug.render import open_generator

# --- SeFa --------------------------------------------------------------------------------------------------------------------------------


def test_principal_directions_of_a_known_matrix() -> None:
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0]
    spread = np.linalg.qr(np.random.default_rng(1).normal(size=(40, 5)))[0]
    found, strengths = latent.principal_directions(spread @ np.diag([1.0, 7, 3, 0, 5]) @ turn.T)
    np.testing.assert_allclose(strengths, [7, 5, 3, 1, 0], atol=1e-6)
    np.testing.assert_allclose(np.abs(found @ turn[:, [1, 4, 2, 0, 3]]), np.eye(5), atol=1e-5)
    assert (np.take_along_axis(found, np.abs(found).argmax(axis=1)[:, None], 1) > 0).all(), "the sign is settled"


class Linear(nn.Module):
    """A linear first layer, with or without a shortcut past the BatchNorm behind it."""

    def __init__(self, shortcut: bool = False):
        super().__init__()
        self.linear, self.norm, self.conv = nn.Linear(6, 32), nn.BatchNorm2d(8), nn.Conv2d(8, 3, 3, 1, 1)
        self.shortcut = shortcut

    def forward(self, z):
        x = self.linear(z).view(-1, 8, 2, 2)
        h = torch.relu(self.norm(x))
        return torch.tanh(self.conv(h + x if self.shortcut else h))


def with_statistics(G: nn.Module) -> nn.Module:
    torch.manual_seed(3)
    for module in G.modules():
        if isinstance(module, nn.BatchNorm2d):
            with torch.no_grad():
                module.running_mean.normal_()
                module.running_var.uniform_(0.2, 4)
                module.weight.uniform_(0.5, 2)
                module.bias.normal_()
    return G.eval()


def scales(norm: nn.BatchNorm2d) -> np.ndarray:
    return (norm.weight / (norm.running_var + norm.eps).sqrt()).detach().numpy()


def test_a_linear_layer_with_its_batch_norm() -> None:
    G = with_statistics(Linear())
    matrix, words = directions.first_layer(to_onnx(G, 6, 0))
    expected = G.linear.weight.detach().numpy() * np.repeat(scales(G.norm), 4)[:, None]
    np.testing.assert_allclose(matrix, expected, atol=1e-4)
    assert words == "first linear layer with the BatchNorm behind it"


def test_a_batch_norm_that_a_shortcut_passes_by_is_left_out_and_said_to_be() -> None:
    G = with_statistics(Linear(shortcut=True))
    matrix, words = directions.first_layer(to_onnx(G, 6, 0))
    np.testing.assert_allclose(matrix, G.linear.weight.detach().numpy(), atol=1e-4)
    assert "without the BatchNorm" in words


@pytest.mark.parametrize("n_classes", [0, 2])
def test_a_convolution_with_its_batch_norm_and_without_the_classes(n_classes: int) -> None:
    G = with_statistics(ConvGenerator(6, 4, 64, n_classes))
    matrix, words = directions.first_layer(to_onnx(G, 6, n_classes))
    weight = G.layers[0].weight.detach().numpy()[:6] * scales(G.layers[1])[:, None, None]
    np.testing.assert_allclose(matrix, weight.reshape(6, -1).T, atol=1e-4)
    assert words == "first convolution with the BatchNorm behind it"


def test_the_first_direction_of_a_constructed_generator_is_the_known_one() -> None:
    G = ConvGenerator(6, 4, 64)
    known = torch.tensor([0.6, 0, -0.8, 0, 0, 0])
    with torch.no_grad():  # a step along `known` moves every output, other steps hardly
        G.layers[0].weight.copy_(0.01 * G.layers[0].weight + known[:, None, None, None] * torch.randn(1, *G.layers[0].weight.shape[1:]))
    matrix, _ = directions.first_layer(to_onnx(G.eval(), 6, 0))
    found, strengths = latent.principal_directions(matrix)
    assert abs(found[0] @ known.numpy()) == pytest.approx(1, abs=1e-4)
    assert found[0][2] > 0 and strengths[0] > 50 * strengths[1]


def test_a_generator_that_z_enters_otherwise_is_refused() -> None:
    def graph(*nodes):
        ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", 4]) for name in ("z", "image")]
        return onnx.helper.make_model(onnx.helper.make_graph(list(nodes), "g", ends[:1], ends[1:]))

    with pytest.raises(InvalidValue, match="does not enter"):
        directions.first_layer(graph(onnx.helper.make_node("Tanh", ["z"], ["image"])))
    with pytest.raises(InvalidValue, match="does not enter"):
        directions.first_layer(graph(onnx.helper.make_node("Mul", ["z", "z"], ["image"])))


# --- planes and ways ---------------------------------------------------------------------------------------------------------------------


def test_the_plane_holds_its_three_seeds_exactly() -> None:
    seeds = (4, 9, 77)
    for place, seed in zip([(0, 0), (1, 0), (0, 1)], seeds, strict=True):
        np.testing.assert_array_equal(latent.plane_of(seeds, *place, 64), latent.z_of_seed(seed, 64))


def test_points_of_the_plane_lie_in_it_and_as_far_out_as_samples() -> None:
    corners = latent.z_of_seeds([1, 2, 3], 128).astype(np.float64)
    lengths = np.linalg.norm(corners, axis=1)
    for u, v in ((1 / 3, 1 / 3), (0.5, 0.5), (-0.4, 1.2), (2.0, -3.0)):
        point = latent.plane_of((1, 2, 3), u, v, 128)
        shares, rest, *_ = np.linalg.lstsq(corners.T, point.astype(np.float64), rcond=None)
        assert rest == pytest.approx(0, abs=1e-6)
        np.testing.assert_allclose(shares / shares.sum(), [1 - u - v, u, v], rtol=1e-4, atol=1e-6)
        assert lengths.min() * 0.999 <= np.linalg.norm(point) <= lengths.max() * 1.001
    np.testing.assert_allclose(latent.plane_of((5, 5, 5), 0.2, 0.2, 8), latent.z_of_seed(5, 8), rtol=1e-6)
    with pytest.raises(InvalidValue, match="no point"):
        latent.plane_of((1, 2, 3), np.nan, 0, 8)


def test_a_way_along_a_direction() -> None:
    z, n = latent.z_of_seed(1, 4), np.array([0, 3.0, 0, 4])
    way = latent.along(z, n, 2.0, 5)
    np.testing.assert_allclose(way[2], z)
    np.testing.assert_allclose(way[4] - z, [0, 1.2, 0, 1.6], atol=1e-6)
    np.testing.assert_allclose(np.diff(way, axis=0), np.tile([0, 0.6, 0, 0.8], (4, 1)), atol=1e-6)
    for wrong in ((z, np.zeros(4), 1, 3), (z, np.ones(3), 1, 3), (z, n, 0, 3), (z, n, 1, 1), (z, n, np.nan, 3)):
        with pytest.raises(InvalidValue):
            latent.along(*wrong)


@pytest.mark.parametrize(("steps", "odd"), [(2, 3), (4, 5), (48, 49)])
def test_an_even_number_of_steps_has_none_in_the_middle(steps: int, odd: int) -> None:
    with pytest.raises(InvalidValue) as caught:
        latent.along(np.zeros(2), np.ones(2), 1.0, steps)
    assert caught.value.what == f"Of {steps} steps none is in the middle, where the seed itself belongs."
    assert caught.value.todo == f"Use an odd number, such as {odd}."


# --- a run's directions ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints folder with an unconditional and a conditional run."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_AUG_CHECKPOINTS", str(folder))
        export_onnx(make_gan("dcgan", "one", class_name="malignant"))
        export_onnx(make_gan("acgan", "both"))
    return folder


@pytest.fixture
def one(made: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GAN_AUG_CHECKPOINTS", str(made))
    return "one"


def test_strips_show_the_seed_in_the_middle_and_the_way_there(one: str, tmp_path: Path) -> None:
    lines = directions.write_strips(one, tmp_path / "out", top=2, seeds=(3, 5), reach=2.0, steps=5)
    assert [line["name"] for line in lines] == ["direction-1", "direction-2"]
    assert lines[0]["strength"] > lines[1]["strength"] > 0
    strip = np.asarray(Image.open(tmp_path / "out" / "direction-1.png"))
    assert strip.shape == (128, 320, 3)
    np.testing.assert_array_equal(strip[64:, 128:192], sample.sample(one, [5])[0][0])
    renderer = open_generator(one)[2]
    end = latent.z_of_seed(3, 8) + 2 * np.array(lines[0]["vector"])
    np.testing.assert_array_equal(strip[:64, 256:], renderer.render(end[None].astype(np.float32))[0])
    record = json.loads((tmp_path / "out" / directions.RECORD).read_text())
    assert record["checkpoint"] == "one@3.2" and "with the BatchNorm" in record["method"]


def test_a_strip_is_no_photograph_to_an_import(one: str, tmp_path: Path) -> None:
    folder = tmp_path / "photographs"
    directions.write_strips(one, folder / "benign", top=1, seeds=(1,), steps=3)
    said = images.read_provenance(folder / "benign" / "direction-1.png")
    assert (said["direction"], said["seeds"], said["digitalSourceType"]) == ("direction-1", [1], images.SYNTHETIC)
    save_photographs(folder, ["benign/a.png", "benign/b.png", "malignant/c.png"])
    import_dataset([folder], "mine", 32, workers=1)
    (line,) = rejected("mine").to_dict("records")
    assert line["file"] == "benign/direction-1.png" and "trained model made it" in line["reason"]


def test_a_named_direction_is_kept_and_generated(one: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="Nobody has named"):
        directions.write_strips(one, tmp_path / "none", named=True)
    directions.save(one, 2, "darker")
    (kept,) = store.directions(one)
    np.testing.assert_allclose(kept.vector, directions.find(one).vectors[1], rtol=1e-6)
    (line,) = directions.write_strips(one, tmp_path / "named", named=True, seeds=(1,), steps=3)
    assert (line["name"], line["strength"]) == ("darker", None)
    assert (tmp_path / "named" / "darker.png").exists()
    with pytest.raises(InvalidValue, match="no direction 9"):
        directions.save(one, 9, "x")


def test_the_console_generates_and_saves_directions(one: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert cli.main(["directions", "both", "--top", "1", "--class", "benign", "--save", "1=rim", "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [line["name"] for line in told["directions"]] == ["direction-1"] and told["saved"] == ["rim"]
    assert [direction.name for direction in store.directions("both")] == ["rim"]
    assert cli.main(["directions", "both", "--out", str(out)]) == 1, "a class is needed"
    assert cli.main(["directions", "one", "--save", "rim", "--out", str(out)]) == 2


# --- projection --------------------------------------------------------------------------------------------------------------------------


def own_picture(run_id: str, seed: int, path: Path, class_name: str | None = None) -> Path:
    Image.fromarray(sample.sample(run_id, [seed], class_name)[0][0]).save(path)
    return path


@pytest.mark.parametrize(("run_id", "class_name"), [("one", None), ("both", "malignant")])
def test_a_generators_own_image_is_found_again(run_id: str, class_name: str | None, one: str, tmp_path: Path) -> None:
    picture = own_picture(run_id, 12345, tmp_path / "own.png", class_name)
    found = project.project(run_id, picture, out=tmp_path / "out", class_name=class_name, steps=120)
    assert found.distance < found.random_least / 5 < found.random_median / 5
    assert found.closer_than_random > 5
    assert found.start_distances[0] == found.distance and len(found.start_distances) == 4
    said = images.read_provenance(tmp_path / "out" / project.PICTURE)
    assert said["digitalSourceType"] == images.PARTLY_SYNTHETIC, "the first of the three is no generated picture"
    strip = np.asarray(Image.open(tmp_path / "out" / project.PICTURE)).astype(float)
    assert strip.shape == (64, 192, 3)
    np.testing.assert_array_equal(strip[:, :64], np.asarray(Image.open(picture)))
    assert np.sqrt(np.mean((strip[:, 64:128] - strip[:, :64]) ** 2)) == pytest.approx(found.distance)
    assert np.sqrt(np.mean((strip[:, 128:] - strip[:, :64]) ** 2)) == pytest.approx(found.random_least)
    record = json.loads((tmp_path / "out" / project.RECORD).read_text())
    z = np.array([record["z"]], np.float32)
    G = load_generator(runs.resolve(run_id)[1])[0]
    y = () if class_name is None else (torch.tensor([1]),)
    generated = images.to_uint8(G(torch.from_numpy(z), *y).detach().permute(0, 2, 3, 1).numpy())[0]
    np.testing.assert_array_equal(generated, strip[:, 64:128])


def test_what_a_generator_does_not_know_stays_far(one: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    found = project.project(one, tmp_path / "noise.png", steps=60)
    assert found.closer_than_random < 1.5


def test_a_projection_belongs_to_its_seed(one: str, tmp_path: Path) -> None:
    picture = own_picture(one, 7, tmp_path / "own.png")
    first, again, other = (project.project(one, picture, steps=5, starts=2, seed=seed) for seed in (1, 1, 2))
    assert first.z == again.z and first.random_least == again.random_least
    assert first.z != other.z


def test_impossible_projections_are_refused(one: str, tmp_path: Path) -> None:
    picture = own_picture(one, 7, tmp_path / "own.png")
    with pytest.raises(InvalidValue, match="0 starts"):
        project.project(one, picture, starts=0)
    with pytest.raises(InvalidValue, match="none was named"):
        project.project("both", picture)
    checkout = Path(project.__file__).resolve().parent.parent
    if (checkout / ".git").exists():
        with pytest.raises(InvalidValue, match="real images"):
            project.project(one, picture, out=checkout / "projected")


def test_a_projection_does_not_go_among_samples(one: str, tmp_path: Path) -> None:
    picture = own_picture(one, 7, tmp_path / "own.png")
    sample.sample_to_folder(one, [0], tmp_path / "out")
    with pytest.raises(InvalidValue, match="holds sampled pictures, and the projection, which shows the image itself, would be taken"):
        project.project(one, picture, out=tmp_path / "out", steps=1, starts=1)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["manifest.csv", "seed000000.png"]


def test_the_console_projects(one: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = own_picture(one, 7, tmp_path / "own.png")
    arguments = ["project", one, str(picture), "--steps", "5", "--starts", "1", "--out", str(tmp_path / "out")]
    assert cli.main(arguments) == 0
    assert "nearest of 256 random pictures" in capsys.readouterr().out
    assert cli.main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["checkpoint"] == "one@3.2"
