"""The layers and augmentations of the GANs by known answers, and the papers' networks at full size by their layer tables."""

import itertools
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from gan_aug import catalog, gans
from gan_aug.gans import r3gan
from gan_aug.gans.augment import diff_augment
from gan_aug.gans.blocks import ResidualBlock


def at_full_size(name: str, preset: str = "paper", n_classes: int = 0, **settings: object) -> tuple[nn.Module, nn.Module]:
    """G and D of a preset, without memory for their weights."""
    with torch.device("meta"):
        return gans.spec(name).build(catalog.gan_config(name, preset, **settings), n_classes)


def of_the_paper(name: str) -> tuple[nn.Module, nn.Module]:
    """At 64 px, but AC-GAN at the side and for the classes for which its paper has a table."""
    return at_full_size(name, **({"resolution": 128, "n_classes": 10} if name == "acgan" else {}))


# --- the papers' tables ------------------------------------------------------------------------------------------------------------------


def layers(module: nn.Module) -> Iterator[str]:
    """What a network is made of, in words, in the order in which it is run."""
    match module:
        case ResidualBlock():
            yield f"block {module.resample} {module.conv2.out_channels}"
        case nn.Conv2d():
            yield f"conv {module.kernel_size[0]}/{module.stride[0]} {module.out_channels}"
        case nn.ConvTranspose2d():
            yield f"up {module.kernel_size[0]}/{module.stride[0]} {module.out_channels}"
        case nn.Linear():
            yield f"linear {module.out_features}"
        case nn.BatchNorm2d():
            yield "BN"
        case nn.GroupNorm(num_groups=1):
            yield "LN"
        case nn.LeakyReLU():
            yield f"leaky {module.negative_slope}"
        case nn.ReLU() | nn.Tanh():
            yield type(module).__name__.lower()
        case nn.Dropout():
            yield f"dropout {module.p}"
        case nn.Flatten():
            pass
        case _:
            assert list(module.children()), f"no word for {module}"
            for child in module.children():
                yield from layers(child)
    if hasattr(module, "parametrizations"):
        yield "SN"


