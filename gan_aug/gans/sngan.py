"""SN-GAN: spectral normalisation (Miyato, Kataoka, Koyama and Yoshida 2018, arXiv 1802.05957).

| preset ``paper``, beside the paper                                   | followed                                      |
|----------------------------------------------------------------------|-----------------------------------------------|
| every layer of D over its largest singular value, found by one power | yes, over the matrix of outputs by the rest,  |
| iteration each forward pass                                          | as the paper's code                           |
| no other normalisation in D; LeakyReLU 0.1                           | yes                                           |
| hinge loss (eq. 16, 17)                                              | yes                                           |
| SNDCGAN networks of table 3: 512, 256, 128, 64 in G; seven           | yes, but the 4x4 layers of D have the widths  |
| convolutions, 3x3 and 4x4, 64 to 512 in D                            | of the authors' code, twice the table's, and  |
|                                                                      | BatchNorm follows G's dense layer, as there   |
| Adam 2e-4, betas (0.5, 0.999); one D step; batch 64                  | yes                                           |
| ResNet networks, linear decay to zero                                | no; ``lr_decay`` is the latter                |

``small-data`` uses DCGAN-sized networks, Adam with betas (0, 0.9), a D that learns four times as fast as G (Heusel et al. 2017, arXiv
1706.08500), and neither R1 nor cutout: a spectrally normalised D is held back already. G doubles its side by ``ResizeConvolution``. With
transposed convolutions a chequerboard stays: KID was 0.104 (0.058 to 0.170) after 40 kimg, and
0.037 (0.007 to 0.081) by resize (1,995 images at 64 px; docs/experiments.md). The rates are 5e-5 and 2e-4: at twice these, D's weights come
to have one direction within 25 to 60 thousand images, spectral normalisation divides all others by it, and D rates all images alike.

``aidl21``: z 256, batch 16, both learning rates 2e-4, transposed convolutions. Mended against the original: spectral normalisation replaces
BatchNorm instead of being stacked on it, weights are initialised before they are wrapped (afterwards the values are lost), and the loss is
the paper's hinge, where it was the logistic one on a sigmoid; a target of 0.9 for real images has no meaning in it. So little but the sizes
and rates is left of what the project trained. Not kept: 1,024 channels at 128 px, which are 512.
"""

from torch import Tensor, nn, relu

from gan_aug.gans.blocks import ConvDiscriminator, ConvGenerator, init_weights, normalise_spectrally, signed_ratings
from gan_aug.records import GanConfig, GanSpec


class PaperGenerator(nn.Module):
    """SNDCGAN's generator: z (N, z_dim) to images (N, 3, R, R) in [-1, 1], a linear layer and three transposed 4x4 convolutions."""

    def __init__(self, config: GanConfig):
        super().__init__()
        self.first, self.side = 8 * config.width, config.resolution // 8
        self.linear = nn.Linear(config.z_dim, self.first * self.side**2)
        layers: list[nn.Module] = [nn.BatchNorm2d(self.first), nn.ReLU()]
        for factor in (4, 2, 1):
            width = factor * config.width
            layers += [nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(config.width, 3, 3, 1, 1), nn.Tanh())
        init_weights(self)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layers(self.linear(z).view(-1, self.first, self.side, self.side))


class PaperDiscriminator(nn.Module):
    """SNDCGAN's discriminator: images (N, 3, R, R) to logits (N,) through seven spectrally normalised convolutions and a linear layer."""

    def __init__(self, config: GanConfig):
        super().__init__()
        width = config.width
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, 1, 1), nn.LeakyReLU(0.1)]
        for factor in (1, 2, 4):
            narrow, wide = factor * width, 2 * factor * width
            layers += [nn.Conv2d(narrow, wide, 4, 2, 1), nn.LeakyReLU(0.1), nn.Conv2d(wide, wide, 3, 1, 1), nn.LeakyReLU(0.1)]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * width * (config.resolution // 8) ** 2, 1))
        init_weights(self)
        normalise_spectrally(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images).flatten()


def d_loss(D: nn.Module, real: Tensor, fake: Tensor, y: Tensor | None, config: GanConfig) -> tuple[Tensor, dict[str, Tensor]]:
    """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))] (paper, eq. 16)."""
    real_logits, fake_logits = D(real).float(), D(fake).float()
    return relu(1 - real_logits).mean() + relu(1 + fake_logits).mean(), signed_ratings(real_logits, fake_logits)


def g_loss(D: nn.Module, real: Tensor, fake: Tensor, y: Tensor | None, config: GanConfig) -> tuple[Tensor, dict[str, Tensor]]:
    """-E[D(G(z))] (paper, eq. 17)."""
    return -D(fake).float().mean(), {}


def build(config: GanConfig, n_classes: int) -> tuple[nn.Module, nn.Module]:
    """G and D for ``config``; the classes play no part."""
    if config.architecture == "paper":
        return PaperGenerator(config), PaperDiscriminator(config)
    return (
        ConvGenerator(config.z_dim, config.width, config.resolution, upsampling=config.upsampling),
        ConvDiscriminator(config.width, config.resolution, norm="spectral", slope=0.1),
    )


SPEC = GanSpec("sngan", build, d_loss, g_loss)
