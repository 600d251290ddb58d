"""AC-GAN: auxiliary classifier GAN (Odena, Olah and Shlens 2016, arXiv 1610.09585).

| preset ``paper``, beside the paper                                   | followed                                      |
|----------------------------------------------------------------------|-----------------------------------------------|
| D maximises L_S + L_C, G maximises L_C - L_S, equal weights          | yes (``aux_d``, ``aux_g``, ``aux_fake`` of 1) |
| G's input of 110 numbers                                             | yes: z of 100 and the class as a one-hot      |
|                                                                      | vector, of ten classes in the paper           |
| G: linear 768, transposed 5x5 384, 256, 192, 3; BatchNorm, ReLU      | yes; the first plane is larger or smaller at  |
|                                                                      | other sides than 128 px                       |
| D: six 3x3 convolutions 16 to 512, BatchNorm but on the first,       | yes                                           |
| LeakyReLU 0.2, dropout 0.5                                           |                                               |
| Adam 2e-4, beta1 0.5; batch 100; weights N(0, 0.02)                  | yes                                           |
| noise on D's activations                                             | no                                            |
| 100 models of ten classes each                                       | no: the dataset's classes, all in one         |
| D ends in sigmoid and softmax                                        | no: logits, the same functions                |

``small-data`` uses DCGAN-sized networks, and takes D's class loss on real images only and a tenth of it in G, as the authors of WGAN-GP do:
at full weight G drifts to class prototypes and collapses.

``aidl21``: z 600, batch 16, real labels 0.9. Mended against the original: real images are mapped to [-1, 1] as the fakes are, the class
loss takes logits (no softmax before cross-entropy), BatchNorm keeps its own eps, labels are smoothed on the real side only, and the
optimisers hold the networks that are trained after a resume. Not kept: its networks. The original's G multiplied z by an embedding of the
class and doubled the side twice, by nearest neighbours, from a quarter of the image's; its D had spectral normalisation, BatchNorm and
dropout 0.25 over 16 to 128 channels. Here both are DCGAN-sized, as in the other presets but ``paper``.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, softplus

from gan_aug.gans.blocks import ConvDiscriminator, ConvGenerator, condition, init_weights, signed_ratings
from gan_aug.records import GanConfig, GanSpec


class PaperGenerator(nn.Module):
    """z (N, z_dim) and y to images (N, 3, R, R) in [-1, 1]; channels are 48, 24, 16 and 12 times the width (paper: 16)."""

    def __init__(self, config: GanConfig, n_classes: int):
        super().__init__()
        self.n_classes = n_classes
        self.side = config.resolution // 16
        channels = [config.width * factor for factor in (48, 24, 16, 12)]
        self.first = channels[0]
        self.linear = nn.Linear(config.z_dim + n_classes, channels[0] * self.side**2)
        layers: list[nn.Module] = [nn.ReLU()]
        for wide, narrow in itertools.pairwise(channels):
            layers += [nn.ConvTranspose2d(wide, narrow, 5, 2, 2, output_padding=1, bias=False), nn.BatchNorm2d(narrow), nn.ReLU()]
        layers += [nn.ConvTranspose2d(channels[-1], 3, 5, 2, 2, output_padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        init_weights(self)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layers(self.linear(condition(z, y, self.n_classes)).view(-1, self.first, self.side, self.side))


class PaperDiscriminator(nn.Module):
    """Images (N, 3, R, R) in [-1, 1] to logits (N,) and class logits (N, n_classes); channels 1 to 32 times the width (paper: 16)."""

    def __init__(self, config: GanConfig, n_classes: int):
        super().__init__()
        channels = [3, *(config.width * 2**level for level in range(6))]
        layers: list[nn.Module] = []
        for level, (inputs, outputs) in enumerate(itertools.pairwise(channels)):
            layers.append(nn.Conv2d(inputs, outputs, 3, 2 if level % 2 == 0 else 1, 1, bias=level == 0))
            if level > 0:
                layers.append(nn.BatchNorm2d(outputs))
            layers += [nn.LeakyReLU(0.2), nn.Dropout(0.5)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        features = channels[-1] * (config.resolution // 8) ** 2
        self.logit = nn.Linear(features, 1)
        self.class_logits = nn.Linear(features, n_classes)
        init_weights(self)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.layers(images)
        return self.logit(features).flatten(), self.class_logits(features)


def d_loss(D: nn.Module, real: Tensor, fake: Tensor, y: Tensor | None, config: GanConfig) -> tuple[Tensor, dict[str, Tensor]]:
    """-(L_S + L_C): the logistic loss, and cross-entropy of the class on real images and, weighted by ``aux_fake``, on fakes."""
    (real_logits, real_classes), (fake_logits, fake_classes) = D(real), D(fake)
    real_logits, fake_logits = real_logits.float(), fake_logits.float()
    source = binary_cross_entropy_with_logits(real_logits, torch.full_like(real_logits, config.real_label)) + softplus(fake_logits).mean()
    classes = cross_entropy(real_classes.float(), y)
    if config.aux_fake:
        classes = classes + config.aux_fake * cross_entropy(fake_classes.float(), y)
    return source + config.aux_d * classes, {
        **signed_ratings(real_logits, fake_logits),
        "D/class_accuracy": (real_classes.argmax(1) == y).float().mean(),
    }


def g_loss(D: nn.Module, real: Tensor, fake: Tensor, y: Tensor | None, config: GanConfig) -> tuple[Tensor, dict[str, Tensor]]:
    """L_S - L_C for G: the non-saturating logistic loss, and cross-entropy of the class that was asked for."""
    logits, classes = D(fake)
    class_loss = cross_entropy(classes.float(), y)
    return softplus(-logits.float()).mean() + config.aux_g * class_loss, {
        "G/class_loss": class_loss.detach(),
        "G/class_accuracy": (classes.argmax(1) == y).float().mean(),
    }


def build(config: GanConfig, n_classes: int) -> tuple[nn.Module, nn.Module]:
    """G and D for ``config`` and that many classes."""
    if config.architecture == "paper":
        return PaperGenerator(config, n_classes), PaperDiscriminator(config, n_classes)
    return (
        ConvGenerator(config.z_dim, config.width, config.resolution, n_classes, config.upsampling),
        ConvDiscriminator(config.width, config.resolution, norm=config.d_norm, n_classes=n_classes),
    )


SPEC = GanSpec("acgan", build, d_loss, g_loss)