# "up 4/2 512" is a transposed 4x4 convolution of stride 2 to 512 channels.
TABLES = {
    # Radford et al., figure 1 and the guidelines of section 3, with kernels of 4.
    "dcgan": (
        "up 4/1 1024, BN, relu, up 4/2 512, BN, relu, up 4/2 256, BN, relu, up 4/2 128, BN, relu, up 4/2 3, tanh",
        "conv 4/2 128, leaky 0.2, conv 4/2 256, BN, leaky 0.2, conv 4/2 512, BN, leaky 0.2, conv 4/2 1024, BN, leaky 0.2, conv 4/1 1",
    ),
    # GoodGenerator and GoodDiscriminator of the authors' gan_64x64.py; 8192 is 4 x 4 x 512.
    "wgan_gp": (
        "linear 8192, block up 512, block up 256, block up 128, block up 64, BN, relu, conv 3/1 3, tanh",
        "conv 3/1 64, block down 128, block down 256, block down 512, block down 512, linear 1",
    ),
    # Odena et al., appendix A, ImageNet at 128 px; 49152 is 8 x 8 x 768.
    "acgan": (
        "linear 49152, relu, up 5/2 384, BN, relu, up 5/2 256, BN, relu, up 5/2 192, BN, relu, up 5/2 3, tanh",
        "conv 3/2 16, leaky 0.2, dropout 0.5, conv 3/1 32, BN, leaky 0.2, dropout 0.5, conv 3/2 64, BN, leaky 0.2, dropout 0.5, "
        "conv 3/1 128, BN, leaky 0.2, dropout 0.5, conv 3/2 256, BN, leaky 0.2, dropout 0.5, conv 3/1 512, BN, leaky 0.2, dropout 0.5, "
        "linear 1, linear 10",
    ),
    # Miyato et al., table 3, with D's widths of the authors' code (the table has 64, 128 and 256 in the 4x4 ones); 32768 is 8 x 8 x 512,
    # an eighth of the side of 64.
    "sngan": (
        "linear 32768, BN, relu, up 4/2 256, BN, relu, up 4/2 128, BN, relu, up 4/2 64, BN, relu, conv 3/1 3, tanh",
        "conv 3/1 64, SN, leaky 0.1, conv 4/2 128, SN, leaky 0.1, conv 3/1 128, SN, leaky 0.1, conv 4/2 256, SN, leaky 0.1, "
        "conv 3/1 256, SN, leaky 0.1, conv 4/2 512, SN, leaky 0.1, conv 3/1 512, SN, leaky 0.1, linear 1, SN",
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_the_papers_networks_have_the_layers_of_its_table(name):
    assert tuple(", ".join(layers(network)) for network in of_the_paper(name)) == TABLES[name]


@pytest.mark.parametrize(("name", "slope"), [("dcgan", 0.2), ("wgan_gp", 0.2), ("acgan", 0.2), ("sngan", 0.1)])
def test_the_dcgan_sized_d_has_the_slope_of_its_paper_and_no_dropout(name, slope):
    _, D = at_full_size(name, "small-data", n_classes=2 if name == "acgan" else 0)
    found = [word for word in layers(D) if word.startswith(("leaky", "relu", "dropout"))]
    assert found == [f"leaky {slope}"] * 4


def normed(*channels: int) -> int:
    """A scale and a shift of each channel."""
    return 2 * sum(channels)


def chain(kernel: int, *channels: int) -> int:
    """Weights, without biases, of convolutions from each number of channels to the next."""
    return kernel**2 * sum(a * b for a, b in itertools.pairwise(channels))


def up_block(a: int, b: int) -> int:
    """BN, 3x3 a to b without a bias, BN, 3x3 b to b, beside a 1x1 shortcut."""
    return normed(a, b) + 9 * a * b + (9 * b * b + b) + (a * b + b)


def down_block(a: int, b: int) -> int:
    """LN, 3x3 a to a without a bias, LN, 3x3 a to b, beside a 1x1 shortcut."""
    return normed(a, a) + 9 * a * a + (9 * a * b + b) + (a * b + b)


def r3gan_blocks(c: int) -> int:
    """Two of 1x1 to 2c with a bias, 3x3 in groups of 16 channels with a bias, 1x1 back without one."""
    return 2 * ((c * 2 * c + 2 * c) + (9 * 16 * 2 * c + 2 * c) + 2 * c * c)


# The tables above, summed by hand. Convolutions before BatchNorm have no bias.
COUNTS = {
    "dcgan": (
        chain(4, 100, 1024, 512, 256, 128, 3) + normed(1024, 512, 256, 128),
        chain(4, 3, 128, 256, 512, 1024, 1) + normed(256, 512, 1024),
    ),
    "wgan_gp": (
        129 * 8192 + up_block(512, 512) + up_block(512, 256) + up_block(256, 128) + up_block(128, 64) + normed(64) + chain(3, 64, 3) + 3,
        chain(3, 3, 64) + 64 + down_block(64, 128) + down_block(128, 256) + down_block(256, 512) + down_block(512, 512) + 8192 + 1,
    ),
    # z of 100 and ten classes; three halvings of 128 px leave 16 x 16 x 512, which two linear layers read.
    "acgan": (
        (100 + 10 + 1) * 49152 + chain(5, 768, 384, 256, 192, 3) + normed(384, 256, 192) + 3,
        chain(3, 3, 16, 32, 64, 128, 256, 512) + 16 + normed(32, 64, 128, 256, 512) + (16 * 16 * 512 + 1) * (1 + 10),
    ),
    "sngan": (
        129 * 32768 + chain(4, 512, 256, 128, 64) + normed(512, 256, 128, 64) + chain(3, 64, 3) + 3,
        chain(3, 3, 64) + chain(4, 64, 128) + chain(3, 128, 128) + chain(4, 128, 256) + chain(3, 256, 256) + chain(4, 256, 512)
        + chain(3, 512, 512) + (64 + 2 * 128 + 2 * 256 + 2 * 512) + 32768 + 1,
    ),
    # A 4x4 basis and z of 64 to 768 channels; blocks at 4, 8, 16 and 32 px, one 1x1 to the 384 channels of 64 px, 1x1 to colours. D is
    # its mirror, and reads the last 4x4 channel by channel.
    "r3gan": (
        (16 + 64) * 768 + 4 * r3gan_blocks(768) + 768 * 384 + r3gan_blocks(384) + 3 * 384,
        3 * 384 + r3gan_blocks(384) + 384 * 768 + 4 * r3gan_blocks(768) + (16 + 1) * 768,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", catalog.ENTRIES)
def test_the_papers_networks_have_as_many_parameters_as_its_table_says(name):
    found = tuple(sum(parameter.numel() for parameter in network.parameters()) for network in of_the_paper(name))
    assert found == COUNTS[name]


# --- layers ------------------------------------------------------------------------------------------------------------------------------


class Less(nn.Module):
    """In the place of a normalisation: takes one off."""

    def forward(self, x: Tensor) -> Tensor:
        return x - 1


def middle_weight(convolution: nn.Conv2d, weight: float) -> None:
    """Make a convolution of one channel multiply each pixel."""
    nn.init.zeros_(convolution.weight)
    centre = convolution.kernel_size[0] // 2
    with torch.no_grad():
        convolution.weight[0, 0, centre, centre] = weight


@torch.no_grad()
@pytest.mark.parametrize("resample", ["up", "down"])
def test_residual_block_is_its_residual_and_its_shortcut_each_once(resample):
    """3 relu(2 relu(x - 1) - 1) + 0.25, and beside it 10 x + 0.5."""
    block = ResidualBlock(1, 1, resample, lambda channels: Less())
    middle_weight(block.conv1, 2)
    middle_weight(block.conv2, 3)
    middle_weight(block.shortcut, 10)
    block.conv2.bias.fill_(0.25)
    block.shortcut.bias.fill_(0.5)
    x = torch.tensor([[[[2.0, 1.25], [-1.0, 2.5]]]])
    answer = torch.tensor([[[[3 + 20.75, 0 + 13.25], [0 - 9.25, 6 + 25.75]]]])
    if resample == "up":
        torch.testing.assert_close(block(x), answer.repeat_interleave(2, 2).repeat_interleave(2, 3))
    else:
        torch.testing.assert_close(block(x), answer.mean().view(1, 1, 1, 1))


@torch.no_grad()
def test_r3gan_block_adds_what_its_convolutions_make_of_x():
    """With LeakyReLU 0.2 between them, and none before the first or after the last."""
    block = r3gan.Block([nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 3, 1, 1), nn.Conv2d(1, 1, 1, bias=False)], n_blocks=4)
    for layer, weight in zip(block.convolutions, (2, -3, 10), strict=True):
        middle_weight(layer, weight)
    x = torch.tensor([1.0, -1.0]).view(1, 1, 1, 2)
    # 1 -> 2 -> 2 -> -6 -> -1.2 -> -12 and -1 -> -2 -> -0.4 -> 1.2 -> 1.2 -> 12
    torch.testing.assert_close(block(x).flatten(), torch.tensor([1.0 - 12, -1.0 + 12]))


def test_r3gan_doubles_by_straight_lines_between_pixels():
    up = r3gan.Up(1, 1)
    along = torch.tensor([0.0, 4.0, 8.0])
    expected = torch.tensor([0.0, 1, 3, 5, 7, 8])
    torch.testing.assert_close(up(along.expand(1, 1, 3, 3)), expected.expand(1, 1, 6, 6))
    torch.testing.assert_close(up(along.expand(1, 1, 3, 3).mT), expected.expand(1, 1, 6, 6).mT)


@torch.no_grad()
def test_z_weighs_the_basis_of_r3gan():
    G = r3gan.Generator(2, [3], 1, r3gan.plain)
    G.layers = nn.Identity()
    G.basis.copy_(torch.arange(48.0).view(3, 4, 4))
    G.linear.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, -1.0], [2.0, 3.0]]))
    expected = torch.tensor([5.0, -7.0, 31.0]).view(1, 3, 1, 1) * torch.arange(48.0).view(1, 3, 4, 4)
    torch.testing.assert_close(G(torch.tensor([[5.0, 7.0]])), expected)


