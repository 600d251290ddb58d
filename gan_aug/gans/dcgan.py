"""DC-GAN: deep convolutional GAN (Radford, Metz and Chintala 2015, arXiv 1511.06434).

| preset ``paper``, beside the paper                                   | followed                                      |
|----------------------------------------------------------------------|-----------------------------------------------|
| strided and transposed 4x4 convolutions; no pooling, no dense layers | yes (the paper drew 5x5; 4x4 is usual since)  |
| BatchNorm everywhere but at G's output and D's input                 | yes                                           |
| ReLU and tanh in G, LeakyReLU 0.2 in D                               | yes                                           |
| weights N(0, 0.02); Adam 2e-4, beta1 0.5; batch 128; D and G in turn | yes                                           |
| images in [-1, 1], no augmentation                                   | yes                                           |
| G of 1,024, 512, 256 and 128 channels                                | yes                                           |
| z of 100                                                             | yes, but N(0, I) and not uniform: walks are   |
|                                                                      | then spherical for all GANs                   |
| D ends in a sigmoid                                                  | no: logits and softplus, the same function,   |
|                                                                      | whose gradient cannot round to zero           |
| averaged G, DiffAugment, R1                                          | the paper has none; ``small-data`` has all    |

``small-data`` doubles G's side by ``ResizeConvolution``. Transposed convolutions learn faster at first, but their chequerboard grows
coarser: on 1,995 images at 64 px KID was 0.045 after 40 kimg and 0.225 after 100, by resize 0.136 and 0.021. In ``aidl21`` they
leave 7 times the energy at a period of 2 pixels that lies beside it, resizing leaves 0.2 times (docs/experiments.md).
``d_norm`` can leave BatchNorm out of D. With beta1 0 and more R1 that was steadier: on 6,919 images with a KID of 0.065 in the place of
0.112 (means of three seeds), on 1,995 with medians of 0.062 and 0.042.

``aidl21``: z 256, batch 16, real labels 0.9. Mended against the original: D can be constructed (its ``nd``/``ndf`` mix-up), there is a true
DC-GAN at 128 px (the original's was spectrally normalised), label smoothing is really applied, and only to the real side. Not kept: the
1,024 channels that the original's networks reach at 128 px; these stop at 512.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from gan_aug.gans.blocks import ConvDiscriminator, ConvGenerator, signed_ratings
from gan_aug.records import GanConfig, GanSpec


class Generator(ConvGenerator):
    """z (N, z_dim) to images (N, 3, R, R) in [-1, 1]."""

    def __init__(self, config: GanConfig):
        super().__init__(config.z_dim, config.width, config.resolution, upsampling=config.upsampling)


class Discriminator(ConvDiscriminator):
    """Images (N, 3, R, R) in [-1, 1] to logits (N,)."""

    def __init__(self, config: GanConfig):
        super().__init__(config.width, config.resolution, norm=config.d_norm)


def d_loss(D: nn.Module, real: Tensor, fake: Tensor, y: Tensor | None, config: GanConfig) -> tuple[Tensor, dict[str, Tensor]]:
    """-E[log D(x)] - E[log(1 - D(G(z)))] in logits; real and fake pass D apart, each with its own batch statistics."""
    real_logits, fake_logits = D(real).float(), D(fake).float()
    loss = binary_cross_entropy_with_logits(real_logits, torch.full_like(real_logits, config.real_label)) + softplus(fake_logits).mean()
    return loss, signed_ratings(real_logits, fake_logits)


def g_loss(D: nn.Module, real: Tensor, fake: Tensor, y: Tensor | None, config: GanConfig) -> tuple[Tensor, dict[str, Tensor]]:
    """-E[log D(G(z))], the non-saturating form."""
    return softplus(-D(fake).float()).mean(), {}


def build(config: GanConfig, n_classes: int) -> tuple[nn.Module, nn.Module]:
    """G and D for ``config``; the classes play no part, and the paper's networks are the DCGAN-sized ones."""
    return Generator(config), Discriminator(config)


SPEC = GanSpec("dcgan", build, d_loss, g_loss)
