"""What every GAN promises, and the known answers of its losses, penalties and layers."""

import ast
import dataclasses
import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, interpolate

from gan_aug import catalog, gans
from gan_aug.errors import InvalidValue, NotFound, UnknownKey
from gan_aug.gans import acgan, dcgan, r3gan, sngan, wgan_gp
from gan_aug.gans.augment import AdaptiveShare, diff_augment, dihedral
from gan_aug.gans.blocks import ConvDiscriminator, ConvGenerator, ResidualBlock, ResizeConvolution, channel_plan, r1_penalty
from gan_aug.records import GanConfig

NAMES = list(catalog.ENTRIES)
TINY = {"z_dim": 8, "width": 4, "batch_size": 4}


def small(name: str, **settings: object) -> tuple[GanConfig, nn.Module, nn.Module, torch.Tensor | None]:
    config = catalog.gan_config(name, **{**TINY, **settings})
    torch.manual_seed(0)
    G, D = gans.spec(name).build(config, 2)
    y = torch.tensor([0, 1, 0, 1]) if catalog.entry(name).conditional else None
    return config, G, D, y


# --- the contract ------------------------------------------------------------------------------------------------------------------------


def test_catalog_and_files_agree():
    folder = Path(gans.__file__).parent
    shared = {"__init__", "blocks", "augment"}
    assert {path.stem for path in folder.glob("*.py")} - shared == set(catalog.ENTRIES)
    for name, entry in catalog.ENTRIES.items():
        assert gans.spec(name).name == entry.name == name
        assert {"small-data", "paper"} <= set(entry.presets) <= set(catalog.PRESETS)
        assert entry.arxiv in gans.importlib.import_module(f"gan_aug.gans.{name}").__doc__


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("resolution", [64, 128, 256])
@pytest.mark.parametrize("architecture", ["dcgan", "paper"])
def test_shapes_ranges_and_gradients(name, resolution, architecture):
    config, G, D, y = small(name, resolution=resolution, architecture=architecture)
    spec = gans.spec(name)
    fake = G(torch.randn(4, config.z_dim), y)
    assert fake.shape == (4, 3, resolution, resolution)
    assert fake.abs().max() <= 1
    real = torch.rand(4, 3, resolution, resolution) * 2 - 1
    loss, stats = spec.d_loss(D, real, fake.detach(), y, config)
    loss.backward()
    assert all(parameter.grad is not None and torch.isfinite(parameter.grad).all() for parameter in D.parameters())
    assert all(parameter.grad is None for parameter in G.parameters())
    g_loss, _ = spec.g_loss(D, real, fake, y, config)
    g_loss.backward()
    assert all(parameter.grad is not None and torch.isfinite(parameter.grad).all() for parameter in G.parameters())
    assert 0 <= stats["D/accuracy"] <= 1
    assert all(not value.requires_grad and value.ndim == 0 for value in stats.values())


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_builds_a_valid_config_at_every_resolution(name):
    for preset in catalog.entry(name).presets:
        for resolution in (64, 128, 256):
            assert catalog.gan_config(name, preset, resolution=resolution).resolution == resolution


