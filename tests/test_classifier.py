"""The classifier: its construction, its initial weights, its augmentation, and a short training that is stopped and resumed."""

import dataclasses
import hashlib
from pathlib import Path

import efficientnet_pytorch
import numpy as np
import pytest
import safetensors.torch
import torch

from gan_aug import backbones, classifier, images
from gan_aug.errors import CorruptFile, InvalidValue, NotFound
from gan_aug.records import ClassifierConfig

CPU = torch.device("cpu")
TINY = ClassifierConfig(resolution=32, batch_size=8, steps=6, evaluate_every=3)


def build(seed: int = 0, n_classes: int = 2, **changes) -> classifier.Classifier:
    torch.manual_seed(seed)
    return classifier.build(dataclasses.replace(TINY, **changes), n_classes)


def pictures(n: int, size: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


# --- construction ------------------------------------------------------------------------------------------------------------------------


def test_b0_has_the_published_number_of_parameters() -> None:
    assert sum(p.numel() for p in build().parameters()) == 4_010_110


@pytest.mark.parametrize("name", backbones.BLOCKS)
def test_blocks_are_those_of_the_library(name: str) -> None:
    with torch.device("meta"):
        network = efficientnet_pytorch.EfficientNet.from_name(name, image_size=32)
    assert len(network._blocks) == backbones.BLOCKS[name]


def test_logits_and_features_have_their_shapes() -> None:
    model = build(n_classes=3).eval()
    x = classifier.to_tensor(pictures(2), CPU)
    assert model(x).shape == (2, 3)
    assert model.features(x).shape == (2, 1280)
    torch.testing.assert_close(model(x), model.net._fc(model.features(x)))


def test_padding_is_laid_out_for_the_resolution_in_use() -> None:
    """b1 was published at 240 px; built without image_size it would pad 32 px images otherwise than TensorFlow's SAME rule does."""
    model = build(backbone="efficientnet-b1").eval()
    dynamic = efficientnet_pytorch.EfficientNet.from_name("efficientnet-b1", num_classes=2, image_size=None).eval()
    dynamic.load_state_dict(model.net.state_dict())
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(model.net(x), dynamic(x))


def test_imagenet_scaling_is_done_inside() -> None:
    model = build().eval()
    white = torch.ones(1, 3, 32, 32)
    mean, std = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    torch.testing.assert_close(model(white), model.net((1 - mean) / std * torch.ones(1, 3, 32, 32)), rtol=1e-4, atol=1e-5)


def test_an_unknown_backbone_is_refused_with_the_names() -> None:
    with pytest.raises(InvalidValue, match="resnet50") as error:
        build(backbone="resnet50")
    assert "efficientnet-b0" in error.value.todo and "efficientnet-b7" in error.value.todo


def test_tensors_hold_the_one_formula() -> None:
    batch = pictures(2)
    np.testing.assert_allclose(classifier.to_tensor(batch, CPU).permute(0, 2, 3, 1).numpy(), images.to_float(batch), atol=1e-6)


def test_probabilities_depend_on_no_other_image() -> None:
    model = build().train()
    batch, rows = pictures(7), np.arange(7)
    together = classifier.probabilities(model, batch, rows, CPU)
    alone = classifier.probabilities(model, batch, rows, CPU, batch_size=2)
    np.testing.assert_allclose(together.sum(1), 1, atol=1e-12)
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(classifier.probabilities(model, batch, rows[[4]], CPU), together[[4]], atol=1e-6)
    assert model.training, "the mode is put back"


# --- initial weights ---------------------------------------------------------------------------------------------------------------------


def test_weights_of_the_library_and_of_ours_are_loaded(tmp_path: Path) -> None:
    source = build(seed=1)
    torch.save(source.net.state_dict(), tmp_path / "theirs.pth")
    safetensors.torch.save_file(source.state_dict(), tmp_path / "ours.safetensors")
    for file in ("theirs.pth", "ours.safetensors"):
        model = build(seed=2)
        assert classifier.load_weights(model, tmp_path / file)
        for name, value in source.state_dict().items():
            assert torch.equal(value, model.state_dict()[name]), name


def test_a_head_for_other_classes_stays_random(tmp_path: Path) -> None:
    torch.save(build(seed=1, n_classes=5).net.state_dict(), tmp_path / "five.pth")
    model = build(seed=2)
    head = model.net._fc.weight.clone()
    assert not classifier.load_weights(model, tmp_path / "five.pth")
    assert torch.equal(model.net._fc.weight, head)
    assert torch.equal(model.net._conv_stem.weight, build(seed=1).net._conv_stem.weight)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    torch.save(build(backbone="efficientnet-b1").net.state_dict(), tmp_path / "b1.pth")
    with pytest.raises(InvalidValue, match="backbone"):
        classifier.load_weights(build(), tmp_path / "b1.pth")
    broken = build().net.state_dict()
    broken["_conv_stem.weight"][0] = float("nan")
    torch.save(broken, tmp_path / "nan.pth")
    with pytest.raises(CorruptFile, match="not finite"):
        classifier.load_weights(build(), tmp_path / "nan.pth")
    with pytest.raises(NotFound):
        classifier.load_weights(build(), tmp_path / "absent.pth")


@pytest.mark.parametrize("name", ["noise.pth", "noise.safetensors", "empty.pth", "model.pth"])
def test_files_that_are_no_weights_are_refused_and_nothing_is_run(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "model.pth":
        torch.save(build(), path)  # a pickled module would run code when it is loaded
    else:
        path.write_bytes(b"" if name.startswith("empty") else b"\x80\x02nonsense" * 50)
    with pytest.raises(CorruptFile):
        classifier.load_weights(build(), path)


def test_initial_weights_are_recorded_with_their_digest(workspace: Path, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(build().net.state_dict(), path)
    found = backbones.initial_weights(dataclasses.replace(TINY, weights=str(path)))
    assert found == backbones.InitialWeights(str(path), hashlib.sha256(path.read_bytes()).hexdigest(), None)
    assert backbones.initial_weights(TINY) is None
    with pytest.raises(NotFound, match="neither a file nor a run"):
        backbones.initial_weights(dataclasses.replace(TINY, weights="no/such/file.pth"))


# --- freezing ----------------------------------------------------------------------------------------------------------------------------


def test_frozen_blocks_change_in_no_way() -> None:
    model = build().train()
    classifier.freeze(model, 5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1)
    model.train()(classifier.to_tensor(pictures(4), CPU)).square().sum().backward()
    optimiser.step()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    frozen = ("net._conv_stem", "net._bn0", *(f"net._blocks.{block}." for block in range(5)))
    assert not {name for name in changed if name.startswith(frozen)}
    assert {"net._blocks.5._bn0.running_mean", "net._fc.weight"} <= changed


def test_freezing_without_weights_or_too_much_is_refused() -> None:
    with pytest.raises(InvalidValue, match="random"):
        ClassifierConfig(frozen_blocks=3)
    with pytest.raises(InvalidValue, match="16 blocks"):
        build(frozen_blocks=17, weights="file.pth")


# --- augmentation ------------------------------------------------------------------------------------------------------------------------


def warp_all(x: torch.Tensor, turns: int = 0, flip: bool = False, side: float = 1.0, centre: float = 0.0) -> torch.Tensor:
    n = len(x)
    sides, centres = torch.full((n,), side), torch.full((n,), centre)
    return classifier.warp(x, torch.full((n,), turns), torch.full((n,), flip), sides, sides, centres, centres)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("flip", [False, True])
def test_flips_and_turns_are_exact(turns: int, flip: bool) -> None:
    x = torch.rand(2, 3, 8, 8)
    wanted = torch.rot90(x.flip(3) if flip else x, turns, (2, 3))
    torch.testing.assert_close(warp_all(x, turns, flip), wanted, atol=1e-5, rtol=0)


def test_a_crop_is_that_part_of_the_image() -> None:
    ramp = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)
    cut = warp_all(ramp, side=0.5, centre=0.5)
    assert cut.min() >= -0.01 and cut.max() <= 1.0
    assert cut[0, 0, 0, 0] < 0.02 and cut[0, 0, 0, -1] > 0.97


def test_augmentation_is_keyed_bounded_and_mild() -> None:
    x = classifier.to_tensor(pictures(64), CPU) * 0.5
    once, again, other = (classifier.augment(x, torch.Generator().manual_seed(seed)) for seed in (7, 7, 8))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert once.min() >= -1 and once.max() <= 1
    assert (once.mean((1, 2, 3)) - x.mean((1, 2, 3))).abs().max() < 0.2