# --- DiffAugment -------------------------------------------------------------------------------------------------------------------------

# Two pixels, whose greys are 0.1 and 0.5; the picture's mean is 0.3.
PIXELS = ((0.6, 0.0, -0.3), (0.2, 0.5, 0.8))

# Draws for brightness, saturation and contrast, of which 0.5 changes nothing.
COLOURS = {
    "brighter by a half": ((1.0, 0.5, 0.5), ((1.1, 0.5, 0.2), (0.7, 1.0, 1.3))),
    "darker by a half": ((0.0, 0.5, 0.5), ((0.1, -0.5, -0.8), (-0.3, 0.0, 0.3))),
    "grey": ((0.5, 0.0, 0.5), ((0.1, 0.1, 0.1), (0.5, 0.5, 0.5))),
    "twice the saturation": ((0.5, 1.0, 0.5), ((1.1, -0.1, -0.7), (-0.1, 0.5, 1.1))),
    "half the contrast": ((0.5, 0.5, 0.0), ((0.45, 0.15, 0.0), (0.25, 0.4, 0.55))),
    "half as much contrast again": ((0.5, 0.5, 1.0), ((0.75, -0.15, -0.6), (0.15, 0.6, 1.05))),
    "one after the other": ((0.75, 0.25, 1.0), ((0.625, 0.175, -0.05), (0.625, 0.85, 1.075))),
}