@pytest.mark.parametrize("name", NAMES)
def test_the_batch_does_not_change_a_picture(name):
    config, G, _, y = small(name)
    G.eval()
    z = torch.randn(4, config.z_dim)
    together = G(z, y)
    alone = torch.cat([G(z[i : i + 1], y[i : i + 1] if y is not None else None) for i in range(4)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_a_conditional_g_takes_class_numbers_and_mixtures():
    config, G, _, y = small("acgan")
    G.eval()
    z = torch.randn(4, config.z_dim)
    torch.testing.assert_close(G(z, y), G(z, nn.functional.one_hot(y, 2).float()))
    assert not torch.allclose(G(z, y), G(z, 1 - y))
    with pytest.raises(ValueError, match="needs y"):
        G(z)


def test_a_preset_that_a_gan_lacks_is_refused_with_those_it_has():
    """The student project of 2021 could have had no settings for a method of 2024."""
    with pytest.raises(InvalidValue, match=r"no preset 'aidl21'") as refusal:
        catalog.gan_config("r3gan", "aidl21")
    assert refusal.value.todo == "Choose one of small-data, paper."


def settings_read_by(name: str) -> set[str]:
    tree = ast.parse(Path(gans.__file__).with_name(f"{name}.py").read_text())
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "config"
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_catalogue_knows_which_settings_a_gan_does_not_use(name):
    read_by_some = set().union(*map(settings_read_by, NAMES))
    read = settings_read_by(name) | {"architecture"}  # dcgan reads none: its paper's networks are the DCGAN-sized ones
    assert set(catalog.entry(name).unused) - {"augment_target"} == read_by_some - read
    assert read_by_some < {field.name for field in dataclasses.fields(GanConfig)}


def test_a_setting_without_effect_is_refused():
    with pytest.raises(InvalidValue, match=r"sngan does not use d_norm, real_label\."):
        catalog.gan_config("sngan", d_norm="none", real_label=0.9)
    with pytest.raises(InvalidValue, match="dcgan does not use aux_g"):
        catalog.gan_config("dcgan", aux_g=0.5)
    assert catalog.gan_config("sngan", d_norm="batch").d_norm == "batch", "the default asks for nothing"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("architecture", ["dcgan", "paper"])
@pytest.mark.parametrize(("field", "value"), [("upsampling", "resize"), ("d_norm", "none")])
def test_a_setting_that_an_architecture_does_not_read_is_refused(name, architecture, field, value):
    idle = field in catalog.entry(name).idle(architecture)
    plain = small(name, architecture=architecture, upsampling="transposed")
    config = dataclasses.replace(plain[0], **{field: value})
    assert (str(gans.spec(name).build(config, 2)) == str(plain[1:3])) == idle
    if idle:
        with pytest.raises(InvalidValue, match=f"{name} does not use {field}"):
            catalog.gan_config(name, architecture=architecture, **{field: value})


def test_what_a_preset_sets_for_other_networks_is_left_out_with_those_of_the_paper():
    assert catalog.gan_config("sngan").upsampling == "resize"
    assert catalog.gan_config("sngan", architecture="paper").upsampling == "transposed"
    with pytest.raises(InvalidValue, match=r"sngan does not use upsampling with architecture=paper\."):
        catalog.gan_config("sngan", architecture="paper", upsampling="resize")


def test_every_block_of_wgan_gp_has_a_learnt_shortcut_and_its_first_convolution_no_bias():
    _, G, D, _ = small("wgan_gp", architecture="paper")
    blocks = [module for network in (G, D) for module in network.modules() if isinstance(module, ResidualBlock)]
    assert len(blocks) == 8
    for block in blocks:
        assert block.shortcut.kernel_size == (1, 1)
        assert (block.conv1.bias, block.conv2.bias is None) == (None, False)


def test_g_of_acgan_takes_as_many_numbers_as_in_the_paper_at_its_ten_classes():
    G, _ = acgan.build(catalog.gan_config("acgan", "paper", width=1), 10)
    assert G.linear.in_features == 110


def test_unknown_names_are_named():
    with pytest.raises(NotFound, match="no GAN 'stylegan'"):
        catalog.entry("stylegan")
    with pytest.raises(InvalidValue, match="no preset 'huge'"):
        catalog.gan_config("dcgan", "huge")
    with pytest.raises(UnknownKey, match="'learning_rate'"):
        catalog.gan_config("dcgan", learning_rate=1.0)
    assert catalog.entry("WGAN").name == "wgan_gp"


# --- networks ----------------------------------------------------------------------------------------------------------------------------


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_dcgan_64_has_the_parameters_of_the_reference():
    assert count(ConvGenerator(100, 64, 64)) == 3_576_704
    assert count(ConvDiscriminator(64, 64, "batch")) == 2_765_568


@pytest.mark.parametrize("side", [1, 4, 7])
def test_resize_convolution_is_a_convolution_of_repeated_pixels(side):
    layer, x = ResizeConvolution(3, 5).double(), torch.randn(2, 3, side, side, dtype=torch.float64)
    nn.init.normal_(layer.weight)
    kernel = layer.weight.transpose(0, 1).flip(2, 3)
    torch.testing.assert_close(layer(x), conv2d(interpolate(x, scale_factor=2, mode="nearest"), kernel, padding=1), rtol=1e-12, atol=1e-12)


def test_resize_convolution_generates_an_even_plane_evenly_and_a_transposed_one_does_not():
    def chequered(layer: nn.Module) -> float:
        inside = layer(torch.ones(1, 8, 8, 8))[:, :, 2:-2, 2:-2]
        return (inside - inside.mean(dim=(2, 3), keepdim=True)).abs().max().item()

    assert chequered(ResizeConvolution(8, 3)) < 1e-6
    assert chequered(nn.ConvTranspose2d(8, 3, 4, 2, 1, bias=False)) > 1e-3


@pytest.mark.parametrize("name", [name for name in NAMES if name != "r3gan"])
def test_upsampling_by_resize_is_a_generator_without_transposed_layers_beyond_the_first(name):
    config, G, _, y = small(name, upsampling="resize")
    assert [isinstance(module, nn.ConvTranspose2d) for module in G.modules()].count(True) == 1
    assert G(torch.randn(2, config.z_dim), y[:2] if y is not None else None).shape == (2, 3, config.resolution, config.resolution)


@pytest.mark.parametrize("name", ["dcgan", "acgan"])
@pytest.mark.parametrize(("d_norm", "kind"), [("batch", nn.BatchNorm2d), ("layer", nn.GroupNorm), ("none", None)])
def test_normalisation_of_d_can_be_chosen(name, d_norm, kind):
    _, _, D, _ = small(name, d_norm=d_norm)
    found = {type(module) for module in D.modules()} & {nn.BatchNorm2d, nn.GroupNorm}
    assert found == ({kind} if kind else set())


def test_only_a_d_without_batch_normalisation_judges_each_image_by_itself():
    """With BatchNorm the same change of all images of a batch, such as a stronger red, is taken out again in part."""
    images = torch.randn(8, 3, 64, 64)
    for norm, alone in (("none", True), ("layer", True), ("batch", False)):
        D = ConvDiscriminator(8, 64, norm).train()
        assert torch.allclose(D(images)[:4], D(images[:4]), atol=1e-5) == alone


def test_a_d_without_normalisation_starts_with_signals_of_even_size():
    D = ConvDiscriminator(16, 64, "none")
    x = torch.randn(16, 3, 64, 64)
    sizes = [(x := layer(x)).square().mean().item() for layer in D.layers]
    assert 0.5 < sizes[1] / sizes[-1] < 2
    assert all(convolution.bias is not None for convolution in D.modules() if isinstance(convolution, nn.Conv2d))


def test_channel_plan():
    assert channel_plan(64, 64) == [512, 256, 128, 64]
    assert channel_plan(128, 64) == [512, 512, 256, 128, 64]
    assert channel_plan(256, 8) == [64, 64, 64, 32, 16, 8]


def test_dcgan_weights_start_as_the_paper_says():
    G, D = ConvGenerator(100, 32, 64), ConvDiscriminator(32, 64, "spectral")
    assert G.layers[0].weight.std().item() == pytest.approx(0.02, rel=0.05)
    # Under spectral normalisation the values lie in `original`; the original project lost them there.
    assert D.layers[2].parametrizations.weight.original.std().item() == pytest.approx(0.02, rel=0.05)


def test_sngan_d_is_spectrally_normalised_in_every_layer_and_has_no_other_norm():
    for architecture in ("dcgan", "paper"):
        _, _, D, _ = small("sngan", architecture=architecture, width=8)
        for _ in range(100):
            D(torch.randn(2, 3, 64, 64))
        D.eval()
        layers = [module for module in D.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
        assert len(layers) == (5 if architecture == "dcgan" else 8)
        for layer in layers:
            assert torch.linalg.svdvals(layer.weight.flatten(1))[0].item() == pytest.approx(1.0, abs=0.02)
        assert not any(isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)) for module in D.modules())


@pytest.mark.parametrize("architecture", ["dcgan", "paper"])
def test_the_critic_scores_each_image_by_itself(architecture):
    """BatchNorm in a critic would make the gradient penalty, which is per image, meaningless."""
    _, _, D, _ = small("wgan_gp", architecture=architecture)
    x = torch.randn(4, 3, 64, 64)
    torch.testing.assert_close(D(x)[:1], D(x[:1]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("resolution", [64, 128, 256])
def test_dcgan_d_is_batch_normalised_at_every_size(resolution):
    """The original's 128 px DC-GAN was the spectrally normalised network under another name."""
    _, _, D, _ = small("dcgan", resolution=resolution)
    assert any(isinstance(module, nn.BatchNorm2d) for module in D.modules())
    assert not any("parametrizations" in name for name, _ in D.named_parameters())


def test_batch_norm_keeps_its_eps():
    """The original passed 0.8 in the place of eps."""
    for name in NAMES:
        _, G, D, _ = small(name)
        for module in [*G.modules(), *D.modules()]:
            if isinstance(module, nn.BatchNorm2d):
                assert module.eps == 1e-5


def r3gan_paper(resolution: int) -> tuple[nn.Module, nn.Module]:
    with torch.device("meta"):
        return r3gan.build(catalog.gan_config("r3gan", "paper", resolution=resolution), 0)


@pytest.mark.parametrize(("resolution", "g", "d"), [(64, 22_429_824, 22_381_440), (256, 23_057_952, 23_009_568)])
def test_r3gan_has_the_parameters_of_the_authors_code(resolution, g, d):
    """Counted on networks built by github.com/brownvc/R3GAN with its FFHQ-64 and FFHQ-256 presets."""
    G, D = r3gan_paper(resolution)
    assert (count(G), count(D)) == (g, d)


def test_r3gans_paper_preset_has_the_published_settings():
    """FFHQ-64 of the authors' train.py, where a schedule begins."""
    config = catalog.gan_config("r3gan", "paper")
    assert (config.g_lr, config.d_lr, config.beta1, config.beta2, config.batch_size, config.z_dim) == (2e-4, 2e-4, 0.0, 0.9, 256, 64)
    assert (config.r1_gamma, config.r2_gamma, config.r1_every, config.ema_kimg) == (2.0, 2.0, 1, 500.0)
    assert "| followed " in r3gan.__doc__ and "| no" in r3gan.__doc__


def test_r3gan_has_the_papers_widths_and_groups():
    G, D = r3gan_paper(256)
    for network, stages in ((G, [768] * 4 + [384, 192, 96]), (D, [96, 192, 384] + [768] * 4)):
        blocks = [module.convolutions for module in network.modules() if isinstance(module, r3gan.Block)]
        assert [layers[0].in_channels for layers in blocks] == [width for width in stages for _ in range(2)]
        assert all([layer.kernel_size[0] for layer in layers] == [1, 3, 1] for layers in blocks)
        assert all(layers[1].in_channels // layers[1].groups == 16 for layers in blocks)


@pytest.mark.parametrize("architecture", ["dcgan", "paper"])
def test_r3gan_has_no_normalisation_and_no_transposed_convolution(architecture):
    _, G, D, _ = small("r3gan", architecture=architecture)
    unwanted = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.LocalResponseNorm, nn.modules.conv._ConvTransposeNd)
    for network in (G, D):
        assert not any(isinstance(module, unwanted) or hasattr(module, "parametrizations") for module in network.modules())
        assert all(layer.stride == (1, 1) for layer in network.modules() if isinstance(layer, nn.Conv2d))


def test_r3gan_blocks_start_as_the_identity_and_the_others_at_the_msr_scale():
    torch.manual_seed(0)
    layers = [nn.Conv2d(64, 128, 1), nn.Conv2d(128, 128, 3, 1, 1), nn.Conv2d(128, 64, 1, bias=False)]
    block = r3gan.Block(layers, n_blocks=16)
    x = torch.randn(2, 64, 8, 8)
    assert torch.equal(block(x), x)
    gain = math.sqrt(2 / 1.04) * 16 ** (-1 / 4)  # three layers: the exponent is -1 / (2 * 3 - 2)
    assert layers[0].weight.std().item() == pytest.approx(gain / math.sqrt(64), rel=0.03)
    assert layers[1].weight.std().item() == pytest.approx(gain / math.sqrt(9 * 128), rel=0.03)


def test_r3gan_halves_with_1331():
    x = torch.zeros(1, 2, 8, 8)
    x[:, :, 3, 3] = 64
    down = r3gan.Down(2, 2)(x)
    assert down.shape == (1, 2, 4, 4)
    assert down[0, 0, 1:3, 1:3].flatten().tolist() == pytest.approx([9.0, 3.0, 3.0, 1.0])  # pixel 3 lies nearer output 1 than output 2
    kernel = torch.outer(torch.tensor([1.0, 3.0, 3.0, 1.0]), torch.tensor([1.0, 3.0, 3.0, 1.0])).expand(2, 1, 4, 4) / 64
    x = torch.randn(3, 2, 16, 16)
    torch.testing.assert_close(r3gan.Down(2, 2)(x), nn.functional.conv2d(x, kernel, stride=2, padding=1, groups=2))


# --- losses ------------------------------------------------------------------------------------------------------------------------------


class Fixed(nn.Module):
    """A D that returns given logits, in turn."""

    def __init__(self, *answers):
        super().__init__()
        self.answers = list(answers)

    def forward(self, images):
        return self.answers.pop(0)


X = torch.zeros(2, 3, 64, 64)


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_logistic_losses():
    config = GanConfig()
    loss, stats = dcgan.d_loss(Fixed(torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])), X, X, None, config)
    assert loss.item() == pytest.approx((softplus(-2) + softplus(1)) / 2 + (softplus(0.5) + softplus(-3)) / 2, rel=1e-6)
    assert stats["D/accuracy"] == pytest.approx(0.5)
    assert stats["D/real_sign"] == 0
    loss, _ = dcgan.g_loss(Fixed(torch.tensor([2.0, -1.0])), X, X, None, config)
    assert loss.item() == pytest.approx((softplus(-2) + softplus(1)) / 2, rel=1e-6)


def test_label_smoothing_touches_the_real_side_only():
    config = GanConfig(real_label=0.9)
    loss, _ = dcgan.d_loss(Fixed(torch.tensor([2.0]), torch.tensor([0.5])), X[:1], X[:1], None, config)
    assert loss.item() == pytest.approx(0.9 * softplus(-2) + 0.1 * softplus(2) + softplus(0.5), rel=1e-6)


def test_logistic_loss_does_not_saturate():
    """A sigmoid in D followed by a logarithm would give infinity or a zero gradient here."""
    logits = torch.tensor([-200.0], requires_grad=True)
    loss, _ = dcgan.g_loss(Fixed(logits), X[:1], X[:1], None, GanConfig())
    loss.backward()
    assert loss.item() == pytest.approx(200)
    assert logits.grad.item() == pytest.approx(-1)


def test_hinge_losses():
    loss, _ = sngan.d_loss(Fixed(torch.tensor([2.0, 0.25]), torch.tensor([-2.0, 0.5])), X, X, None, GanConfig())
    assert loss.item() == pytest.approx((0 + 0.75) / 2 + (0 + 1.5) / 2)
    loss, _ = sngan.g_loss(Fixed(torch.tensor([2.0, -1.0])), X, X, None, GanConfig())
    assert loss.item() == pytest.approx(-0.5)


class LinearCritic(nn.Module):
    """D(x) = <w, x> with a known gradient norm."""

    def __init__(self, norm: float):
        super().__init__()
        w = torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(1))
        self.w = nn.Parameter(w * norm / w.norm())

    def forward(self, images):
        return (images * self.w).sum(dim=(1, 2, 3))


