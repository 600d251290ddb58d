"""R3GAN (Huang, Gokaslan, Kuleshov and Tompkin 2024, "The GAN is dead; long live the GAN! A modern baseline GAN", arXiv 2501.05441).

D rates each real image against a fake one and not against zero, which leaves no loss to win by dropping kinds of images; a zero-centred
gradient penalty on both sides (R1 on real images, R2 on fakes: ``r1_gamma``, ``r2_gamma``, every ``r1_every`` D steps) is what makes that
loss converge. Neither network normalises anything.

| preset ``paper``, beside the paper and its authors' code                     | followed                              |
|------------------------------------------------------------------------------|---------------------------------------|
| relativistic pairing loss, softplus, each real image with one fake           | yes                                   |
| R1 + R2 in every D step, gamma 2 at 64 px (150 at 256 px: set both)          | the start of its schedule             |
| blocks 1x1, 3x3 in groups of 16 channels, 1x1, widened twofold; two a stage  | yes                                   |
| LeakyReLU 0.2; no normalisation; no biases outside blocks                    | yes                                   |
| 768 channels up to 32 px, 384 at 64, 192 at 128, 96 at 256                   | yes (``width`` is the 384)            |
| z of 64, which weighs a learnt 4x4 basis                                     | yes                                   |
| MSR start, smaller the more blocks; the last layer of each block at zero     | yes                                   |
| bilinear resampling, [1, 3, 3, 1] in D; no strided or transposed convolution | yes; G repeats its edge, not zeros    |
| Adam 2e-4, betas (0, 0.9), batch 256                                         | the start of its schedule             |
| cosine over 20 million images: rate to 5e-5, beta2 to 0.99, gamma to a tenth | no: hardly moves in our lengths       |
| averaged G, half-life up to 500,000 images                                   | yes, with our ramp-up                 |
| geometric and colour augmentation with a chance up to 0.3                    | no                                    |
| G's output without tanh                                                      | no: images stay within [-1, 1]        |
| penalties with regard to images before augmentation                          | no: to what D sees, as elsewhere here |

``small-data``: blocks of two plain 3x3 convolutions, one a stage; penalties of 0.05 every eighth step, DiffAugment, averaged G, and a D
that learns four times as fast as G. One thread showed D 71 images a second (batch 16, 64 px, bf16), and 126 with DC-GAN's ``small-data``.
"""

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu, softplus

from gan_aug.gans.blocks import channel_plan
from gan_aug.records import GanConfig, GanSpec

SLOPE = 0.2
GROUP = 16  # channels of each group of the paper's grouped convolutions

Convolutions = Callable[[int], list[nn.Conv2d]]