@pytest.mark.parametrize("change", COLOURS)
def test_color_changes_brightness_saturation_and_contrast(change, monkeypatch):
    draws, expected = COLOURS[change]
    waiting = list(draws)

    def rand(*shape: int, **_: object) -> Tensor:
        assert shape == (2, 1, 1, 1), "one draw for each image"
        return torch.tensor([waiting.pop(0), 0.5]).view(shape)

    monkeypatch.setattr(torch, "rand", rand)
    x = torch.tensor([PIXELS, PIXELS]).mT[:, :, None]  # (2, 3, 1, 2)
    changed, same = diff_augment(x, ("color",))
    torch.testing.assert_close(changed[:, 0].mT, torch.tensor(expected))
    torch.testing.assert_close(same, x[1])
    assert not waiting


def test_translation_moves_a_picture_as_a_whole():
    """Each result is the picture moved by one of 5 x 5 steps, every one of which occurs."""
    torch.manual_seed(0)
    x = torch.rand(3, 16, 16) + 0.1
    moved = []
    for down in range(-2, 3):
        for right in range(-2, 3):
            there = torch.zeros(3, 20, 20)
            there[:, 2 + down : 18 + down, 2 + right : 18 + right] = x
            moved.append(there[:, 2:18, 2:18])
    equal = (diff_augment(x.expand(400, 3, 16, 16), ("translation",))[:, None] == torch.stack(moved)).flatten(2).all(2)
    assert (equal.sum(1) == 1).all() and equal.any(0).all()


def test_cutout_blanks_one_square_of_half_the_side_in_all_colours():
    """Each result lacks a square of 8 x 8 whose centre is one of the 17 x 17 corners of pixels; every row and column of them occurs."""
    torch.manual_seed(0)
    x = torch.rand(3, 16, 16) + 0.1
    pixel = torch.arange(16)
    near = torch.stack([(pixel >= centre - 4) & (pixel < centre + 4) for centre in range(17)])
    squares = near[:, None, :, None] & near[None, :, None, :]
    out = diff_augment(x.expand(400, 3, 16, 16), ("cutout",))
    blank = out == 0
    assert torch.equal(out, torch.where(blank, 0, x)) and (blank == blank[:, :1]).all()
    equal = (blank[:, 0, None, None] == squares).flatten(3).all(3)
    assert (equal.sum((1, 2)) == 1).all()
    assert equal.any(2).any(0).all() and equal.any(1).any(0).all()