@pytest.mark.parametrize("norm", [0.0, 1.0, 3.0])
def test_gradient_penalty_of_a_linear_critic(norm):
    critic = LinearCritic(norm)
    real, fake = torch.randn(4, 3, 64, 64), torch.randn(4, 3, 64, 64)
    penalty = wgan_gp.gradient_penalty(critic, real, fake)
    assert penalty.item() == pytest.approx((norm - 1) ** 2, abs=1e-4)
    penalty.backward()  # at norm 0 the root has no derivative; the penalty must still have one
    assert torch.isfinite(critic.w.grad).all()


class QuadraticCritic(nn.Module):
    """D(x) = w |x|^2 / 2, whose gradient w x differs from image to image."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(1.0))

    def forward(self, images):
        return self.w * images.square().sum(dim=(1, 2, 3)) / 2


def of_size(*norms: float) -> torch.Tensor:
    """Multiples of one image of norm 1."""
    direction = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(1))
    return torch.tensor(norms)[:, None, None, None] * direction / direction.norm()


def test_gradient_penalty_is_taken_on_the_line_between_real_and_fake(monkeypatch):
    """Real images of norm 1 and fakes of norm 5, at 0, 1/4, 3/4 and 1 of the way: gradients of 1, 2, 4 and 5 times w."""
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: torch.tensor([0, 0.25, 0.75, 1]).view(shape))
    critic = QuadraticCritic()
    penalty = wgan_gp.gradient_penalty(critic, of_size(1, 1, 1, 1), of_size(5, 5, 5, 5))
    assert penalty.item() == pytest.approx((0**2 + 1**2 + 3**2 + 4**2) / 4, rel=1e-5)
    penalty.backward()
    assert critic.w.grad.item() == pytest.approx(2 * (0 * 1 + 1 * 2 + 3 * 4 + 4 * 5) / 4, rel=1e-5)


def test_gradient_penalty_draws_a_place_on_the_line_for_each_image():
    """Real images of nothing and fakes of norm 4: the mean of (4t - 1)^2 is 7/3 for t from 0 to 1."""
    torch.manual_seed(0)
    penalty = wgan_gp.gradient_penalty(QuadraticCritic(), of_size(*[0] * 4000), of_size(*[4] * 4000))
    assert penalty.item() == pytest.approx(7 / 3, abs=0.1)


def test_wgan_losses():
    critic = LinearCritic(2.0)
    real, fake = torch.randn(4, 3, 64, 64), torch.randn(4, 3, 64, 64)
    loss, stats = wgan_gp.d_loss(critic, real, fake, None, GanConfig(gp_weight=10))
    distance = (critic(real).mean() - critic(fake).mean()).item()
    assert loss.item() == pytest.approx(10 * 1.0 - distance, abs=1e-3)
    assert stats["D/distance"].item() == pytest.approx(distance, abs=1e-5)
    loss, _ = wgan_gp.g_loss(critic, real, fake, None, GanConfig())
    assert loss.item() == pytest.approx(-critic(fake).mean().item(), abs=1e-6)


def test_wgan_critic_step_does_not_reach_g():
    config, G, D, _ = small("wgan_gp")
    fake = G(torch.randn(4, config.z_dim))
    gradient_penalty = wgan_gp.gradient_penalty(D, torch.randn(4, 3, 64, 64), fake)
    gradient_penalty.backward()
    assert all(parameter.grad is None for parameter in G.parameters())


def test_acgan_losses():
    y = torch.tensor([0, 1])
    classes = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    cross_entropy = (softplus(-2) + softplus(-1)) / 2
    real, fake = (torch.tensor([1.0, 1.0]), classes), (torch.tensor([-1.0, -1.0]), classes)
    source = 2 * softplus(-1)
    for aux_fake in (0.0, 1.0):
        config = GanConfig(aux_d=0.5, aux_g=0.1, aux_fake=aux_fake)
        loss, stats = acgan.d_loss(Fixed(real, fake), X, X, y, config)
        assert loss.item() == pytest.approx(source + 0.5 * (1 + aux_fake) * cross_entropy, rel=1e-6)
        assert stats["D/class_accuracy"] == 1
    loss, _ = acgan.g_loss(Fixed(fake), X, X, y, GanConfig(aux_g=0.1))
    assert loss.item() == pytest.approx(softplus(1) + 0.1 * cross_entropy, rel=1e-6)


def test_relativistic_losses():
    """Pairs, not all against all; only differences count."""
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 3.0])
    for shift in (0.0, 100.0):
        loss, stats = r3gan.d_loss(Fixed(real + shift, fake + shift), X, X, None, GanConfig())
        assert loss.item() == pytest.approx((softplus(-1.5) + softplus(4)) / 2, rel=1e-5)
        assert stats["D/accuracy"] == pytest.approx(0.25)
        loss, _ = r3gan.g_loss(Fixed(real + shift, fake + shift), X, X, None, GanConfig())
        assert loss.item() == pytest.approx((softplus(1.5) + softplus(-4)) / 2, rel=1e-5)


@pytest.mark.parametrize("norm", [0.0, 2.0])
def test_r1_of_a_linear_d(norm):
    D = LinearCritic(norm)
    penalty = r1_penalty(D, torch.randn(4, 3, 64, 64))
    assert penalty.item() == pytest.approx(norm**2, abs=1e-5)


def test_r1_of_a_quadratic_d_is_taken_at_the_images_it_is_given():
    D = QuadraticCritic()
    penalty = r1_penalty(D, of_size(1, 2, 4))
    assert penalty.item() == pytest.approx((1 + 4 + 16) / 3, rel=1e-5)
    penalty.backward()
    assert D.w.grad.item() == pytest.approx(2 * (1 + 4 + 16) / 3, rel=1e-5)


# --- augmentation ------------------------------------------------------------------------------------------------------------------------


def test_diff_augment_keeps_shape_and_lets_gradients_through():
    x = torch.rand(6, 3, 16, 16, requires_grad=True)
    out = diff_augment(x, ("color", "translation", "cutout"))
    assert out.shape == x.shape
    out.sum().backward()
    assert torch.isfinite(x.grad).all()
    assert diff_augment(x, ()) is x


def test_diff_augment_touches_the_share_it_is_given():
    torch.manual_seed(0)
    x = torch.rand(400, 3, 16, 16) + 1
    for share in (0.0, 0.3, 1.0):
        touched = (diff_augment(x, ("cutout",), torch.tensor(share)) != x).any(dim=(1, 2, 3)).float().mean()
        assert touched == pytest.approx(share, abs=0.06)
    both = diff_augment(x, ("translation", "cutout"), torch.tensor(0.5))
    assert (both == x).all(dim=3).all(dim=2).all(dim=1).float().mean() < 0.35, "each policy draws for itself"


def test_the_adaptive_share_follows_what_d_knows_by_heart():
    adaptive = AdaptiveShare(0.6, torch.device("cpu"))
    adaptive.update(torch.tensor(0.2), 25_000)
    assert adaptive.share == 0, "a D that does not overfit leaves it at none"
    adaptive.update(torch.tensor(1.0), 25_000)
    assert adaptive.share.item() == pytest.approx(0.4)
    adaptive.update(torch.tensor(0.9), 12_500)
    assert adaptive.share.item() == pytest.approx(0.55)
    adaptive.update(torch.tensor(0.1), 10_000)
    assert adaptive.share.item() == pytest.approx(0.35)
    adaptive.update(torch.tensor(1.0), 1_000_000)
    assert adaptive.share == 1


@pytest.mark.parametrize("name", NAMES)
def test_what_adapts_diff_augment_is_told_by_the_gans_that_can(name):
    config, _, D, y = small(name)
    _, stats = gans.spec(name).d_loss(D, torch.zeros(4, 3, 64, 64), torch.zeros(4, 3, 64, 64), y, config)
    assert ("D/real_sign" in stats) == ("augment_target" not in catalog.entry(name).unused)


def test_translation_shifts_by_at_most_an_eighth_and_fills_with_grey():
    torch.manual_seed(0)
    x = torch.zeros(200, 1, 16, 16)
    x[:, :, 8, 8] = 1
    out = diff_augment(x, ("translation",))
    rows, columns = out.sum(dim=(1, 3)).argmax(1) - 8, out.sum(dim=(1, 2)).argmax(1) - 8
    assert set(rows.tolist()) == set(columns.tolist()) == {-2, -1, 0, 1, 2}
    ones = diff_augment(torch.ones(50, 1, 16, 16), ("translation",))
    assert set(ones.unique().tolist()) == {0.0, 1.0}


def test_cutout_blanks_at_most_a_quarter():
    torch.manual_seed(0)
    blanked = 1 - diff_augment(torch.ones(200, 1, 16, 16), ("cutout",)).mean(dim=(1, 2, 3))
    assert blanked.max() == pytest.approx(0.25)
    assert 0 < blanked.min() < 0.25


def test_dihedral_gives_all_eight_views_about_equally():
    torch.manual_seed(0)
    x = torch.arange(9, dtype=torch.uint8).reshape(1, 1, 3, 3)
    out = dihedral(x.expand(800, 1, 3, 3))
    views, counts = out.reshape(800, 9).unique(dim=0, return_counts=True)
    assert len(views) == 8
    assert counts.min() > 60
    assert torch.equal(views.sort(dim=1).values, torch.arange(9, dtype=torch.uint8).expand(8, 9))