def scaled(layer: nn.Module, gain: float = 1.0) -> nn.Module:
    """Start a layer at N(0, gain^2 / fan-in) (He et al. 2015, "MSR"), a bias at zero; returns the layer."""
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def grouped_bottleneck(channels: int) -> list[nn.Conv2d]:
    """The paper's: 1x1 to twice the channels, 3x3 in groups, 1x1 back."""
    wide = 2 * channels
    groups = math.gcd(wide, max(1, wide // GROUP))
    return [nn.Conv2d(channels, wide, 1), nn.Conv2d(wide, wide, 3, 1, 1, groups=groups), nn.Conv2d(wide, channels, 1, bias=False)]


def plain(channels: int) -> list[nn.Conv2d]:
    """Two 3x3 convolutions, as in the first residual networks."""
    return [nn.Conv2d(channels, channels, 3, 1, 1), nn.Conv2d(channels, channels, 3, 1, 1, bias=False)]


class Block(nn.Module):
    """x plus convolutions of x with LeakyReLU between them: (N, C, S, S) to the same.

    It starts as the identity: the last convolution is zero. The others start the smaller the more blocks there are, which keeps the first
    updates of a deep network small without normalisation (Zhang et al. 2019, "Fixup", arXiv 1901.09321).
    """

    def __init__(self, convolutions: list[nn.Conv2d], n_blocks: int):
        super().__init__()
        gain = math.sqrt(2 / (1 + SLOPE**2)) * n_blocks ** (-1 / (2 * len(convolutions) - 2))
        for layer in convolutions[:-1]:
            scaled(layer, gain)
        self.convolutions = nn.ModuleList(convolutions)
        nn.init.zeros_(self.convolutions[-1].weight)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.convolutions[0](x)
        for layer in self.convolutions[1:]:
            residual = layer(leaky_relu(residual, SLOPE))
        return x + residual


class Up(nn.Module):
    """Twice the side, bilinear; channels change before, where there are fewer pixels."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.channels = scaled(nn.Conv2d(inputs, outputs, 1, bias=False)) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return interpolate(self.channels(x), scale_factor=2, mode="bilinear", align_corners=False)


class Down(nn.Module):
    """Half the side, each pixel a weighting of 4x4 by [1, 3, 3, 1] along both axes; channels change after, where there are fewer pixels."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.channels = scaled(nn.Conv2d(inputs, outputs, 1, bias=False)) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        # [1, 3, 3, 1] is [1, 1] three times over. As a convolution of each channel by itself it took half of a training step on a CPU.
        x = avg_pool2d(avg_pool2d(x, 2, stride=1, padding=1), 2, stride=1)
        return self.channels(avg_pool2d(x, 2))


class Generator(nn.Module):
    """z (N, z_dim) to images (N, 3, R, R) in [-1, 1]: z weighs a learnt 4x4 basis, then blocks and doublings.

    ``channels`` are those of the sides 4, 8, ... R; ``blocks`` is their number on each side.
    """

    def __init__(self, z_dim: int, channels: list[int], blocks: int, convolutions: Convolutions):
        super().__init__()
        n_blocks = blocks * len(channels)
        self.basis = nn.Parameter(torch.randn(channels[0], 4, 4))
        self.linear = scaled(nn.Linear(z_dim, channels[0], bias=False))
        layers: list[nn.Module] = [Block(convolutions(channels[0]), n_blocks) for _ in range(blocks)]
        for wide, narrow in itertools.pairwise(channels):
            layers += [Up(wide, narrow), *(Block(convolutions(narrow), n_blocks) for _ in range(blocks))]
        self.layers = nn.Sequential(*layers, scaled(nn.Conv2d(channels[-1], 3, 1, bias=False)), nn.Tanh())

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layers(self.basis * self.linear(z)[:, :, None, None])


class Discriminator(nn.Module):
    """Images (N, 3, R, R) in [-1, 1] to logits (N,), of which only differences mean something; ``channels`` are those of R, ... 8, 4."""

    def __init__(self, channels: list[int], blocks: int, convolutions: Convolutions):
        super().__init__()
        n_blocks = blocks * len(channels)
        layers: list[nn.Module] = [scaled(nn.Conv2d(3, channels[0], 1, bias=False))]
        for narrow, wide in itertools.pairwise(channels):
            layers += [*(Block(convolutions(narrow), n_blocks) for _ in range(blocks)), Down(narrow, wide)]
        last = channels[-1]
        layers += [Block(convolutions(last), n_blocks) for _ in range(blocks)]
        layers += [scaled(nn.Conv2d(last, last, 4, groups=last, bias=False)), nn.Flatten(), scaled(nn.Linear(last, 1, bias=False))]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images).flatten()


def d_loss(D: nn.Module, real: Tensor, fake: Tensor, y: Tensor | None, config: GanConfig) -> tuple[Tensor, dict[str, Tensor]]:
    """E[softplus(-(D(x) - D(G(z))))], x and G(z) in pairs; the loop adds R1 and R2."""
    real_logits, fake_logits = D(real).float(), D(fake).float()
    return softplus(fake_logits - real_logits).mean(), {
        "D/real": real_logits.detach().mean(),
        "D/fake": fake_logits.detach().mean(),
        # A difference of ratings has no zero point for either side; accuracy is how often a real image is rated above a fake one.
        "D/accuracy": (real_logits[:, None] > fake_logits[None, :]).float().mean(),
    }


def g_loss(D: nn.Module, real: Tensor, fake: Tensor, y: Tensor | None, config: GanConfig) -> tuple[Tensor, dict[str, Tensor]]:
    """E[softplus(-(D(G(z)) - D(x)))]: the same pairs, the other way round."""
    return softplus(D(real).float() - D(fake).float()).mean(), {}


def build(config: GanConfig, n_classes: int) -> tuple[nn.Module, nn.Module]:
    """G and D for ``config``; the classes play no part."""
    if config.architecture == "paper":
        sides = (2**level for level in range(2, int(math.log2(config.resolution)) + 1))
        channels = [max(1, int(config.width * min(2, 64 / side))) for side in sides]
        blocks, convolutions = 2, grouped_bottleneck
    else:
        channels = channel_plan(2 * config.resolution, config.width)  # one level more than DCGAN: the image's own side has a block too
        blocks, convolutions = 1, plain
    return Generator(config.z_dim, channels, blocks, convolutions), Discriminator(channels[::-1], blocks, convolutions)


SPEC = GanSpec("r3gan", build, d_loss, g_loss)
